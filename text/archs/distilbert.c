/* SPDX-License-Identifier: Apache-2.0 */
/* DistilBERT, as a sentence encoder: Sanh et al., arXiv:1910.01108. Parameter names are Hugging Face's DistilBertModel. */
#include "nn/attention.h"
#include "nn/outside.h"
#include "tensor/hold.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, dim, n_layers, n_heads, hidden_dim, max_position_embeddings;
    const char *activation;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, dim, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, n_layers, 6, 1, 1000, "1", "layers"),
    LB_PARAM(config, n_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, hidden_dim, 3072, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, max_position_embeddings, 512, 1, 1000000, "tokens", "longest text"),
    LB_PARAM_TEXT(config, activation, "gelu", LB_ACT_CHOICES, "activation"),
    LB_SENTENCE_PARAMS(config, "mean", 1),
    LB_PARAM_END};

static const lb_attend_names attend_names = {.q = "q_lin", .k = "k_lin", .v = "v_lin", .out = "out_lin"};
static const lb_block_names names = {.norm1 = "sa_layer_norm", .attn = "attention", .norm2 = "output_layer_norm", .mlp = "ffn", .self_names = &attend_names, .up = "lin1", .down = "lin2"};
static const double eps = 1e-12;

static lb_tensor *embeddings(lb_nn *m, const config *c, lb_tensor *ids) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = ids->rank == 2 ? ids->shape[1] : 1;
    if (lb_tape_ok(t) && length > c->max_position_embeddings)
        return lb_tape_fail(t, LB_E_SHAPE, "distilbert: a text of %lld tokens, at most %lld wanted", (long long)length, (long long)c->max_position_embeddings);
    lb_nn_in(m, "embeddings");
    lb_tensor *x = lb_nn_embedding(m, ids, "word_embeddings", c->vocab_size, c->dim, 0.02);
    lb_tensor *places = lb_nn_param(m, "position_embeddings.weight", 2, (int64_t[]){c->max_position_embeddings, c->dim}, LB_INIT_NORMAL, 0.02);
    return lb_nn_out(m, lb_nn_layer_norm(m, lb_add(t, x, lb_slice(t, places, 0, 0, length, 1)), "LayerNorm", eps));
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    const lb_block_spec block = {.self = {.heads = c->n_heads, .mask = in[1]}, .mlp = {.width = c->hidden_dim, .act = lb_act_named(c->activation)}, .post = true, .eps = eps, .names = &names};
    lb_tensor *x = embeddings(m, c, in[0]);
    lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->n_layers; i++) {
        lb_tensor *before = x;
        lb_nn_in(m, "transformer.layer.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x, &block, (int)i));
        lb_release(lb_nn_tape(m), before); /* nobody looks back */
    }
    lb_nn_tap(m, x, "tokens");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->max_position_embeddings, rank, shape);
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"transformer.layer.0.attention.q_lin.weight", "distilbert.transformer.layer.0.attention.q_lin.weight"};
    if (lb_config_is(json, "distilbert")) return 90;
    return lb_names_found(tensors, count, 2, known) ? 60 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_sentence_from_config(params, cfg, json); }
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_sentence_name(dst, cap, name, variant == 1 ? "distilbert." : ""); }

LB_ARCH(distilbert) = {.id = "distilbert",
                       .title = "DistilBERT, with the head of sentence-transformers",
                       .source = "arXiv:1910.01108; names of Hugging Face DistilBertModel",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "text",
                       .apart = true,
                       .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                       .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] embeddings[N,L,D] block.K[N,L,D] attn.K[N,H,L,L]",
                       .forward = forward,
                       .example = example,
                       .from_config = from_config,
                       .recognise = recognise,
                       .outside_name = outside_name,
                       .outside_variants = 2};

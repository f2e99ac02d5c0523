/* SPDX-License-Identifier: Apache-2.0 */
/* MPNet, as a sentence encoder: Song et al., arXiv:2004.09297; a bias by relative position shared by all layers. Parameter names are Hugging Face's
 * MPNetModel. */
#include "nn/attention.h"
#include "nn/outside.h"
#include "tensor/hold.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings, relative_attention_num_buckets;
    double layer_norm_eps;
    const char *hidden_act;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 30527, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, hidden_size, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, num_hidden_layers, 12, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_attention_heads, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, intermediate_size, 3072, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, max_position_embeddings, 512, 3, 1000000, "tokens", "places in the table; the first two are not for tokens"),
    LB_PARAM(config, relative_attention_num_buckets, 32, 32, 4096, "1", "rows of the table of biases; the first 32 are used"),
    LB_PARAM(config, layer_norm_eps, 1e-12, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", LB_ACT_CHOICES, "activation"),
    LB_SENTENCE_PARAMS(config, "mean", 1),
    LB_PARAM_END};

static const lb_attend_names attend_names = {.q = "attn.q", .k = "attn.k", .v = "attn.v", .out = "attn.o"};
static const lb_block_names names = {.norm1 = "attention.LayerNorm",
                                     .attn = "attention",
                                     .norm2 = "output.LayerNorm",
                                     .mlp = "",
                                     .self_names = &attend_names,
                                     .up = "intermediate.dense",
                                     .down = "output.dense"};
enum { PADDING = 1, BUCKETS = 32 }; /* the id in every published vocabulary; what the published code counts with */

static lb_tensor *embeddings(lb_nn *m, const config *c, lb_tensor *ids) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = ids->rank == 2 ? ids->shape[1] : 1, most = c->max_position_embeddings - PADDING - 1;
    if (lb_tape_ok(t) && length > most) return lb_tape_fail(t, LB_E_SHAPE, "mpnet: a text of %lld tokens, at most %lld wanted", (long long)length, (long long)most);
    lb_nn_in(m, "embeddings");
    lb_tensor *x = lb_nn_embedding(m, ids, "word_embeddings", c->vocab_size, c->hidden_size, 0.02);
    x = lb_add(t, x, lb_nn_embedding(m, lb_places_after_padding(t, ids, PADDING), "position_embeddings", c->max_position_embeddings, c->hidden_size, 0.02));
    return lb_nn_out(m, lb_nn_layer_norm(m, x, "LayerNorm", c->layer_norm_eps));
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t length = in[0]->rank == 2 ? in[0]->shape[1] : 1;
    lb_tensor *x = embeddings(m, c, in[0]);
    lb_nn_tap(m, x, "embeddings");
    lb_tensor *table = lb_nn_param(m, "encoder.relative_attention_bias.weight", 2, (int64_t[]){c->relative_attention_num_buckets, c->num_attention_heads}, LB_INIT_NORMAL, 0.02);
    const lb_block_spec block = {.self = {.heads = c->num_attention_heads, .mask = in[1], .relative = lb_relative_bias(t, lb_slice(t, table, 0, 0, BUCKETS, 1), length, length, 128, true)},
                                 .mlp = {.width = c->intermediate_size, .act = lb_act_named(c->hidden_act)}, .post = true, .eps = c->layer_norm_eps, .names = &names};
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        lb_tensor *before = x;
        lb_nn_in(m, "encoder.layer.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x, &block, (int)i));
        lb_release(lb_nn_tape(m), before); /* nobody looks back */
    }
    lb_nn_tap(m, x, "tokens");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->max_position_embeddings - PADDING - 1, rank, shape);
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"encoder.layer.0.attention.attn.q.weight", "mpnet.encoder.layer.0.attention.attn.q.weight"};
    if (lb_config_is(json, "mpnet")) return 90;
    return lb_names_found(tensors, count, 2, known) ? 60 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_sentence_from_config(params, cfg, json); }
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_sentence_name(dst, cap, name, variant == 1 ? "mpnet." : ""); }

LB_ARCH(mpnet) = {.id = "mpnet",
                  .title = "MPNet, with the head of sentence-transformers",
                  .source = "arXiv:2004.09297; names of Hugging Face MPNetModel",
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

/* SPDX-License-Identifier: Apache-2.0 */
/* GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019. Parameter names are Hugging Face's GPT2Model, whose maps (Conv1D) are
 * stored transposed. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/generate.h"
#include "nn/outside.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, n_positions, n_embd, n_layer, n_head, n_inner;
    double layer_norm_epsilon;
    const char *activation_function;
    bool scale_attn_weights, scale_attn_by_inverse_layer_idx, tie_word_embeddings;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 50257, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, n_positions, 1024, 1, 1000000, "tokens", "longest text"),
    LB_PARAM(config, n_embd, 768, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, n_layer, 12, 1, 1000, "1", "layers"),
    LB_PARAM(config, n_head, 12, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, n_inner, 0, 0, 1000000, "1", "inner width of a layer's map; 0 = 4 n_embd"),
    LB_PARAM(config, layer_norm_epsilon, 1e-5, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, activation_function, "gelu_tanh", LB_ACT_CHOICES, "activation"),
    LB_PARAM_FLAG(config, scale_attn_weights, 1, "scores are divided by the root of a head's width"),
    LB_PARAM_FLAG(config, scale_attn_by_inverse_layer_idx, 0, "scores of layer k are divided by k + 1"),
    LB_PARAM_FLAG(config, tie_word_embeddings, 1, "the logits' map is the table of tokens"),
    LB_SENTENCE_PARAMS(config, "none", 0),
    LB_PARAM_END};

static const lb_attend_names attend_names = {.qkv = "c_attn", .out = "c_proj"};
static const lb_block_names names = {.norm1 = "ln_1", .attn = "attn", .norm2 = "ln_2", .mlp = "mlp", .self_names = &attend_names, .up = "c_fc", .down = "c_proj"};

/* Tokens [R,L,C] behind the final norm. */
static lb_tensor *run(lb_nn *m, const config *c, const lb_decode *d) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = d->ids->rank == 2 ? d->ids->shape[1] : 1, before = d->self && c->n_layer > 0 ? lb_kv_cache_length(d->self[0]) : 0;
    if (lb_tape_ok(t) && before + length > c->n_positions)
        return lb_tape_fail(t, LB_E_SHAPE, "gpt2: a text of %lld tokens, at most %lld wanted", (long long)(before + length), (long long)c->n_positions);
    lb_tensor *x = lb_nn_embedding(m, d->ids, "wte", c->vocab_size, c->n_embd, 0.02);
    lb_tensor *places = lb_nn_param(m, "wpe.weight", 2, (int64_t[]){c->n_positions, c->n_embd}, LB_INIT_NORMAL, 0.01);
    x = lb_add(t, x, d->positions ? lb_embedding(t, places, d->positions) : lb_slice(t, places, 0, before, before + length, 1));
    if (!d->self) lb_nn_tap(m, x, "embeddings");
    for (int64_t i = 0; i < c->n_layer; i++) {
        double scale = (c->scale_attn_weights ? 1 / sqrt((double)c->n_embd / (double)c->n_head) : 1) / (c->scale_attn_by_inverse_layer_idx ? (double)(i + 1) : 1);
        lb_nn_in(m, "h.%d", (int)i);
        x = lb_nn_tapped_block(
            m, x,
            &(lb_block_spec){.self = {.heads = c->n_head, .causal = true, .mask = d->mask, .scale = scale, .cache = d->self ? d->self[i] : NULL},
                             .mlp = {.width = c->n_inner ? c->n_inner : 4 * c->n_embd, .act = lb_act_named(c->activation_function)},
                             .eps = c->layer_norm_epsilon,
                             .names = &names},
            (int)i);
        x = lb_nn_out(m, x);
    }
    if (d->last) x = lb_slice(t, x, 1, -1, INT64_MAX, 1);
    return lb_nn_layer_norm(m, x, "ln_f", c->layer_norm_epsilon);
}

static lb_tensor *logits(lb_nn *m, const config *c, lb_tensor *x) { return lb_nn_logits(m, x, c->vocab_size, c->tie_word_embeddings ? "wte.weight" : NULL, "lm_head"); }

static lb_tensor *decode(lb_nn *m, const void *cfg, const lb_decode *d) { return logits(m, cfg, run(m, cfg, d)); }
static int64_t layers_of(const void *cfg) { return ((const config *)cfg)->n_layer; }
static int64_t most_of(const void *cfg) { return ((const config *)cfg)->n_positions; }
static int64_t vocab_of(const void *cfg) { return ((const config *)cfg)->vocab_size; }
static const struct lb_text_decoder decoder = {.layers = layers_of, .most = most_of, .vocab = vocab_of, .run = decode};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = run(m, c, &(lb_decode){.ids = in[0], .mask = in[1]});
    lb_nn_tap(m, x, "tokens");
    if (lb_nn_wants_logits(m)) lb_nn_tap(m, logits(m, c, x), "logits");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->n_positions, rank, shape);
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"h.0.attn.c_attn.weight", "transformer.h.0.attn.c_attn.weight"}, *const places[] = {"wpe.weight", "transformer.wpe.weight"};
    if (lb_config_is(json, "gpt2")) return 90;
    return lb_names_found(tensors, count, 2, known) && lb_names_found(tensors, count, 2, places) ? 60 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_params_from_config(params, cfg, json); }

static const lb_rename conv1d_names[] = {{"h.*.attn.c_attn.weight", "^h.*.attn.c_attn.weight"}, {"h.*.attn.c_proj.weight", "^h.*.attn.c_proj.weight"}, {"h.*.mlp.c_fc.weight", "^h.*.mlp.c_fc.weight"},
                                         {"h.*.mlp.c_proj.weight", "^h.*.mlp.c_proj.weight"}, {"lm_head", "/lm_head"}, {"dense", "/dense"}, {0}};
static const lb_spelling spellings[] = {{"", {conv1d_names}}, {"transformer.", {conv1d_names}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(gpt2) = {.id = "gpt2",
                 .title = "GPT-2: decoder of text",
                 .source = "Radford et al., 2019; names of Hugging Face GPT2Model",
                 .params = params,
                 .params_size = sizeof(config),
                 .kind = "text",
                 .apart = true,
                 .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                 .taps = "logits[N,L,V] tokens[N,L,D] embeddings[N,L,D] block.K[N,L,D] attn.K[N,H,L,L] text embedding[N,D] pooled[N,D]",
                 .forward = forward,
                 .example = example,
                 .from_config = from_config,
                 .recognise = recognise,
                 .outside_name = outside_name,
                 .outside_variants = 2,
                 .decoder = &decoder};

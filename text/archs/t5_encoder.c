/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder of T5, as a text encoder: Raffel et al., arXiv:1910.10683; gated maps of T5 1.1 (Shazeer, arXiv:2002.05202). A bias by relative position, kept in
 * the first layer, shared by all. Parameter names are Hugging Face's T5EncoderModel. */
#include <stdio.h>
#include <string.h>
#include "nn/attention.h"
#include "nn/outside.h"
#include "text/archs.h"
#include "text/sentence.h"

typedef struct config {
    int64_t vocab_size, d_model, d_kv, d_ff, num_layers, num_heads, relative_attention_num_buckets, relative_attention_max_distance;
    double layer_norm_epsilon;
    const char *act;
    bool gated;
    lb_sentence sentence;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab_size, 32128, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, d_model, 512, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, d_kv, 64, 1, 65536, "1", "width of a head"),
    LB_PARAM(config, d_ff, 2048, 1, 1000000, "1", "inner width of a layer's map"),
    LB_PARAM(config, num_layers, 6, 1, 1000, "1", "layers"),
    LB_PARAM(config, num_heads, 8, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, relative_attention_num_buckets, 32, 4, 4096, "1", "buckets of relative positions"),
    LB_PARAM(config, relative_attention_max_distance, 128, 2, 1000000, "tokens", "from where on they are told apart no more"),
    LB_PARAM(config, layer_norm_epsilon, 1e-6, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM_TEXT(config, act, "relu", LB_ACT_CHOICES, "activation"),
    LB_PARAM_FLAG(config, gated, 0, "maps are gated"),
    LB_SENTENCE_PARAMS(config, "mean", 0),
    LB_PARAM_END};

static const lb_attend_names attend_names = {.q = "q", .k = "k", .v = "v", .out = "o"};
static const lb_block_names plain = {.norm1 = "layer.0.layer_norm",
                                     .attn = "layer.0.SelfAttention",
                                     .norm2 = "layer.1.layer_norm",
                                     .mlp = "layer.1.DenseReluDense",
                                     .self_names = &attend_names,
                                     .up = "wi",
                                     .down = "wo"};
static const lb_block_names gated = {.norm1 = "layer.0.layer_norm",
                                     .attn = "layer.0.SelfAttention",
                                     .norm2 = "layer.1.layer_norm",
                                     .mlp = "layer.1.DenseReluDense",
                                     .self_names = &attend_names,
                                     .up = "wi_1",
                                     .gate = "wi_0",
                                     .down = "wo"};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t length = in[0]->rank == 2 ? in[0]->shape[1] : 1;
    lb_tensor *x = lb_nn_embedding(m, in[0], "shared", c->vocab_size, c->d_model, 1);
    lb_nn_tap(m, x, "embeddings");
    lb_nn_in(m, "encoder");
    lb_tensor *table = lb_nn_param(m, "block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2, (int64_t[]){c->relative_attention_num_buckets, c->num_heads}, LB_INIT_NORMAL, 0.02);
    const lb_block_spec block = {.self = {.heads = c->num_heads,
                                          .head_width = c->d_kv,
                                          .no_bias = true,
                                          .no_out_bias = true,
                                          .scale = 1,
                                          .mask = in[1],
                                          .relative = lb_relative_bias(t, table, length, length, c->relative_attention_max_distance, true)},
                                 .mlp = {.width = c->d_ff, .act = lb_act_named(c->act), .gated = c->gated, .no_bias = true},
                                 .norm = LB_NORM_RMS,
                                 .eps = c->layer_norm_epsilon,
                                 .names = c->gated ? &gated : &plain};
    for (int64_t i = 0; i < c->num_layers; i++) {
        lb_nn_in(m, "block.%d", (int)i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x, &block, (int)i));
    }
    x = lb_nn_out(m, lb_nn_rms_norm(m, x, "final_layer_norm", c->layer_norm_epsilon));
    lb_nn_tap(m, x, "tokens");
    lb_nn_tap(m, x, "encoder");
    lb_sentence_head(m, x, in[1], &c->sentence);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg, (void)input;
    lb_text_example(16, rank, shape);
}

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"};
    if (lb_config_is(json, "t5") || lb_config_is(json, "mt5")) return 90;
    return lb_names_found(tensors, count, 1, known) ? 60 : 0;
}

/* "relu", "gated-gelu": the gated one is the approximation by tanh. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    const char *map = lb_get_text(json, "feed_forward_proj", lb_config_is(json, "mt5") ? "gated-gelu" : "relu");
    lb_status st = lb_params_from_config(params, cfg, json);
    c->gated = strncmp(map, "gated-", 6) == 0;
    if (c->gated) map = strcmp(map, "gated-gelu") == 0 ? "gelu_new" : map + 6;
    return st == LB_OK ? lb_config_act_to(lb_param_find(params, "act"), cfg, map) : st;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    bool table = strcmp(name, "shared.weight") == 0;
    snprintf(dst, cap, "%s", table && variant == 1 ? "encoder.embed_tokens.weight" : name);
    return true;
}

LB_ARCH(t5_encoder) = {.id = "t5_encoder",
                       .title = "encoder of T5 and mT5, with the head of sentence-transformers",
                       .source = "arXiv:1910.10683; names of Hugging Face T5EncoderModel",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "text",
                       .apart = true,
                       .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                       .taps = "embedding[N,D] pooled[N,D] tokens[N,L,D] encoder[N,L,D] embeddings[N,L,D] block.K[N,L,D] attn.K[N,H,L,L]",
                       .forward = forward,
                       .example = example,
                       .from_config = from_config,
                       .recognise = recognise,
                       .outside_name = outside_name,
                       .outside_variants = 2};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "text/archs.h"

typedef struct config {
    lb_text_tower tower;
    int64_t embed;
} config;

#define TOWER(field, default_, min_, max_, unit_, text_)                                                                          \
    {.name = #field, .type = LB_T_I64, .offset = offsetof(config, tower.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
static const lb_param params[] = {
    TOWER(vocab, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    TOWER(max_tokens, 64, 1, 65536, "tokens", "longest text"),
    TOWER(width, 128, 8, 8192, "1", "width of the tokens"),
    TOWER(layers, 2, 1, 100, "1", "blocks"),
    TOWER(heads, 4, 1, 256, "1", "attention heads"),
    TOWER(mlp, 512, 8, 65536, "1", "inner width of a block's map"),
    {.name = "dropout", .type = LB_T_F64, .offset = offsetof(config, tower.dropout), .def = 0, .min = 0, .max = 0.9, .unit = "1", .text = "dropout behind attention and map"},
    LB_PARAM(config, embed, 256, 1, 65536, "1", "width of the embedding"),
    LB_PARAM_END};

lb_tensor *lb_mean_tokens(lb_tape *t, lb_tensor *tokens, lb_tensor *mask) {
    if (tokens->rank != 3 || !mask || mask->rank != 2) return tokens;
    return lb_masked_mean(t, tokens, lb_unsqueeze(t, mask, -1), LB_AXES(1), false);
}

lb_tensor *lb_text_tower_run(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_text_tower *c) {
    lb_tape *t = lb_nn_tape(m);
    int64_t length = ids->rank == 2 ? ids->shape[1] : 1;
    if (lb_tape_ok(t) && length > c->max_tokens) return lb_tape_fail(t, LB_E_SHAPE, "text of %lld tokens, at most %lld wanted", (long long)length, (long long)c->max_tokens);
    lb_tensor *x = lb_nn_embedding(m, ids, "token_embedding", c->vocab, c->width, 0.02);
    lb_tensor *places = lb_nn_param(m, "position_embedding", 2, (int64_t[]){c->max_tokens, c->width}, LB_INIT_NORMAL, 0.01);
    x = lb_add(t, x, lb_slice(t, places, 0, 0, length, 1));
    for (int64_t i = 0; i < c->layers; i++) {
        lb_nn_in(m, "blocks.%d", (int)i);
        x = lb_nn_encoder_block(m, x, mask, c->heads, c->mlp, LB_ACT_GELU, 1e-5, c->dropout);
        lb_nn_tap(m, x, "block.%d", (int)i);
        x = lb_nn_out(m, x);
    }
    x = lb_nn_layer_norm(m, x, "norm", 1e-5);
    lb_nn_tap(m, x, "tokens");
    return lb_mean_tokens(t, x, mask);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_text_tower_run(m, in[0], in[1], &c->tower);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_text_example(c->tower.max_tokens, rank, shape);
}

LB_ARCH(text_transformer) = {.id = "text_transformer",
                             .title = "small transformer text tower",
                             .source = "pre-norm blocks: arXiv:2002.04745",
                             .params = params,
                             .params_size = sizeof(config),
                             .kind = "text",
                             .apart = true,
                             .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                             .taps = "embedding[N,E] pooled[N,D] tokens[N,L,D] block.K[N,L,D]",
                             .forward = forward,
                             .example = example};

/* SPDX-License-Identifier: Apache-2.0 */
/* Layers one after the other, for vectors, tokens and pairs: the small networks of the made data sets. */
#include <string.h>
#include "cli/models.h"

typedef struct config {
    const char *input;
    int64_t size, tokens, embed, width, layers, classes;
} config;

static const lb_param params[] = {
    LB_PARAM_TEXT(config, input, "x", "x|ids|pairs", "what it reads: vectors, the tokens before (each embedded, side by side), rows of candidates"),
    LB_PARAM(config, size, 64, 1, 1e6, "1", "width of the vectors, or how many tokens"),
    LB_PARAM(config, tokens, 24, 1, 1e7, "tokens", "size of the vocabulary of ids"),
    LB_PARAM(config, embed, 8, 1, 1e5, "1", "width of an embedded token"),
    LB_PARAM(config, width, 32, 1, 1e5, "1", "hidden units of a layer"),
    LB_PARAM(config, layers, 2, 0, 64, "layers", "hidden layers"),
    LB_PARAM(config, classes, 10, 1, 1e6, "classes", "width of the logits"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *x = strcmp(c->input, "x") == 0 ? in[0] : strcmp(c->input, "ids") == 0 ? in[1] : in[2];
    if (!x) {
        (void)lb_tape_fail(t, LB_E_NOTFOUND, "arch mlp reads '%s', which is not there", c->input);
        return;
    }
    if (x->dtype == LB_I64) {
        x = lb_nn_embedding(m, x, "embed", c->tokens, c->embed, 0.3);
        x = lb_reshape(t, x, 2, (int64_t[]){x->shape[0], x->shape[1] * x->shape[2]});
    }
    for (int i = 0; i < (int)c->layers; i++) {
        lb_nn_in(m, "layer.%d", i);
        x = lb_nn_out(m, lb_nn_linear(m, x, "fc", c->width, LB_ACT_RELU));
        lb_nn_tap(m, x, "block.%d", i);
    }
    x = lb_nn_linear(m, x, "head", c->classes, LB_ACT_NONE);
    lb_nn_tap(m, x, "logits");
    if (x->rank == 3 && c->classes == 1) lb_nn_tap(m, lb_reshape(t, x, 2, x->shape), "score");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = input == 2 ? 3 : 2;
    shape[0] = 1;
    shape[1] = input == 2 ? 2 : c->size;
    shape[2] = c->size;
}

LB_ARCH(mlp) = {.id = "mlp", .title = "layers one after the other, for vectors, tokens and pairs", .source = "", .params = params, .params_size = sizeof(config), .kind = "joint", .apart = true,
                .inputs = "x[N,D]? ids[N,L]:i64? pairs[N,F,P]?", .taps = "block.K[N,W] logits[N,K] score[N,F]", .forward = forward, .example = example};

/* SPDX-License-Identifier: Apache-2.0 */
/* The network of method multimodn: a learned state, an encoder per modality with one hidden layer, one task. It states its own loss. */
#include <stdio.h>
#include "cli/archs.h"

typedef struct config {
    int64_t modalities, size, state, hidden, classes;
    double err_penalty, state_change_penalty;
    bool sigmoid_outputs;
} config;

static const lb_param params[] = {
    LB_PARAM(config, modalities, 2, 1, 4, "1", "M: how many of x0 .. x3 there are"),
    LB_PARAM(config, size, 8, 1, 1e6, "1", "width of each"),
    LB_PARAM(config, state, 16, 1, 1e5, "1", "S: width of the state"),
    LB_PARAM(config, hidden, 16, 1, 1e5, "1", "hidden units of an encoder"),
    LB_PARAM(config, classes, 2, 2, 1e6, "classes", "of the task"),
    LB_PARAM(config, err_penalty, 1, 0, 1e9, "1", "weight of the prediction error"),
    LB_PARAM(config, state_change_penalty, 0, 0, 1e9, "1", "weight of the state's changes, times 0.01"),
    LB_PARAM_FLAG(config, sigmoid_outputs, 0, "the decoder ends in a sigmoid"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    cli_parts p = {.nn = m};
    char name[32];
    lb_value *o = lb_value_map();
    cli_part_put(&p, lb_nn_param(m, "init_state", 1, &c->state, LB_INIT_NORMAL, 1), "init_state");
    cli_part_put(&p, in[0], "labels");
    cli_part_put(&p, in[1], "mask");
    cli_part_put(&p, lb_arange(lb_nn_tape(m), c->modalities), "sequence");
    for (int i = 0; i < (int)c->modalities; i++) {
        cli_part_put(&p, in[2 + i], "x%d", i);
        snprintf(name, sizeof name, "enc%d", i);
        cli_part_linear(&p, name, "_w1", "_b1", c->hidden, c->size);
        cli_part_linear(&p, name, "_w_out", "_b_out", c->state, c->hidden + c->state);
    }
    cli_part_linear(&p, "dec0", "_w", "_b", c->classes, c->state);
    lb_map_int(o, "n_modalities", c->modalities);
    lb_map_real(o, "err_penalty", c->err_penalty);
    lb_map_real(o, "state_change_penalty", c->state_change_penalty);
    lb_map_bool(o, "sigmoid_outputs", c->sigmoid_outputs);
    lb_outs out = cli_part_call(&p, "multimodn", "sequence_loss", o);
    lb_nn_tap(m, out.at[0], "loss");
    lb_nn_tap(m, out.at[3], "state");
    lb_nn_tap(m, out.at[4], "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = 2;
    shape[0] = 1;
    shape[1] = input == 0 ? 1 : input == 1 ? c->modalities : c->size;
}

LB_ARCH(multimodn) = {.id = "multimodn",
                      .title = "modalities one after the other through a shared state",
                      .source = "arXiv:2309.14118; EPFLiGHT/MultiModN 9920619",
                      .params = params,
                      .params_size = sizeof(config),
                      .kind = "joint",
                      .inputs = "labels[N,T]:i64 mask[N,M]:i64 x0[N,A] x1[N,B]? x2[N,C]? x3[N,E]?",
                      .taps = "loss[] state[N,S] logits[N,K]",
                      .forward = forward,
                      .example = example};

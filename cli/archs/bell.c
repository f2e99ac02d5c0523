/* SPDX-License-Identifier: Apache-2.0 */
/* A normal density on a grid, with two parameters: the student of the experiment of method kd-divergences. */
#include "cli/models.h"

typedef struct config {
    double mean, log_width;
} config;

static const lb_param params[] = {
    LB_PARAM(config, mean, -0.3, -1e6, 1e6, "1", "where it begins"),
    LB_PARAM(config, log_width, 0.3, -20, 20, "1", "logarithm of the width that it begins with"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *mean = lb_nn_param(m, "mean", 0, NULL, LB_INIT_CONSTANT, c->mean), *log_width = lb_nn_param(m, "log_width", 0, NULL, LB_INIT_CONSTANT, c->log_width);
    lb_tensor *z = lb_mul(t, lb_sub(t, in[0], mean), lb_exp(t, lb_neg(t, log_width)));
    lb_nn_tap(m, lb_scale(t, lb_square(t, z), -0.5), "logits");
    lb_nn_tap(m, lb_scale(t, mean, 1), "mean");
    lb_nn_tap(m, lb_exp(t, log_width), "width");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg, (void)input;
    *rank = 2;
    shape[0] = 1;
    shape[1] = 8;
}

LB_ARCH(bell) = {.id = "bell",
                 .title = "a normal density on a grid",
                 .source = "",
                 .params = params,
                 .params_size = sizeof(config),
                 .kind = "joint",
                 .inputs = "grid[N,G]",
                 .taps = "logits[N,G] mean[] width[]",
                 .forward = forward,
                 .example = example};

/* SPDX-License-Identifier: Apache-2.0 */
/* The miniature generator of method boot (component generator) as a network: a time-conditioned MLP, teacher and student of diffusion on vectors. */
#include <stdio.h>
#include "cli/archs.h"

typedef struct config {
    int64_t size, width, inner, blocks, time;
    double time_scale;
} config;

static const lb_param params[] = {
    LB_PARAM(config, size, 2, 1, 1e6, "1", "D: width of noise and signal"),
    LB_PARAM(config, width, 64, 1, 1e5, "1", "H: hidden units"),
    LB_PARAM(config, inner, 128, 1, 1e5, "1", "M: inner units of a block"),
    LB_PARAM(config, blocks, 3, 0, 7, "blocks", "residual blocks"),
    LB_PARAM(config, time, 32, 2, 1e5, "1", "width of the time embedding"),
    LB_PARAM(config, time_scale, 1000, -1e9, 1e9, "1", "of the time embedding"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    cli_parts p = {.nn = m};
    char name[32];
    lb_value *o = lb_value_map();
    cli_part_put(&p, in[0], "noise");
    cli_part_put(&p, in[1], "t");
    cli_part_linear(&p, "time", "_weight", "_bias", c->width, c->time);
    cli_part_linear(&p, "in", "_weight", "_bias", c->width, c->size);
    for (int k = 0; k < (int)c->blocks; k++) {
        snprintf(name, sizeof name, "film%d", k);
        cli_part_linear(&p, name, "_weight", "_bias", 2 * c->width, c->width);
        snprintf(name, sizeof name, "fc1_%d", k);
        cli_part_linear(&p, name, "_weight", "_bias", c->inner, c->width);
        snprintf(name, sizeof name, "fc2_%d", k);
        cli_part_linear(&p, name, "_weight", "_bias", c->width, c->inner);
    }
    cli_part_linear(&p, "out", "_weight", "_bias", c->size, c->width);
    lb_map_int(o, "time_dim", c->time);
    lb_map_int(o, "num_blocks", c->blocks);
    lb_map_real(o, "time_scale", c->time_scale);
    lb_nn_tap(m, cli_part_call(&p, "boot", "generator", o).at[0], "signal");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    *rank = input == 0 ? 2 : 1;
    shape[0] = 1;
    shape[1] = ((const config *)cfg)->size;
}

LB_ARCH(generator) = {.id = "generator",
                      .title = "a time-conditioned MLP from noise to signal",
                      .source = "arXiv:2306.05544 (reconstructed)",
                      .params = params,
                      .params_size = sizeof(config),
                      .kind = "joint",
                      .inputs = "noise[N,D] t[N]",
                      .taps = "signal[N,D]",
                      .forward = forward,
                      .example = example};

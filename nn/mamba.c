/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"
#include "nn/parts.h"
#include "nn/sequence.h"
#include "tensor/arrange.h"

static int64_t or_else(int64_t value, int64_t usual) { return value > 0 ? value : usual; }

/* conv1d over channels [N,L,C], then SiLU. */
static lb_tensor *convolve(lb_nn *m, lb_tensor *x, const lb_mamba_spec *s, lb_mamba_state *state) {
    int64_t c = lbi_size(x, 0), k = or_else(s->kernel, 4);
    lb_tensor *w = lbi_named(m, "conv1d", "weight", 3, (int64_t[]){c, 1, k}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *b = s->no_conv_bias ? NULL : lbi_named(m, "conv1d", "bias", 1, &c, LB_INIT_KAIMING_UNIFORM, (double)k);
    return lb_causal_conv1d(lb_nn_tape(m), x, w, b, state ? state->conv : NULL, true, state ? &state->conv : NULL);
}

/* A = -exp(A_log) */
static lb_tensor *decays(lb_nn *m, int rank, const int64_t *shape) {
    lb_tape *t = lb_nn_tape(m);
    return lb_neg(t, lb_exp(t, lb_nn_param(m, "A_log", rank, shape, LB_INIT_LOG_INDEX, 0)));
}

lb_tensor *lb_nn_mamba(lb_nn *m, lb_tensor *x, const lb_mamba_spec *s, lb_mamba_state *state) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0), inner = or_else(s->inner, 2 * c), states = or_else(s->states, 16), rank = or_else(s->rank, (c + 15) / 16);
    lb_tensor *part[2], *steps[3];
    lb_chunk(t, lbi_linear(m, x, "in_proj", 2 * inner, LB_ACT_NONE, s->bias), -1, 2, part);
    lb_tensor *u = convolve(m, part[0], s, state);
    lb_split(t, lbi_linear(m, u, "x_proj", rank + 2 * states, LB_ACT_NONE, false), -1, 3, (int64_t[]){rank, states, states}, steps);
    lb_tensor *w = lbi_named(m, "dt_proj", "weight", 2, (int64_t[]){inner, rank}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *delta = lb_linear(t, steps[0], w, NULL, LB_ACT_NONE);
    const lb_scan_spec scan = {.d = lb_nn_param(m, "D", 1, &inner, LB_INIT_ONES, 0),
                               .z = part[1],
                               .bias = lbi_named(m, "dt_proj", "bias", 1, &inner, LB_INIT_SCAN_STEP, 0),
                               .state = state ? state->scan : NULL,
                               .softplus = true};
    lb_tensor *y = lb_selective_scan(t, u, delta, decays(m, 2, (int64_t[]){inner, states}), steps[1], steps[2], scan, state ? &state->scan : NULL);
    return lbi_linear(m, y, "out_proj", c, LB_ACT_NONE, s->bias);
}

/* RMS norm of y silu(z) over groups of channels. */
static lb_tensor *gated_norm(lb_nn *m, lb_tensor *y, lb_tensor *z, const lb_mamba_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(y, 0), groups = or_else(s->norm_groups, or_else(s->groups, 1));
    lb_tensor *w = lbi_named(m, "norm", "weight", 1, &c, LB_INIT_ONES, 0);
    if (!lb_tape_ok(t)) return lb_inert(t);
    y = lb_mul(t, y, lb_silu(t, z));
    lb_tensor *g = lb_reshape(t, y, 4, (int64_t[]){y->shape[0], y->shape[1], groups, c / groups});
    g = lb_mul(t, g, lb_rsqrt(t, lb_add_scalar(t, lb_mean(t, lb_square(t, g), -1, true), s->eps > 0 ? s->eps : 1e-5)));
    return lb_mul(t, lb_reshape(t, g, y->rank, y->shape), w);
}

lb_tensor *lb_nn_mamba2(lb_nn *m, lb_tensor *x, const lb_mamba_spec *s, lb_mamba_state *state) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0), inner = or_else(s->inner, 2 * c), states = or_else(s->states, 128), h = s->heads, g = or_else(s->groups, 1), bc = g * states;
    lb_tensor *part[3], *mixed[3];
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (h < 1 || inner % h || inner % or_else(s->norm_groups, or_else(s->groups, 1)))
        return lb_tape_fail(t, LB_E_ARG, "mamba2: %lld channels, %lld heads, %lld groups of the norm", (long long)inner, (long long)h,
                            (long long)s->norm_groups);
    lb_split(t, lbi_linear(m, x, "in_proj", 2 * inner + 2 * bc + h, LB_ACT_NONE, s->bias), -1, 3, (int64_t[]){inner, inner + 2 * bc, h}, part);
    lb_split(t, convolve(m, part[1], s, state), -1, 3, (int64_t[]){inner, bc, bc}, mixed);
    const lb_scan_spec scan = {.d = lb_nn_param(m, "D", 1, &h, LB_INIT_ONES, 0),
                               .bias = lb_nn_param(m, "dt_bias", 1, &h, LB_INIT_SCAN_STEP, 0),
                               .state = state ? state->scan : NULL,
                               .softplus = true,
                               .lo = s->step_lo,
                               .hi = s->step_hi};
    lb_tensor *a = decays(m, 1, &h);
    if (!lb_tape_ok(t)) return lb_inert(t);
    const int64_t n = x->shape[0], l = x->shape[1], heads[] = {n, l, h, inner / h}, groups[] = {n, l, g, states};
    lb_tensor *y = lb_ssd(t, lb_reshape(t, mixed[0], 4, heads), part[2], a, lb_reshape(t, mixed[1], 4, groups), lb_reshape(t, mixed[2], 4, groups), scan, state ? &state->scan : NULL);
    y = gated_norm(m, lb_reshape(t, y, 3, (int64_t[]){n, l, inner}), part[0], s);
    return lbi_linear(m, y, "out_proj", c, LB_ACT_NONE, s->bias);
}

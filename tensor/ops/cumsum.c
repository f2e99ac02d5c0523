/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = sum_{i <= k} x_i along one axis (backwards: i >= k), summed in double; dx_i = sum_{k >= i} g_k. */
#include "tensor/running.h"

LBI_ALWAYS void sums(const lb_call *c, lbi_lines l) {
    const lb_real *x = lb_r(c->in[0]);
    lb_real *restrict y = lb_r(c->out[0]);
    double sum[LBI_RUNNING_WIDTH] = {0};
    for (int64_t k = 0, at = l.at; k < l.n; k++, at += l.step)
        for (int64_t i = 0; i < l.width; i++) {
            sum[i] += (double)x[at + i * l.apart];
            y[at + i * l.apart] = (lb_real)sum[i];
        }
}

LBI_ALWAYS void sums_back(const lb_call *c, lbi_lines l, bool fresh) {
    const lb_real *g = lb_r(c->gout[0]);
    lb_real *restrict gx = lb_r(c->gin[0]);
    double sum[LBI_RUNNING_WIDTH] = {0};
    for (int64_t k = 0, at = l.at + (l.n - 1) * l.step; k < l.n; k++, at -= l.step)
        for (int64_t i = 0; i < l.width; i++) {
            sum[i] += (double)g[at + i * l.apart];
            gx[at + i * l.apart] = (fresh ? 0 : gx[at + i * l.apart]) + (lb_real)sum[i];
        }
}

LBI_ALWAYS void slopes(const lb_call *c, lbi_lines l) {
    if (c->fresh[0]) sums_back(c, l, true);
    else sums_back(c, l, false);
}

LBI_RUNNING_FOURS(forward_lines, sums)
LBI_RUNNING_FOURS(backward_lines, slopes)

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_lines);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_lines);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &back)};

LB_OP(cumsum) = {.id = "cumsum", .title = "running sum along one axis", .source = "torch.cumsum", .sig = "x -> y",
                 .math = "y_k = sum_{i <= k} x_i", .params_size = sizeof(lbi_running), .flags = LB_OP_SETS, .shape = lbi_running_shape,
                 .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_cumsum(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumsum, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

lb_tensor *lb_cumsum_reverse(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumsum, &(lbi_running){axis, true}, sizeof(lbi_running), 1, &x);
}

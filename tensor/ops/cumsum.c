/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = sum_{i <= k} x_i along one axis (backwards: i >= k), summed in double; dx_i = sum_{k >= i} g_k. */
#include "tensor/running.h"

static void forward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    double sum = 0;
    for (int64_t k = 0, at = first; k < n; k++, at += step) {
        sum += (double)lb_r(c->in[0])[at];
        lb_r(c->out[0])[at] = (lb_real)sum;
    }
}

static void backward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    double sum = 0;
    for (int64_t k = 0, at = first + (n - 1) * step; k < n; k++, at -= step) {
        sum += (double)lb_r(c->gout[0])[at];
        lb_r(c->gin[0])[at] += (lb_real)sum;
    }
}

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_line);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_line);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &back)};

LB_OP(cumsum) = {.id = "cumsum", .title = "running sum along one axis", .source = "torch.cumsum", .sig = "x -> y",
                 .math = "y_k = sum_{i <= k} x_i", .params_size = sizeof(lbi_running), .shape = lbi_running_shape,
                 .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_cumsum(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumsum, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

lb_tensor *lb_cumsum_reverse(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumsum, &(lbi_running){axis, true}, sizeof(lbi_running), 1, &x);
}

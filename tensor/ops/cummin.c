/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = smallest of x_0..x_k along one axis, of equal ones the last; dx = g added where it came from. NaN stays from there on. The
 * places are the second result (index may be NULL). */
#include "tensor/running.h"

static void forward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    lb_real best = lb_r(c->in[0])[first];
    int64_t place = 0;
    for (int64_t k = 0, at = first; k < n; k++, at += step) {
        lb_real x = lb_r(c->in[0])[at];
        if (x <= best || x != x) {
            best = x;
            place = k;
        }
        lb_r(c->out[0])[at] = best;
        lb_i(c->out[1])[at] = place;
    }
}

static void backward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    for (int64_t k = 0, at = first; k < n; k++, at += step)
        lb_r(c->gin[0])[first + lb_i(c->out[1])[at] * step] += lb_r(c->gout[0])[at];
}

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_line);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_line);
}

static const lbi_running last = {-1, false}, first = {0, false}, middle = {1, false};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &middle)};

LB_OP(cummin) = {.id = "cummin", .title = "running smallest along one axis", .source = "torch.cummin", .sig = "x -> y index:i64",
                .math = "y_k = min_{i <= k} x_i", .params_size = sizeof(lbi_running), .results = 2, .flags = LB_OP_NONSMOOTH,
                .reads = LB_READS_OUT(1), .shape = lbi_running_shape, .forward = forward, .backward = backward, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_cummin(lb_tape *t, lb_tensor *x, int axis, lb_tensor **index) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_cummin, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x, 2, out);
    if (index) *index = out[1];
    return out[0];
}

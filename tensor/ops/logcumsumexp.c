/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = ln sum_{i <= k} exp x_i along one axis (backwards: i >= k). dx_i = r_i exp(x_i - y_i), with r_i = g_i + r_i+1 exp(y_i - y_i+1)
 * from the last to the first: no exponent is above 0. -inf, with gradient 0, where all are -inf. */
#include <math.h>
#include "tensor/running.h"

static void forward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    double y = -INFINITY;
    for (int64_t k = 0, at = first; k < n; k++, at += step) {
        double x = (double)lb_r(c->in[0])[at], top = x > y || x != x ? x : y, apart = x == y ? 0 : fabs(x - y);
        y = top + log1p(exp(-apart));
        if (top == -INFINITY) y = top;
        lb_r(c->out[0])[at] = (lb_real)y;
    }
}

static void backward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    const lb_real *x = lb_r(c->in[0]), *y = lb_r(c->out[0]);
    double rest = 0;
    for (int64_t k = 0, at = first + (n - 1) * step; k < n; k++, at -= step) {
        if (y[at] == -INFINITY) break;
        if (k > 0) rest *= exp((double)y[at] - (double)y[at + step]);
        rest += (double)lb_r(c->gout[0])[at];
        lb_r(c->gin[0])[at] += (lb_real)(rest * exp((double)x[at] - (double)y[at]));
    }
}

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_line);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_line);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &back),
                                   {.name = "wide", .rank = {2}, .shape = {{3, 9}}, .lo = -300, .hi = 300, .params = &last}};

LB_OP(logcumsumexp) = {.id = "logcumsumexp", .title = "logarithm of the running sum of exponentials", .source = "torch.logcumsumexp",
                       .sig = "x -> y", .math = "y_k = ln sum_{i <= k} exp x_i", .params_size = sizeof(lbi_running),
                       .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = lbi_running_shape, .forward = forward,
                       .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_logcumsumexp(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_logcumsumexp, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

lb_tensor *lb_logcumsumexp_reverse(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_logcumsumexp, &(lbi_running){axis, true}, sizeof(lbi_running), 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = ln sum_{i <= k} exp x_i along one axis (backwards: i >= k). dx_i = r_i exp(x_i - y_i), with r_i = g_i + r_i+1 exp(y_i - y_i+1)
 * from the last to the first: no exponent is above 0. -inf, with gradient 0, where all are -inf. */
#include <math.h>
#include "tensor/running.h"

/* The sum is kept as exp(top) sum, top the largest so far: sum is 1 or more. */
LBI_ALWAYS void log_sums(const lb_call *c, lbi_lines l) {
    const lb_real *x = lb_r(c->in[0]);
    lb_real *restrict y = lb_r(c->out[0]), top[LBI_RUNNING_WIDTH];
    double sum[LBI_RUNNING_WIDTH] = {0};
    for (int64_t i = 0; i < l.width; i++) top[i] = x[l.at + i];
    for (int64_t k = 0, at = l.at; k < l.n; k++, at += l.step)
        for (int64_t i = 0; i < l.width; i++) {
            lb_real v = x[at + i], apart = v == top[i] ? 0 : v > top[i] ? top[i] - v : v - top[i];
            double e = (double)lbi_exp(apart);
            bool above = v > top[i] || v != v;
            sum[i] = above ? sum[i] * e + 1 : sum[i] + e;
            top[i] = above ? v : top[i];
            y[at + i] = top[i] + lbi_log((lb_real)sum[i]);
        }
}

LBI_ALWAYS void log_sums_back(const lb_call *c, lbi_lines l, bool fresh) {
    const lb_real *x = lb_r(c->in[0]), *y = lb_r(c->out[0]), *g = lb_r(c->gout[0]);
    lb_real *restrict gx = lb_r(c->gin[0]);
    double rest[LBI_RUNNING_WIDTH] = {0};
    for (int64_t k = 0, at = l.at + (l.n - 1) * l.step; k < l.n; k++, at -= l.step)
        for (int64_t i = 0; i < l.width; i++) {
            lb_real v = y[at + i], below = -(lb_real)INFINITY;
            lb_real decay = lbi_exp(k > 0 && v != below ? v - y[at + l.step + i] : 0), own = lbi_exp(v != below ? x[at + i] - v : below);
            rest[i] = rest[i] * (double)decay + (double)g[at + i];
            gx[at + i] = (fresh ? 0 : gx[at + i]) + (v != below ? (lb_real)rest[i] * own : 0);
        }
}

LBI_ALWAYS void slopes(const lb_call *c, lbi_lines l) {
    if (c->fresh[0]) log_sums_back(c, l, true);
    else log_sums_back(c, l, false);
}

LBI_RUNNING(forward_lines, log_sums)
LBI_RUNNING(backward_lines, slopes)

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_lines);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_lines);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};
static const lb_op_case cases[] = {LBI_RUNNING_CASES(&last, &first, &back),
                                   {.name = "wide", .rank = {2}, .shape = {{3, 9}}, .lo = -300, .hi = 300, .params = &last}};

LB_OP(logcumsumexp) = {.id = "logcumsumexp", .title = "logarithm of the running sum of exponentials", .source = "torch.logcumsumexp",
                       .sig = "x -> y", .math = "y_k = ln sum_{i <= k} exp x_i", .params_size = sizeof(lbi_running), .flags = LB_OP_SETS,
                       .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = lbi_running_shape, .forward = forward,
                       .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_logcumsumexp(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_logcumsumexp, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

lb_tensor *lb_logcumsumexp_reverse(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_logcumsumexp, &(lbi_running){axis, true}, sizeof(lbi_running), 1, &x);
}

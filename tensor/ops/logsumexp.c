/* SPDX-License-Identifier: Apache-2.0 */
/* y = m + ln sum_i exp(x_i - m) over axes, m the largest; dx_i = g exp(x_i - y). -inf where all are. */
#include "tensor/kernels/rows.h"
#include "tensor/ops/fold.h"

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real share = lbi_exp(x - y);
    return y == -(lb_real)INFINITY ? 0 : share;
}

LBI_FOLD_BACK(back, slope)

static void forward(lb_call *c) {
    lbi_logsumexp(lb_r(c->out[0]), lb_r(c->in[0]), lbi_over_axes(c));
}

static void backward(lb_call *c) {
    lbi_fold_backward(c, c->gout[0], c->out[0], back);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {
    LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all),
    {.name = "large numbers", .rank = {3}, .shape = {{2, 5, 11}}, .lo = 80, .hi = 90, .params = &middle},
};

LB_OP(logsumexp) = {.id = "logsumexp", .title = "logarithm of the sum of exponentials over axes", .source = "torch.logsumexp", .sig = "x -> y",
                    .math = "y = ln sum_i exp x_i", .params_size = sizeof(lbi_over), .flags = LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0),
                    .shape = lbi_reduce_shape, .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_logsumexp_over(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_logsumexp, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

lb_tensor *lb_logsumexp(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    return lb_logsumexp_over(t, x, lbi_one_axis(axis), keep);
}

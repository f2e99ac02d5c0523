/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum over axes of x / n; dx = g / n repeated. Summed in double. NaN for n = 0. */
#include "tensor/reduce.h"

static void forward(lb_call *c) {
    lbi_sum_forward(c, 1 / (lb_real)lbi_over_count(c));
}

static void backward(lb_call *c) {
    lbi_sum_backward(c, 1 / (lb_real)lbi_over_count(c));
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL, apart = LBI_REDUCE_APART;
static const lb_op_case cases[] = {
    LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all),
    {.name = "apart", .rank = {4}, .shape = {{3, 5, 4, 2}}, .params = &apart},
    {.name = "apart, last", .rank = {3}, .shape = {{31, 64, 53}}, .params = &apart},
};

LB_OP(mean) = {.id = "mean", .title = "mean over axes", .source = "arithmetic", .sig = "x -> y", .math = "y = sum_i x_i / n",
             .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED | LB_OP_SETS, .shape = lbi_reduce_shape, .last = lbi_reduce_last, .forward = forward,
             .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_mean_over(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce_sum(t, &lb_op_mean, x, axes, keep);
}

lb_tensor *lb_mean(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    return lb_mean_over(t, x, lbi_one_axis(axis), keep);
}

lb_tensor *lb_mean_all(lb_tape *t, lb_tensor *x) {
    return lb_mean_over(t, x, LB_ALL_AXES, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum of x over axes; dx = g repeated. Summed in double, in an order that threads do not change. */
#include "tensor/reduce.h"

static void forward(lb_call *c) {
    lbi_sum_forward(c, 1);
}

static void backward(lb_call *c) {
    lbi_sum_backward(c, 1);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL, apart = LBI_REDUCE_APART;
static const lb_op_case cases[] = {
    LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all),
    {.name = "apart", .rank = {4}, .shape = {{3, 5, 4, 2}}, .params = &apart},
    {.name = "apart, last", .rank = {3}, .shape = {{31, 64, 53}}, .params = &apart},
};

LB_OP(sum) = {.id = "sum", .title = "sum over axes", .source = "arithmetic", .sig = "x -> y", .math = "y = sum_i x_i",
             .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED | LB_OP_SETS, .shape = lbi_reduce_shape, .last = lbi_reduce_last, .forward = forward,
             .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_sum_over(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce_sum(t, &lb_op_sum, x, axes, keep);
}

lb_tensor *lb_sum(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    return lb_sum_over(t, x, lbi_one_axis(axis), keep);
}

lb_tensor *lb_sum_all(lb_tape *t, lb_tensor *x) {
    return lb_sum_over(t, x, LB_ALL_AXES, false);
}

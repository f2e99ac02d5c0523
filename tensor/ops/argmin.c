/* SPDX-License-Identifier: Apache-2.0 */
/* y = index of the smallest along one axis, the first of equal ones; NaN wins. */
#include "tensor/extreme.h"

static void forward(lb_call *c) {
    lbi_extreme(c, true, NULL, c->out[0]);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all)};

LB_OP(argmin) = {.id = "argmin", .title = "index of the smallest along one axis", .source = "arithmetic", .sig = "x -> y:i64",
                .math = "y = argmin_i x_i", .params_size = sizeof(lbi_over), .shape = lbi_choose_shape, .forward = forward,
                .no_grad = "an index does not change smoothly", .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_argmin(lb_tape *t, lb_tensor *x, int axis) {
    return lbi_reduce(t, &lb_op_argmin, x, lbi_one_axis(axis), &(lbi_over){.keep = false}, sizeof(lbi_over));
}

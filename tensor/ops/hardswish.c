/* SPDX-License-Identifier: Apache-2.0 */
/* y = x h(x), h(x) = min(max(x + 3, 0), 6) / 6; dx = g (h(x) + x / 6 where -3 < x < 3). */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x * lbi_hardsigmoid(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return lbi_hardswish_slope(x);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(hardswish) = {.id = "hardswish", .title = "x times the hard sigmoid", .source = "Howard et al. 2019, arXiv:1905.02244, eq. (5)",
               .sig = "x[...] -> y[...]", .math = "y = x min(max(x + 3, 0), 6) / 6", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE | LB_OP_NONSMOOTH,
               .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_hardswish(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_hardswish, NULL, 0, 1, &x);
}

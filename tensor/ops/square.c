/* SPDX-License-Identifier: Apache-2.0 */
/* y = x^2; dx = 2 g x. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x * x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return 2 * x;
}

LBI_SHORT_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(square) = {.id = "square", .title = "square", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = x^2",
                 .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
                 .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_square(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_square, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = sqrt x; dx = g / (2 y). */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(sqrt)(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return (lb_real)0.5 / y;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0.1, 4, NULL)};

LB_OP(sqrt) = {.id = "sqrt", .title = "square root", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = sqrt x",
               .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_OUT(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
               .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_sqrt(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_sqrt, NULL, 0, 1, &x);
}

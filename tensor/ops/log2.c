/* SPDX-License-Identifier: Apache-2.0 */
/* y = log2 x; dx = g / (x ln 2). -inf at 0, NaN below. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(log2)(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return (lb_real)1.44269504088896340736 / x;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0.1, 4, NULL)};

LB_OP(log2) = {.id = "log2", .title = "logarithm to base 2", .source = "calculus", .sig = "x[...] -> y[...]",
               .math = "y = log2 x", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .forward = lbi_unary_forward,
               .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_log2(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_log2, NULL, 0, 1, &x);
}

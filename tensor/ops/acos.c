/* SPDX-License-Identifier: Apache-2.0 */
/* y = acos x; dx = -g / sqrt(1 - x^2). NaN outside [-1, 1], infinite slope at its ends. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(acos)(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return -1 / LBI_M(sqrt)(1 - x * x);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-0.95, 0.95, NULL)};

LB_OP(acos) = {.id = "acos", .title = "inverse cosine", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = acos x",
               .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .forward = lbi_unary_forward,
               .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_acos(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_acos, NULL, 0, 1, &x);
}

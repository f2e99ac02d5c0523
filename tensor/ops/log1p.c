/* SPDX-License-Identifier: Apache-2.0 */
/* y = ln(1 + x), exact near 0; dx = g / (1 + x). -inf at -1, NaN below. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return lbi_log1p(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return 1 / (1 + x);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-0.9, 3, NULL)};

LB_OP(log1p) = {.id = "log1p", .title = "logarithm of 1 more", .source = "calculus", .sig = "x[...] -> y[...]",
                .math = "y = ln(1 + x)", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0),
                .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_log1p(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_log1p, NULL, 0, 1, &x);
}

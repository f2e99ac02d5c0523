/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 / x; dx = -g y^2. Infinite at 0. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return 1 / x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return -y * y;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0.3, 2.5, NULL)};

LB_OP(reciprocal) = {.id = "reciprocal", .title = "one over it", .source = "calculus", .sig = "x[...] -> y[...]",
                     .math = "y = 1 / x", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_OUT(0),
                     .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_reciprocal(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_reciprocal, NULL, 0, 1, &x);
}

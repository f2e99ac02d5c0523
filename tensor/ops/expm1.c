/* SPDX-License-Identifier: Apache-2.0 */
/* y = e^x - 1, exact near 0; dx = g (y + 1). -1 at -inf. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(expm1)(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return y + 1;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(expm1) = {.id = "expm1", .title = "exponential less 1", .source = "calculus", .sig = "x[...] -> y[...]",
                .math = "y = e^x - 1", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_OUT(0),
                .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_expm1(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_expm1, NULL, 0, 1, &x);
}

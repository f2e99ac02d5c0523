/* SPDX-License-Identifier: Apache-2.0 */
/* y = tan x; dx = g (1 + y^2). NaN at infinities. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(tan)(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return 1 + y * y;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-1.4, 1.4, NULL)};

LB_OP(tan) = {.id = "tan", .title = "tangent", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = tan x",
              .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_OUT(0), .forward = lbi_unary_forward,
              .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_tan(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_tan, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = min(max(x, 0), 6); dx = g where 0 < y < 6. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x > 6 ? 6 : x > 0 ? x : x != x ? x : 0;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return y > 0 && y < 6 ? 1 : 0;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-4, 10, NULL)};

LB_OP(relu6) = {.id = "relu6", .title = "rectifier cut at 6", .source = "calculus", .sig = "x[...] -> y[...]",
                .math = "y = min(max(x, 0), 6)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                .reads = LB_READS_OUT(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_relu6(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_relu6, NULL, 0, 1, &x);
}

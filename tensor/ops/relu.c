/* SPDX-License-Identifier: Apache-2.0 */
/* y = max(x, 0); dx = g where y > 0. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x > 0 ? x : x != x ? x : 0;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return y > 0 ? 1 : 0;
}

LBI_SHORT_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(relu) = {.id = "relu", .title = "rectifier", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = max(x, 0)",
               .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_OUT(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
               .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_relu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_relu, NULL, 0, 1, &x);
}

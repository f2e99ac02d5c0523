/* SPDX-License-Identifier: Apache-2.0 */
/* y = ln(1 + exp x) = max(x, 0) + ln(1 + exp(-|x|)); dx = g sigmoid(x). */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return lbi_softplus(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return 1 / (1 + lbi_exp(-x));
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-8, 8, NULL)};

LB_OP(softplus) = {.id = "softplus", .title = "smooth rectifier", .source = "calculus", .sig = "x[...] -> y[...]",
                   .math = "y = ln(1 + exp x)", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0),
                   .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_softplus(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_softplus, NULL, 0, 1, &x);
}

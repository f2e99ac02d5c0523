/* SPDX-License-Identifier: Apache-2.0 */
/* y = min(max(x + 3, 0), 6) / 6; dx = g / 6 where 0 < y < 1. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return lbi_hardsigmoid(x);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return y > 0 && y < 1 ? (lb_real)(1.0 / 6) : 0;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(hardsigmoid) = {.id = "hardsigmoid", .title = "logistic function in three straight pieces", .source = "torch.nn.functional.hardsigmoid",
               .sig = "x[...] -> y[...]", .math = "y = min(max(x + 3, 0), 6) / 6", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
               .reads = LB_READS_OUT(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_hardsigmoid(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_hardsigmoid, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = s x; dx = s g. */
#include "tensor/calls.h"
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const lb_number_params *p = params;
    return p->s * x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const lb_number_params *p = params;
    return p->s;
}

LBI_SHORT_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_number_params one = {-1.75};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &one)};

LB_OP(scale) = {.id = "scale", .title = "times a number", .source = "calculus", .sig = "x[...] -> y[...]", .math = "y = s x",
                .params_size = sizeof(lb_number_params), .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = 0,
                .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_scale(lb_tape *t, lb_tensor *x, double s) {
    lb_number_params p = {s};
    return lb_apply(t, &lb_op_scale, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = largest integer not above x. NaN and infinities stay. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(floor)(x);
}

LBI_SHORT_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(floor) = {.id = "floor", .title = "rounded down", .source = "C17 floor", .sig = "x[...] -> y[...]", .math = "y = floor x",
                .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
                .no_grad = "piecewise constant: the slope is 0 wherever there is one", .rows = {row}, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_floor(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_floor, NULL, 0, 1, &x);
}

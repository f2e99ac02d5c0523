/* SPDX-License-Identifier: Apache-2.0 */
/* y = smallest integer not below x. NaN and infinities stay. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(ceil)(x);
}

LBI_SHORT_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(ceil) = {.id = "ceil", .title = "rounded up", .source = "C17 ceil", .sig = "x[...] -> y[...]", .math = "y = ceil x",
               .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
               .no_grad = "piecewise constant: the slope is 0 wherever there is one", .rows = {row}, .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_ceil(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_ceil, NULL, 0, 1, &x);
}

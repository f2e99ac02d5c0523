/* SPDX-License-Identifier: Apache-2.0 */
/* y = nearest integer, of two the even one (0.5 -> 0, 1.5 -> 2). NaN and infinities stay. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(rint)(x);
}

LBI_SHORT_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(round) = {.id = "round", .title = "rounded to the nearest integer",
                .source = "IEEE 754 round to nearest even; torch.round", .sig = "x[...] -> y[...]", .math = "y = round x",
                .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
                .no_grad = "piecewise constant: the slope is 0 wherever there is one", .rows = {row}, .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_round(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_round, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where x is NaN, else 0. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x != x;
}

LBI_UNARY_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(isnan) = {.id = "isnan", .title = "1 where not a number", .source = "C17 isnan", .sig = "x[...] -> y[...]",
                .math = "y = [x is NaN]", .flags = LB_OP_STRIDED, .forward = lbi_unary_forward, .no_grad = "a step has none",
                .rows = {row}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_isnan(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_isnan, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where x is +inf or -inf, else 0. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return LBI_M(fabs)(x) > LB_REAL_MAX;
}

LBI_UNARY_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(isinf) = {.id = "isinf", .title = "1 where infinite", .source = "C17 isinf", .sig = "x[...] -> y[...]",
                .math = "y = [x is infinite]", .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
                .no_grad = "a step has none", .rows = {row}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_isinf(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_isinf, NULL, 0, 1, &x);
}

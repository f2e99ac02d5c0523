/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where x is 0, else 0; NaN is not 0. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x == 0;
}

LBI_UNARY_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(logical_not) = {.id = "logical_not", .title = "1 where 0", .source = "torch.logical_not", .sig = "x[...] -> y[...]",
                      .math = "y = [x == 0]", .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
                      .no_grad = "a step has none", .rows = {row}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_logical_not(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_logical_not, NULL, 0, 1, &x);
}

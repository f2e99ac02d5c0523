/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where both are not 0, else 0; NaN is not 0. Broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a != 0 && b != 0;
}

LBI_BINARY_ROW(row, value)

static const lb_op_case cases[] = {LBI_COMPARE_CASES};

LB_OP(logical_and) = {.id = "logical_and", .title = "1 where both are not 0", .source = "torch.logical_and", .sig = "a b -> y",
                      .math = "y = [a != 0 && b != 0]", .flags = LB_OP_STRIDED, .shape = lbi_binary_shape,
                      .forward = lbi_binary_forward, .no_grad = "a step has none", .rows = {row}, .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_logical_and(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_logical_and, NULL, 0, 2, (lb_tensor *[]){a, b});
}

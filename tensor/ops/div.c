/* SPDX-License-Identifier: Apache-2.0 */
/* y = a / b; da = g / b, db = -g a / b^2. Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a / b;
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    return 1 / b;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    return -(a / b) / b;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0.5, 2.5)};

LB_OP(div) = {.id = "div", .title = "quotient of two, broadcast", .source = "NumPy broadcasting rules", .sig = "a b -> y",
              .math = "y = a / b", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_IN(1),
              .shape = lbi_binary_shape, .last = lbi_joins_last, .forward = lbi_binary_forward, .backward = lbi_binary_backward,
              .rows = {row, back_a, back_b}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_div(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_div, NULL, 0, 2, (lb_tensor *[]){a, b});
}

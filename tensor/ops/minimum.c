/* SPDX-License-Identifier: Apache-2.0 */
/* y = min(a, b); g goes to the smaller one, half to each where they are equal (as PyTorch). Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a < b || a != a ? a : b;
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    return a < b ? 1 : a > b ? 0 : (lb_real)0.5;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    return b < a ? 1 : b > a ? 0 : (lb_real)0.5;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0, 0)};

LB_OP(minimum) = {.id = "minimum", .title = "smaller of two, broadcast", .source = "NumPy broadcasting rules",
                  .sig = "a b -> y", .math = "y = min(a, b)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                  .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = lbi_binary_shape, .last = lbi_joins_last, .forward = lbi_binary_forward,
                  .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_minimum(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_minimum, NULL, 0, 2, (lb_tensor *[]){a, b});
}

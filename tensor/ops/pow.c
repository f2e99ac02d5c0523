/* SPDX-License-Identifier: Apache-2.0 */
/* y = a^b; da = g b a^(b-1), 0 where b = 0; db = g a^b ln a, 0 where a = 0 and b >= 0. C17 pow: x^0 = 1 for every x, NaN for
 * a < 0 and b no integer. Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return LBI_M(pow)(a, b);
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    lb_real slope = b * LBI_M(pow)(a, b - 1);
    return b == 0 ? 0 : slope;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    lb_real slope = LBI_M(pow)(a, b) * LBI_M(log)(a);
    return a == 0 && b >= 0 ? 0 : slope;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0.3, 2.5)};

LB_OP(pow) = {.id = "pow", .title = "power of two, broadcast", .source = "torch.pow", .sig = "a b -> y", .math = "y = a^b",
              .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = lbi_binary_shape,
              .forward = lbi_binary_forward, .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_pow(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_pow, NULL, 0, 2, (lb_tensor *[]){a, b});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = angle of the point (b, a), in -pi..pi; da = g b / (a^2 + b^2), db = -g a / (a^2 + b^2), 0 at the origin. C17 atan2 for zeros
 * and infinities. Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return LBI_M(atan2)(a, b);
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    lb_real n = a * a + b * b;
    return n == 0 ? 0 : b / n;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    lb_real n = a * a + b * b;
    return n == 0 ? 0 : -a / n;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0.3, 2)};

LB_OP(atan2) = {.id = "atan2", .title = "angle of a point", .source = "C17 atan2; torch.atan2", .sig = "a b -> y",
                .math = "y = atan2(a, b)", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_IN(1),
                .shape = lbi_binary_shape, .forward = lbi_binary_forward, .backward = lbi_binary_backward,
                .rows = {row, back_a, back_b}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_atan2(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_atan2, NULL, 0, 2, (lb_tensor *[]){a, b});
}

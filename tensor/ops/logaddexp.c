/* SPDX-License-Identifier: Apache-2.0 */
/* y = ln(e^a + e^b) = m + ln(1 + e^-|a - b|), m the larger; da = g / (1 + e^(b - a)), db = g / (1 + e^(a - b)), half to each
 * of equal ones, infinite ones too. Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    lb_real apart = a == b ? 0 : LBI_M(fabs)(a - b), larger = a > b || a != a ? a : b;
    return larger + lbi_log1p_low(lbi_exp_low(-apart));
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    return a == b ? (lb_real)0.5 : 1 / (1 + lbi_exp(b - a));
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    return a == b ? (lb_real)0.5 : 1 / (1 + lbi_exp(a - b));
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0, 0)};

LB_OP(logaddexp) = {.id = "logaddexp", .title = "logarithm of the sum of two exponentials", .source = "torch.logaddexp",
                    .sig = "a b -> y", .math = "y = ln(e^a + e^b)", .flags = LB_OP_STRIDED | LB_OP_SETS,
                    .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = lbi_binary_shape, .forward = lbi_binary_forward,
                    .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_logaddexp(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_logaddexp, NULL, 0, 2, (lb_tensor *[]){a, b});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* u = k (x + c x^3), k = sqrt(2 / pi), c = 0.044715; y = x (1 + tanh u) / 2;
 * dx = g ((1 + tanh u) / 2 + x (1 - tanh^2 u) k (1 + 3 c x^2) / 2). */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real u = (lb_real)0.79788456080286535588 * (x + (lb_real)0.044715 * x * x * x);
    return (lb_real)0.5 * x * (1 + lbi_tanh(u));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const lb_real k = (lb_real)0.79788456080286535588, c = (lb_real)0.044715;
    lb_real th = lbi_tanh(k * (x + c * x * x * x));
    return (lb_real)0.5 * (1 + th) + (lb_real)0.5 * x * (1 - th * th) * k * (1 + 3 * c * x * x);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(gelu_tanh) = {.id = "gelu_tanh", .title = "Gaussian error linear unit, tanh form",
                    .source = "Hendrycks and Gimpel 2016, arXiv:1606.08415", .sig = "x[...] -> y[...]",
                    .math = "y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
                    .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                    .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_gelu_tanh(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_gelu_tanh, NULL, 0, 1, &x);
}

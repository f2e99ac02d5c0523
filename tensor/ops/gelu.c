/* SPDX-License-Identifier: Apache-2.0 */
/* y = x F(x), F(x) = (1 + erf(x / sqrt 2)) / 2; dx = g (F(x) + x f(x)), f(x) = exp(-x^2 / 2) / sqrt(2 pi). */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real area = (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440));
    return x * area;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real area = (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440));
    return area + x * lbi_exp((lb_real)-0.5 * x * x) * (lb_real)0.39894228040143267794;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(gelu) = {.id = "gelu", .title = "Gaussian error linear unit", .source = "Hendrycks and Gimpel 2016, arXiv:1606.08415",
               .sig = "x[...] -> y[...]", .math = "y = x Phi(x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE, .reads = LB_READS_IN(0),
               .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_gelu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_gelu, NULL, 0, 1, &x);
}

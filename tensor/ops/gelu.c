/* SPDX-License-Identifier: Apache-2.0 */
/* y = x F(x), F(x) = (1 + erf(x / sqrt 2)) / 2; dx = g (F(x) + x f(x)), f(x) = exp(-x^2 / 2) / sqrt(2 pi). At infinities the formula gives NaN, and kernels
 * of vectors may give its limits. */
#include "base/cpu.h"
#include "tensor/kernels/gelu_wide.h"
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real area = (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440));
    return x * area;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real area = (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440));
    return area + x * lbi_exp((lb_real)-0.5 * x * x) * (lb_real)0.39894228040143267794;
}

LBI_UNARY_ROW(plain_row, value)
LBI_UNARY_BACK(plain_back, slope)

static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {
#if LBI_GELU_WIDE
    if (s[1] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_gelu_avx512((float *)p[0], (const float *)p[1], n);
        return;
    }
#endif
    plain_row(params, n, p, s);
}

static void back(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
#if LBI_GELU_WIDE
    if (s[2] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_gelu_back_avx512((float *)p[0], (const float *)p[1], (const float *)p[2], n, ((const lbi_back *)ctx)->fresh);
        return;
    }
#endif
    plain_back(ctx, n, p, s);
}

static const lb_op_case cases[] = {LBI_UNARY_CASES(-5, 5, NULL)};

LB_OP(gelu) = {.id = "gelu", .title = "Gaussian error linear unit", .source = "Hendrycks and Gimpel 2016, arXiv:1606.08415",
               .sig = "x[...] -> y[...]", .math = "y = x Phi(x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE, .reads = LB_READS_IN(0),
               .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_gelu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_gelu, NULL, 0, 1, &x);
}

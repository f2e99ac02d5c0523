/* SPDX-License-Identifier: Apache-2.0 */
/* y = x s(1.702 x), s the logistic function; dx = g s (1 + 1.702 x (1 - s)). The form of GELU in OpenAI's CLIP. */
#include "base/cpu.h"
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/ops/elementwise.h"

static const lb_real steep = (lb_real)1.702;

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x / (1 + lbi_exp(-steep * x));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real s = 1 / (1 + lbi_exp(-steep * x));
    return s * (1 + steep * x * (1 - s));
}

LBI_UNARY_ROW(plain_row, value)
LBI_UNARY_BACK(plain_back, slope)

static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {
#if LBI_SIGMOID_WIDE
    if (s[1] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_avx512((float *)p[0], (const float *)p[1], n, steep);
        return;
    }
#endif
    plain_row(params, n, p, s);
}

static void back(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
#if LBI_SIGMOID_WIDE
    if (s[2] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_back_avx512((float *)p[0], (const float *)p[1], (const float *)p[2], n, steep, ((const lbi_back *)ctx)->fresh);
        return;
    }
#endif
    plain_back(ctx, n, p, s);
}

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(gelu_quick) = {.id = "gelu_quick", .title = "GELU by a logistic function", .source = "Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2",
                     .sig = "x[...] -> y[...]", .math = "y = x sigmoid(1.702 x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
                     .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                     .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_gelu_quick(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_gelu_quick, NULL, 0, 1, &x);
}

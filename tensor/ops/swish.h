/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of y = x s(a x), s the logistic function, and of dx = g s (1 + a x (1 - s)), which ops differ in by their a. Private to tensor/ops/. */
#ifndef LB_TENSOR_OPS_SWISH_H
#define LB_TENSOR_OPS_SWISH_H
#include "base/cpu.h"
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/ops/elementwise.h"

/* @return false: not done, the rows do not lie side by side or the CPU has no kernel. */
static inline bool lbi_swish_row(int64_t n, char *const *p, const int64_t *s, lb_real a) {
#if LBI_SIGMOID_WIDE
    if (s[1] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_avx512((float *)p[0], (const float *)p[1], n, a);
        return true;
    }
#endif
    return false;
}

static inline bool lbi_swish_back(const void *ctx, int64_t n, char *const *p, const int64_t *s, lb_real a) {
#if LBI_SIGMOID_WIDE
    if (s[2] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_back_avx512((float *)p[0], (const float *)p[1], (const float *)p[2], n, a, ((const lbi_back *)ctx)->fresh);
        return true;
    }
#endif
    return false;
}

/* Functions row and back for lb_op.rows. */
#define LBI_SWISH(A)                                                                                        \
    LBI_INLINE lb_real value(lb_real x, const void *params) { return x / (1 + lbi_exp(-(lb_real)(A) * x)); } \
    LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {                                    \
        lb_real s = 1 / (1 + lbi_exp(-(lb_real)(A) * x));                                                   \
        return s * (1 + (lb_real)(A) * x * (1 - s));                                                        \
    }                                                                                                       \
    LBI_UNARY_ROW(plain_row, value)                                                                         \
    LBI_UNARY_BACK(plain_back, slope)                                                                       \
    static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {                      \
        if (!lbi_swish_row(n, p, s, (lb_real)(A))) plain_row(params, n, p, s);                              \
    }                                                                                                       \
    static void back(const void *ctx, int64_t n, char *const *p, const int64_t *s) {                        \
        if (!lbi_swish_back(ctx, n, p, s, (lb_real)(A))) plain_back(ctx, n, p, s);                          \
    }

#endif

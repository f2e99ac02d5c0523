/* SPDX-License-Identifier: Apache-2.0 */
/* y = x s(x), s the logistic function; dx = g s (1 + x (1 - s)). */
#include "base/cpu.h"
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x / (1 + lbi_exp(-x));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real s = 1 / (1 + lbi_exp(-x));
    return s * (1 + x * (1 - s));
}

LBI_UNARY_ROW(plain_row, value)
LBI_UNARY_BACK(plain_back, slope)

static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {
#if LBI_SIGMOID_WIDE
    if (s[1] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_avx512((float *)p[0], (const float *)p[1], n, 1);
        return;
    }
#endif
    plain_row(params, n, p, s);
}

static void back(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
#if LBI_SIGMOID_WIDE
    if (s[2] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_silu_back_avx512((float *)p[0], (const float *)p[1], (const float *)p[2], n, 1, ((const lbi_back *)ctx)->fresh);
        return;
    }
#endif
    plain_back(ctx, n, p, s);
}

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(silu) = {.id = "silu", .title = "sigmoid linear unit", .source = "Elfwing et al. 2017, arXiv:1702.03118",
               .sig = "x[...] -> y[...]", .math = "y = x sigmoid(x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
               .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_silu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_silu, NULL, 0, 1, &x);
}

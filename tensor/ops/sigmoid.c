/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 / (1 + exp(-x)); dx = g y (1 - y). exp of -|x| only, so nothing overflows. */
#include "base/cpu.h"
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real e = lbi_exp_low(-LBI_M(fabs)(x));
    return (x >= 0 ? 1 : e) / (1 + e);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return y * (1 - y);
}

LBI_UNARY_ROW(plain_row, value)
LBI_UNARY_BACK(back, slope)

static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {
#if LBI_SIGMOID_WIDE
    if (s[1] == LBI_STEP && lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_sigmoid_avx512((float *)p[0], (const float *)p[1], n);
        return;
    }
#endif
    plain_row(params, n, p, s);
}

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(sigmoid) = {.id = "sigmoid", .title = "logistic function", .source = "calculus", .sig = "x[...] -> y[...]",
                  .math = "y = 1 / (1 + exp(-x))", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_OUT(0),
                  .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_sigmoid(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_sigmoid, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = l x above 0, else l a (e^x - 1), with l and a such that mean 0 and variance 1 stay; dx = l g, l a g e^x at 0 and below.
 * NaN stays. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real low = (lb_real)(1.6732632423543772848 * 1.0507009873554804934) * LBI_M(expm1)(x > 0 ? 0 : x);
    return x > 0 ? (lb_real)1.0507009873554804934 * x : low;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real low = (lb_real)(1.6732632423543772848 * 1.0507009873554804934) * lbi_exp(x > 0 ? 0 : x);
    return x > 0 ? (lb_real)1.0507009873554804934 : low;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(selu) = {.id = "selu", .title = "self-normalising exponential linear unit",
               .source = "Klambauer et al. 2017, arXiv:1706.02515", .sig = "x[...] -> y[...]",
               .math = "y = l (x > 0 ? x : a (e^x - 1))", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
               .reads = LB_READS_IN(0), .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_selu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_selu, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x tanh(ln(1 + e^x)) = x w, w = e (e + 2) / (e (e + 2) + 2), e = e^x; dx = g (w + x (1 - w^2) s), s the logistic
 * function. NaN at -inf, as PyTorch. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real e = lbi_exp(x > 20 ? 20 : x), n = e * (e + 2);
    return x * (n / (n + 2));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real e = lbi_exp(x > 20 ? 20 : x), n = e * (e + 2), w = n / (n + 2);
    return w + x * (1 - w * w) * (e / (1 + e));
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(mish) = {.id = "mish", .title = "x times the tanh of its softplus", .source = "Misra 2019, arXiv:1908.08681",
               .sig = "x[...] -> y[...]", .math = "y = x tanh(ln(1 + e^x))", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
               .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_mish(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_mish, NULL, 0, 1, &x);
}

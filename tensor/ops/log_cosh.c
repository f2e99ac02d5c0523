/* SPDX-License-Identifier: Apache-2.0 */
/* log cosh(x - y) = |d| + log1p(exp(-2 |d|)) - log 2; slope tanh(d). */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real d = x < y ? y - x : x - y;
    return d + lbi_log1p_low(lbi_exp_low(-2 * d)) - (lb_real)0.69314718055994530942;
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return lbi_tanh(x - y); }
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return lbi_tanh(y - x); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)
LBI_LOSS_PAIR(back_both, slope_x)

LBI_LOSS_PARAMS(usual, 0, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2)};

LB_OP(log_cosh) = {.id = "log_cosh",
                   .title = "logarithm of the hyperbolic cosine of the error",
                   .math = "log cosh(x - target)",
                   .source = "formula",
                   .sig = "x[...] target[...] -> loss",
                   .flags = LB_OP_SETS,
                   .reads = LB_READS_IN(0) | LB_READS_IN(1),
                   .params_size = sizeof(lbi_loss),
                   .shape = lbi_loss_shape,
                   .forward = lbi_loss_forward,
                   .backward = lbi_loss_backward,
                   .rows = {row, back_x, back_target, back_both},
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_log_cosh(lb_tape *t, lb_tensor *x, lb_tensor *target, lb_reduction reduction) { return lbi_loss_apply(t, &lb_op_log_cosh, reduction, 0, 0, 2, (lb_tensor *[]){x, target}); }

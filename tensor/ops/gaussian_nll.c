/* SPDX-License-Identifier: Apache-2.0 */
/* Negative log-likelihood of y under a normal distribution of mean x and variance v, v cut from below at eps without gradient to the cut:
 * (log v + (x - y)^2 / v) / 2, and log(2 pi) / 2 with full. dx = (x - y) / v, dy = -dx, dv = (1 / v - (x - y)^2 / v^2) / 2 (torch's: through the
 * cut too). */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real at_least(lb_real v, const lbi_loss *o) { return v < (lb_real)o->a ? (lb_real)o->a : v; }
LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real v, const lbi_loss *o) {
    lb_real w = at_least(v, o);
    return (lb_real)0.5 * (lbi_log(w) + (x - y) * (x - y) / w) + (o->b != 0 ? (lb_real)0.91893853320467274178 : 0);
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real v, const lbi_loss *o) { return (x - y) / at_least(v, o); }
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real v, const lbi_loss *o) { return (y - x) / at_least(v, o); }
LBI_INLINE lb_real slope_variance(lb_real x, lb_real y, lb_real v, const lbi_loss *o) {
    lb_real w = at_least(v, o), d = (x - y) / w;
    return (lb_real)0.5 * (1 / w - d * d);
}

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)
LBI_LOSS_BACK(back_variance, slope_variance)

LBI_LOSS_PARAMS(usual, 1e-6, 0);
static const lbi_loss whole = {LB_MEAN, 1e-6, 1};
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = 0.5, .hi = 2),
    {.name = "variance of each, full", .rank = {2, 2, 2}, .shape = {{3, 4}, {3, 4}, {3, 4}}, .params = &whole, .lo = 0.5, .hi = 2},
    {.name = "variance of a column", .rank = {2, 2, 1}, .shape = {{3, 4}, {3, 4}, {4}}, .params = &usual[2], .lo = 0.5, .hi = 2}};

LB_OP(gaussian_nll) = {.id = "gaussian_nll",
                       .title = "negative log-likelihood of a normal distribution",
                       .math = "(log v + (x - y)^2 / v) / 2",
                       .source = "torch.nn.functional.gaussian_nll_loss",
                       .sig = "mean[...] target[...] variance? -> loss",
                       .flags = LB_OP_SETS,
                       .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2),
                       .params_size = sizeof(lbi_loss),
                       .shape = lbi_loss_shape,
                       .forward = lbi_loss_forward,
                       .backward = lbi_loss_backward,
                       .rows = {row, back_x, back_target, back_variance},
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_gaussian_nll(lb_tape *t, lb_tensor *mean, lb_tensor *target, lb_tensor *variance, double eps, bool full, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_gaussian_nll, reduction, eps, full, 3, (lb_tensor *[]){mean, target, variance});
}

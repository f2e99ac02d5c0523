/* SPDX-License-Identifier: Apache-2.0 */
/* Kullback-Leibler divergence of log-probabilities x from a target, element by element: y (log y - x), 0 where y = 0; with
 * log_target (y a logarithm): exp(y) (y - x), 0 where y = -inf. dx = -y or -exp(y); dy = log y - x + 1 or exp(y) (y - x + 1). */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real p = o->a != 0 ? lbi_exp(y) : y, l = o->a != 0 ? y : lbi_log(y);
    return p <= 0 ? 0 : p * (l - x); /* NaN stays */
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real p = o->a != 0 ? lbi_exp(y) : y;
    return p > 0 ? -p : 0;
}
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real p = o->a != 0 ? lbi_exp(y) : 1, l = o->a != 0 ? y : lbi_log(y), d = p * (l - x + 1);
    return o->a != 0 ? (p > 0 ? d : 0) : y > 0 ? d : 0;
}

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)

LBI_LOSS_PARAMS(usual, 0, 0);
static const lbi_loss logs = {LB_BATCH_MEAN, 1, 0};
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = 0.01, .hi = 1),
    {.name = "logarithms", .rank = {2, 2, -1}, .shape = {{3, 4}, {3, 4}}, .params = &logs, .lo = -3, .hi = 0}};

LB_OP(kl_div) = {.id = "kl_div",
                 .title = "Kullback-Leibler divergence of log-probabilities from a target",
                 .math = "y (log y - x)",
                 .source = "torch.nn.functional.kl_div",
                 .sig = "x[...] target[...] -> loss",
                 .flags = LB_OP_SETS,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1),
                 .params_size = sizeof(lbi_loss),
                 .shape = lbi_loss_shape,
                 .forward = lbi_loss_forward,
                 .backward = lbi_loss_backward,
                 .rows = {row, back_x, back_target},
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_kl_div(lb_tape *t, lb_tensor *x, lb_tensor *target, bool log_target, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_kl_div, reduction, log_target, 0, 2, (lb_tensor *[]){x, target});
}

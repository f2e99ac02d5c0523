/* SPDX-License-Identifier: Apache-2.0 */
/* Divergence of a normal distribution of mean m and log-variance l from the standard one, element by element:
 * (m^2 + exp(l) - 1 - l) / 2 (Kingma and Welling, arXiv:1312.6114, appendix B). dm = m, dl = (exp(l) - 1) / 2. */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return (lb_real)0.5 * (x * x + lbi_exp(y) - 1 - y); }
LBI_INLINE lb_real slope_mean(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return x; }
LBI_INLINE lb_real slope_variance(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return (lb_real)0.5 * (lbi_exp(y) - 1); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_mean, slope_mean)
LBI_LOSS_BACK(back_variance, slope_variance)

LBI_LOSS_PARAMS(usual, 0, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2)};

LB_OP(gaussian_kl) = {.id = "gaussian_kl",
                      .title = "divergence of a normal distribution from the standard one",
                      .math = "(m^2 + exp(l) - 1 - l) / 2",
                      .source = "arXiv:1312.6114, appendix B",
                      .sig = "mean[...] log_variance[...] -> loss",
                      .flags = LB_OP_SETS,
                      .reads = LB_READS_IN(0) | LB_READS_IN(1),
                      .params_size = sizeof(lbi_loss),
                      .shape = lbi_loss_shape,
                      .forward = lbi_loss_forward,
                      .backward = lbi_loss_backward,
                      .rows = {row, back_mean, back_variance},
                      .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_gaussian_kl(lb_tape *t, lb_tensor *mean, lb_tensor *log_variance, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_gaussian_kl, reduction, 0, 0, 2, (lb_tensor *[]){mean, log_variance});
}

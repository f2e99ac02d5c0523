/* SPDX-License-Identifier: Apache-2.0 */
/* Binary cross entropy of probabilities, logarithms cut at -100 as torch does: -(y log x + (1 - y) log(1 - x)).
 * dx = (x - y) / max(x (1 - x), 1e-12), dy = log(1 - x) - log x. */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real cut_log(lb_real x) {
    lb_real l = lbi_log(x);
    return l < -100 ? -100 : l;
}
LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return -(y * cut_log(x) + (1 - y) * cut_log(1 - x)); }
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real d = x * (1 - x);
    return (x - y) / (d > (lb_real)1e-12 ? d : (lb_real)1e-12);
}
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return cut_log(1 - x) - cut_log(x); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)

LBI_LOSS_PARAMS(usual, 0, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = 0.05, .hi = 0.95)};

LB_OP(bce) = {.id = "bce",
              .title = "binary cross entropy of probabilities",
              .math = "-(y log x + (1 - y) log(1 - x))",
              .source = "torch.nn.functional.binary_cross_entropy",
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

lb_tensor *lb_bce(lb_tape *t, lb_tensor *x, lb_tensor *target, lb_reduction reduction) { return lbi_loss_apply(t, &lb_op_bce, reduction, 0, 0, 2, (lb_tensor *[]){x, target}); }

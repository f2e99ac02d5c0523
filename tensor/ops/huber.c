/* SPDX-License-Identifier: Apache-2.0 */
/* Huber: d = x - y; d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2). Slope: d cut to -delta..delta. Divided by delta it is
 * torch's smooth_l1 with beta = delta. */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real cut(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real d = x - y, most = (lb_real)o->a;
    d = d > most ? most : d;
    return d < -most ? -most : d;
}
LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real d = cut(x, y, c, o); /* d (2 (x - y) - d) / 2: the square inside, the line outside */
    return d * (x - y - (lb_real)0.5 * d);
}
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return -cut(x, y, c, o); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, cut)
LBI_LOSS_BACK(back_target, slope_target)
LBI_LOSS_PAIR(back_both, cut)

LBI_LOSS_PARAMS(usual, 0.75, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2)};

LB_OP(huber) = {.id = "huber",
                .title = "Huber loss: a square near 0, a line beyond delta",
                .math = "d^2 / 2 or delta (|d| - delta / 2)",
                .source = "torch.nn.functional.huber_loss",
                .sig = "x[...] target[...] -> loss",
                .flags = LB_OP_SETS | LB_OP_NONSMOOTH,
                .reads = LB_READS_IN(0) | LB_READS_IN(1),
                .params_size = sizeof(lbi_loss),
                .shape = lbi_loss_shape,
                .forward = lbi_loss_forward,
                .backward = lbi_loss_backward,
                .rows = {row, back_x, back_target, back_both},
                .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_huber(lb_tape *t, lb_tensor *x, lb_tensor *target, double delta, lb_reduction reduction) {
    if (!(delta > 0)) return lb_tape_fail(t, LB_E_ARG, "huber: delta is %g, above 0 is wanted", delta);
    return lbi_loss_apply(t, &lb_op_huber, reduction, delta, 0, 2, (lb_tensor *[]){x, target});
}

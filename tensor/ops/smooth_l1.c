/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth L1: d = x - y; d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; beta 0: |d|. Slope: d / beta cut to -1..1. */
#include "tensor/ops/losses.h"

/* beta is above 0, and divided by once: it is the same for all. o->b is 1: where compilers know the number they choose between constants, number by number, instead of cutting. */
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real s = (x - y) * (1 / (lb_real)o->a), most = (lb_real)o->b;
    s = s > most ? most : s;
    return s < -most ? -most : s;
}
LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real s = slope_x(x, y, c, o); /* s d - beta s^2 / 2 is the square inside, the line outside */
    return s * ((x - y) - (lb_real)(0.5 * o->a) * s);
}
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return -slope_x(x, y, c, o); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)
LBI_LOSS_PAIR(back_both, slope_x)

LBI_LOSS_PARAMS(usual, 0.75, 1);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2)};

LB_OP(smooth_l1) = {.id = "smooth_l1",
                    .title = "smooth L1: a square below beta, a line beyond",
                    .math = "d^2 / (2 beta) or |d| - beta / 2",
                    .source = "torch.nn.functional.smooth_l1_loss",
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

lb_tensor *lb_smooth_l1(lb_tape *t, lb_tensor *x, lb_tensor *target, double beta, lb_reduction reduction) {
    if (!(beta >= 0)) return lb_tape_fail(t, LB_E_ARG, "smooth_l1: beta is %g, at least 0 is wanted", beta);
    if (1 / (lb_real)beta > LB_REAL_MAX) return lb_l1(t, x, target, reduction); /* 0, or too small to divide by */
    return lbi_loss_apply(t, &lb_op_smooth_l1, reduction, beta, 1, 2, (lb_tensor *[]){x, target});
}

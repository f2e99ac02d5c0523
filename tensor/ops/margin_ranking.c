/* SPDX-License-Identifier: Apache-2.0 */
/* max(0, margin - y (a - b)) for y = 1 (a should lead) or -1; slopes -y and y where positive, 0 elsewhere. */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, lb_real y, const lbi_loss *o) {
    lb_real v = (lb_real)o->a - y * (a - b);
    return v <= 0 ? 0 : v; /* NaN stays */
}
LBI_INLINE lb_real slope_a(lb_real a, lb_real b, lb_real y, const lbi_loss *o) { return (lb_real)o->a - y * (a - b) > 0 ? -y : 0; }
LBI_INLINE lb_real slope_b(lb_real a, lb_real b, lb_real y, const lbi_loss *o) { return (lb_real)o->a - y * (a - b) > 0 ? y : 0; }
LBI_INLINE lb_real slope_y(lb_real a, lb_real b, lb_real y, const lbi_loss *o) { return (lb_real)o->a - y * (a - b) > 0 ? b - a : 0; }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_a, slope_a)
LBI_LOSS_BACK(back_b, slope_b)
LBI_LOSS_BACK(back_y, slope_y)

LBI_LOSS_PARAMS(usual, 0.5, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2),
    {.name = "with orders", .rank = {2, 2, 2}, .shape = {{3, 4}, {3, 4}, {3, 4}}, .params = &usual[0], .lo = -2, .hi = 2}};

LB_OP(margin_ranking) = {.id = "margin_ranking",
                         .title = "hinge on the wrong order of two scores",
                         .math = "max(0, margin - y (a - b))",
                         .source = "torch.nn.functional.margin_ranking_loss",
                         .sig = "a[...] b[...] y? -> loss",
                         .flags = LB_OP_SETS | LB_OP_NONSMOOTH,
                         .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2),
                         .params_size = sizeof(lbi_loss),
                         .shape = lbi_loss_shape,
                         .forward = lbi_loss_forward,
                         .backward = lbi_loss_backward,
                         .rows = {row, back_a, back_b, back_y},
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_margin_ranking(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor *y, double margin, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_margin_ranking, reduction, margin, 0, 3, (lb_tensor *[]){a, b, y});
}

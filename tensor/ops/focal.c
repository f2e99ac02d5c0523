/* SPDX-License-Identifier: Apache-2.0 */
/* Sigmoid focal loss (Lin et al., arXiv:1708.02002, eq. (5)), p = sigmoid(x): a y (1 - p)^g softplus(-x) + b (1 - y) p^g softplus(x),
 * with a = alpha, b = 1 - alpha; alpha below 0: a = b = 1. dx: with q = 1 - p,
 * a y q^g (-g p softplus(-x) - q) + b (1 - y) p^g (g q softplus(x) + p). Soft targets are allowed (each side counts with its share). */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real share(lb_real y, const lbi_loss *o, bool positive) {
    lb_real a = (lb_real)(o->a < 0 ? 1 : o->a), b = (lb_real)(o->a < 0 ? 1 : 1 - o->a);
    return positive ? a * y : b * (1 - y);
}
/* sigmoid(x)^g = exp(-g softplus(-x)) */
LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real s = lbi_softplus(-x), r = s + x, g = (lb_real)o->b;
    return share(y, o, true) * lbi_exp(-g * r) * s + share(y, o, false) * lbi_exp(-g * s) * r;
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real s = lbi_softplus(-x), r = s + x, g = (lb_real)o->b, p = lbi_exp(-s), q = lbi_exp(-r);
    return share(y, o, false) * lbi_exp(-g * s) * (g * q * r + p) - share(y, o, true) * lbi_exp(-g * r) * (g * p * s + q);
}
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real s = lbi_softplus(-x), r = s + x, g = (lb_real)o->b;
    return share(1, o, true) * lbi_exp(-g * r) * s - share(0, o, false) * lbi_exp(-g * s) * r;
}

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)

LBI_LOSS_PARAMS(usual, 0.25, 2);
static const lbi_loss even = {LB_SUM, -1, 1.5};
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = 0, .hi = 1),
    {.name = "no alpha", .rank = {2, 2, -1}, .shape = {{3, 4}, {3, 4}}, .params = &even, .lo = -4, .hi = 4}};

LB_OP(focal) = {.id = "focal",
                .title = "focal loss of logits, sigmoid form",
                .math = "-a (1 - p_t)^g log p_t",
                .source = "arXiv:1708.02002, eq. (5); torchvision.ops.sigmoid_focal_loss",
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

lb_tensor *lb_focal(lb_tape *t, lb_tensor *x, lb_tensor *target, double alpha, double gamma, lb_reduction reduction) {
    if (!(gamma >= 0)) return lb_tape_fail(t, LB_E_ARG, "focal: gamma is %g, at least 0 is wanted", gamma);
    return lbi_loss_apply(t, &lb_op_focal, reduction, alpha, gamma, 2, (lb_tensor *[]){x, target});
}

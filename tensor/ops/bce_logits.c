/* SPDX-License-Identifier: Apache-2.0 */
/* Binary cross entropy of logits, w the weight of the positive class (torch's pos_weight): w y softplus(-x) + (1 - y) softplus(x);
 * any finite x is fine. dx = sigmoid(x) (1 - y + w y) - w y, dy = w softplus(-x) - softplus(x), dw = y softplus(-x). Over the classes of a
 * multi-label task its mean is torch's multilabel_soft_margin_loss. */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real w, const lbi_loss *o) {
    lb_real s = lbi_softplus(-x); /* softplus(x) = softplus(-x) + x */
    return w * y * s + (1 - y) * (s + x);
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real w, const lbi_loss *o) { return (1 - y + w * y) / (1 + lbi_exp(-x)) - w * y; }
LBI_INLINE lb_real slope_target(lb_real x, lb_real y, lb_real w, const lbi_loss *o) { return (w - 1) * lbi_softplus(-x) - x; }
LBI_INLINE lb_real slope_weight(lb_real x, lb_real y, lb_real w, const lbi_loss *o) { return y * lbi_softplus(-x); }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
LBI_LOSS_BACK(back_target, slope_target)
LBI_LOSS_BACK(back_weight, slope_weight)

LBI_LOSS_PARAMS(usual, 0, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = 0, .hi = 1),
    {.name = "weighted classes", .rank = {3, 3, 1}, .shape = {{2, 3, 4}, {2, 3, 4}, {4}}, .params = &usual[0], .lo = -3, .hi = 3},
    {.name = "one weight", .rank = {2, 2, 0}, .shape = {{3, 4}, {3, 4}}, .params = &usual[1], .lo = 0, .hi = 2},
    {.name = "weight of each", .rank = {2, 2, 2}, .shape = {{3, 4}, {3, 4}, {3, 4}}, .params = &usual[2], .lo = -2, .hi = 2},
    {.name = "far", .rank = {2, 2, -1}, .shape = {{3, 4}, {3, 4}}, .params = &usual[2], .lo = -90, .hi = 90}};

LB_OP(bce_logits) = {.id = "bce_logits",
                     .title = "binary cross entropy of logits",
                     .math = "w y softplus(-x) + (1 - y) softplus(x)",
                     .source = "torch.nn.functional.binary_cross_entropy_with_logits",
                     .sig = "x[...] target[...] positive? -> loss",
                     .flags = LB_OP_SETS,
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2),
                     .params_size = sizeof(lbi_loss),
                     .shape = lbi_loss_shape,
                     .forward = lbi_loss_forward,
                     .backward = lbi_loss_backward,
                     .rows = {row, back_x, back_target, back_weight},
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_bce_logits(lb_tape *t, lb_tensor *x, lb_tensor *target, lb_tensor *positive, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_bce_logits, reduction, 0, 0, 3, (lb_tensor *[]){x, target, positive});
}

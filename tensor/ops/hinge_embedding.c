/* SPDX-License-Identifier: Apache-2.0 */
/* x where the label y is 1, max(0, margin - x) where it is -1 (torch; any other y counts as -1). */
#include "tensor/ops/losses.h"

LBI_INLINE lb_real value(lb_real x, lb_real y, lb_real c, const lbi_loss *o) {
    lb_real far = (lb_real)o->a - x;
    far = far <= 0 ? 0 : far; /* NaN stays */
    return y == 1 ? x : far;
}
LBI_INLINE lb_real slope_x(lb_real x, lb_real y, lb_real c, const lbi_loss *o) { return y == 1 ? 1 : (lb_real)o->a - x > 0 ? -1 : 0; }

LBI_LOSS_ROW(row, value)
LBI_LOSS_BACK(back_x, slope_x)
static void signs(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[1]; i++) ((lb_real *)data[1])[i] = ((lb_real *)data[1])[i] > 0 ? 1 : -1;
}

LBI_LOSS_PARAMS(usual, 1, 0);
static const lb_op_case cases[] = {LBI_LOSS_CASES(usual, .lo = -2, .hi = 2, .fill = signs)};

LB_OP(hinge_embedding) = {.id = "hinge_embedding",
                          .title = "distance of alike pairs, hinge of others",
                          .math = "x or max(0, margin - x)",
                          .source = "torch.nn.functional.hinge_embedding_loss",
                          .constant = 1u << 1,
                          .sig = "x[...] label[...] -> loss",
                          .flags = LB_OP_SETS | LB_OP_NONSMOOTH,
                          .reads = LB_READS_IN(0) | LB_READS_IN(1),
                          .params_size = sizeof(lbi_loss),
                          .shape = lbi_loss_shape,
                          .forward = lbi_loss_forward,
                          .backward = lbi_loss_backward,
                          .rows = {row, back_x},
                          .cases = cases,
                          .case_count = LB_COUNT(cases)};

lb_tensor *lb_hinge_embedding(lb_tape *t, lb_tensor *x, lb_tensor *label, double margin, lb_reduction reduction) {
    return lbi_loss_apply(t, &lb_op_hinge_embedding, reduction, margin, 0, 2, (lb_tensor *[]){x, label});
}

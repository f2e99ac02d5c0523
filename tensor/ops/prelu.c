/* SPDX-License-Identifier: Apache-2.0 */
/* y = x above 0, else w x; dx = g, w g at 0 and below; dw = x g there, summed. A vector w [C] belongs to axis 1 of x, a
 * single w to all. NaN stays. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a > 0 ? a : b * a;
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    return a > 0 ? 1 : b;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    return a > 0 ? 0 : a;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0, 0)};

LB_OP(prelu) = {.id = "prelu", .title = "linear unit with a learned slope below 0",
                .source = "He et al. 2015, arXiv:1502.01852; torch.nn.functional.prelu", .sig = "x w -> y",
                .math = "y = x > 0 ? x : w x", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = lbi_binary_shape, .forward = lbi_binary_forward,
                .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_prelu(lb_tape *t, lb_tensor *x, lb_tensor *w) {
    int64_t shape[LB_MAX_RANK] = {0};
    if (x && w && w->rank == 1 && w->shape[0] != 1 && x->rank > 2) {
        for (int i = 0; i < x->rank - 1; i++) shape[i] = i == 0 ? w->shape[0] : 1;
        w = lb_reshape(t, w, x->rank - 1, shape);
    }
    return lb_apply(t, &lb_op_prelu, NULL, 0, 2, (lb_tensor *[]){x, w});
}

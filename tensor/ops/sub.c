/* SPDX-License-Identifier: Apache-2.0 */
/* y = a - b; da = g, db = -g, each summed over the axes along which it was broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a - b;
}

LBI_BINARY_ROW(row, value)

static void backward(lb_call *c) {
    for (int i = 0; i < 2; i++)
        if (c->gin[i] && c->gout[0]) lbi_reduce_to(c->gin[i], c->gout[0], i ? -1 : 1, c->fresh[i]);
}

static const lb_op_case cases[] = {LBI_BINARY_CASES(0, 0)};

LB_OP(sub) = {.id = "sub", .title = "difference of two, broadcast", .source = "NumPy broadcasting rules", .sig = "a b -> y",
              .math = "y = a - b", .flags = LB_OP_STRIDED | LB_OP_SETS, .passes = 1, .shape = lbi_binary_shape,
              .last = lbi_joins_last, .forward = lbi_binary_forward, .backward = backward, .rows = {row}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_sub(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_sub, NULL, 0, 2, (lb_tensor *[]){a, b});
}

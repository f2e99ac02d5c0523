/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1, 0 or -1. 0 at NaN, as PyTorch. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

LBI_UNARY_ROW(row, value)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(sign) = {.id = "sign", .title = "sign", .source = "torch.sign", .sig = "x[...] -> y[...]", .math = "y = sign x",
               .flags = LB_OP_STRIDED, .forward = lbi_unary_forward,
               .no_grad = "piecewise constant: the slope is 0 wherever there is one", .rows = {row}, .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_sign(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_sign, NULL, 0, 1, &x);
}

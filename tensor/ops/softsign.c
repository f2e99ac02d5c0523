/* SPDX-License-Identifier: Apache-2.0 */
/* y = x / (1 + |x|); dx = g / (1 + |x|)^2. NaN at infinities. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x / (1 + LBI_M(fabs)(x));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real n = 1 + LBI_M(fabs)(x);
    return 1 / (n * n);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, NULL)};

LB_OP(softsign) = {.id = "softsign", .title = "x over 1 more than its size", .source = "torch.nn.functional.softsign",
                   .sig = "x[...] -> y[...]", .math = "y = x / (1 + |x|)", .flags = LB_OP_STRIDED | LB_OP_SETS,
                   .reads = LB_READS_IN(0), .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                   .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_softsign(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_softsign, NULL, 0, 1, &x);
}

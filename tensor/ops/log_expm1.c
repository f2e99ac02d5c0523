/* SPDX-License-Identifier: Apache-2.0 */
/* y = ln(e^x - 1) = x + ln(1 - e^-x), the inverse of softplus; dx = g / (1 - e^-x). -inf at 0, NaN below. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    return x + lbi_log(-LBI_M(expm1)(-x));
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return -1 / LBI_M(expm1)(-x);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_op_case cases[] = {LBI_UNARY_CASES(0.05, 6, NULL)};

LB_OP(log_expm1) = {.id = "log_expm1", .title = "inverse of softplus", .source = "algebra", .sig = "x[...] -> y[...]",
                    .math = "y = ln(e^x - 1)", .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0),
                    .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_log_expm1(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_log_expm1, NULL, 0, 1, &x);
}

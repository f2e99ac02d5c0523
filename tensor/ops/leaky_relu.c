/* SPDX-License-Identifier: Apache-2.0 */
/* y = x above 0, else s x; dx = g, s g at 0 and below. NaN stays. */
#include "tensor/ops/elementwise.h"

struct leaky_relu {
    lb_real slope;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    lb_real low = ((const struct leaky_relu *)params)->slope * x;
    return x > 0 ? x : low;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real low = ((const struct leaky_relu *)params)->slope;
    return x > 0 ? 1 : low;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct leaky_relu usual = {(lb_real)0.2};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &usual)};

LB_OP(leaky_relu) = {.id = "leaky_relu", .title = "linear unit with a slope below 0",
                     .source = "torch.nn.functional.leaky_relu", .sig = "x[...] -> y[...]", .math = "y = x > 0 ? x : s x",
                     .params_size = sizeof(struct leaky_relu), .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                     .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                     .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_leaky_relu(lb_tape *t, lb_tensor *x, double slope) {
    struct leaky_relu p = {(lb_real)slope};
    return lb_apply(t, &lb_op_leaky_relu, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x, with NaN, +inf and -inf replaced by given numbers; dx = g where x is finite, else 0. */
#include "tensor/ops/elementwise.h"

struct nan_to_num {
    lb_real nan, up, down;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const struct nan_to_num p = *(const struct nan_to_num *)params;
    return x != x ? p.nan : x == INFINITY ? p.up : x == -INFINITY ? p.down : x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    return LBI_M(fabs)(x) <= LB_REAL_MAX ? 1 : 0;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct nan_to_num usual = {3, 7, -8};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &usual)};

LB_OP(nan_to_num) = {.id = "nan_to_num", .title = "NaN and infinities replaced", .source = "torch.nan_to_num",
                     .sig = "x[...] -> y[...]", .math = "y = finite x ? x : a constant",
                     .params_size = sizeof(struct nan_to_num), .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                     .reads = LB_READS_IN(0), .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                     .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_nan_to_num(lb_tape *t, lb_tensor *x, double nan, double up, double down) {
    struct nan_to_num p = {(lb_real)nan, (lb_real)up, (lb_real)down};
    return lb_apply(t, &lb_op_nan_to_num, &p, sizeof p, 1, &x);
}

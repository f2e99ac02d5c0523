/* SPDX-License-Identifier: Apache-2.0 */
/* y = min(max(x, lo), hi); dx = g where lo < x < hi (as PyTorch 2.15; earlier ones let it pass at the bounds), else 0. NaN stays. */
#include "tensor/calls.h"
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const lb_clamp_params p = *(const lb_clamp_params *)params;
    return x < p.lo ? p.lo : x > p.hi ? p.hi : x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const lb_clamp_params p = *(const lb_clamp_params *)params;
    return x > p.lo && x < p.hi ? 1 : 0;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const lb_clamp_params one = {-0.5, 1.25};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &one)};

LB_OP(clamp) = {.id = "clamp", .title = "kept between two bounds", .source = "calculus", .sig = "x[...] -> y[...]",
                .math = "y = min(max(x, lo), hi)", .params_size = sizeof(lb_clamp_params),
                .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
                .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_clamp(lb_tape *t, lb_tensor *x, double lo, double hi) {
    lb_clamp_params p = {lo, hi};
    return lb_apply(t, &lb_op_clamp, &p, sizeof p, 1, &x);
}

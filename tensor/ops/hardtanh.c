/* SPDX-License-Identifier: Apache-2.0 */
/* y = x cut to lo..hi; dx = g strictly between them, else 0 (clamp lets it pass at the bounds too). NaN stays. */
#include "tensor/ops/elementwise.h"

struct hardtanh {
    lb_real lo, hi;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const struct hardtanh p = *(const struct hardtanh *)params;
    return x < p.lo ? p.lo : x > p.hi ? p.hi : x;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const struct hardtanh p = *(const struct hardtanh *)params;
    return x > p.lo && x < p.hi ? 1 : 0;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct hardtanh usual = {-1, (lb_real)0.5};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &usual)};

LB_OP(hardtanh) = {.id = "hardtanh", .title = "cut to a range, no gradient at its bounds",
                   .source = "torch.nn.functional.hardtanh", .sig = "x[...] -> y[...]", .math = "y = min(max(x, lo), hi)",
                   .params_size = sizeof(struct hardtanh), .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
                   .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                   .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_hardtanh(lb_tape *t, lb_tensor *x, double lo, double hi) {
    struct hardtanh p = {(lb_real)lo, (lb_real)hi};
    return lb_apply(t, &lb_op_hardtanh, &p, sizeof p, 1, &x);
}

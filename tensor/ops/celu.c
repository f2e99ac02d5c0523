/* SPDX-License-Identifier: Apache-2.0 */
/* y = x above 0, else a (e^(x / a) - 1); dx = g, g e^(x / a) at 0 and below. NaN stays. */
#include "tensor/ops/elementwise.h"

struct celu {
    lb_real alpha;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const struct celu *p = params;
    lb_real low = p->alpha * LBI_M(expm1)((x > 0 ? 0 : x) / p->alpha);
    return x > 0 ? x : low;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const struct celu *p = params;
    return lbi_exp((x > 0 ? 0 : x) / p->alpha);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct celu usual = {(lb_real)0.7};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &usual)};

LB_OP(celu) = {.id = "celu", .title = "exponential linear unit with a smooth slope", .source = "Barron 2017, arXiv:1704.07483",
               .sig = "x[...] -> y[...]", .math = "y = x > 0 ? x : a (e^(x / a) - 1)", .params_size = sizeof(struct celu),
               .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .forward = lbi_unary_forward,
               .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_celu(lb_tape *t, lb_tensor *x, double alpha) {
    struct celu p = {(lb_real)alpha};
    return lb_apply(t, &lb_op_celu, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x above 0, else a (e^x - 1); dx = g, a g e^x at 0 and below. NaN stays. */
#include "tensor/ops/elementwise.h"

struct elu {
    lb_real alpha;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const struct elu *p = params;
    lb_real low = p->alpha * LBI_M(expm1)(x > 0 ? 0 : x);
    return x > 0 ? x : low;
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const struct elu *p = params;
    lb_real low = p->alpha * lbi_exp(x > 0 ? 0 : x);
    return x > 0 ? 1 : low;
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct elu usual = {(lb_real)0.7};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0, 0, &usual)};

LB_OP(elu) = {.id = "elu", .title = "exponential linear unit", .source = "Clevert et al. 2015, arXiv:1511.07289",
              .sig = "x[...] -> y[...]", .math = "y = x > 0 ? x : a (e^x - 1)", .params_size = sizeof(struct elu),
              .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
              .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_elu(lb_tape *t, lb_tensor *x, double alpha) {
    struct elu p = {(lb_real)alpha};
    return lb_apply(t, &lb_op_elu, &p, sizeof p, 1, &x);
}

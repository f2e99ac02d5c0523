/* SPDX-License-Identifier: Apache-2.0 */
/* y = x^p; dx = g p x^(p-1), 0 where p = 0. */
#include "tensor/ops/elementwise.h"

struct pow_scalar {
    lb_real power;
};

LBI_INLINE lb_real value(lb_real x, const void *params) {
    const struct pow_scalar *p = params;
    return LBI_M(pow)(x, p->power);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    const struct pow_scalar *p = params;
    return p->power == 0 ? 0 : p->power * LBI_M(pow)(x, p->power - 1);
}

LBI_UNARY_ROW(row, value)
LBI_UNARY_BACK(back, slope)

static const struct pow_scalar one = {2.5}, other = {-1};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0.2, 3, &one),
                                   {.name = "other", .rank = {2}, .shape = {{4, 6}}, .lo = 0.2, .hi = 3, .params = &other}};

LB_OP(pow_scalar) = {.id = "pow_scalar", .title = "power with a fixed exponent", .source = "calculus",
                     .sig = "x[...] -> y[...]", .math = "y = x^p", .params_size = sizeof(struct pow_scalar),
                     .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .forward = lbi_unary_forward,
                     .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_pow_scalar(lb_tape *t, lb_tensor *x, double power) {
    struct pow_scalar p = {power};
    return lb_apply(t, &lb_op_pow_scalar, &p, sizeof p, 1, &x);
}

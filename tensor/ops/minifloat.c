/* SPDX-License-Identifier: Apache-2.0 */
/* y = the nearest number of a small float format, cut at its largest (tensor/quantise.h); dx = g (straight-through). */
#include "tensor/quantise.h"
#include <string.h>
#include "tensor/ops/elementwise.h"

typedef struct options {
    int exponent, mantissa;
    double most;
} options;

static void row(const void *params, int64_t n, char *const *p, const int64_t *s) {
    const options *o = params;
    for (int64_t i = 0; i < n; i++) *(lb_real *)(p[0] + i * s[0]) = (lb_real)lb_minifloat_of((double)*(const lb_real *)(p[1] + i * s[1]), o->exponent, o->mantissa, o->most);
}

LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) { return 1; }
LBI_UNARY_BACK(back, slope)

static const options e4m3 = {4, 3, 448}, e5m2 = {5, 2, 57344}, half = {5, 10, 65504}, brain = {8, 7, 3.3895313892515355e38};
static const lb_op_case cases[] = {
    {.name = "e4m3", .rank = {2}, .shape = {{9, 5}}, .lo = -600, .hi = 600, .params = &e4m3},
    {.name = "e4m3 near 0", .rank = {2}, .shape = {{9, 5}}, .lo = -0.03, .hi = 0.03, .params = &e4m3},
    {.name = "e5m2", .rank = {2}, .shape = {{9, 5}}, .lo = -0.001, .hi = 0.001, .params = &e5m2},
    {.name = "f16", .rank = {2}, .shape = {{9, 5}}, .params = &half},
    {.name = "bf16", .rank = {2}, .shape = {{9, 5}}, .lo = -1e4, .hi = 1e4, .params = &brain},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &e4m3},
    {.name = "large", .rank = {2}, .shape = {{300, 250}}, .lo = -500, .hi = 500, .params = &e4m3},
};

LB_OP(minifloat) = {.id = "minifloat",
                    .title = "rounding to a small float format, straight-through",
                    .source = "OCP 8-bit Floating Point Specification 1.0",
                    .sig = "x[...] -> y[...]",
                    .math = "y = round(x)",
                    .flags = LB_OP_ESTIMATE | LB_OP_STRIDED | LB_OP_SETS,
                    .params_size = sizeof(options),
                    .forward = lbi_unary_forward,
                    .backward = lbi_unary_backward,
                    .rows = {row, back},
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_minifloat(lb_tape *t, lb_tensor *x, int exponent, int mantissa, double most) {
    if (exponent < 2 || exponent > 8 || mantissa < 0 || mantissa > 23 || !(most > 0))
        return lb_tape_fail(t, LB_E_ARG, "minifloat: %d exponent and %d mantissa bits, largest %g", exponent, mantissa, most);
    return lb_apply(t, &lb_op_minifloat, &(options){exponent, mantissa, most}, sizeof(options), 1, &x);
}

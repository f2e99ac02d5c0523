/* SPDX-License-Identifier: Apache-2.0 */
/* y = x^p; dx = g p x^(p-1), 0 where p = 0. The exponents that models use are made of products and roots. */
#include "tensor/ops/elementwise.h"

struct pow_scalar {
    lb_real power;
};

LBI_INLINE lb_real squared(lb_real x, const void *params) { return x * x; }
LBI_INLINE lb_real cubed(lb_real x, const void *params) { return x * x * x; }
LBI_INLINE lb_real inverted(lb_real x, const void *params) { return 1 / x; }

/* As the C library's pow, whose vector form is quick for positive numbers only. */
LBI_INLINE lb_real any_power(lb_real x, lb_real p) {
    lb_real y = LBI_M(pow)(LBI_M(fabs)(x), p), half = p / 2;
    bool whole = LBI_M(floor)(p) == p, odd = whole && LBI_M(floor)(half) != half;
    lb_real below = odd ? -y : whole || x < -LB_REAL_MAX ? y : (lb_real)NAN;
    return (odd ? signbit(x) : x < 0) ? below : y;
}
LBI_INLINE lb_real value(lb_real x, const void *params) { return any_power(x, ((const struct pow_scalar *)params)->power); }

LBI_INLINE lb_real slope_of_square(lb_real x, lb_real y, const void *params) { return 2 * x; }
LBI_INLINE lb_real slope_of_cube(lb_real x, lb_real y, const void *params) { return 3 * x * x; }
LBI_INLINE lb_real slope_of_inverse(lb_real x, lb_real y, const void *params) { return -1 / (x * x); }
LBI_INLINE lb_real slope(lb_real x, lb_real y, const void *params) {
    lb_real p = ((const struct pow_scalar *)params)->power, d = p * any_power(x, p - 1);
    return p == 0 ? 0 : d;
}

LBI_UNARY_ROW(square, squared)
LBI_UNARY_ROW(cube, cubed)
LBI_UNARY_ROW(inverse, inverted)
LBI_UNARY_ROW(general, value)
LBI_UNARY_BACK(square_back, slope_of_square)
LBI_UNARY_BACK(cube_back, slope_of_cube)
LBI_UNARY_BACK(inverse_back, slope_of_inverse)
LBI_UNARY_BACK(general_back, slope)

static void row(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    lb_real power = ((const struct pow_scalar *)ctx)->power;
    (power == 2 ? square : power == 3 ? cube : power == -1 ? inverse : general)(ctx, n, p, s);
}

static void back(const void *ctx, int64_t n, char *const *p, const int64_t *s) {
    lb_real power = ((const struct pow_scalar *)((const lbi_back *)ctx)->params)->power;
    (power == 2 ? square_back : power == 3 ? cube_back : power == -1 ? inverse_back : general_back)(ctx, n, p, s);
}

static const struct pow_scalar one = {2.5}, other = {-1}, two = {2}, three = {3}, five = {5}, none = {0};
static const lb_op_case cases[] = {LBI_UNARY_CASES(0.2, 3, &one),
                                   {.name = "other", .rank = {2}, .shape = {{4, 6}}, .lo = 0.2, .hi = 3, .params = &other},
                                   {.name = "square", .rank = {2}, .shape = {{4, 6}}, .params = &two},
                                   {.name = "cube", .rank = {2}, .shape = {{4, 6}}, .params = &three},
                                   {.name = "fifth", .rank = {2}, .shape = {{4, 6}}, .params = &five},
                                   {.name = "none", .rank = {2}, .shape = {{4, 6}}, .params = &none}};

LB_OP(pow_scalar) = {.id = "pow_scalar", .title = "power with a fixed exponent", .source = "calculus",
                     .sig = "x[...] -> y[...]", .math = "y = x^p", .params_size = sizeof(struct pow_scalar),
                     .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward,
                     .backward = lbi_unary_backward, .rows = {row, back}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_pow_scalar(lb_tape *t, lb_tensor *x, double power) {
    struct pow_scalar p = {power};
    if (power == 0.5) return lb_sqrt(t, x);
    if (power == -0.5) return lb_rsqrt(t, x);
    return lb_apply(t, &lb_op_pow_scalar, &p, sizeof p, 1, &x);
}

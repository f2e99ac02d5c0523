/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one number that compilers turn into vector code (no calls, no branches). In the double build: the C library's.
 * lbi_exp in float: 2^n * p(r), r = x - n ln 2 in two parts, degree-6 polynomial; error below 2 units in the last place on
 * [-87, 88]; below that 0, above it infinity; NaN stays NaN. Method and coefficients: Cephes expf (Moshier). */
#ifndef LB_TENSOR_KERNELS_MATHS_H
#define LB_TENSOR_KERNELS_MATHS_H
#include <math.h>
#include <string.h>
#include "tensor/tensor.h"

/* glibc has vector forms of these beside the plain ones (libmvec, error up to 4 units in the last place); said here, the compiler takes
 * them in loops. */
#if !defined(LB_DOUBLE) && defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
#define LBI_VECTOR __attribute__((simd("notinbranch")))
LBI_VECTOR float sinf(float);
LBI_VECTOR float cosf(float);
LBI_VECTOR float tanf(float);
LBI_VECTOR float asinf(float);
LBI_VECTOR float acosf(float);
LBI_VECTOR float atanf(float);
LBI_VECTOR float sinhf(float);
LBI_VECTOR float coshf(float);
LBI_VECTOR float expm1f(float);
LBI_VECTOR float log2f(float);
LBI_VECTOR float logf(float);
LBI_VECTOR float log1pf(float);
LBI_VECTOR float tanhf(float);
LBI_VECTOR float powf(float, float);
LBI_VECTOR float atan2f(float, float);
#endif
#endif

/* Forced, since functions made for another instruction level do not take in plain inline ones. */
#define LBI_ALWAYS static inline __attribute__((always_inline))

#ifdef LB_DOUBLE
LBI_ALWAYS lb_real lbi_exp(lb_real x) { return exp(x); }
LBI_ALWAYS lb_real lbi_exp_low(lb_real x) { return exp(x); }
LBI_ALWAYS lb_real lbi_erf(lb_real x) { return erf(x); }
LBI_ALWAYS lb_real lbi_tanh(lb_real x) { return tanh(x); }
LBI_ALWAYS lb_real lbi_log(lb_real x) { return log(x); }
LBI_ALWAYS lb_real lbi_log1p(lb_real x) { return log1p(x); }
LBI_ALWAYS lb_real lbi_log1p_low(lb_real e) { return log1p(e); }
#else
/* exp(x) / 2^n; *bits end with those of n. */
LBI_ALWAYS float lbi_exp_rest(float x, uint32_t *bits) {
    float n = x * 1.44269504088896341f + 12582912.0f; /* 1.5 * 2^23: rounds to the nearest integer */
    memcpy(bits, &n, sizeof *bits);
    n -= 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r + 1.0f;
    return p * r + 1.0f;
}
LBI_ALWAYS lb_real lbi_exp(lb_real x) {
    uint32_t bits, sum;
    float y, p = lbi_exp_rest(x < -87.3f ? -87.3f : x > 88.7f ? 88.7f : x, &bits);
    /* n is added to the exponent of p; what the rounding left above it falls off. */
    memcpy(&sum, &p, sizeof sum);
    sum += bits << 23;
    memcpy(&y, &sum, sizeof y);
    y = x < -87.3f ? 0.0f : y;
    y = x > 88.7f ? INFINITY : y;
    return x != x ? x : y;
}
/* The same for x <= 0, or a little above, in fewer steps. */
LBI_ALWAYS lb_real lbi_exp_low(lb_real x) {
    uint32_t bits;
    float power, p = lbi_exp_rest(x, &bits);
    bits = (bits << 23) + 0x3f800000; /* of 2^n */
    memcpy(&power, &bits, sizeof power);
    return x < -87.3f ? 0.0f : p * power; /* NaN times anything is NaN */
}
/* ln(1 + e) for 0 <= e <= 1: 2 atanh(s), s = e / (2 + e), by a Chebyshev fit of (atanh(s) / s - 1) / s^2; error below 3 units in the last place. */
LBI_ALWAYS lb_real lbi_log1p_low(lb_real e) {
    float s = e / (2 + e), z = s * s, p = 0.23238893f;
    p = p * z + 0.21703355f;
    p = p * z + 0.28592581f;
    p = p * z + 0.39999703f;
    p = p * z + 0.66666669f;
    return p * z * s + 2 * s;
}
/* x P(x^2) / Q(x^2) on [-4, 4], beyond that 1. Coefficients: Eigen (generic_fast_erf_float); error below 8 units in the last place. */
LBI_ALWAYS lb_real lbi_erf(lb_real x) {
    float c = x < -4 ? -4 : x > 4 ? 4 : x, z = c * c;
    float p = -2.72614225801306e-10f;
    p = p * z + 2.77068142495902e-08f;
    p = p * z - 2.10102402082508e-06f;
    p = p * z - 5.69250639462346e-05f;
    p = p * z - 7.34990630326855e-04f;
    p = p * z - 2.95459980854025e-03f;
    p = p * z - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * z - 2.13374055278905e-04f;
    q = q * z - 1.68282697438203e-03f;
    q = q * z - 7.37332916720468e-03f;
    q = q * z - 1.42647390514189e-02f;
    return c * p / q;
}
#ifdef LBI_VECTOR
LBI_ALWAYS lb_real lbi_tanh(lb_real x) { return tanhf(x); }
LBI_ALWAYS lb_real lbi_log(lb_real x) { return logf(x); }
LBI_ALWAYS lb_real lbi_log1p(lb_real x) { return log1pf(x); }
#else
/* Cephes tanhf: an odd polynomial below 0.625, 1 - 2 / (exp(2 |x|) + 1) above. */
LBI_ALWAYS lb_real lbi_tanh(lb_real x) {
    float a = x < 0 ? -x : x, z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float low = p * z * x + x, high = 1 - 2 / (lbi_exp(2 * a) + 1);
    high = x < 0 ? -high : high;
    return a < 0.625f ? low : high;
}
/* Cephes logf: x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). -inf at 0, NaN below; numbers under FLT_MIN are scaled up first. */
LBI_ALWAYS lb_real lbi_log(lb_real x) {
    float up = x < 1.17549435e-38f ? x * 8388608.0f : x, e = x < 1.17549435e-38f ? -23.0f : 0.0f, f;
    int32_t bits;
    memcpy(&bits, &up, sizeof bits);
    int32_t shifted = bits - 0x3f3504f3; /* sqrt(1/2) */
    e += (float)(shifted >> 23);
    bits = (shifted & 0x007fffff) + 0x3f3504f3;
    memcpy(&f, &bits, sizeof f);
    f -= 1;
    float p = 7.0376836292e-2f, z = f * f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float y = p * f * z - 2.12194440e-4f * e - 0.5f * z;
    y = f + y + 0.693359375f * e;
    y = x > 3.4028234e38f ? x : y;
    y = x == 0 ? -INFINITY : y;
    y = x < 0 ? NAN : y;
    return x != x ? x : y;
}
/* ln(1 + x) for x > -1: u = 1 + x as rounded, corrected by what the rounding lost (Kahan). */
LBI_ALWAYS lb_real lbi_log1p(lb_real x) {
    float u = 1 + x, d = u - 1;
    float y = lbi_log(u) * (x / (d == 0 ? 1 : d));
    y = d == 0 ? x : y;
    return u > 3.4028234e38f ? x : y;
}
#endif
#endif

/* ln(1 + exp(x)), stable; -lbi_softplus(-x) is the log of the sigmoid. */
LBI_ALWAYS lb_real lbi_softplus(lb_real x) { return (x > 0 ? x : 0) + lbi_log1p_low(lbi_exp_low(x > 0 ? -x : x)); }

/* GELU and its slope, exact and tanh forms (Hendrycks and Gimpel 2016). */
LBI_ALWAYS lb_real lbi_gelu(lb_real x) { return (lb_real)0.5 * x * (1 + lbi_erf(x * (lb_real)0.70710678118654752440)); }
LBI_ALWAYS lb_real lbi_gelu_slope(lb_real x) {
    return (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440)) + x * (lb_real)0.39894228040143267794 * lbi_exp((lb_real)-0.5 * x * x);
}

/* min(max(x + 3, 0), 6) / 6, NaN stays; and the slope of x times it. */
LBI_ALWAYS lb_real lbi_hardsigmoid(lb_real x) {
    lb_real y = (x + 3) * (lb_real)(1.0 / 6);
    y = y < 0 ? 0 : y;
    return y > 1 ? 1 : y;
}
LBI_ALWAYS lb_real lbi_hardswish_slope(lb_real x) {
    lb_real y = (2 * x + 3) * (lb_real)(1.0 / 6);
    y = x <= -3 ? 0 : y;
    return x >= 3 ? 1 : y;
}
#endif

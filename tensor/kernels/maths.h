/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one number that compilers turn into vector code (no calls, no branches). In the double build: the C library's.
 * lbi_exp in float: 2^n * p(r), r = x - n ln 2 in two parts, degree-6 polynomial; error below 2 units in the last place on
 * [-87, 88]; below that 0, above it infinity; NaN stays NaN. Method and coefficients: Cephes expf (Moshier). */
#ifndef LB_TENSOR_KERNELS_MATHS_H
#define LB_TENSOR_KERNELS_MATHS_H
#include <math.h>
#include <string.h>
#include "tensor/tensor.h"

#ifdef LB_DOUBLE
static inline lb_real lbi_exp(lb_real x) { return exp(x); }
static inline lb_real lbi_erf(lb_real x) { return erf(x); }
static inline lb_real lbi_tanh(lb_real x) { return tanh(x); }
#else
static inline lb_real lbi_exp(lb_real x) {
    float c = x < -87.3f ? -87.3f : x > 88.7f ? 88.7f : x;
    float n = c * 1.44269504088896341f + 12582912.0f; /* 1.5 * 2^23: rounds to the nearest integer */
    int32_t bits;
    memcpy(&bits, &n, sizeof bits);
    n -= 12582912.0f;
    float r = c - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t scale = ((uint32_t)bits << 23) + 0x3f800000u; /* low bits of the rounded sum are n */
    float two_n;
    memcpy(&two_n, &scale, sizeof two_n);
    float y = p * two_n;
    y = x < -87.3f ? 0.0f : y;
    y = x > 88.7f ? INFINITY : y;
    return x != x ? x : y;
}
/* erf by Abramowitz and Stegun 7.1.26 is too coarse; the C library's stands. */
static inline lb_real lbi_erf(lb_real x) { return erff(x); }
static inline lb_real lbi_tanh(lb_real x) { return tanhf(x); }
#endif

/* GELU and its slope, exact and tanh forms (Hendrycks and Gimpel 2016). */
static inline lb_real lbi_gelu(lb_real x) { return (lb_real)0.5 * x * (1 + lbi_erf(x * (lb_real)0.70710678118654752440)); }
static inline lb_real lbi_gelu_slope(lb_real x) {
    return (lb_real)0.5 * (1 + lbi_erf(x * (lb_real)0.70710678118654752440)) + x * (lb_real)0.39894228040143267794 * lbi_exp((lb_real)-0.5 * x * x);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Exponentials of 16 floats, for kernels that are written for AVX-512. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_EXP_AVX512_H
#define LB_TENSOR_KERNELS_EXP_AVX512_H
#if !defined LB_DOUBLE && defined __x86_64__
#include <immintrin.h>
#include <stdint.h>

#define LBI_WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"), optimize("O3")))
#define LBI_WIDE_INLINE LBI_WIDE static inline __attribute__((always_inline))

/* 2^(j/16) as rounded, and what the rounding left. */
static const float lbi_exp_roots[16] = {1,           1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f,
                                        1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f,  1.91520655f};
static const float lbi_exp_rests[16] = {0,               4.83347016e-8f,  -1.30775399e-8f, 5.38622231e-8f, 3.79763527e-8f,  4.4968381e-8f,   -4.01899953e-8f, -1.01233493e-8f,
                                        2.4203235e-8f,   -4.50089885e-8f, 8.07090483e-9f,  9.83621717e-9f, -2.47553267e-8f, -9.23577037e-9f, -1.1239278e-8f,  9.84532811e-9f};

#define LBI_LOG2_E 1.44269504088896341f
#define LBI_LN2 0.693147182f           /* ln 2 in two parts */
#define LBI_LN2_REST (-1.90465430e-9f)

/* n as a multiple of a sixteenth, rounded by the sum: its last four digits are the place j in the tables. */
#define LBI_SIXTEENTHS 786432.0f /* 1.5 * 2^19 */

/* (exp(r) - 1) / r, |r| <= ln 2 / 32, by a Chebyshev fit. */
LBI_WIDE_INLINE __m512 lbi_exp_wide_slope(__m512 r) {
    __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.1666713f), _mm512_set1_ps(0.5000146f));
    return _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
}

/* exp(x) 2^-floor(n), n = x / ln 2 rounded: 2^(j/16) exp(r). Error below 1.1 * 2^-24 (a polynomial of degree 6 without tables: 1.3). */
LBI_WIDE_INLINE __m512 lbi_exp_wide_rest(__m512 x, __m512 *n) {
    __m512 t = _mm512_fmadd_ps(x, _mm512_set1_ps(LBI_LOG2_E), _mm512_set1_ps(LBI_SIXTEENTHS));
    __m512i j = _mm512_castps_si512(t);
    *n = _mm512_sub_ps(t, _mm512_set1_ps(LBI_SIXTEENTHS));
    __m512 root = _mm512_permutexvar_ps(j, _mm512_loadu_ps(lbi_exp_roots)), rest = _mm512_permutexvar_ps(j, _mm512_loadu_ps(lbi_exp_rests));
    __m512 r = _mm512_fnmadd_ps(*n, _mm512_set1_ps(LBI_LN2_REST), _mm512_fnmadd_ps(*n, _mm512_set1_ps(LBI_LN2), x));
    return _mm512_fmadd_ps(lbi_exp_wide_slope(r), _mm512_fmadd_ps(r, root, rest), root);
}

/* As lbi_exp (maths.h) for x <= 0, or a little above: 12 operations. NaN stays NaN. */
LBI_WIDE_INLINE __m512 lbi_exp_wide(__m512 x) {
    __mmask16 there = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
    __m512 n, p = lbi_exp_wide_rest(x, &n);
    return _mm512_maskz_scalef_ps(there, p, n);
}

/* For all x; below FLT_MIN what is left of it. NaN stays NaN. */
LBI_WIDE_INLINE __m512 lbi_exp_wide_all(__m512 x) {
    __m512 n, p = lbi_exp_wide_rest(_mm512_min_ps(_mm512_set1_ps(104), _mm512_max_ps(_mm512_set1_ps(-104), x)), &n);
    return _mm512_scalef_ps(p, n);
}

/* exp(-x) for all x, where 1 is added to it: roots as they are rounded do for that. Error below 2 * 2^-24. */
LBI_WIDE_INLINE __m512 lbi_exp_wide_less(__m512 x) {
    __m512 v = _mm512_min_ps(_mm512_set1_ps(104), _mm512_max_ps(_mm512_set1_ps(-104), x));
    __m512 t = _mm512_fnmadd_ps(v, _mm512_set1_ps(LBI_LOG2_E), _mm512_set1_ps(LBI_SIXTEENTHS)), n = _mm512_sub_ps(t, _mm512_set1_ps(LBI_SIXTEENTHS));
    __m512 root = _mm512_permutexvar_ps(_mm512_castps_si512(t), _mm512_loadu_ps(lbi_exp_roots));
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LBI_LN2_REST), _mm512_fnmsub_ps(n, _mm512_set1_ps(LBI_LN2), v));
    return _mm512_scalef_ps(_mm512_fmadd_ps(lbi_exp_wide_slope(r), _mm512_mul_ps(r, root), root), n);
}

/* The lanes of a vector that are there when n numbers are left. */
LBI_WIDE_INLINE __mmask16 lbi_wide_first(int64_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

/* sum + the lower and upper half of x, in double */
LBI_WIDE_INLINE __m512d lbi_wide_add(__m512d sum, __m512 x) {
    sum = _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    return _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
}
#endif

#endif

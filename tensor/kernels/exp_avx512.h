/* SPDX-License-Identifier: Apache-2.0 */
/* Exponentials of 16 floats, for kernels that are written for AVX-512. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_EXP_AVX512_H
#define LB_TENSOR_KERNELS_EXP_AVX512_H
#if !defined LB_DOUBLE && defined __x86_64__
#include <immintrin.h>
#include <stdint.h>

#define LBI_WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"), optimize("O3")))
#define LBI_WIDE_INLINE LBI_WIDE static inline __attribute__((always_inline))

/* As lbi_exp (maths.h) for x <= 0, or a little above: 15 operations. NaN stays NaN. */
LBI_WIDE_INLINE __m512 lbi_exp_wide(__m512 x) {
    const __m512 magic = _mm512_set1_ps(12582912.0f);
    __mmask16 there = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(1.44269504088896341f), magic), magic);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x), p = _mm512_set1_ps(1.9875691500e-4f);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4f), r);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    return _mm512_maskz_scalef_ps(there, p, n);
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

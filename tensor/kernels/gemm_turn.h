/* SPDX-License-Identifier: Apache-2.0 */
/* 16 x 16 numbers of 4 bytes turned on their side, by AVX-512. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_TURN_H
#define LB_TENSOR_KERNELS_GEMM_TURN_H
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>

#define LBI_TURN_INLINE static inline __attribute__((always_inline, target("avx512f,avx512vl,avx512bw,avx512dq,fma")))

/* Quarter q of the columns: four numbers of lines 0, 4, 8, 12 of those given, side by side. */
LBI_TURN_INLINE __m512 lbi_four_quarters(const float *const *line, int q) {
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(line[0] + 4 * q));
    x = _mm512_mask_broadcast_f32x4(x, 0x00f0, _mm_loadu_ps(line[4] + 4 * q));
    x = _mm512_mask_broadcast_f32x4(x, 0x0f00, _mm_loadu_ps(line[8] + 4 * q));
    return _mm512_mask_broadcast_f32x4(x, 0xf000, _mm_loadu_ps(line[12] + 4 * q));
}

/* 16 lines of 16 numbers -> 16 columns, of which `lanes` numbers are stored, `width` apart. */
LBI_TURN_INLINE void lbi_turn_16x16(float *to, int width, const float *const line[16], __mmask16 lanes) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        __m512 r0 = lbi_four_quarters(line, q), r1 = lbi_four_quarters(line + 1, q), r2 = lbi_four_quarters(line + 2, q), r3 = lbi_four_quarters(line + 3, q);
        __m512 t0 = _mm512_unpacklo_ps(r0, r1), t1 = _mm512_unpackhi_ps(r0, r1), t2 = _mm512_unpacklo_ps(r2, r3), t3 = _mm512_unpackhi_ps(r2, r3);
        float *at = to + 4 * q * width;
        _mm512_mask_storeu_ps(at, lanes, _mm512_shuffle_ps(t0, t2, 0x44));
        _mm512_mask_storeu_ps(at + width, lanes, _mm512_shuffle_ps(t0, t2, 0xee));
        _mm512_mask_storeu_ps(at + 2 * width, lanes, _mm512_shuffle_ps(t1, t3, 0x44));
        _mm512_mask_storeu_ps(at + 3 * width, lanes, _mm512_shuffle_ps(t1, t3, 0xee));
    }
}

#endif
#endif

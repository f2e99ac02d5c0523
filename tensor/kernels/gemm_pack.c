/* SPDX-License-Identifier: Apache-2.0 */
/* Panels from matrices: lines turned on their side in blocks of 8 x 8 (AVX2) or 16 x 16 (AVX-512), and rows copied. Both move numbers as fast as L2 takes
 * and gives them. */
#include "tensor/kernels/gemm_kernel.h"
#include "tensor/kernels/gemm_turn.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>

/* ---- AVX2 ---- */

#define TARGET __attribute__((target("avx2,fma"), optimize("O3")))
#define INLINE static inline __attribute__((always_inline, target("avx2,fma")))

/* Eight lines of eight numbers -> eight columns, stored `width` apart. */
INLINE void turn_8x8(float *to, int width, const float *from, int64_t ld) {
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + i * ld);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) _mm256_storeu_ps(to + i * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) _mm256_storeu_ps(to + (i + 4) * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
}

/* Whole blocks of 8 x 8, right to left: what a block writes beyond the panel's width is overwritten by the first block of the next rows. */
TARGET void lbi_across_avx2(float *to, int width, const float *from, int64_t ld, int count, int64_t k) {
    int64_t p = 0;
    int blocks = (width + 7) / 8;
    static const float none[8];
    for (; p + 8 <= k; p += 8)
        for (int b = blocks - 1; b >= 0; b--) {
            const float *line = from + 8 * b * ld + p;
            if (8 * b + 8 <= count) {
                turn_8x8(to + p * width + 8 * b, width, line, ld);
                for (int i = 0; p % 16 == 0 && i < 8; i++) _mm_prefetch((const char *)(line + (width + i) * ld), _MM_HINT_T0); /* those of the next panel */
                continue;
            }
            float block[8][8];
            for (int i = 0; i < 8; i++) _mm256_storeu_ps(block[i], _mm256_loadu_ps(8 * b + i < count ? line + i * ld : none));
            turn_8x8(to + p * width + 8 * b, width, block[0], 8);
        }
    for (; p < k; p++)
        for (int j = 0; j < width; j++) to[p * width + j] = j < count ? from[j * ld + p] : 0;
}

INLINE __m256i first_8(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }

TARGET void lbi_along_avx2(float *to, int width, const float *from, int64_t ld, int count, int64_t k) {
    if (width == 16 && count == 16) {
        for (int64_t p = 0; p < k; p++, from += ld, to += 16) {
            _mm_prefetch((const char *)(from + LBI_PACK_ROWS * ld), _MM_HINT_T0);
            _mm256_storeu_ps(to, _mm256_loadu_ps(from));
            _mm256_storeu_ps(to + 8, _mm256_loadu_ps(from + 8));
        }
        return;
    }
    for (int64_t p = 0; p + 1 < k; p++, from += ld, to += width) /* what is beyond the row, the next one overwrites */
        for (int j = 0; j < width; j += 8) _mm256_storeu_ps(to + j, _mm256_maskload_ps(from + j, first_8(count - j)));
    for (int j = 0; k > 0 && j < width; j += 8) _mm256_maskstore_ps(to + j, first_8(width - j), _mm256_maskload_ps(from + j, first_8(count - j)));
}

/* ---- AVX-512 ---- */

#define WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"), optimize("O3")))
#define WIDE_INLINE LBI_TURN_INLINE

WIDE_INLINE __mmask16 first_16(int64_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* A strip of up to 16 lines. */
WIDE_INLINE void strip(float *to, int width, const float *from, int64_t ld, int count, int64_t k, __mmask16 lanes) {
    static const float none[16];
    float block[16][16], turned[16 * 16];
    const float *line[16], *copied[16];
    int64_t p = 0;
    for (int i = 0; i < 16; i++) {
        line[i] = i < count ? from + i * ld : none;
        copied[i] = block[i];
    }
    for (; p + 16 <= k; p += 16) {
        lbi_turn_16x16(to + p * width, width, line, lanes);
        for (int i = 0; i < count; i++) {
            _mm_prefetch((const char *)(line[i] + width * ld), _MM_HINT_T0); /* those of the next panel */
            line[i] += 16;
        }
    }
    if (p == k) return;
    for (int i = 0; i < 16; i++) _mm512_storeu_ps(block[i], i < count ? _mm512_maskz_loadu_ps(first_16(k - p), line[i]) : _mm512_setzero_ps());
    lbi_turn_16x16(turned, 16, copied, 0xffff);
    for (int64_t i = 0; p < k; i++, p++) _mm512_mask_storeu_ps(to + p * width, lanes, _mm512_loadu_ps(turned + 16 * i));
}

WIDE void lbi_across_avx512(float *to, int width, const float *from, int64_t ld, int count, int64_t k) {
    for (int j = 0; j < width; j += 16) strip(to + j, width, from + j * ld, ld, count - j < 0 ? 0 : count - j > 16 ? 16 : count - j, k, first_16(width - j));
}

WIDE void lbi_along_avx512(float *to, int width, const float *from, int64_t ld, int count, int64_t k) {
    if (width == 32 && count == 32) {
        for (int64_t p = 0; p < k; p++, from += ld, to += 32) {
            _mm_prefetch((const char *)(from + LBI_PACK_ROWS * ld), _MM_HINT_T0);
            _mm_prefetch((const char *)(from + LBI_PACK_ROWS * ld + 16), _MM_HINT_T0);
            _mm512_storeu_ps(to, _mm512_loadu_ps(from));
            _mm512_storeu_ps(to + 16, _mm512_loadu_ps(from + 16));
        }
        return;
    }
    for (int64_t p = 0; p < k; p++, from += ld, to += width)
        for (int j = 0; j < width; j += 16) {
            _mm_prefetch((const char *)(from + LBI_PACK_ROWS * ld + j), _MM_HINT_T0);
            _mm512_mask_storeu_ps(to + j, first_16(width - j), _mm512_maskz_loadu_ps(first_16(count - j), from + j));
        }
}
#endif

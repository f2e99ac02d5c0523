/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "io/resize.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

bool lbi_resize_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

AVX512 static inline __m512i pair(const int16_t *k) {
    int32_t two;
    memcpy(&two, k, sizeof two);
    return _mm512_set1_epi32(two);
}

/* A row in each quarter. */
AVX512 static inline __m512i gather(const uint8_t *p, size_t stride) {
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + stride)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 2 * stride)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 3 * stride)), 3);
}

AVX512 int32_t lbi_rows_across_avx512(uint8_t *dst, size_t to, const uint8_t *src, size_t from, const uint8_t *end, int32_t width, const lbi_taps *t, int channels) {
    const int C = channels;
    /* taps 0 and 1, taps 2 and 3 of one pixel side by side as 16-bit numbers: r0 r1 g0 g1 b0 b1 a0 a1 */
    const __m128i first3 = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1), second3 = _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m128i first4 = _mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1), second4 = _mm_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
    const __m512i first = _mm512_broadcast_i32x4(C == 3 ? first3 : first4), second = _mm512_broadcast_i32x4(C == 3 ? second3 : second4), half = _mm512_set1_epi32(1 << (LBI_RESIZE_PRECISION - 1));
    const __m512i zero = _mm512_setzero_si512(), most = _mm512_set1_epi32(255);
    for (int32_t x = 0; x < width; x++, dst += C) {
        const uint8_t *p = src + (size_t)t->first[x] * (size_t)C;
        int32_t groups = (t->count[x] + 3) / 4;
        if (p + 3 * from + (size_t)(groups - 1) * 4 * (size_t)C + 16 > end) return x;
        const int16_t *k = t->pair + (size_t)x * (size_t)t->groups * 8;
        __m512i high = zero, low = half, high2 = zero, low2 = zero; /* two sums each: one waits for its own last product */
        for (int32_t g = 0; g < groups; g++, p += 4 * C, k += 8) {
            __m512i v = gather(p, from), a = _mm512_shuffle_epi8(v, first), b = _mm512_shuffle_epi8(v, second);
            high = _mm512_dpwssd_epi32(high, a, pair(k));
            low = _mm512_dpwssd_epi32(low, a, pair(k + 4));
            high2 = _mm512_dpwssd_epi32(high2, b, pair(k + 2));
            low2 = _mm512_dpwssd_epi32(low2, b, pair(k + 6));
        }
        high = _mm512_add_epi32(high, high2);
        low = _mm512_add_epi32(low, low2);
        __m512i sum = _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, LBI_RESIZE_LOW), low), LBI_RESIZE_PRECISION);
        __m128i bytes = _mm512_cvtepi32_epi8(_mm512_min_epi32(_mm512_max_epi32(sum, zero), most)); /* four bytes a row */
        uint32_t out[4];
        _mm_storeu_si128((__m128i *)out, bytes);
        for (size_t r = 0; r < 4; r++) lbi_put_pixel(dst + r * to, out[r], C);
    }
    return width;
}

#else

bool lbi_resize_has_avx512(void) { return false; }

int32_t lbi_rows_across_avx512(uint8_t *dst, size_t to, const uint8_t *src, size_t from, const uint8_t *end, int32_t width, const lbi_taps *t, int channels) { return 0; }

#endif

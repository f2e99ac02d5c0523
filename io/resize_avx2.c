/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resize.h"
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))

bool lbi_resize_has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}

static inline uint8_t clip(int32_t sum) {
    sum >>= LBI_RESIZE_PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One pixel the plain way, where 16 bytes may not be read. */
static void pixel_plain(uint8_t *dst, const uint8_t *src, const lbi_taps *t, int32_t x, int channels) {
    const int32_t *k = t->weight + (size_t)x * (size_t)t->width;
    for (int c = 0; c < channels; c++) {
        int32_t sum = 1 << (LBI_RESIZE_PRECISION - 1);
        for (int32_t i = 0; i < t->count[x]; i++) sum += src[i * channels + c] * k[i];
        dst[c] = clip(sum);
    }
}

/* high * 4096 + low + half, to bytes with saturation */
AVX2 static inline __m256i settle(__m256i high, __m256i low) {
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LBI_RESIZE_LOW), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << (LBI_RESIZE_PRECISION - 1))), LBI_RESIZE_PRECISION);
}

AVX2 static inline __m256i two(const int16_t *k) {
    int32_t both;
    memcpy(&both, k, sizeof both);
    return _mm256_set1_epi32(both);
}

AVX2 void lbi_rows_across_avx2(uint8_t *dst0, uint8_t *dst1, const uint8_t *src0, const uint8_t *src1, const uint8_t *end, int32_t width, const lbi_taps *t, int channels) {
    const int C = channels;
    /* taps 0 and 1, taps 2 and 3 of one pixel side by side as 16-bit numbers: r0 r1 g0 g1 b0 b1 a0 a1 */
    const __m256i first3 = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i second3 = _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m256i first4 = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1));
    const __m256i second4 = _mm256_broadcastsi128_si256(_mm_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1));
    const __m256i first = C == 3 ? first3 : first4, second = C == 3 ? second3 : second4;
    for (int32_t x = 0; x < width; x++, dst0 += C, dst1 += C) {
        const uint8_t *p = src0 + (size_t)t->first[x] * (size_t)C, *q = src1 + (size_t)t->first[x] * (size_t)C;
        int32_t groups = (t->count[x] + 3) / 4;
        const uint8_t *last = p > q ? p : q;
        if (last + (size_t)(groups - 1) * 4 * (size_t)C + 16 > end) {
            pixel_plain(dst0, p, t, x, C);
            pixel_plain(dst1, q, t, x, C);
            continue;
        }
        const int16_t *k = t->pair + (size_t)x * (size_t)t->groups * 8;
        __m256i high = _mm256_setzero_si256(), low = high;
        for (int32_t g = 0; g < groups; g++, p += 4 * C, q += 4 * C, k += 8) {
            __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)), _mm_loadu_si128((const __m128i *)q), 1);
            __m256i a = _mm256_shuffle_epi8(v, first), b = _mm256_shuffle_epi8(v, second);
            high = _mm256_add_epi32(high, _mm256_madd_epi16(a, two(k)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(b, two(k + 2)));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(a, two(k + 4)));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(b, two(k + 6)));
        }
        __m256i sum = settle(high, low);
        __m256i words = _mm256_packs_epi32(sum, sum), bytes = _mm256_packus_epi16(words, words);
        uint32_t one = (uint32_t)_mm256_cvtsi256_si32(bytes), second_row = (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1));
        lbi_put_pixel(dst0, one, C);
        lbi_put_pixel(dst1, second_row, C);
    }
}

/* 32 output bytes: sums stay in registers over all rows. */
AVX2 static void down_block(uint8_t *dst, const uint8_t *src, size_t stride, int32_t count, const int16_t *pair) {
    __m256i high[4], low[4];
    for (int i = 0; i < 4; i++) high[i] = low[i] = _mm256_setzero_si256();
    for (int32_t j = 0; j < count; j += 2) {
        const int16_t *k = pair + (j / 4) * 8 + (j & 2);
        int32_t kh, kl;
        memcpy(&kh, k, 4);
        memcpy(&kl, k + 4, 4);
        __m256i wh = _mm256_set1_epi32(kh), wl = _mm256_set1_epi32(kl);
        const uint8_t *row = src + (size_t)j * stride;
        __m256i a = _mm256_loadu_si256((const __m256i *)row);
        __m256i b = j + 1 < count ? _mm256_loadu_si256((const __m256i *)(row + stride)) : _mm256_setzero_si256();
        const __m256i zero = _mm256_setzero_si256();
        __m256i even = _mm256_unpacklo_epi8(a, b), odd = _mm256_unpackhi_epi8(a, b); /* a b side by side: bytes 0-7, 16-23 and 8-15, 24-31 */
        __m256i v[4] = {_mm256_unpacklo_epi8(even, zero), _mm256_unpackhi_epi8(even, zero), _mm256_unpacklo_epi8(odd, zero), _mm256_unpackhi_epi8(odd, zero)};
        for (int i = 0; i < 4; i++) {
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(v[i], wh));
            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(v[i], wl));
        }
    }
    __m256i s[4];
    for (int i = 0; i < 4; i++) s[i] = settle(high[i], low[i]);
    /* packing works within halves of 128 bits, as unpacking did, so the order comes back */
    __m256i words0 = _mm256_packs_epi32(s[0], s[1]), words1 = _mm256_packs_epi32(s[2], s[3]);
    _mm256_storeu_si256((__m256i *)dst, _mm256_packus_epi16(words0, words1));
}

void lbi_row_down_avx2(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y) {
    const int32_t *w = t->weight + (size_t)y * (size_t)t->width;
    const int16_t *pair = t->pair + (size_t)y * (size_t)t->groups * 8;
    const uint8_t *from = src + (size_t)t->first[y] * bytes;
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32) down_block(dst + i, from + i, bytes, t->count[y], pair);
    if (i < bytes && bytes >= 32) {
        down_block(dst + bytes - 32, from + bytes - 32, bytes, t->count[y], pair);
        return;
    }
    for (; i < bytes; i++) {
        int32_t sum = 1 << (LBI_RESIZE_PRECISION - 1);
        for (int32_t j = 0; j < t->count[y]; j++) sum += from[(size_t)j * bytes + i] * w[j];
        dst[i] = clip(sum);
    }
}

#else

bool lbi_resize_has_avx2(void) {
    return false;
}

void lbi_rows_across_avx2(uint8_t *dst0, uint8_t *dst1, const uint8_t *src0, const uint8_t *src1, const uint8_t *end, int32_t width, const lbi_taps *t, int channels) {
}

void lbi_row_down_avx2(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y) {
}

#endif

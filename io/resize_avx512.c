/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resize.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")))
#define INLINE __attribute__((always_inline)) static inline

enum { ROWS = 4, WIDE = 64 };

bool lbi_resize_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vbmi");
}

/* Sums of the three digits of weights, each of 16 lanes of 32 bits. */
typedef struct sums {
    __m512i low, middle, high;
} sums;

AVX512 INLINE sums nothing(void) {
    return (sums){_mm512_set1_epi32(1 << (LBI_RESIZE_PRECISION - 1)), _mm512_setzero_si512(), _mm512_setzero_si512()};
}

/* Four bytes in each lane, times the four weights there. */
AVX512 INLINE void add(sums *s, __m512i bytes, const __m512i digit[3]) {
    s->low = _mm512_dpbusd_epi32(s->low, bytes, digit[0]);
    s->middle = _mm512_dpbusd_epi32(s->middle, bytes, digit[1]);
    s->high = _mm512_dpbusd_epi32(s->high, bytes, digit[2]);
}

AVX512 INLINE __m512i settle(const sums *s) {
    __m512i all = _mm512_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(s->high, 16), _mm512_slli_epi32(s->middle, 8)), s->low);
    return _mm512_srai_epi32(all, LBI_RESIZE_PRECISION);
}

/* Clipped to bytes; within each quarter first the lanes of a, then of b, c, d. */
AVX512 INLINE __m512i pack(const sums *a, const sums *b, const sums *c, const sums *d) {
    return _mm512_packus_epi16(_mm512_packs_epi32(settle(a), settle(b)), _mm512_packs_epi32(settle(c), settle(d)));
}

/* ---- across: four output pixels at once, one a lane, one channel a quarter ---- */

/* How the taps of the four are fetched: as many bytes as the first reads, which hold all; a quarter for each; the same near the end of the rows,
 * where 16 bytes may not be read. */
typedef enum fetch { NEAR, FAR, LAST } fetch;

typedef struct block {
    const int32_t *first; /* of the four */
    __m512i order;        /* of what is fetched, in the lanes */
    fetch how;
} block;

/* The bytes of four taps of channel c, in quarter c, of a pixel that begins at 0. */
AVX512 INLINE __m512i taps_of(int C) {
    uint8_t order[WIDE] = {0};
    for (int i = 0; i < WIDE; i++) order[i] = (uint8_t)(i % 4 * C + i / 16);
    return _mm512_loadu_si512(order);
}

/* `bytes` of a row may be read. */
AVX512 INLINE block block_of(const lbi_taps *t, int32_t x, ptrdiff_t bytes, __m512i taps, int C) {
    block b = {.first = t->first + x};
    ptrdiff_t step = 4 * (ptrdiff_t)(t->groups - 1);
    bool near = (b.first[3] - b.first[0] + 4) * C <= WIDE && (b.first[0] + step) * C + WIDE <= bytes;
    b.how = near ? NEAR : (b.first[3] + step) * C + 16 <= bytes ? FAR : LAST;
    __m128i from = _mm_sub_epi32(_mm_loadu_si128((const __m128i *)b.first), _mm_set1_epi32(b.first[0]));
    from = near ? _mm_mullo_epi32(from, _mm_set1_epi32(C)) : _mm_setr_epi32(0, 16, 32, 48);
    from = _mm_shuffle_epi8(from, _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    b.order = _mm512_add_epi8(taps, _mm512_broadcast_i32x4(from));
    return b;
}

AVX512 INLINE __m128i quarter(const uint8_t *row, ptrdiff_t at, ptrdiff_t bytes, fetch how) {
    if (how == FAR) return _mm_loadu_si128((const __m128i *)(row + at));
    ptrdiff_t n = bytes - at;
    return _mm_maskz_loadu_epi8(n >= 16 ? 0xFFFF : n > 0 ? (__mmask16)((1 << n) - 1) : 0, row + at);
}

/* Group g of four taps for each of the four, in the order of the lanes. Inlined with a constant `how`. */
AVX512 INLINE __m512i gather(const block *b, const uint8_t *row, int32_t g, int C, ptrdiff_t bytes, fetch how) {
    if (how == NEAR) return _mm512_permutexvar_epi8(b->order, _mm512_loadu_si512(row + (b->first[0] + 4 * g) * C));
    __m512i v = _mm512_castsi128_si512(quarter(row, (b->first[0] + 4 * g) * C, bytes, how));
    v = _mm512_inserti32x4(v, quarter(row, (b->first[1] + 4 * g) * C, bytes, how), 1);
    v = _mm512_inserti32x4(v, quarter(row, (b->first[2] + 4 * g) * C, bytes, how), 2);
    v = _mm512_inserti32x4(v, quarter(row, (b->first[3] + 4 * g) * C, bytes, how), 3);
    return _mm512_permutexvar_epi8(b->order, v);
}

/* Four rows of a block, packed. */
AVX512 INLINE __m512i sum(const block *b, const uint8_t *const src[ROWS], int32_t groups, const int8_t *k, int C, ptrdiff_t bytes, fetch how) {
    sums s0 = nothing(), s1 = s0, s2 = s0, s3 = s0;
    for (int32_t g = 0; g < groups; g++, k += LBI_RESIZE_DIGITS) {
        const __m512i digit[3] = {_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)k)), _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(k + 16))),
                                  _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(k + 32)))};
        add(&s0, gather(b, src[0], g, C, bytes, how), digit);
        add(&s1, gather(b, src[1], g, C, bytes, how), digit);
        add(&s2, gather(b, src[2], g, C, bytes, how), digit);
        add(&s3, gather(b, src[3], g, C, bytes, how), digit);
    }
    return pack(&s0, &s1, &s2, &s3);
}

/* What pack() made of four rows, row by row, channels side by side. */
AVX512 INLINE __m512i by_row(int C) {
    uint8_t order[WIDE] = {0};
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 4; i++)
            for (int c = 0; c < C; c++) order[16 * r + C * i + c] = (uint8_t)(16 * c + 4 * r + i);
    return _mm512_loadu_si512(order);
}

AVX512 INLINE void rows_across(uint8_t *const dst[ROWS], const uint8_t *const src[ROWS], ptrdiff_t bytes, int32_t width, const lbi_taps *t, int C) {
    const __m512i turn = by_row(C), taps = taps_of(C);
    const int8_t *k = t->digits;
    for (int32_t x = 0; x < width; x += 4, k += (size_t)t->groups * LBI_RESIZE_DIGITS) {
        const block b = block_of(t, x, bytes, taps, C);
        __m512i out = _mm512_setzero_si512();
        switch (b.how) {
        case NEAR: out = sum(&b, src, t->groups, k, C, bytes, NEAR); break;
        case FAR: out = sum(&b, src, t->groups, k, C, bytes, FAR); break;
        case LAST: out = sum(&b, src, t->groups, k, C, bytes, LAST); break;
        }
        out = _mm512_permutexvar_epi8(turn, out);
        __mmask16 some = (__mmask16)(0xFFFF >> (16 - C * (width - x < 4 ? width - x : 4)));
        _mm_mask_storeu_epi8(dst[0] + x * C, some, _mm512_castsi512_si128(out));
        _mm_mask_storeu_epi8(dst[1] + x * C, some, _mm512_extracti32x4_epi32(out, 1));
        _mm_mask_storeu_epi8(dst[2] + x * C, some, _mm512_extracti32x4_epi32(out, 2));
        _mm_mask_storeu_epi8(dst[3] + x * C, some, _mm512_extracti32x4_epi32(out, 3));
    }
}

AVX512 void lbi_rows_across_avx512(uint8_t *dst, size_t to, const uint8_t *src, size_t from, int32_t count, int32_t width, const lbi_taps *t, int channels) {
    for (int32_t y = 0; y < count; y += ROWS) {
        uint8_t *d[ROWS];
        const uint8_t *s[ROWS];
        for (int32_t r = 0; r < ROWS; r++) { /* a row that is not there is the last one again */
            int32_t at = y + r < count ? y + r : count - 1;
            d[r] = dst + (size_t)at * to;
            s[r] = src + (size_t)at * from;
        }
        ptrdiff_t bytes = src + from * (size_t)count - s[ROWS - 1]; /* behind the start of the last of these rows */
        if (channels == 3) rows_across(d, s, bytes, width, t, 3);
        else rows_across(d, s, bytes, width, t, 4);
    }
}

/* ---- down: 64 bytes of a row at once, four rows a lane ---- */

AVX512 INLINE void rows_down(sums s[4], const uint8_t *const row[4], __mmask64 some, const int8_t *k) {
    __m512i digit[3], v[4];
    for (int d = 0; d < 3; d++) {
        int32_t four;
        memcpy(&four, k + 16 * d, sizeof four);
        digit[d] = _mm512_set1_epi32(four);
    }
    for (int i = 0; i < 4; i++) v[i] = _mm512_maskz_loadu_epi8(some, row[i]);
    __m512i low = _mm512_unpacklo_epi8(v[0], v[1]), high = _mm512_unpackhi_epi8(v[0], v[1]), low2 = _mm512_unpacklo_epi8(v[2], v[3]), high2 = _mm512_unpackhi_epi8(v[2], v[3]);
    add(&s[0], _mm512_unpacklo_epi16(low, low2), digit);
    add(&s[1], _mm512_unpackhi_epi16(low, low2), digit);
    add(&s[2], _mm512_unpacklo_epi16(high, high2), digit);
    add(&s[3], _mm512_unpackhi_epi16(high, high2), digit);
}

AVX512 void lbi_row_down_avx512(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y) {
    const int8_t *from = t->digits + (size_t)(y / 4) * (size_t)t->groups * LBI_RESIZE_DIGITS + (y % 4) * 4;
    int32_t count = t->count[y];
    src += (size_t)t->first[y] * bytes;
    for (size_t at = 0; at < bytes; at += WIDE) {
        __mmask64 some = bytes - at >= WIDE ? ~(uint64_t)0 : ~(uint64_t)0 >> (WIDE - (bytes - at));
        sums s[4] = {nothing(), nothing(), nothing(), nothing()};
        const int8_t *k = from;
        for (int32_t j = 0; j < count; j += 4, k += LBI_RESIZE_DIGITS) {
            const uint8_t *row[4];
            for (int32_t i = 0; i < 4; i++) row[i] = src + (size_t)(j + i < count ? j + i : count - 1) * bytes + at;
            rows_down(s, row, some, k);
        }
        /* packing works within quarters, as unpacking did, so the order comes back */
        _mm512_mask_storeu_epi8(dst + at, some, pack(&s[0], &s[1], &s[2], &s[3]));
    }
}

#else

bool lbi_resize_has_avx512(void) { return false; }

void lbi_rows_across_avx512(uint8_t *dst, size_t to, const uint8_t *src, size_t from, int32_t count, int32_t width, const lbi_taps *t, int channels) {}

void lbi_row_down_avx512(uint8_t *dst, const uint8_t *src, size_t bytes, const lbi_taps *t, int32_t y) {}

#endif

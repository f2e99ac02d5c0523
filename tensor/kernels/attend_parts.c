/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/attend_parts.h"
#ifndef LB_DOUBLE
#include <math.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/exp_avx512.h"
#include "tensor/kernels/gemm_kernel.h"
#ifdef __x86_64__

#define WIDE LBI_BF16_WIDE
#define INLINE LBI_BF16_WIDE static inline __attribute__((always_inline))

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, PARTS = LBI_BF16_PARTS };

bool lbi_cut_known(int parts) { return lbi_cpu() >= (parts == 1 ? LBI_CPU_BF16 : LBI_CPU_AMX); }

/* The sizes of the largest numbers so far, as whole numbers, which NaN and infinity exceed. */
INLINE __m512i most_of(__m512i most, __m512 x) { return _mm512_max_epi32(most, _mm512_and_si512(_mm512_set1_epi32(0x7fffffff), _mm512_castps_si512(x))); }
INLINE bool tame(__m512i most) { return _mm512_cmp_epi32_mask(most, _mm512_castps_si512(_mm512_set1_ps(0x1p60f)), _MM_CMPINT_NLT) == 0; }

WIDE bool lbi_cut_tame(const float *x, int64_t ld, int64_t count, int64_t width) {
    __m512i most = _mm512_setzero_si512();
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < width; j += SIDE) most = most_of(most, _mm512_maskz_loadu_ps(lbi_bf16_first(width - j), x + i * ld + j));
    return tame(most);
}

/* ---- panels ---- */

static const uint16_t in_turn[2 * SIDE] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

/* 32 numbers to their place in each part, rounded but for the last, which is left over. */
INLINE void put(const int parts, const bool pairs, uint32_t *to, __m512 low, __m512 high) {
    if (parts == 1) {
        __m512i beside = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        _mm512_storeu_si512(to, pairs ? _mm512_permutexvar_epi16(_mm512_loadu_si512(in_turn), beside) : beside);
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < PARTS - 1; i++) {
        __m512i l = lbi_bf16_take(&low), h = lbi_bf16_take(&high);
        _mm512_storeu_si512(to + i * PIECE, pairs ? lbi_bf16_paired(l, h) : lbi_bf16_beside(l, h));
    }
    __m512i l = _mm512_castps_si512(low), h = _mm512_castps_si512(high);
    _mm512_storeu_si512(to + (PARTS - 1) * PIECE, pairs ? lbi_bf16_paired(l, h) : lbi_bf16_beside(l, h));
}

/* 16 times 32 numbers: rows of x, or pairs of its rows; those beyond `rows` and `cols` are 0. all: there are none. */
INLINE void step_of(const int parts, const bool left, const bool all, uint32_t *to, const float *x, int64_t ld, int64_t rows, int64_t cols, __m512 by, __m512i *most) {
    for (int64_t i = 0; i < SIDE; i++) {
        int64_t first = left ? i : 2 * i, second = left ? i : 2 * i + 1;
        const float *at = x + first * ld, *next = x + second * ld + (left ? SIDE : 0);
        __mmask16 of_first = first < rows ? lbi_bf16_first(cols) : 0, of_second = second < rows ? lbi_bf16_first(left ? cols - SIDE : cols) : 0;
        __m512 low = all ? _mm512_loadu_ps(at) : _mm512_maskz_loadu_ps(of_first, at), high = all ? _mm512_loadu_ps(next) : _mm512_maskz_loadu_ps(of_second, next);
        if (parts == 1) *most = most_of(most_of(*most, low), high);
        put(parts, !left, to + i * SIDE, _mm512_mul_ps(low, by), _mm512_mul_ps(high, by));
    }
}

INLINE bool panel_of(const int parts, const bool left, uint32_t *to, const lbi_cut_lines *from, int64_t lines, int64_t k, float scale) {
    float turned[DEPTH * SIDE + SIDE] __attribute__((aligned(64)));
    const __m512 by = _mm512_set1_ps(scale);
    __m512i most = _mm512_setzero_si512();
    for (int64_t k0 = 0; k0 < k; k0 += DEPTH, to += parts * PIECE) {
        int64_t some = lbi_least(DEPTH, k - k0), ld = from->ld, rows = left ? lines : some, cols = left ? some : lines;
        const float *x = from->x + (from->across ? k0 : k0 * ld);
        if (left != from->across) {
            lbi_across_avx512(turned, left ? DEPTH : SIDE, x, ld, (int)cols, rows);
            x = turned;
            ld = left ? DEPTH : SIDE;
        }
        if (lines == SIDE && some == DEPTH) step_of(parts, left, true, to, x, ld, rows, cols, by, &most);
        else step_of(parts, left, false, to, x, ld, rows, cols, by, &most);
    }
    return tame(most);
}

WIDE bool lbi_cut_panel(int parts, bool left, uint32_t *to, const lbi_cut_lines *from, int64_t lines, int64_t k, float scale) {
    if (parts == 1 && left) return panel_of(1, true, to, from, lines, k, scale);
    if (parts == 1) return panel_of(1, false, to, from, lines, k, scale);
    if (left) return panel_of(PARTS, true, to, from, lines, k, scale);
    return panel_of(PARTS, false, to, from, lines, k, scale);
}

static const uint16_t *halves(const uint32_t *pairs) { return (const uint16_t *)(const void *)pairs; }

void lbi_cut_block(int parts, const uint32_t *a, const uint32_t *a2, const uint32_t *b, const uint32_t *b2, int64_t steps, float *to) {
    enum { MOST = 64 };
    int64_t at[MOST];
    for (int64_t s = 0; s < steps; s += MOST) {
        int64_t from = s * parts * PIECE, some = lbi_least(MOST, steps - s);
        for (int64_t i = 0; i < some; i++) at[i] = i * parts * 2 * PIECE;
        lbi_bf16_factors f = {.a = halves(a + from),
                              .a2 = a2 ? halves(a2 + from) : NULL,
                              .at = at,
                              .ld = DEPTH,
                              .steps = some,
                              .b = b + from,
                              .b2 = b2 ? b2 + from : NULL,
                              .whole = parts > 1,
                              .apart = 2 * PIECE};
        lbi_bf16_block(lbi_cpu() >= LBI_CPU_AMX, &f, to, s > 0);
    }
}

/* ---- tiles of scores ---- */

/* What is left of x without its 8 upper bits, which are the part. Cut off, not rounded, which is faster: the other factor's parts are rounded, so that what is left out of the product,
 * middle times low, has no sign of its own. */
INLINE __m512i cut(__m512 *x) {
    __m512i part = _mm512_and_si512(_mm512_castps_si512(*x), _mm512_set1_epi32((int)0xffff0000));
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(part));
    return part;
}

/* Weights of two keys: a row of pairs. */
INLINE void put_cut(const int parts, uint32_t *to, __m512 low, __m512 high) {
    if (parts == 1) {
        put(1, true, to, low, high);
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < PARTS - 1; i++) {
        __m512i l = cut(&low), h = cut(&high);
        _mm512_storeu_si512(to + i * PIECE, lbi_bf16_paired(l, h));
    }
    _mm512_storeu_si512(to + (PARTS - 1) * PIECE, lbi_bf16_paired(_mm512_castps_si512(low), _mm512_castps_si512(high)));
}

#define LOG2_E 1.44269504088896341f

/* e^(s - less), less being given in units of ln 2, for what is rounded to 8 bits: off by less than 8e-5, a 25th of what rounding is. */
INLINE __m512 short_exp(__m512 s, __m512 less) {
    const __m512 magic = _mm512_set1_ps(12582912.0f);
    __m512 t = _mm512_fmsub_ps(s, _mm512_set1_ps(LOG2_E), less), n = _mm512_sub_ps(_mm512_add_ps(t, magic), magic), r = _mm512_sub_ps(t, n);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0551716685f), r, _mm512_set1_ps(0.2426111251f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6932609677f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.9999280572f));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(t, _mm512_set1_ps(-126), _CMP_NLT_UQ), p, n);
}

INLINE __m512 weight_of(const bool roughly, const float *s, __m512 less) {
    __m512 x = _mm512_loadu_ps(s);
    return roughly ? short_exp(x, less) : lbi_exp_wide(_mm512_sub_ps(x, less));
}

INLINE void weigh(const int parts, const bool roughly, const float *s, int64_t keys, int width, const float *shift, float *sum, uint32_t *to, int64_t apart) {
    for (int v = 0; v < width / SIDE; v++) {
        const __m512 less = _mm512_mul_ps(_mm512_loadu_ps(shift + v * SIDE), _mm512_set1_ps(roughly ? LOG2_E : 1));
        __m512 all = _mm512_loadu_ps(sum + v * SIDE);
        uint32_t *panel = to + v * apart;
        for (int64_t j0 = 0; j0 < keys; j0 += DEPTH, panel += parts * PIECE) { /* sums of 32 keys each: one long sum would lose digits */
            __m512 some = _mm512_setzero_ps(), other = some;
            for (int64_t i = 0; i < SIDE; i++) {
                int64_t j = j0 + 2 * i;
                __m512 low = _mm512_setzero_ps(), high = low;
                if (j < keys) some = _mm512_add_ps(some, low = weight_of(roughly, s + j * BLOCK + v * SIDE, less));
                if (j + 1 < keys) other = _mm512_add_ps(other, high = weight_of(roughly, s + (j + 1) * BLOCK + v * SIDE, less));
                put_cut(parts, panel + i * SIDE, low, high);
            }
            all = _mm512_add_ps(all, _mm512_add_ps(some, other));
        }
        _mm512_storeu_ps(sum + v * SIDE, all);
    }
}

WIDE void lbi_cut_weigh(int parts, const float *s, int64_t keys, int width, const float *shift, float *sum, uint32_t *to, int64_t apart) {
    if (parts > 1) weigh(PARTS, false, s, keys, width, shift, sum, to, apart);
    else if (lbi_cpu() == LBI_CPU_BF16) weigh(1, true, s, keys, width, shift, sum, to, apart);
    else weigh(1, false, s, keys, width, shift, sum, to, apart);
}

/* Two rows of 32 queries, x[row][half]. */
INLINE void put_rows(const int parts, const bool left, const bool right, __m512 x[2][2], uint32_t *to_left, uint32_t *to_right, int64_t apart) {
#pragma GCC unroll 3
    for (int p = 0; p < parts; p++) {
        __m512i part[2][2];
#pragma GCC unroll 2
        for (int r = 0; r < 2; r++)
#pragma GCC unroll 2
            for (int v = 0; v < 2; v++) part[r][v] = p < PARTS - 1 ? cut(&x[r][v]) : _mm512_castps_si512(x[r][v]);
#pragma GCC unroll 2
        for (int r = 0; r < 2; r++) {
            if (left) _mm512_storeu_si512(to_left + p * PIECE + r * SIDE, lbi_bf16_beside(part[r][0], part[r][1]));
            if (right) _mm512_storeu_si512(to_right + r * apart + p * PIECE, lbi_bf16_paired(part[0][r], part[1][r]));
        }
    }
}

INLINE void put_rows_rounded(const bool left, const bool right, __m512 x[2][2], uint32_t *to_left, uint32_t *to_right, int64_t apart) {
    for (int r = 0; r < 2; r++) {
        if (left) put(1, false, to_left + r * SIDE, x[r][0], x[r][1]);
        if (right) put(1, true, to_right + r * apart, x[0][r], x[1][r]);
    }
}

INLINE void factors_of(const int parts, const bool left, const bool right, const float *s, int64_t keys, int width, uint32_t *to_left, int64_t left_apart, uint32_t *to_right, int64_t right_apart) {
    for (int64_t i = 0; i < DEPTH; i += 2) {
        uint32_t *a = left ? to_left + i / SIDE * left_apart + i % SIDE * SIDE : NULL, *b = right ? to_right + i / 2 * SIDE : NULL;
        __m512 x[2][2];
#pragma GCC unroll 2
        for (int r = 0; r < 2; r++) {
            bool there = i + r < keys;
            x[r][0] = there ? _mm512_loadu_ps(s + (i + r) * BLOCK) : _mm512_setzero_ps();
            x[r][1] = there && width > SIDE ? _mm512_loadu_ps(s + (i + r) * BLOCK + SIDE) : _mm512_setzero_ps();
        }
        if (parts == 1) put_rows_rounded(left, right, x, a, b, right_apart);
        else put_rows(PARTS, left, right, x, a, b, right_apart);
    }
}

WIDE void lbi_cut_factors(int parts, const float *s, int64_t keys, int width, uint32_t *left, int64_t left_apart, uint32_t *right, int64_t right_apart) {
    if (parts == 1 && left && right) factors_of(1, true, true, s, keys, width, left, left_apart, right, right_apart);
    else if (parts == 1 && left) factors_of(1, true, false, s, keys, width, left, left_apart, NULL, 0);
    else if (parts == 1) factors_of(1, false, true, s, keys, width, NULL, 0, right, right_apart);
    else if (left && right) factors_of(PARTS, true, true, s, keys, width, left, left_apart, right, right_apart);
    else if (left) factors_of(PARTS, true, false, s, keys, width, left, left_apart, NULL, 0);
    else factors_of(PARTS, false, true, s, keys, width, NULL, 0, right, right_apart);
}

WIDE void lbi_cut_slopes(float *s, float *g, int64_t keys, int width, const float *z, const float *delta) {
    for (int v = 0; v < width; v += SIDE) {
        const __m512 less = _mm512_loadu_ps(z + v), mean = _mm512_loadu_ps(delta + v);
        for (int64_t j = v; j < keys * BLOCK; j += BLOCK) {
            __m512 p = lbi_exp_wide(_mm512_min_ps(_mm512_set1_ps(88), _mm512_sub_ps(_mm512_loadu_ps(s + j), less)));
            _mm512_storeu_ps(s + j, p);
            _mm512_storeu_ps(g + j, _mm512_mul_ps(p, _mm512_sub_ps(_mm512_loadu_ps(g + j), mean)));
        }
    }
}

WIDE void lbi_cut_add(const float *from, float *to, int64_t ld, int64_t rows, int64_t cols) {
    __mmask16 first = lbi_bf16_first(cols), second = lbi_bf16_first(cols - SIDE);
    for (int64_t i = 0; i < rows; i++, to += ld) {
        _mm512_mask_storeu_ps(to, first, _mm512_add_ps(_mm512_maskz_loadu_ps(first, to), _mm512_loadu_ps(from + i * BLOCK)));
        if (second) _mm512_mask_storeu_ps(to + SIDE, second, _mm512_add_ps(_mm512_maskz_loadu_ps(second, to + SIDE), _mm512_loadu_ps(from + i * BLOCK + SIDE)));
    }
}
#else
bool lbi_cut_known(int parts) { return false; }
bool lbi_cut_tame(const float *x, int64_t ld, int64_t count, int64_t width) { return false; }
bool lbi_cut_panel(int parts, bool left, uint32_t *to, const lbi_cut_lines *from, int64_t lines, int64_t k, float scale) { return false; }
void lbi_cut_block(int parts, const uint32_t *a, const uint32_t *a2, const uint32_t *b, const uint32_t *b2, int64_t steps, float *to) {}
void lbi_cut_weigh(int parts, const float *s, int64_t keys, int width, const float *shift, float *sum, uint32_t *to, int64_t apart) {}
void lbi_cut_factors(int parts, const float *s, int64_t keys, int width, uint32_t *left, int64_t left_apart, uint32_t *right, int64_t right_apart) {}
void lbi_cut_slopes(float *s, float *g, int64_t keys, int width, const float *z, const float *delta) {}
void lbi_cut_add(const float *from, float *to, int64_t ld, int64_t rows, int64_t cols) {}
#endif
#endif

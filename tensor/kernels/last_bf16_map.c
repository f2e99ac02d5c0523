/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/last_bf16_map.h"
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/last_kernel.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

#define WIDE LBI_BF16_WIDE
#define INLINE static inline __attribute__((always_inline))

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, MOST = 64 }; /* MOST: steps whose weights stay in L1 as long as it takes */

WIDE INLINE __m512 activate(lb_act act, __m512 x) {
    __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6), third = _mm512_set1_ps(1.0f / 6);
    if (act == LB_ACT_RELU) return _mm512_max_ps(zero, x);
    if (act == LB_ACT_RELU6) return _mm512_min_ps(six, _mm512_max_ps(zero, x));
    if (act != LB_ACT_HARDSWISH && act != LB_ACT_HARDSIGMOID) return x;
    __m512 gate = _mm512_mul_ps(_mm512_min_ps(six, _mm512_max_ps(zero, _mm512_add_ps(x, _mm512_set1_ps(3)))), third);
    return act == LB_ACT_HARDSWISH ? _mm512_mul_ps(x, gate) : gate;
}

/* 16 channels of n results in a row of y. */
WIDE INLINE void put_lanes(const lb_act act, const float *from, int64_t n, __m512 scale, __m512 bias, const float *add, float *y, int64_t apart, __mmask16 mask) {
    for (int64_t i = 0; i < n; i++) {
        __m512 x = _mm512_fmadd_ps(_mm512_loadu_ps(from + i * BLOCK), scale, bias);
        if (add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, add + i * apart));
        _mm512_mask_storeu_ps(y + i * apart, mask, activate(act, x));
    }
}

WIDE void lbi_bf16_put(const lbi_bf16_out *to, const float *sums, int64_t n, int64_t at, int64_t channel) {
    int64_t o = to->o, apart = to->apart;
    bool known = lbi_last_in_tile(to->act) && to->act != LB_ACT_GELU;
    lb_act act = known ? to->act : LB_ACT_NONE;
    for (int64_t v = 0; v < BLOCK && channel + v < o; v += SIDE) {
        __mmask16 mask = lbi_bf16_first(o - channel - v);
        __m512 scale = _mm512_loadu_ps(to->scale + channel + v), bias = _mm512_loadu_ps(to->bias + channel + v);
        float *y = to->y + at + channel + v;
        const float *add = to->add ? to->add + at + channel + v : NULL;
        if (act == LB_ACT_NONE) put_lanes(LB_ACT_NONE, sums + v, n, scale, bias, add, y, apart, mask);
        else if (act == LB_ACT_RELU) put_lanes(LB_ACT_RELU, sums + v, n, scale, bias, add, y, apart, mask);
        else put_lanes(act, sums + v, n, scale, bias, add, y, apart, mask);
    }
    for (int64_t i = 0; !known && i < n; i++) lbi_act_plane(to->act, to->y + at + i * apart + channel, lbi_least(BLOCK, o - channel), 0);
}

static bool convert(uint16_t *to, const float *from, int64_t n, int64_t layer) {
    if (layer > 0) return lbi_bf16_split(to, layer, from, n);
    lbi_bf16_round(to, from, n);
    return true;
}

bool lbi_bf16_pixels(const float *from, int64_t n, int64_t apart, int64_t channels, uint16_t *to, int64_t c, int64_t layer) {
    bool parted = true;
    int64_t wide = lbi_least(c, lbi_up(channels, DEPTH));
    if (channels == c && apart == c) return convert(to, from, n * c, layer);
    for (int64_t i = 0; i < n; i++, to += c) {
        parted &= convert(to, from + i * apart, channels, layer);
        for (int64_t q = 0; q < (layer > 0 ? LBI_BF16_PARTS : 1); q++) memset(to + q * layer + channels, 0, (size_t)(wide - channels) * sizeof *to);
    }
    return parted;
}

/* Those that round to bf16's infinity have none. */
WIDE bool lbi_bf16_parted(const float *x, int64_t n) {
    __m512i most = _mm512_setzero_si512(), size = _mm512_set1_epi32(0x7fffffff);
    for (int64_t i = 0; i < n; i += SIDE) most = _mm512_max_epi32(most, _mm512_and_si512(size, _mm512_castps_si512(_mm512_maskz_loadu_ps(lbi_bf16_first(n - i), x + i))));
    return _mm512_cmpge_epi32_mask(most, _mm512_set1_epi32(0x7f7f8000)) == 0;
}

WIDE bool lbi_bf16_step(uint32_t *to, const float *from, int64_t ld, bool parts) {
    __m512 seen = _mm512_setzero_ps();
    __m512i part[LBI_BF16_PARTS];
    for (int64_t i = 0; i < SIDE; i++, from += 2 * ld, to += SIDE) {
        __m512 low = _mm512_loadu_ps(from), high = _mm512_loadu_ps(from + ld);
        if (!parts) {
            __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low)), h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
            _mm512_storeu_si512(to, _mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
            continue;
        }
        lbi_bf16_three(low, high, true, part, &seen);
        for (int64_t q = 0; q < LBI_BF16_PARTS; q++) _mm512_storeu_si512(to + q * PIECE, part[q]);
    }
    return lbi_bf16_all_seen(seen);
}

void lbi_bf16_map(bool tiles, const float *x, int64_t n, int64_t c, const void *w, uint16_t *room, const lbi_bf16_out *to) {
    int64_t ld = lbi_up(c, DEPTH), steps = ld / DEPTH, at[MOST];
    float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
    lbi_bf16_pixels(x, n, c, c, room, ld, 0);
    for (int64_t s = 0; s < MOST; s++) at[s] = s * DEPTH;
    for (int64_t i = 0; i < n; i += BLOCK)
        for (int64_t j = 0; j < to->o; j += BLOCK) {
            const uint32_t *b = (const uint32_t *)w + j / SIDE * steps * PIECE;
            for (int64_t s = 0; s < steps; s += MOST) {
                const uint16_t *a = room + i * ld + s * DEPTH;
                lbi_bf16_factors f = {.a = a, .a2 = n - i > SIDE ? a + SIDE * ld : NULL, .at = at, .ld = ld, .steps = lbi_least(MOST, steps - s), .b = b + s * PIECE, .b2 = to->o - j > SIDE ? b + (steps + s) * PIECE : NULL};
                lbi_bf16_block(tiles, &f, sums, s > 0);
            }
            lbi_bf16_put(to, sums, lbi_least(BLOCK, n - i), i * to->apart, j);
        }
}
#else
bool lbi_bf16_parted(const float *x, int64_t n) { return false; }
void lbi_bf16_map(bool tiles, const float *x, int64_t n, int64_t c, const void *w, uint16_t *room, const lbi_bf16_out *to) {}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/last_bf16_map.h"
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

#define WIDE LBI_BF16_WIDE
#define INLINE static inline __attribute__((always_inline))

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, MOST = 64 }; /* MOST: steps whose weights stay in L1 as long as it takes */

/* Hard sigmoid and hard swish from x / 6 + 1/2, which is exact where it does not matter: where it is 0 or 1. */
WIDE INLINE __m512 activate(const lb_act act, __m512 x) {
    __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1);
    if (act == LB_ACT_RELU) return _mm512_max_ps(zero, x);
    if (act == LB_ACT_RELU6) return _mm512_min_ps(_mm512_set1_ps(6), _mm512_max_ps(zero, x));
    if (act != LB_ACT_HARDSWISH && act != LB_ACT_HARDSIGMOID) return x;
    __m512 gate = _mm512_min_ps(one, _mm512_max_ps(zero, _mm512_fmadd_ps(x, _mm512_set1_ps(1.0f / 6), _mm512_set1_ps(0.5f))));
    return act == LB_ACT_HARDSWISH ? _mm512_mul_ps(x, gate) : gate;
}

/* n results in a row of y, 16 channels or 32. */
WIDE INLINE void put_lanes(const lb_act act, const bool both, const lbi_bf16_out *to, const float *sums, int64_t n, int64_t at, int64_t channel) {
    const __mmask16 first = lbi_bf16_first(to->o - channel), second = lbi_bf16_first(to->o - channel - SIDE);
    const __m512 scale = _mm512_loadu_ps(to->scale + channel), bias = _mm512_loadu_ps(to->bias + channel);
    const __m512 scale2 = both ? _mm512_loadu_ps(to->scale + channel + SIDE) : scale, bias2 = both ? _mm512_loadu_ps(to->bias + channel + SIDE) : bias;
    const float *add = to->add ? to->add + at + channel : NULL;
    float *y = to->y + at + channel;
    for (int64_t i = 0; i < n; i++, sums += BLOCK, y += to->apart) {
        __m512 x = _mm512_fmadd_ps(_mm512_loadu_ps(sums), scale, bias), x2 = both ? _mm512_fmadd_ps(_mm512_loadu_ps(sums + SIDE), scale2, bias2) : x;
        if (add) {
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(first, add + i * to->apart));
            if (both) x2 = _mm512_add_ps(x2, _mm512_maskz_loadu_ps(second, add + i * to->apart + SIDE));
        }
        _mm512_mask_storeu_ps(y, first, activate(act, x));
        if (both) _mm512_mask_storeu_ps(y + SIDE, second, activate(act, x2));
    }
}

WIDE INLINE void put_act(const lb_act act, const lbi_bf16_out *to, const float *sums, int64_t n, int64_t at, int64_t channel) {
    if (to->o - channel > SIDE) put_lanes(act, true, to, sums, n, at, channel);
    else put_lanes(act, false, to, sums, n, at, channel);
}

WIDE void lbi_bf16_put(const lbi_bf16_out *to, const float *sums, int64_t n, int64_t at, int64_t channel) {
    switch (to->act) {
    case LB_ACT_RELU: put_act(LB_ACT_RELU, to, sums, n, at, channel); return;
    case LB_ACT_RELU6: put_act(LB_ACT_RELU6, to, sums, n, at, channel); return;
    case LB_ACT_HARDSWISH: put_act(LB_ACT_HARDSWISH, to, sums, n, at, channel); return;
    case LB_ACT_HARDSIGMOID: put_act(LB_ACT_HARDSIGMOID, to, sums, n, at, channel); return;
    default: put_act(LB_ACT_NONE, to, sums, n, at, channel);
    }
    for (int64_t i = 0; to->act != LB_ACT_NONE && i < n; i++) lbi_act_plane(to->act, to->y + at + i * to->apart + channel, lbi_least(BLOCK, to->o - channel), 0);
}

static bool convert(uint16_t *to, const float *from, int64_t n, int64_t layer) {
    if (layer > 0) return lbi_bf16_split(to, layer, from, n);
    lbi_bf16_round(to, from, n);
    return true;
}

/* Rounded pixels of `wide` numbers, those beyond `channels` 0. */
WIDE static void round_pixels(const float *from, int64_t n, int64_t apart, int64_t channels, int64_t wide, uint16_t *to, int64_t c) {
    for (int64_t i = 0; i < n; i++, from += apart, to += c)
        for (int64_t j = 0; j < wide; j += SIDE) {
            __m256i some = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lbi_bf16_first(channels - j), from + j));
            if (wide - j >= SIDE) _mm256_storeu_si256((__m256i *)(void *)(to + j), some);
            else _mm256_mask_storeu_epi16(to + j, lbi_bf16_first(wide - j), some);
        }
}

bool lbi_bf16_pixels(const float *from, int64_t n, int64_t apart, int64_t channels, uint16_t *to, int64_t c, int64_t layer) {
    bool parted = true;
    int64_t wide = lbi_least(c, lbi_up(channels, DEPTH));
    if (channels == c && apart == c) return convert(to, from, n * c, layer);
    if (layer == 0) {
        round_pixels(from, n, apart, channels, wide, to, c);
        return true;
    }
    for (int64_t i = 0; i < n; i++, to += c) {
        parted &= lbi_bf16_split(to, layer, from + i * apart, channels);
        for (int64_t q = 0; q < LBI_BF16_PARTS; q++) memset(to + q * layer + channels, 0, (size_t)(wide - channels) * sizeof *to);
    }
    return parted;
}

WIDE void lbi_bf16_gated(const float *from, int64_t n, int64_t channels, const float *gate, uint16_t *to, int64_t c) {
    for (int64_t i = 0; i < n; i++, from += channels, to += c)
        for (int64_t j = 0; j < c; j += SIDE) {
            __mmask16 mask = lbi_bf16_first(channels - j);
            _mm256_storeu_si256((__m256i *)(void *)(to + j), (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask, from + j), _mm512_maskz_loadu_ps(mask, gate + j))));
        }
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
    int64_t ld = lbi_up(c, DEPTH), steps = ld / DEPTH, at[MOST], before = 0, channel = 0; /* pixel and channel of sums that wait to be put */
    bool waits = false;
    float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
    if (x) lbi_bf16_pixels(x, n, c, c, room, ld, 0);
    for (int64_t s = 0; s < MOST; s++) at[s] = s * DEPTH;
    for (int64_t i = 0; i < n; i += BLOCK)
        for (int64_t j = 0; j < to->o; j += BLOCK) {
            const uint32_t *b = (const uint32_t *)w + j / SIDE * steps * PIECE;
            for (int64_t s = 0; s < steps; s += MOST) {
                const uint16_t *a = room + i * ld + s * DEPTH;
                lbi_bf16_factors f = {.a = a,
                                      .a2 = n - i > SIDE ? a + SIDE * ld : NULL,
                                      .at = at,
                                      .ld = ld,
                                      .steps = lbi_least(MOST, steps - s),
                                      .tail = lbi_bf16_tail(c),
                                      .tap = (int)steps,
                                      .phase = (int)s,
                                      .b = b + s * PIECE,
                                      .b2 = to->o - j > SIDE ? b + (steps + s) * PIECE : NULL};
                lbi_bf16_sum(tiles, &f, s > 0 ? sums : NULL);
                if (waits) lbi_bf16_put(to, sums, lbi_least(BLOCK, n - before), before * to->apart, channel); /* beside the products */
                lbi_bf16_store(tiles, &f, sums, s > 0);
                waits = s + MOST >= steps;
            }
            before = i;
            channel = j;
        }
    if (waits) lbi_bf16_put(to, sums, lbi_least(BLOCK, n - before), before * to->apart, channel);
}
#else
void lbi_bf16_gated(const float *from, int64_t n, int64_t channels, const float *gate, uint16_t *to, int64_t c) {}
bool lbi_bf16_parted(const float *x, int64_t n) { return false; }
void lbi_bf16_map(bool tiles, const float *x, int64_t n, int64_t c, const void *w, uint16_t *room, const lbi_bf16_out *to) {}
#endif
#endif

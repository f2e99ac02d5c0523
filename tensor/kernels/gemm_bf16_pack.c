/* SPDX-License-Identifier: Apache-2.0 */
/* Lines whose numbers lie side by side are read 16 lines at a time, for all of k; others 32 of k at a time, for all lines: memory is read in runs.
 * Floor: some 20 instructions on two ports for 32 numbers in parts, 0.12 ns a number, and 6 bytes written for each; 0.16 to 0.25 are measured, more
 * where they come from memory (asking ahead for them only slows down what else is on its way). */
#include "tensor/kernels/gemm_bf16_pack.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_turn.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

#define WIDE LBI_BF16_WIDE
#define INLINE LBI_BF16_WIDE static inline __attribute__((always_inline))

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE };

/* 16 vectors that lie `apart` from one another, the first `count` of them there, with `lanes` numbers each. */
typedef struct half {
    const float *x;
    int64_t apart, count, lanes;
} half;

INLINE __m512 vector_of(const half *h, int64_t i, const bool full) {
    if (full) return _mm512_loadu_ps(h->x + i * h->apart);
    return i < h->count ? _mm512_maskz_loadu_ps(lbi_bf16_first(h->lanes), h->x + i * h->apart) : _mm512_setzero_ps();
}

INLINE void turned(const half *h, float *to, const bool full) {
    float copy[PIECE];
    const float *line[SIDE];
    for (int i = 0; i < SIDE; i++) {
        if (!full) _mm512_storeu_ps(copy + i * SIDE, vector_of(h, i, false));
        line[i] = full ? h->x + i * h->apart : copy + i * SIDE;
    }
    lbi_turn_16x16(to, SIDE, line, 0xffff);
}

/* 16 lines of 32 numbers in parts. */
INLINE void in_parts(const half from[2], const bool turn, const bool full, uint32_t *to, __m512 *seen) {
    float room[2][PIECE];
    if (turn)
        for (int i = 0; i < 2; i++) turned(&from[i], room[i], full);
    __m512i part[LBI_BF16_PARTS];
    for (int i = 0; i < SIDE; i++) {
        __m512 low = turn ? _mm512_loadu_ps(room[0] + i * SIDE) : vector_of(&from[0], i, full);
        __m512 high = turn ? _mm512_loadu_ps(room[1] + i * SIDE) : vector_of(&from[1], i, full);
        lbi_bf16_three(low, high, true, part, seen);
        for (int q = 0; q < LBI_BF16_PARTS; q++) _mm512_storeu_si512(to + q * PIECE + i * SIDE, part[q]);
    }
}

WIDE static void parts_piece(const lbi_bf16_operand *o, const half from[2], bool full, uint32_t *to, __m512 *seen) {
    bool turn = o->across == o->pairs_first;
    if (turn && full) in_parts(from, true, true, to, seen);
    else if (turn) in_parts(from, true, false, to, seen);
    else if (full) in_parts(from, false, true, to, seen);
    else in_parts(from, false, false, to, seen);
}

static const uint16_t in_turn[2 * SIDE] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

/* Two halves rounded: [line][pair], or [pair][line] where lines lie side by side. */
INLINE void pairs(const bool across, const bool full, const half from[2], uint32_t *to) {
    const __m512i turn = _mm512_loadu_si512(in_turn);
#pragma GCC unroll 4
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 low = across ? vector_of(&from[0], i, full) : vector_of(&from[i / 8], 2 * i % SIDE, full);
        __m512 high = across ? vector_of(&from[1], i, full) : vector_of(&from[i / 8], 2 * i % SIDE + 1, full);
        __m512i beside = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        _mm512_storeu_si512(to + i * SIDE, across ? beside : _mm512_permutexvar_epi16(turn, beside));
    }
}

WIDE static void rounded_piece(const lbi_bf16_operand *o, const half from[2], bool full, uint32_t *to) {
    uint32_t other[PIECE];
    const float *line[SIDE];
    bool turn = o->across == o->pairs_first;
    uint32_t *first = turn ? other : to;
    if (o->across && full) pairs(true, true, from, first);
    else if (o->across) pairs(true, false, from, first);
    else if (full) pairs(false, true, from, first);
    else pairs(false, false, from, first);
    if (!turn) return;
    for (int i = 0; i < SIDE; i++) line[i] = (const float *)(const void *)(other + i * SIDE); /* moved, not looked at */
    lbi_turn_16x16((float *)(void *)to, SIDE, line, 0xffff);
}

/* The piece of 16 lines from `line` and 32 numbers from k on. */
WIDE static void piece(const lbi_bf16_operand *o, int64_t line, int64_t k, uint32_t *to, __m512 *seen) {
    const float *x = o->across ? o->x + line * o->ld + k : o->x + k * o->ld + line;
    int64_t lines = lbi_least(SIDE, o->lines - line), depth = lbi_least(DEPTH, o->k - k);
    bool full = lines == SIDE && depth == DEPTH;
    const half across[2] = {{x, o->ld, lines, depth}, {x + SIDE, o->ld, lines, depth - SIDE}};
    const half along[2] = {{x, o->ld, depth, lines}, {x + SIDE * o->ld, o->ld, depth - SIDE, lines}};
    const half *from = o->across ? across : along;
    if (o->whole) parts_piece(o, from, full, to, seen);
    else rounded_piece(o, from, full, to);
}

WIDE bool lbi_bf16_pack_next(lbi_bf16_packing *p) {
    if (p->panel >= p->panels || p->step >= p->steps) return false;
    int64_t size = lbi_bf16_step(p->o), line = p->first + p->panel * SIDE;
    uint32_t *at = p->to + p->panel * p->apart + p->step * size;
    if (line < p->o->lines) {
        __m512 seen = _mm512_setzero_ps();
        piece(p->o, line, p->k0 + p->step * DEPTH, at, &seen);
        if (!lbi_bf16_all_seen(seen)) p->lacks = true;
    } else {
        for (int64_t q = 0; q < size; q += SIDE) _mm512_storeu_si512(at + q, _mm512_setzero_si512());
    }
    int64_t *fast = p->o->across ? &p->step : &p->panel, *slow = p->o->across ? &p->panel : &p->step;
    if (++*fast >= (p->o->across ? p->steps : p->panels)) {
        *fast = 0;
        ++*slow;
    }
    return true;
}
#endif
#endif

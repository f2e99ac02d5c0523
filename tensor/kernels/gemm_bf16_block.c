/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/gemm_bf16_block.h"
#include <string.h>
#include "tensor/kernels/counts.h"
#if !defined LB_DOUBLE && defined __x86_64__

#define WIDE LBI_BF16_WIDE
#define TILES __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,fma,amx-tile,amx-bf16"), optimize("O3")))
#define INLINE static inline __attribute__((always_inline))

enum { SIDE = LBI_BF16_SIDE, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK };

/* Eight tiles of 16 lines of 64 bytes, as the instruction wants it told. Not on the stack: compilers believe that the instruction reads 8 bytes. */
typedef struct config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} config;
static const config eight = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};

TILES static void tiles_begin(void) { _tile_loadconfig(&eight); }

TILES static void tiles_end(void) { _tile_release(); }

static _Thread_local int users;

void lbi_bf16_begin(bool tiles) {
    if (tiles && users++ == 0) tiles_begin();
}

void lbi_bf16_end(bool tiles) {
    if (tiles && --users == 0) tiles_end();
}

enum { LINE = SIDE * sizeof(uint32_t), OUT = BLOCK * sizeof(float) }; /* bytes between lines of B and of sums */

TILES INLINE void begin_sums(const bool low, const bool right, const float *add) {
    if (!add) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    _tile_loadd(0, add, OUT);
    if (right) _tile_loadd(1, add + SIDE, OUT);
    if (low) _tile_loadd(2, add + SIDE * BLOCK, OUT);
    if (low && right) _tile_loadd(3, add + SIDE * BLOCK + SIDE, OUT);
}

TILES INLINE void multiply(const bool low, const bool right) {
    _tile_dpbf16ps(0, 4, 6);
    if (low) _tile_dpbf16ps(2, 5, 6);
    if (right) _tile_dpbf16ps(1, 4, 7);
    if (low && right) _tile_dpbf16ps(3, 5, 7);
}

TILES INLINE void rounded_step(const bool low, const bool right, const lbi_bf16_factors *f, int64_t s) {
    int64_t ld = f->ld * (int64_t)sizeof *f->a;
    _tile_loadd(4, f->a + f->at[s], ld);
    _tile_loadd(6, f->b + s * PIECE, LINE);
    if (low) _tile_loadd(5, f->a2 + f->at[s], ld);
    if (right) _tile_loadd(7, f->b2 + s * PIECE, LINE);
    multiply(low, right);
}

TILES INLINE void sum_rounded(const bool low, const bool right, const lbi_bf16_factors *f, const float *add) {
    begin_sums(low, right, add);
    for (int64_t s = 0; s < f->steps; s++) rounded_step(low, right, f, s);
}

/* Products `first` .. `last` - 1 of the six of a step, the smallest first. Loads of a part serve as many products as there are. */
TILES INLINE void parts_step(const bool low, const bool right, const int first, const int last, const lbi_bf16_factors *f, int64_t s) {
    static const int8_t order[][2] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}}; /* parts of A and of B */
    int64_t ld = f->ld * (int64_t)sizeof *f->a, step = f->b_apart ? PIECE : LBI_BF16_PARTS * PIECE, apart = f->b_apart ? f->b_apart : PIECE;
    const uint16_t *a = f->a + f->at[s], *a2 = low ? f->a2 + f->at[s] : NULL;
    const uint32_t *b = f->b + s * step, *b2 = right ? f->b2 + s * step : NULL;
#pragma GCC unroll 6
    for (int i = first; i < last; i++) {
        if (i == first || order[i][0] != order[i - 1][0]) {
            _tile_loadd(4, a + order[i][0] * f->apart, ld);
            if (low) _tile_loadd(5, a2 + order[i][0] * f->apart, ld);
        }
        if (i == first || order[i][1] != order[i - 1][1]) {
            _tile_loadd(6, b + order[i][1] * apart, LINE);
            if (right) _tile_loadd(7, b2 + order[i][1] * apart, LINE);
        }
        multiply(low, right);
    }
}

/* Of few steps the small products all come before the large ones, which makes six times fewer roundings of sums that have grown. */
TILES INLINE void sum_parts(const bool low, const bool right, const lbi_bf16_factors *f, const float *add) {
    enum { FEW = 8, SMALL = 5, ALL = 6 };
    bool apart = f->steps <= FEW;
    begin_sums(low, right, add);
    for (int64_t s = 0; s < f->steps && apart; s++) parts_step(low, right, 0, SMALL, f, s);
    for (int64_t s = 0; s < f->steps && apart; s++) parts_step(low, right, SMALL, ALL, f, s);
    for (int64_t s = 0; s < f->steps && !apart; s++) parts_step(low, right, 0, ALL, f, s);
}

TILES INLINE void sum_in_tiles(const bool low, const bool right, const lbi_bf16_factors *f, const float *add) {
    if (f->whole) sum_parts(low, right, f, add);
    else sum_rounded(low, right, f, add);
}

TILES void lbi_bf16_sum(bool tiles, const lbi_bf16_factors *f, const float *add) {
    if (!tiles) return;
    if (f->a2 && f->b2) sum_in_tiles(true, true, f, add);
    else if (f->a2) sum_in_tiles(true, false, f, add);
    else if (f->b2) sum_in_tiles(false, true, f, add);
    else sum_in_tiles(false, false, f, add);
}

TILES INLINE void steps_in_tiles(const bool low, const bool right, const lbi_bf16_factors *f, int64_t from, int64_t to) {
    if (from == 0) begin_sums(low, right, NULL);
    for (int64_t s = from; s < to && f->whole; s++) parts_step(low, right, 0, 6, f, s);
    for (int64_t s = from; s < to && !f->whole; s++) rounded_step(low, right, f, s);
}

TILES void lbi_bf16_go_on(const lbi_bf16_factors *f, int64_t from, int64_t to) {
    if (f->a2 && f->b2) steps_in_tiles(true, true, f, from, to);
    else if (f->a2) steps_in_tiles(true, false, f, from, to);
    else if (f->b2) steps_in_tiles(false, true, f, from, to);
    else steps_in_tiles(false, false, f, from, to);
}

TILES static void store_tiles(const lbi_bf16_factors *f, float *to) {
    _tile_stored(0, to, OUT);
    if (f->b2) _tile_stored(1, to + SIDE, OUT);
    if (f->a2) _tile_stored(2, to + SIDE * BLOCK, OUT);
    if (f->a2 && f->b2) _tile_stored(3, to + SIDE * BLOCK + SIDE, OUT);
}

WIDE INLINE __m512bh pair_of(const uint16_t *a) {
    int both;
    memcpy(&both, a, sizeof both);
    return (__m512bh)_mm512_set1_epi32(both);
}

/* Pairs of a step that are not filling. */
INLINE int pairs_in(const lbi_bf16_factors *f, int64_t s) { return f->tail && (f->phase + s + 1) % f->tap == 0 ? f->tail : SIDE; }

/* So many rows of A at a time that all sums stay in registers: eight by 32 columns (both), or sixteen by 16. filled: all steps are full. */
WIDE INLINE void sums_of(const bool both, const bool filled, const lbi_bf16_factors *f, float *to, bool add) {
    enum { HIGH = 8 };
    const int high = both ? HIGH : 2 * HIGH, each = SIDE / high;
    const uint32_t *next = f->next, *last = next + f->next_lines * SIDE;
    int parts = (f->a2 ? 2 : 1) * each;
    int64_t asked = lbi_over(f->next_lines, parts * f->steps); /* a step */
    for (int part = 0; part < parts; part++, to += high * BLOCK) {
        const uint16_t *from = (part < each ? f->a : f->a2) + part % each * high * f->ld;
        __m512 sum[2 * HIGH][2];
#pragma GCC unroll 16
        for (int i = 0; i < high; i++) {
            sum[i][0] = add ? _mm512_loadu_ps(to + i * BLOCK) : _mm512_setzero_ps();
            if (both) sum[i][1] = add ? _mm512_loadu_ps(to + i * BLOCK + SIDE) : _mm512_setzero_ps();
        }
        for (int64_t s = 0; s < f->steps; s++) {
            const int pairs = filled ? SIDE : pairs_in(f, s);
            for (int64_t i = 0; i < asked && next < last; i++, next += SIDE) __builtin_prefetch(next, 0, 2);
            for (int q = 0; q < pairs; q++) {
                const uint16_t *at = from + f->at[s] + 2 * q;
                __m512bh left = (__m512bh)_mm512_loadu_si512(f->b + s * PIECE + q * SIDE), right = both ? (__m512bh)_mm512_loadu_si512(f->b2 + s * PIECE + q * SIDE) : left;
#pragma GCC unroll 16
                for (int i = 0; i < high; i++) {
                    __m512bh x = pair_of(at + i * f->ld);
                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, left);
                    if (both) sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, right);
                }
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < high; i++) {
            _mm512_storeu_ps(to + i * BLOCK, sum[i][0]);
            if (both) _mm512_storeu_ps(to + i * BLOCK + SIDE, sum[i][1]);
        }
    }
}

WIDE static void sums_filled(const lbi_bf16_factors *f, float *to, bool add) { sums_of(true, true, f, to, add); }
WIDE static void sums_tailed(const lbi_bf16_factors *f, float *to, bool add) { sums_of(true, false, f, to, add); }
WIDE static void sums_narrow(const lbi_bf16_factors *f, float *to, bool add) { sums_of(false, false, f, to, add); }

static void in_registers(const lbi_bf16_factors *f, float *to, bool add) {
    if (!f->b2) sums_narrow(f, to, add);
    else if (f->tail) sums_tailed(f, to, add);
    else sums_filled(f, to, add);
}

void lbi_bf16_store(bool tiles, const lbi_bf16_factors *f, float *to, bool add) {
    if (tiles) store_tiles(f, to);
    else in_registers(f, to, add);
}

void lbi_bf16_block(bool tiles, const lbi_bf16_factors *f, float *to, bool add) {
    lbi_bf16_sum(tiles, f, add ? to : NULL);
    lbi_bf16_store(tiles, f, to, add);
}

WIDE void lbi_bf16_round(uint16_t *to, const float *from, int64_t n) {
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) _mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + SIDE), _mm512_loadu_ps(from + i)));
    for (; i < n; i += SIDE) {
        __mmask16 mask = lbi_bf16_first(n - i);
        _mm256_mask_storeu_epi16(to + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i)));
    }
}

WIDE bool lbi_bf16_split(uint16_t *to, int64_t apart, const float *from, int64_t n) {
    __m512 seen = _mm512_setzero_ps();
    __m512i part[LBI_BF16_PARTS];
    for (int64_t i = 0; i < n; i += BLOCK) {
        __mmask16 first = lbi_bf16_first(n - i), second = lbi_bf16_first(n - i - SIDE);
        lbi_bf16_three(_mm512_maskz_loadu_ps(first, from + i), _mm512_maskz_loadu_ps(second, from + i + SIDE), false, part, &seen);
        for (int q = 0; q < LBI_BF16_PARTS; q++) _mm512_mask_storeu_epi16(to + q * apart + i, (__mmask32)second << SIDE | first, part[q]);
    }
    return lbi_bf16_all_seen(seen);
}
#elif !defined LB_DOUBLE
void lbi_bf16_begin(bool tiles) {}
void lbi_bf16_end(bool tiles) {}
#endif

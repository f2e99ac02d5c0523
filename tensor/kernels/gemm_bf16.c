/* SPDX-License-Identifier: Apache-2.0 */
/* Both operands are packed as bf16 pairs along k, a pair being one 32-bit lane: A in panels of 16 rows, for each 32 of k [row][pair]; B in
 * panels of 16 columns, [pair][column]; what is missing is 0. A task makes some rows of C: 32 x 32 numbers at a time, all of k, in four tiles of AMX,
 * or 16 x 32 in 32 registers of AVX-512. A task's rows stay in L2 while B passes by.
 * Floor: 1024 multiply-adds a cycle with AMX, so packing (a read of A and B, a write of half of it) and storing C limit all but large products. */
#include "tensor/kernels/gemm_bf16.h"
#include <math.h>
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

#define WIDE LBI_BF16_WIDE

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, CLOSE = LBI_BF16_CLOSE, ROWS = 256, FEW = 1 << 20 }; /* ROWS: of a task */

typedef struct operand {
    const float *x;
    int64_t ld, lines, k;
    bool across;      /* numbers of a line lie side by side; else those of neighbouring lines do */
    bool lines_first; /* [line][pair], else [pair][line] */
    uint32_t *to;     /* [panels][steps][PIECE] */
} operand;

typedef struct run {
    operand a, b;
    int64_t m, n, steps, rows;
    const lbi_gemm_end *end;
    float *c;
    int64_t ldc;
    bool tiles;
} run;

/* ---- packing ---- */

/* 16 lines of 16 pairs turned on their side. */
WIDE static void turn(const uint32_t *from, uint32_t *to) {
    __m512i r[SIDE], t[SIDE];
    for (int i = 0; i < SIDE; i++) r[i] = _mm512_loadu_si512(from + i * SIDE);
    for (int i = 0; i < SIDE; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < SIDE; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4 g + j]: column j of each quarter, of lines 4 g .. 4 g + 3 */
    for (int j = 0; j < 4; j++) {
        __m512i low = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x44), low2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x44);
        __m512i high = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xee), high2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xee);
        _mm512_storeu_si512(to + j * SIDE, _mm512_shuffle_i32x4(low, low2, 0x88));
        _mm512_storeu_si512(to + (4 + j) * SIDE, _mm512_shuffle_i32x4(low, low2, 0xdd));
        _mm512_storeu_si512(to + (8 + j) * SIDE, _mm512_shuffle_i32x4(high, high2, 0x88));
        _mm512_storeu_si512(to + (12 + j) * SIDE, _mm512_shuffle_i32x4(high, high2, 0xdd));
    }
}

/* `lines` lines of `k` numbers each, from x on: [line][pair], or [pair][line] where lines lie side by side. */
WIDE static void pairs(const operand *o, const float *x, int64_t lines, int64_t k, uint32_t *to) {
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 low, high;
        if (o->across) {
            low = i < lines ? _mm512_maskz_loadu_ps(lbi_bf16_first(k), x + i * o->ld) : _mm512_setzero_ps();
            high = i < lines ? _mm512_maskz_loadu_ps(lbi_bf16_first(k - SIDE), x + i * o->ld + SIDE) : _mm512_setzero_ps();
            _mm512_storeu_si512(to + i * SIDE, (__m512i)_mm512_cvtne2ps_pbh(high, low));
            continue;
        }
        __mmask16 mask = lbi_bf16_first(lines);
        low = 2 * i < k ? _mm512_maskz_loadu_ps(mask, x + 2 * i * o->ld) : _mm512_setzero_ps();
        high = 2 * i + 1 < k ? _mm512_maskz_loadu_ps(mask, x + (2 * i + 1) * o->ld) : _mm512_setzero_ps();
        __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low)), h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
        _mm512_storeu_si512(to + i * SIDE, _mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
    }
}

static void pack_panel(const operand *o, int64_t panel, int64_t steps) {
    for (int64_t s = 0; s < steps; s++) {
        const float *x = o->across ? o->x + panel * SIDE * o->ld + s * DEPTH : o->x + s * DEPTH * o->ld + panel * SIDE;
        uint32_t *to = o->to + (panel * steps + s) * PIECE, other[PIECE];
        bool turned = o->across != o->lines_first;
        pairs(o, x, lbi_least(SIDE, o->lines - panel * SIDE), lbi_least(DEPTH, o->k - s * DEPTH), turned ? other : to);
        if (turned) turn(other, to);
    }
}

/* ---- C ---- */

WIDE static void put(const run *r, const float *from, int64_t i0, int64_t j0) {
    const lbi_gemm_end *e = r->end;
    for (int64_t i = i0; i < lbi_least(i0 + BLOCK, r->m); i++)
        for (int64_t j = j0; j < lbi_least(j0 + BLOCK, r->n); j += SIDE) {
            __mmask16 mask = lbi_bf16_first(r->n - j);
            float *c = r->c + i * r->ldc + j;
            __m512 x = _mm512_loadu_ps(from + (i - i0) * BLOCK + j - j0);
            if (e->beta != 0) x = _mm512_fmadd_ps(_mm512_set1_ps(e->beta), _mm512_maskz_loadu_ps(mask, c), x);
            if (e->row_scale) x = _mm512_mul_ps(x, _mm512_set1_ps(e->row_scale[i]));
            if (e->col_scale) x = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(mask, e->col_scale + j));
            if (e->row_bias) x = _mm512_add_ps(x, _mm512_set1_ps(e->row_bias[i]));
            if (e->col_bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, e->col_bias + j));
            if (e->add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, e->add + i * e->ld_add + j));
            _mm512_mask_storeu_ps(c, mask, x);
        }
}

static const uint16_t *halves(const uint32_t *pairs) { return (const uint16_t *)(const void *)pairs; }

/* 32 columns of a task's rows, all of k in pieces for which B stays in L1. */
static void columns(const run *r, int64_t first, int64_t last, int64_t j, float *blocks) {
    const uint32_t *b = r->b.to + j / SIDE * r->steps * PIECE;
    int64_t at[CLOSE];
    for (int s = 0; s < CLOSE; s++) at[s] = s * PIECE * 2;
    for (int64_t s = 0; s < r->steps; s += CLOSE)
        for (int64_t i = first; i < last; i += BLOCK) {
            const uint32_t *a = r->a.to + i / SIDE * r->steps * PIECE;
            float *to = blocks + (i - first) * BLOCK;
            lbi_bf16_factors f = {.a = halves(a + s * PIECE), .a2 = halves(a + (r->steps + s) * PIECE), .at = at, .ld = DEPTH, .steps = lbi_least(CLOSE, r->steps - s), .b = b + s * PIECE, .b2 = b + (r->steps + s) * PIECE};
            lbi_bf16_block(r->tiles, &f, to, s > 0);
            if (s + CLOSE >= r->steps) put(r, to, i, j);
        }
}

static void task(const run *r, int64_t first) {
    int64_t last = lbi_least(first + r->rows, r->m);
    float blocks[ROWS * BLOCK] __attribute__((aligned(64)));
    for (int64_t j = 0; j < r->n; j += BLOCK) columns(r, first, last, j, blocks);
    for (int64_t i = first; r->end->act != LB_ACT_NONE && i < last; i++) lbi_act_plane(r->end->act, r->c + i * r->ldc, r->n, 0);
}

size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return lbi_cpu() < LBI_CPU_BF16 ? 0 : (size_t)(2 * lbi_over(n, BLOCK) * lbi_over(k, DEPTH) * PIECE) * sizeof(uint32_t); }

void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {
    const operand b = {w, k, n, k, true, false, to};
#pragma omp parallel for schedule(static) if (n * k > FEW)
    for (int64_t i = 0; i < 2 * lbi_over(n, BLOCK); i++) pack_panel(&b, i, lbi_over(k, DEPTH));
}

bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) {
    if (lbi_cpu() < LBI_CPU_BF16 || m < 1 || n < 1 || k < 1) return false;
    int threads = omp_in_parallel() || m * n * k < FEW ? 1 : omp_get_max_threads();
    run r = {.a = {a, lda, m, k, !trans_a, true, NULL}, .b = {b, ldb, n, k, trans_b, false, NULL}, .m = m, .n = n, .steps = lbi_over(k, DEPTH), .end = end, .c = c, .ldc = ldc, .tiles = lbi_cpu() >= LBI_CPU_AMX};
    int64_t panels_a = 2 * lbi_over(m, BLOCK), panels_b = end->packed ? 0 : 2 * lbi_over(n, BLOCK); /* pairs of panels: the second may be all zeros */
    uint32_t *work = lbi_work_take((size_t)((panels_a + panels_b) * r.steps * PIECE) * sizeof *work);
    if (!work) return false;
    union { const void *in; uint32_t *out; } ready = {.in = end->packed};
    r.a.to = work;
    r.b.to = ready.in ? ready.out : work + panels_a * r.steps * PIECE;
    r.rows = lbi_least(ROWS, lbi_over(lbi_over(m, BLOCK), 2 * threads) * BLOCK);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static) nowait
        for (int64_t i = 0; i < panels_a; i++) pack_panel(&r.a, i, r.steps);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < panels_b; i++) pack_panel(&r.b, i, r.steps);
        lbi_bf16_begin(r.tiles);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < lbi_over(m, r.rows); i++) task(&r, i * r.rows);
        lbi_bf16_end(r.tiles);
    }
    lbi_work_give(work);
    return true;
}
#else
size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return 0; }
void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {}
bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) { return false; }
#endif
#endif

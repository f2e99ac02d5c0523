/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: a tile of 14 x 32. Of 32 registers 28 hold the tile, two a row of B, one an element of A. A step of k costs 28
 * multiply-adds (14 cycles on two ports) and 16 loads (8 cycles), so arithmetic is what limits it; 28 sums in flight hide the latency of 4. */
#include "tensor/kernels/gemm_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"), optimize("O3")))
#define INLINE static inline __attribute__((always_inline, target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
enum { MR = 14, NR = 32 };

/* Sums on their way to C. Each step is one for all of them, in registers: what is wanted is asked once a tile, not once a vector. */
INLINE void leave(const int rows, const int vectors, __m512 sum[MR][2], float *c, int64_t ldc, const __mmask16 *mask, const lbi_tile_end *e) {
    if (e->beta != 0) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_fmadd_ps(_mm512_set1_ps(e->beta), _mm512_maskz_loadu_ps(mask[v], c + i * ldc + 16 * v), sum[i][v]);
    }
    if (e->row_scale) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_mul_ps(sum[i][v], _mm512_set1_ps(e->row_scale[i]));
    }
    if (e->row_bias) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_add_ps(sum[i][v], _mm512_set1_ps(e->row_bias[i]));
    }
    if (e->col_bias) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            __m512 bias = _mm512_maskz_loadu_ps(mask[v], e->col_bias + 16 * v);
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_add_ps(sum[i][v], bias);
        }
    }
    if (e->add) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_add_ps(sum[i][v], _mm512_maskz_loadu_ps(mask[v], e->add + i * e->ld_add + 16 * v));
    }
    if (e->clamp) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
            for (int i = 0; i < rows; i++) sum[i][v] = _mm512_min_ps(_mm512_set1_ps(e->hi), _mm512_max_ps(_mm512_set1_ps(e->lo), sum[i][v]));
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) _mm512_mask_storeu_ps(c + i * ldc + 16 * v, mask[v], sum[i][v]);
}

/* rows, vectors (1 or 2 of 16 columns) and whether `at` is NULL are constants here, so the loops unroll and the sums stay in registers. */
INLINE void tile_of(const int rows, const int vectors, int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int cols, const lbi_tile_end *e) {
    __m512 sum[MR][2];
    __mmask16 mask[2];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            sum[i][v] = _mm512_setzero_ps();
            _mm_prefetch((const char *)(c + i * ldc + 16 * v), _MM_HINT_T1); /* C comes from far and is wanted when the loop ends; to L2, since its rows may all fall into one set of L1 */
        }
    for (int v = 0; v < vectors; v++) {
        int left = cols - 16 * v;
        mask[v] = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    }
    for (int64_t p = 0; p < k; p++, a += MR) {
        const float *row = at ? b + at[p] : b + p * NR;
        __m512 b0 = at ? _mm512_maskz_loadu_ps(mask[0], row) : _mm512_load_ps(row), b1 = b0;
        if (vectors > 1) b1 = at ? _mm512_maskz_loadu_ps(mask[1], row + 16) : _mm512_load_ps(row + 16);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(a[i]);
            sum[i][0] = _mm512_fmadd_ps(x, b0, sum[i][0]);
            if (vectors > 1) sum[i][1] = _mm512_fmadd_ps(x, b1, sum[i][1]);
        }
    }
    leave(rows, vectors, sum, c, ldc, mask, e);
}

INLINE void tile_rows(const int vectors, int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    switch (rows) {
    case 14: tile_of(14, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 13: tile_of(13, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 12: tile_of(12, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 11: tile_of(11, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 10: tile_of(10, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 9: tile_of(9, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 8: tile_of(8, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 7: tile_of(7, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 6: tile_of(6, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 5: tile_of(5, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 4: tile_of(4, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 3: tile_of(3, vectors, k, a, b, at, c, ldc, cols, e); break;
    case 2: tile_of(2, vectors, k, a, b, at, c, ldc, cols, e); break;
    default: tile_of(1, vectors, k, a, b, at, c, ldc, cols, e); break;
    }
}

TARGET static void tile(int64_t k, const float *a, const float *b, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    if (cols > 16) tile_rows(2, k, a, b, NULL, c, ldc, rows, cols, e);
    else tile_rows(1, k, a, b, NULL, c, ldc, rows, cols, e);
}

TARGET static void tile_at(int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    if (cols > 16) tile_rows(2, k, a, b, at, c, ldc, rows, cols, e);
    else tile_rows(1, k, a, b, at, c, ldc, rows, cols, e);
}

INLINE void lines_of(const int rows, const int vectors, int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int cols) {
    __m512 sum[MR][2];
    __mmask16 mask[2];
    for (int v = 0; v < vectors; v++) {
        int left = cols - 16 * v;
        mask[v] = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[i][v] = _mm512_setzero_ps();
    for (int64_t p = 0; p < k; p++, b += NR) {
        __m512 b0 = _mm512_load_ps(b), b1 = vectors > 1 ? _mm512_load_ps(b + 16) : b0;
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(line[i][p]);
            sum[i][0] = _mm512_fmadd_ps(x, b0, sum[i][0]);
            if (vectors > 1) sum[i][1] = _mm512_fmadd_ps(x, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = c + i * ldc + 16 * v;
            _mm512_mask_storeu_ps(to, mask[v], _mm512_add_ps(sum[i][v], _mm512_maskz_loadu_ps(mask[v], to)));
        }
}

INLINE void lines_rows(const int vectors, int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int rows, int cols) {
    switch (rows) {
    case 14: lines_of(14, vectors, k, line, b, c, ldc, cols); break;
    case 13: lines_of(13, vectors, k, line, b, c, ldc, cols); break;
    case 12: lines_of(12, vectors, k, line, b, c, ldc, cols); break;
    case 11: lines_of(11, vectors, k, line, b, c, ldc, cols); break;
    case 10: lines_of(10, vectors, k, line, b, c, ldc, cols); break;
    case 9: lines_of(9, vectors, k, line, b, c, ldc, cols); break;
    case 8: lines_of(8, vectors, k, line, b, c, ldc, cols); break;
    case 7: lines_of(7, vectors, k, line, b, c, ldc, cols); break;
    case 6: lines_of(6, vectors, k, line, b, c, ldc, cols); break;
    case 5: lines_of(5, vectors, k, line, b, c, ldc, cols); break;
    case 4: lines_of(4, vectors, k, line, b, c, ldc, cols); break;
    case 3: lines_of(3, vectors, k, line, b, c, ldc, cols); break;
    case 2: lines_of(2, vectors, k, line, b, c, ldc, cols); break;
    default: lines_of(1, vectors, k, line, b, c, ldc, cols); break;
    }
}

TARGET static void tile_lines(int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int rows, int cols) {
    if (cols > 16) lines_rows(2, k, line, b, c, ldc, rows, cols);
    else lines_rows(1, k, line, b, c, ldc, rows, cols);
}

const lbi_gemm_kernel lbi_gemm_avx512 = {.name = "avx512", .mr = MR, .nr = NR, .kc = 1024, .kc_most = 1536, .tile = tile, .tile_at = tile_at, .tile_lines = tile_lines, .across = lbi_across_avx512, .along = lbi_along_avx512};
#endif

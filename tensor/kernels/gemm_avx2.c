/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2: a tile of 6 x 16. Of 16 registers 12 hold the tile, two a row of B, one an element of A. A step of k costs 12 multiply-adds
 * (6 cycles on two ports) and 8 loads (4 cycles); 12 sums in flight hide the latency of 4 to 5. */
#include "tensor/kernels/gemm_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma"), optimize("O3")))
#define INLINE static inline __attribute__((always_inline, target("avx2,fma")))
enum { MR = 6, NR = 16 };

INLINE __m256i mask_of(int left) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left), lane);
}

/* Eight numbers of which the mask's lanes exist; whole says that all do. */
INLINE __m256 load_row(const float *p, bool whole, __m256i mask) { return whole ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask); }

INLINE void store_row(float *p, __m256 x, bool whole, __m256i mask) {
    if (whole) _mm256_storeu_ps(p, x);
    else _mm256_maskstore_ps(p, mask, x);
}

/* Sums on their way to C. Each step is one for all of them, in registers: what is wanted is asked once a tile, not once a vector. */
INLINE void leave(const int rows, const int vectors, __m256 sum[MR][2], float *c, int64_t ldc, const bool whole, const __m256i *mask, const lbi_tile_end *e) {
    if (e->beta != 0) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_fmadd_ps(_mm256_set1_ps(e->beta), load_row(c + i * ldc + 8 * v, whole, mask[v]), sum[i][v]);
    }
    if (e->row_scale) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_mul_ps(sum[i][v], _mm256_set1_ps(e->row_scale[i]));
    }
    if (e->row_bias) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_add_ps(sum[i][v], _mm256_set1_ps(e->row_bias[i]));
    }
    if (e->col_bias) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            __m256 bias = load_row(e->col_bias + 8 * v, whole, mask[v]);
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_add_ps(sum[i][v], bias);
        }
    }
    if (e->add) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_add_ps(sum[i][v], load_row(e->add + i * e->ld_add + 8 * v, whole, mask[v]));
    }
    if (e->clamp) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) sum[i][v] = _mm256_min_ps(_mm256_set1_ps(e->hi), _mm256_max_ps(_mm256_set1_ps(e->lo), sum[i][v]));
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) store_row(c + i * ldc + 8 * v, sum[i][v], whole, mask[v]);
}

/* rows, vectors (1 or 2 of 8 columns), whole (all columns exist) and whether `at` is NULL are constants here, so the loops unroll and the sums
 * stay in registers. */
INLINE void tile_of(const int rows, const int vectors, const bool whole, int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int cols, const lbi_tile_end *e) {
    __m256 sum[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            sum[i][v] = _mm256_setzero_ps();
            _mm_prefetch((const char *)(c + i * ldc + 8 * v), _MM_HINT_T1); /* C comes from far and is wanted when the loop ends; to L2, since its rows may all fall into one set of L1 */
        }
    __m256i first = mask_of(cols), second = mask_of(cols - 8);
    for (int64_t p = 0; p < k; p++, a += MR) {
        const float *row = at ? b + at[p] : b + p * NR;
        __m256 b0 = load_row(row, whole || !at, first), b1 = vectors > 1 ? load_row(row + 8, whole || !at, second) : b0;
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 x = _mm256_broadcast_ss(a + i);
            sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
            if (vectors > 1) sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
        }
    }
    const __m256i mask[2] = {first, second};
    if (cols == 8 * vectors) leave(rows, vectors, sum, c, ldc, true, mask, e);
    else leave(rows, vectors, sum, c, ldc, false, mask, e);
}

INLINE void tile_rows(const int vectors, const bool whole, int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    switch (rows) {
    case 6: tile_of(6, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    case 5: tile_of(5, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    case 4: tile_of(4, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    case 3: tile_of(3, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    case 2: tile_of(2, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    default: tile_of(1, vectors, whole, k, a, b, at, c, ldc, cols, e); break;
    }
}

TARGET static void tile(int64_t k, const float *a, const float *b, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    if (cols > 8) tile_rows(2, true, k, a, b, NULL, c, ldc, rows, cols, e);
    else tile_rows(1, true, k, a, b, NULL, c, ldc, rows, cols, e);
}

TARGET static void tile_at(int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    if (cols == NR) tile_rows(2, true, k, a, b, at, c, ldc, rows, cols, e);
    else if (cols > 8) tile_rows(2, false, k, a, b, at, c, ldc, rows, cols, e);
    else tile_rows(1, false, k, a, b, at, c, ldc, rows, cols, e);
}

INLINE void lines_of(const int rows, const int vectors, int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int cols) {
    __m256 sum[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[i][v] = _mm256_setzero_ps();
    for (int64_t p = 0; p < k; p++, b += NR) {
        __m256 b0 = _mm256_load_ps(b), b1 = vectors > 1 ? _mm256_load_ps(b + 8) : b0;
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 x = _mm256_broadcast_ss(line[i] + p);
            sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
            if (vectors > 1) sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = c + i * ldc + 8 * v;
            __m256i mask = mask_of(cols - 8 * v);
            store_row(to, _mm256_add_ps(sum[i][v], load_row(to, cols >= 8 * (v + 1), mask)), cols >= 8 * (v + 1), mask);
        }
}

INLINE void lines_rows(const int vectors, int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int rows, int cols) {
    switch (rows) {
    case 6: lines_of(6, vectors, k, line, b, c, ldc, cols); break;
    case 5: lines_of(5, vectors, k, line, b, c, ldc, cols); break;
    case 4: lines_of(4, vectors, k, line, b, c, ldc, cols); break;
    case 3: lines_of(3, vectors, k, line, b, c, ldc, cols); break;
    case 2: lines_of(2, vectors, k, line, b, c, ldc, cols); break;
    default: lines_of(1, vectors, k, line, b, c, ldc, cols); break;
    }
}

TARGET static void tile_lines(int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int rows, int cols) {
    if (cols > 8) lines_rows(2, k, line, b, c, ldc, rows, cols);
    else lines_rows(1, k, line, b, c, ldc, rows, cols);
}

const lbi_gemm_kernel lbi_gemm_avx2 = {.name = "avx2", .mr = MR, .nr = NR, .kc = 192, .kc_most = 320, .tile = tile, .tile_at = tile_at, .tile_lines = tile_lines, .across = lbi_across_avx2, .along = lbi_along_avx2};
#endif

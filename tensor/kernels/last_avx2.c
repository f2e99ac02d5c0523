/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2: a tile of 6 pixels x 16 channels. 12 of 16 registers are sums; a step of k costs 12 multiply-adds (6 cycles on two ports) and 8
 * loads (4 cycles). */
#include "tensor/kernels/last_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>
#pragma GCC target("avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
enum { LANES = 8, ROWS = 6 };
#define INLINE static inline __attribute__((always_inline))
INLINE vec larger(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE __m256i lanes_below(int count) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
INLINE vec load_first(const float *p, int count) { return (vec)_mm256_maskload_ps(p, lanes_below(count)); }
INLINE void store_first(float *p, vec v, int count) { _mm256_maskstore_ps(p, lanes_below(count), (__m256)v); }
#include "tensor/kernels/last_tile.h"

INLINE void tile_rows(const int vectors, const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *e) {
    switch (rows) {
    case 6: tile_of(6, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 5: tile_of(5, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 4: tile_of(4, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 3: tile_of(3, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 2: tile_of(2, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    default: tile_of(1, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    }
}

static void tile(const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *e) {
    if (cols > LANES) tile_rows(2, piece, pieces, x, ld, w, y, ldy, rows, cols, e);
    else tile_rows(1, piece, pieces, x, ld, w, y, ldy, rows, cols, e);
}

INLINE void lines_by(const int vectors, int64_t rows, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row, int64_t g_pixel, float *to, int64_t ld, int count, int cols) {
    switch (count) {
    case 6: lines_of(6, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 5: lines_of(5, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 4: lines_of(4, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 3: lines_of(3, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 2: lines_of(2, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    default: lines_of(1, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    }
}

static void lines(int64_t rows, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row, int64_t g_pixel, float *to, int64_t ld, int count, int cols) {
    if (cols > LANES) lines_by(2, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, count, cols);
    else lines_by(1, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, count, cols);
}

const lbi_last_kernel lbi_last_avx2 = {.name = "avx2", .lanes = LANES, .rows = ROWS, .cols = COLS, .tile = tile, .lines = lines, .depth = depth};
#endif

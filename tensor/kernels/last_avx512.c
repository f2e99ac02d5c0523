/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: a tile of 14 pixels x 32 channels. 28 of 32 registers are sums; a step of k costs 28 multiply-adds (14 cycles on two ports) and 16
 * loads (8 cycles). */
#include "tensor/kernels/last_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
enum { LANES = 16, ROWS = 14 };
#define INLINE static inline __attribute__((always_inline))
INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vec load_first(const float *p, int count) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p); }
INLINE void store_first(float *p, vec v, int count) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v); }
#include "tensor/kernels/last_tile.h"

INLINE void tile_rows(const int vectors, const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *e) {
    switch (rows) {
    case 14: tile_of(14, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 13: tile_of(13, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 12: tile_of(12, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 11: tile_of(11, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 10: tile_of(10, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 9: tile_of(9, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 8: tile_of(8, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
    case 7: tile_of(7, vectors, piece, pieces, x, ld, w, y, ldy, cols, e); break;
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
    case 14: lines_of(14, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 13: lines_of(13, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 12: lines_of(12, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 11: lines_of(11, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 10: lines_of(10, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 9: lines_of(9, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 8: lines_of(8, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
    case 7: lines_of(7, vectors, rows, n, x, x_row, x_pixel, g, g_row, g_pixel, to, ld, cols); break;
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

const lbi_last_kernel lbi_last_avx512 = {.name = "avx512", .lanes = LANES, .rows = ROWS, .cols = COLS, .tile = tile, .lines = lines, .depth = depth};
#endif

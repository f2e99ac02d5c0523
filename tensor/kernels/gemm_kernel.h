/* SPDX-License-Identifier: Apache-2.0 */
/* The innermost step of a matrix product, one per instruction level: a tile of C from a panel of A and a panel of B, all in registers.
 * Panels are packed: A as [k][mr], B as [k][nr], so that both are read in order. Float only. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_KERNEL_H
#define LB_TENSOR_KERNELS_GEMM_KERNEL_H
#include "tensor/tensor.h"

enum { LBI_MR_MAX = 14, LBI_NR_MAX = 32, LBI_PACK_ROWS = 16 }; /* rows that `along` is given at a time; it asks for the next ones */

/* What happens to a tile on its way to C. Pointers are at the tile's first element. */
typedef struct lbi_tile_end {
    float beta;              /* C = beta C + tile; 0 does not read C */
    const float *row_scale;  /* one a row, or NULL: times C */
    const float *row_bias;   /* one a row, or NULL */
    const float *col_bias;   /* one a column, or NULL */
    const float *add;        /* a matrix like C, rows ld_add apart, or NULL */
    int64_t ld_add;
    bool clamp;              /* to lo..hi, NaN stays */
    float lo, hi;
} lbi_tile_end;

typedef struct lbi_gemm_kernel {
    const char *name;
    int mr, nr;
    int kc, kc_most; /* steps of k that are packed and multiplied at a time, multiples of 64; the last time up to kc_most, where few would be left */
    /* rows <= mr, cols <= nr of C (rows ldc apart) from k columns of the panels. Lanes beyond are not touched. */
    void (*tile)(int64_t k, const float *a, const float *b, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *end);
    /* The same with row p of B at b + at[p], on no boundary and cols numbers long: pictures need no copy for that. */
    void (*tile_at)(int64_t k, const float *a, const float *b, const int32_t *at, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *end);
    /* The transposed of that: c[i][j] += sum over p of line[i][p] * b[p][j], b packed as [k][nr]: the gradient of kernels. */
    void (*tile_lines)(int64_t k, const float *const *line, const float *b, float *c, int64_t ldc, int rows, int cols);
    /* Panel of `width` from count <= width lines of k numbers each, lines ld apart: to[p * width + j] = from[j * ld + p]. Lanes
     * from count on become 0. May write up to 7 numbers beyond to[k * width]. */
    void (*across)(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
    /* The same from k rows that lie ld apart: to[p * width + j] = from[p * ld + j]. Writes nothing beyond. */
    void (*along)(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
} lbi_gemm_kernel;

extern const lbi_gemm_kernel lbi_gemm_avx2, lbi_gemm_avx512;
void lbi_across_avx2(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
void lbi_across_avx512(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
void lbi_along_avx2(float *to, int width, const float *from, int64_t ld, int count, int64_t k);
void lbi_along_avx512(float *to, int width, const float *from, int64_t ld, int count, int64_t k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm of channels whose planes are short (rows, small pictures): an image is one row of C*k numbers, and n such rows lie `ld` apart. A run
 * of channels is a block of columns, worked on side by side; a channel's k columns go together at the end. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_NORM_COLS_H
#define LB_TENSOR_KERNELS_NORM_COLS_H
#include "tensor/ops.h"

enum { LBI_COLS = 512 }; /* columns of a block at most; those of one channel have to fit */

/* Columns j < cols of rows i < n, number (i,j) at i * ld + j; pointers are at the block's first. */
typedef struct lbi_cols {
    int64_t n, ld, cols;
} lbi_cols;

/** sum[j] = sum over i of x. */
void lbi_cols_sum(const lbi_cols *b, const lb_real *x, double *sum);
/** square[j] = sum over i of (x - shift[j])^2. */
void lbi_cols_square(const lbi_cols *b, const lb_real *x, const lb_real *shift, double *square);
/** sum[j] = sum over i of x - shift[j], square[j] = sum of its squares: both in one pass. */
void lbi_cols_moments(const lbi_cols *b, const lb_real *x, const lb_real *shift, double *sum, double *square);
/** y = act(a[j] x + b[j] + add); add may be NULL; activations as lbi_plane_affine knows them. */
void lbi_cols_affine(const lbi_cols *b, lb_act act, lb_real *y, const lb_real *x, const lb_real *add, const lb_real *scale, const lb_real *shift);
/** sum[j] = sum over i of g'; dot[j] = sum of g' (x - mean[j]) rstd[j], g' = g act'(y). */
void lbi_cols_back_sums(const lbi_cols *b, lb_act act, const lb_real *g, const lb_real *y, const lb_real *x, const lb_real *mean, const lb_real *rstd, double *sum, double *dot);
/** gx = (fresh ? 0 : gx) + by_g[j] g' + by_x[j] x + more[j]. */
void lbi_cols_back(const lbi_cols *b, lb_act act, lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *x, const lb_real *by_g, const lb_real *by_x, const lb_real *more, bool fresh);

#endif

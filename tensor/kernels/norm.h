/* SPDX-License-Identifier: Apache-2.0 */
/* Norms of one plane of n numbers, and of rows. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_NORM_H
#define LB_TENSOR_KERNELS_NORM_H
#include "tensor/ops.h"

/** *sum += sum of x; *square += sum of (x - shift)^2. */
void lbi_plane_sum(const lb_real *x, int64_t n, double *sum);
void lbi_plane_square(const lb_real *x, int64_t n, lb_real shift, double *square);
/** mean = sum x / n, square = sum (x - mean)^2 in one pass through memory, each block around a mean of its own (Chan, Golub, LeVeque 1979); 0 when n = 0. */
void lbi_plane_moments(const lb_real *x, int64_t n, double *mean, double *square);
/** y = act(a x + b + add); add may be NULL; relu and relu6, other activations are left out. */
void lbi_plane_affine(lb_act act, lb_real *y, const lb_real *x, const lb_real *add, int64_t n, lb_real a, lb_real b);
/** to = (fresh ? 0 : to) + g act'(y). */
void lbi_plane_through(lb_act act, lb_real *to, const lb_real *g, const lb_real *y, int64_t n, bool fresh);
/** *sum += sum of g'; *dot += sum of g' (x - mean) rstd, g' = g act'(y). */
void lbi_plane_back_sums(lb_act act, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real mean, lb_real rstd, double *sum, double *dot);
/** gx = (fresh ? 0 : gx) + a g' + b x + c. */
void lbi_plane_back(lb_act act, lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real a, lb_real b, lb_real c, bool fresh);

/* Rows of k > 0 numbers, one after the other, on the calling thread. */
typedef struct lbi_rows {
    const lb_real *x, *gamma; /* gamma: NULL = 1 */
    int64_t rows, k;
    lb_real *mean, *rstd; /* one for each row; mean: of layer norm alone */
} lbi_rows;

/** What is done with a row's result. */
typedef void (*lbi_row_done)(const void *ctx, int64_t row, const lb_real *y);
/** y = (x - mean) rstd gamma + beta; mean and rstd (1 / sqrt(biased variance + eps)) as found. beta may be NULL (0). With `done`, y is a place for one row, which is handed on each time. */
void lbi_rows_norm(const lbi_rows *r, lb_real *y, const lb_real *beta, double eps, lbi_row_done done, const void *ctx);
/** gx = (fresh ? 0 : gx) + rstd (h - mean(h) - xh mean(h xh)), h = g gamma, xh = (x - mean) rstd; dgamma += g xh, dbeta += g. Each of the three may be NULL. */
void lbi_rows_norm_back(const lbi_rows *r, lb_real *gx, const lb_real *g, lb_real *dgamma, lb_real *dbeta, bool fresh);
/** What a row is multiplied with, from the sum of its squares; *kept: what the op keeps of it. */
typedef lb_real (*lbi_row_factor)(double square, int64_t k, double eps, lb_real *kept);
/** y = gamma x factor; what is kept goes to rstd. */
void lbi_rows_scale(const lbi_rows *r, lb_real *y, lbi_row_factor factor, double eps);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm on one plane of n numbers. Private to tensor/. Pure. */
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

/* Layer norm on one row of k numbers. gamma, beta may be NULL (1, 0). */
/** y = (x - mean) rstd gamma + beta; *mean and *rstd (1 / sqrt(biased variance + eps)) as found. */
void lbi_row_norm(lb_real *y, const lb_real *x, const lb_real *gamma, const lb_real *beta, int64_t k, double eps, lb_real *mean, lb_real *rstd);
/** gx = (fresh ? 0 : gx) + rstd (h - mean(h) - xh mean(h xh)), h = g gamma, xh = (x - mean) rstd. */
void lbi_row_norm_back(lb_real *gx, const lb_real *g, const lb_real *x, const lb_real *gamma, int64_t k, lb_real mean, lb_real rstd, bool fresh);
/** dgamma += g xh, dbeta += g; either may be NULL. */
void lbi_row_norm_sums(lb_real *dgamma, lb_real *dbeta, const lb_real *g, const lb_real *x, int64_t k, lb_real mean, lb_real rstd);

#endif

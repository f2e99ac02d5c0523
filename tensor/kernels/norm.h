/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm on one plane of n numbers. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_NORM_H
#define LB_TENSOR_KERNELS_NORM_H
#include "tensor/ops.h"

/** *sum += sum of x; *square += sum of (x - shift)^2. */
void lbi_plane_sum(const lb_real *x, int64_t n, double *sum);
void lbi_plane_square(const lb_real *x, int64_t n, lb_real shift, double *square);
/** y = act(a x + b); only activations that lbi_act_from_result knows, else none. */
void lbi_plane_affine(lb_act act, lb_real *y, const lb_real *x, int64_t n, lb_real a, lb_real b);
/** *sum += sum of g'; *dot += sum of g' (x - mean) rstd, g' = g act'(y). */
void lbi_plane_back_sums(lb_act act, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real mean, lb_real rstd, double *sum, double *dot);
/** gx = (fresh ? 0 : gx) + a g' + b x + c. */
void lbi_plane_back(lb_act act, lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real a, lb_real b, lb_real c, bool fresh);

#endif

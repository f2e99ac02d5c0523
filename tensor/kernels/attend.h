/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of attention scores. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_ATTEND_H
#define LB_TENSOR_KERNELS_ATTEND_H
#include "tensor/tensor.h"

/** s[i] *= scale. */
void lbi_attend_scale(lb_real *s, int64_t n, lb_real scale);
/** s[i] = cap tanh(scale s[i] / cap); slope[i] (may be NULL) = its derivative by the scaled score. */
void lbi_attend_cap(lb_real *s, int64_t n, lb_real scale, lb_real cap, lb_real *slope);
/** s[i] += b[i * step]. */
void lbi_attend_add(lb_real *s, int64_t n, const lb_real *b, int64_t step);
/** s[i] = -inf where the mask, integers of `bytes` bytes (1 or 8) `step` elements apart, is 0. */
void lbi_attend_hide(lb_real *s, int64_t n, const void *mask, int bytes, int64_t step);
/** The largest; -inf when n = 0. */
lb_real lbi_attend_max(const lb_real *s, int64_t n);
/** s[i] = exp(s[i] - shift). @return their sum */
lb_real lbi_attend_exp(lb_real *s, int64_t n, lb_real shift);
/** g[i] = p[i] (g[i] - delta): from the gradient of weights to that of scores. */
void lbi_attend_back(lb_real *g, const lb_real *p, int64_t n, lb_real delta);
/** s[i] *= f[i]. */
void lbi_attend_times(lb_real *s, const lb_real *f, int64_t n);
/** Sum of a[i] b[i]. */
double lbi_attend_dot(const lb_real *a, const lb_real *b, int64_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of attention scores. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_ATTEND_H
#define LB_TENSOR_KERNELS_ATTEND_H
#include <math.h>
#include "tensor/tensor.h"

/** s[i] *= scale. */
void lbi_attend_scale(lb_real *s, int64_t n, lb_real scale);
/** s[i] = cap tanh(scale s[i] / cap); slope[i] (may be NULL) = its derivative by the scaled score. */
void lbi_attend_cap(lb_real *s, int64_t n, lb_real scale, lb_real cap, lb_real *slope);
/** s[i] += b[i * step]. */
void lbi_attend_add(lb_real *s, int64_t n, const lb_real *b, int64_t step);
/** s[i] = -inf where the mask, integers of `bytes` bytes (1 or 8) `step` elements apart, is 0. */
void lbi_attend_hide(lb_real *s, int64_t n, const void *mask, int bytes, int64_t step);
/** The largest, NaN passed over; -inf when n = 0. */
lb_real lbi_attend_max(const lb_real *s, int64_t n);
/** What is taken off scores whose largest is most: 0 where all are hidden, so that their weights become 0 and NaN stays NaN. */
static inline lb_real lbi_attend_shift(lb_real most) { return most == -(lb_real)INFINITY ? 0 : most; }
/** s[i] = exp(s[i] - shift). @return their sum */
lb_real lbi_attend_exp(lb_real *s, int64_t n, lb_real shift);
/** g[i] = p[i] (g[i] - delta): from the gradient of weights to that of scores. */
void lbi_attend_back(lb_real *g, const lb_real *p, int64_t n, lb_real delta);
/** s[i] *= f[i]. */
void lbi_attend_times(lb_real *s, const lb_real *f, int64_t n);
/** Sum of a[i] b[i]. */
double lbi_attend_dot(const lb_real *a, const lb_real *b, int64_t n);

/* Scores with queries side by side: s[i * ld + q] is that of key i and query q, q < width, a multiple of LBI_ATTEND_LANES. top, shift, sum, factor, delta: one
 * number a query. */
enum { LBI_ATTEND_LANES = 16 };
/** top[q] = the larger of top[q] and all s[.][q]; NaN is passed over. */
void lbi_attend_cols_max(const lb_real *s, int64_t keys, int ld, int width, lb_real *top);
/** s = exp(s - shift[q]), of numbers that are at most a little above their shift, or NaN; sum[q] += them. */
void lbi_attend_cols_exp(lb_real *s, int64_t keys, int ld, int width, const lb_real *shift, lb_real *sum);
/** s *= factor[q]. */
void lbi_attend_cols_scale(lb_real *s, int64_t keys, int ld, int width, const lb_real *factor);
/** g = p (g - delta[q]). */
void lbi_attend_cols_back(lb_real *g, const lb_real *p, int64_t keys, int ld, int width, const lb_real *delta);
/** s[i] = -inf where keep[i] is 0. */
void lbi_attend_keep(lb_real *s, const lb_real *keep, int64_t n);

#endif

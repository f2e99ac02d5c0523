/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and its logarithm along one axis. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_ROWS_H
#define LB_TENSOR_KERNELS_ROWS_H
#include "tensor/loops.h"

/** y [outer, inner] = log sum exp x over the middle of [outer, n, inner]; -inf where all are. */
void lbi_logsumexp(lb_real *y, const lb_real *x, lbi_axes a);
/** The same of `count` <= 64 neighbouring columns, whose n numbers lie `inner` apart; on the calling thread. */
void lbi_log_sums(lb_real *y, const lb_real *x, int64_t n, int64_t inner, int64_t count);
/** log sum exp of a row in double; -inf where all are, NaN where one is infinite. On the calling thread; the row behind it is asked for. */
double lbi_log_sum_row(const lb_real *x, int64_t n);
/** y = a exp(x - logsum) + b, no x far above logsum; numbers behind them are asked for. */
void lbi_soft_row(lb_real *y, const lb_real *x, int64_t n, lb_real logsum, lb_real a, lb_real b);
/** The axis of a call whose parameters begin with it (an int); y of the shape of x. */
bool lbi_softmax_shape(lb_call *c);
/** y = softmax of x along the axis, or its logarithm. */
void lbi_softmax_forward(lb_call *c);
void lbi_log_softmax_forward(lb_call *c);
/** dx = y (g - sum g y), and dx = g - exp(y) sum g. */
void lbi_softmax_backward(lb_call *c);
void lbi_log_softmax_backward(lb_call *c);

#endif

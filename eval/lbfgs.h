/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_EVAL_LBFGS_H
#define LB_EVAL_LBFGS_H
#include "base/alloc.h"
LB_BEGIN

/* A smooth function of n numbers: its value, and the gradient into grad. */
typedef double lb_smooth_fn(void *ctx, const double *x, double *grad);

/** Minimises from x on by limited-memory BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5, ten pairs) with a line search that
 *  halves until Armijo's rule holds. Ends when the largest gradient is at most `tolerance` or after `steps`.
 *  *done: gradient small enough. *taken: steps. */
LB_API LB_MUST_USE lb_status lb_lbfgs(double *x, int64_t n, lb_smooth_fn *fn, void *ctx, double tolerance, int64_t steps, bool *done, int64_t *taken);

LB_END
#endif

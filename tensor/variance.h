/* SPDX-License-Identifier: Apache-2.0 */
/* Variance over axes and its root: y and the mean, which is saved. Shared by var and std. Private to tensor/. */
#ifndef LB_TENSOR_VARIANCE_H
#define LB_TENSOR_VARIANCE_H
#include "tensor/reduce.h"
LB_BEGIN

typedef struct lbi_variance {
    lbi_over over;
    double correction;
} lbi_variance;

/* NaN where n <= correction. Two passes, in double. */
void lbi_var_forward(lb_call *c);
void lbi_std_forward(lb_call *c);
/* dx = 2 g (x - mean) / (n - correction) */
void lbi_var_backward(lb_call *c);
/* dx = g (x - mean) / ((n - correction) y), 0 where y = 0 */
void lbi_std_backward(lb_call *c);

LB_END
#endif

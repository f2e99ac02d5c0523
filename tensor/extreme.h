/* SPDX-License-Identifier: Apache-2.0 */
/* Largest or smallest along the axes that go, the first of equal ones; NaN wins. Shared by max, min, amax, amin, argmax, argmin.
 * Private to tensor/. */
#ifndef LB_TENSOR_EXTREME_H
#define LB_TENSOR_EXTREME_H
#include "tensor/reduce.h"
LB_BEGIN

/* value, index [outer, inner]; either may be NULL. index: contiguous x only. */
void lbi_extreme(lb_call *c, bool smallest, lb_tensor *value, lb_tensor *index);
/* For an op with results y and the saved index: forward, and dx = g at that index. */
void lbi_max_forward(lb_call *c);
void lbi_min_forward(lb_call *c);
void lbi_extreme_backward(lb_call *c);
/* For an op with the result y alone: g is shared equally among the elements equal to y; NaN where there are none. */
void lbi_extreme_shared(lb_call *c);

LB_END
#endif

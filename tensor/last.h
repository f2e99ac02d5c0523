/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures with channels last: a tensor [N,C,H,W] as ever whose strides are (HWC, 1, WC, C). Convolutions give such ones, and what stands between
 * convolutions keeps them so; every other op gets a contiguous copy, as of any strided tensor. The gradient of such a tensor lies as it does; an op
 * that does not say `last` adds to a contiguous one, which the tape brings over. Private to tensor/. */
#ifndef LB_TENSOR_LAST_H
#define LB_TENSOR_LAST_H
#include "tensor/op.h"
LB_BEGIN

/** Rank 4, nothing between the numbers, and not contiguous as well. */
bool lbi_is_last(const lb_tensor *x);
/** Strides of that. */
void lbi_layout_last(lb_tensor *x);
/** The same numbers as [N,H,W,C]: contiguous if x is last. */
lb_tensor lbi_pixels_of(const lb_tensor *x);
/** op.last of an op that keeps what it is given; of one that does so without gradients alone. */
bool lbi_keeps_last(const lb_call *c);
bool lbi_runs_last(const lb_call *c);
/** The same, without gradients alone, for ops of several pictures: one of them is last, and the others of its rank are last too or hold one number a channel. */
bool lbi_joins_last(const lb_call *c);
/** A picture's numbers with channels last: its own, or a copy; NULL without memory (the tape has failed). */
const lb_real *lbi_channels_last(lb_call *c, const lb_tensor *x);

LB_END
#endif

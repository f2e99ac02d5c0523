/* SPDX-License-Identifier: Apache-2.0 */
/* A whole batch of depthwise convolutions: the plain loops, planes (conv_depth.h) or channels in lanes (conv_lanes.h), over threads. Private to
 * tensor/. c: x [N,C,H,W], w [C,1,kh,kw], b [C]? -> y, as conv2d has them. */
#ifndef LB_TENSOR_DEPTHWISE_H
#define LB_TENSOR_DEPTHWISE_H
#include "tensor/kernels/conv.h"
#include "tensor/op.h"

/** Is it made down the columns of planes, about as fast as memory goes? */
bool lbi_depthwise_columns(const lbi_conv *p);
/** bare: without bias and activation. */
void lbi_depthwise_forward(lb_call *c, const lbi_conv *p, bool bare);
/** Gradients of x and w, where asked for, from g like y. */
void lbi_depthwise_backward(lb_call *c, const lbi_conv *p, const lb_real *g);

#endif

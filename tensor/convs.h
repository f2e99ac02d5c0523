/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions that are told through others. A convolution along one axis is one over two of which the first has size 1; a transposed
 * convolution is the gradient of a convolution to its input, and its own gradients are that convolution and its gradient to the kernel
 * (Dumoulin, Visin, arXiv:1603.07285, section 4). So what makes conv2d and conv3d fast makes all of them fast. Private to tensor/. */
#ifndef LB_TENSOR_CONVS_H
#define LB_TENSOR_CONVS_H
#include "tensor/calls.h"
#include "tensor/op.h"
#include "tensor/ops.h"
LB_BEGIN

typedef lb_conv_params lbi_conv_options;
typedef lb_transposed_params lbi_transposed_options;

/* The same call of another op in which every tensor of rank 3 has an axis of size 1 before its last one: its shape, or one of its
 * functions run. */
bool lbi_lifted_shape(lb_call *c, const lb_op *op);
void lbi_lifted_run(const lb_call *c, const lb_op *op, void (*run)(lb_call *c));

/* c: x [N,C,...], w [C,O/groups,...], b [O]? -> y [N,O,...], with the shape of y known. conv with its params maps y's shape to x's. */
void lbi_transposed_forward(lb_call *c, const lb_op *conv, const void *params);
void lbi_transposed_backward(lb_call *c, const lb_op *conv, const void *params);

/* gin[i][o] (+)= sum of g [N,O,inner] over N and inner, as fresh[i] says. */
void lbi_channel_sums(lb_call *c, int i, const lb_real *g, int64_t images, int64_t channels, int64_t inner);

LB_END
#endif

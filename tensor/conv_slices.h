/* SPDX-License-Identifier: Apache-2.0 */
/* A convolution of volumes as one of pictures: an output slice sees the input slices that its kernel reaches as channels of one picture, so what
 * makes conv2d fast makes it fast. Private to tensor/. */
#ifndef LB_TENSOR_CONV_SLICES_H
#define LB_TENSOR_CONV_SLICES_H
#include "tensor/convs.h"
#include "tensor/kernels/volume.h"
LB_BEGIN

/* Is this way the better one? Not for patches that lie apart, nor for slices of few numbers. */
bool lbi_slices_worth(const lbi_volume *p);
/** The call of conv3d, its results and gradients but that of the bias. Fails the tape without memory. */
void lbi_slices_forward(lb_call *c, const lbi_volume *p);
void lbi_slices_backward(lb_call *c, const lbi_volume *p);

LB_END
#endif

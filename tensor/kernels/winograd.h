/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3) (Lavin, Gray, arXiv:1509.09308). Float. Private to tensor/.
 *
 * A tile of 4x4 outputs takes 36 multiplications a pair of channels instead of 144: Y = A' [(G w G') * (B' d B)] A, d the 6x6 inputs, summed over
 * input channels between the brackets, which is 36 matrix products. Points 0, +-5/8, +-3/2, infinity: sums are off by some 1.3 times as much as
 * those of the plain form (2.9 times with the usual 0, +-1, +-2). */
#ifndef LB_TENSOR_KERNELS_WINOGRAD_H
#define LB_TENSOR_KERNELS_WINOGRAD_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

/** Can it be done so, and is it faster? */
bool lbi_winograd_can(const lbi_conv *p);
bool lbi_winograd_worth(const lbi_conv *p, int64_t images);
/** As lbi_conv_tiles. @return false without memory: nothing is done then. */
bool lbi_winograd(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y);

#endif
#endif

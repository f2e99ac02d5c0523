/* SPDX-License-Identifier: Apache-2.0 */
/* 1x1 convolutions of a batch as products over many pixels at a time. Float. Private to tensor/.
 *
 * y = w x is a product for each image, but pictures of 2x2 or 7x7 fill its tiles badly, and the kernel's gradient, a sum over all pixels, comes in
 * pieces. So pixels go in runs: parts of one large image where it lies, or several small ones copied side by side, [C, run]. */
#ifndef LB_TENSOR_KERNELS_CONV_POINT_H
#define LB_TENSOR_KERNELS_CONV_POINT_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

/** One product per image would do badly. */
bool lbi_point_worth(const lbi_conv *p, int64_t images);
/** y [images,O,Y*X] = act(scale (w x) + end->row_bias + end->add); end as for lbi_conv_tiles. @return false without memory. */
bool lbi_point_forward(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y);
/** gx, gw (either may be NULL) = (fresh ? 0 : .) + gradient. @return false without memory: nothing is done then. */
bool lbi_point_backward(const lbi_conv *p, int64_t images, const float *x, const float *w, const float *g, float *gx, bool fresh_x, float *gw, bool fresh_w);

#endif
#endif

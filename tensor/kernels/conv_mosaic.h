/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions whose windows lie side by side without gap or overlap (kernel = stride, nothing padded): the picture is a mosaic of them, and both ways
 * are one product beside moving each of its numbers once. Float. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_CONV_MOSAIC_H
#define LB_TENSOR_KERNELS_CONV_MOSAIC_H
#include "tensor/kernels/conv.h"

/** Is p such a convolution, of one group, and are there packed products? */
bool lbi_mosaic_worth(const lbi_conv *p);
/** From results y [N,O,Y,X] to the picture x [N,C,H,W] = w^T y + bias [C] (NULL: none). @return false: no memory */
bool lbi_mosaic_spread(const lbi_conv *p, int64_t images, const lb_real *y, const lb_real *w, const lb_real *bias, lb_real *x);
/** What g like x brings to y: gy (+)= w g, and to the kernel w: gw (+)= y g^T; either may be NULL. fresh: it is set.
 *  @return false: no memory, nothing was changed */
bool lbi_mosaic_gather(const lbi_conv *p, int64_t images, const lb_real *g, const lb_real *w, const lb_real *y, lb_real *gy, bool fresh_y, lb_real *gw,
                       bool fresh_w);

#endif

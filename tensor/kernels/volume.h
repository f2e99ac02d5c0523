/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of volumes as columns, for 3-D convolution. Private to tensor/. Volumes are one at a time, [C,D,H,W] -> [O,Z,Y,X]; pure. */
#ifndef LB_TENSOR_KERNELS_VOLUME_H
#define LB_TENSOR_KERNELS_VOLUME_H
#include "tensor/tensor.h"

typedef struct lbi_volume {
    int64_t c, o, groups;
    int64_t in[3], out[3], kernel[3], stride[3], before[3], dilation[3]; /* depth, height, width */
} lbi_volume;

/** Rows (c,t,u,v) of the channels [first, first + count), columns the outputs of depth [z, z + depth): col [count*kd*kh*kw, depth*Y*X]. */
void lbi_vol2col(const lbi_volume *p, const lb_real *volume, int64_t first, int64_t count, int64_t z, int64_t depth, lb_real *col);
/** The reverse: adds columns into a volume. */
void lbi_col2vol(const lbi_volume *p, const lb_real *col, int64_t first, int64_t count, int64_t z, int64_t depth, lb_real *volume);

#endif

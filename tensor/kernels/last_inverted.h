/* SPDX-License-Identifier: Apache-2.0 */
/* Inverted residual blocks of pictures with channels last, without gradient: 1x1 to E channels, depthwise, gates by squeeze and excite, 1x1 to O channels. The E channels exist
 * for a few rows of a picture only, so they stay in the nearest caches. Float. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_LAST_INVERTED_H
#define LB_TENSOR_KERNELS_LAST_INVERTED_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

/* A 1x1 convolution: kernels as lbi_last_pack makes them, or as lbi_bf16_pack, for products of rounded factors; scale and bias [outputs] or NULL. o = 0: the block has none. */
typedef struct lbi_last_map {
    const float *w;
    const void *w_bf16;
    const float *scale, *bias;
    int64_t o;
    lb_act act;
} lbi_last_map;

typedef struct lbi_last_block {
    lbi_conv p; /* the depthwise one: c = o = groups = E */
    int64_t in; /* channels of x */
    lbi_last_map expand, narrow, widen, project;
    const float *w, *scale, *bias; /* of the depthwise one, as ever: [E,1,kh,kw] */
    lb_act act;
    bool add; /* x to the result */
} lbi_last_block;

/** y [images,Y,X,O] from x [images,H,W,in]. Each number is summed in one order, whatever the threads. @return false without memory or a kernel: nothing is done then. */
bool lbi_last_inverted(const lbi_last_block *b, int64_t images, const float *x, float *y);

#endif
#endif

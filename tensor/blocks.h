/* SPDX-License-Identifier: Apache-2.0 */
/* Square blocks of places taken apart into channels and back: what depth_to_space and space_to_depth share. Private to tensor/. */
#ifndef LB_TENSOR_BLOCKS_H
#define LB_TENSOR_BLOCKS_H
#include "tensor/ops.h"
#include "tensor/op.h"
LB_BEGIN

typedef struct lbi_blocks {
    int64_t size;
    lb_block_order order;
} lbi_blocks;

/* Shape of the result; deepens: space to depth. */
bool lbi_blocks_shape(lb_call *c, const lbi_blocks *b, bool deepens);
/* Copies wide [N,C,H b,W b] to deep [N,C b b,H,W], or the other way; n, channels, h, w are N, C, H, W. add: += instead. */
void lbi_blocks_copy(const lbi_blocks *b, int64_t n, int64_t channels, int64_t h, int64_t w, lb_real *wide, lb_real *deep, bool deepens, bool add);

LB_END
#endif

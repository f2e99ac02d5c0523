/* SPDX-License-Identifier: Apache-2.0 */
/* What convolutions in bf16 and the maps of inverted residual blocks share. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_BF16_MAP_H
#define LB_TENSOR_KERNELS_LAST_BF16_MAP_H
#include "tensor/kernels/gemm_bf16_block.h"
#ifndef LB_DOUBLE

/* y = act(scale sums + bias + add). Pixels of y and add have o numbers. */
typedef struct lbi_bf16_out {
    const float *scale, *bias; /* up to whole blocks of 32 */
    const float *add;          /* NULL: none */
    float *y;
    int64_t o;
    lb_act act;
} lbi_bf16_out;

/** n sums of 32 channels, [n][32], to pixels from `pixel` on, channels from `channel` on. */
void lbi_bf16_put(const lbi_bf16_out *to, const float *sums, int64_t n, int64_t pixel, int64_t channel);
/** n pixels of `channels` numbers, `apart` numbers between their first ones, rounded, each filled up to c numbers with 0. */
void lbi_bf16_pixels(const float *from, int64_t n, int64_t apart, int64_t channels, uint16_t *to, int64_t c);
/** 1x1: n pixels of c numbers through w as lbi_bf16_pack makes it, on the calling thread, between lbi_bf16_begin and lbi_bf16_end. room: n pixels of c rounded up to 32. */
void lbi_bf16_map(bool tiles, const float *x, int64_t n, int64_t c, const void *w, uint16_t *room, const lbi_bf16_out *to);

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What convolutions in bf16 and the maps of inverted residual blocks share. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_BF16_MAP_H
#define LB_TENSOR_KERNELS_LAST_BF16_MAP_H
#include "tensor/kernels/gemm_bf16_block.h"
#ifndef LB_DOUBLE

/* y = act(scale sums + bias + add). Pixels of y and add have o numbers and lie `apart` from each other. */
typedef struct lbi_bf16_out {
    const float *scale, *bias; /* up to whole blocks of 32 */
    const float *add;          /* NULL: none */
    float *y;
    int64_t o, apart;
    lb_act act;
} lbi_bf16_out;

/** n sums of 32 channels, [n][32], to pixels from y[at] on, channels from `channel` on. */
void lbi_bf16_put(const lbi_bf16_out *to, const float *sums, int64_t n, int64_t at, int64_t channel);
/** n pixels of `channels` numbers, `apart` numbers between their first ones, rounded, c numbers from each to the next, filled up to whole steps with 0 where there is room; with layer > 0 in three parts, so
 *  far from each other. @return whether all have parts. */
bool lbi_bf16_pixels(const float *from, int64_t n, int64_t apart, int64_t channels, uint16_t *to, int64_t c, int64_t layer);
/** One step of 16 columns of B, from [32][ld] with columns side by side: a piece, or with `parts` three. @return whether all have parts. */
bool lbi_bf16_step(uint32_t *to, const float *from, int64_t ld, bool parts);
/** Have all of n numbers parts? */
bool lbi_bf16_parted(const float *x, int64_t n);
/** n pixels of `channels` numbers that lie side by side, times gate[channels], rounded to pixels of c numbers, as above. */
void lbi_bf16_gated(const float *from, int64_t n, int64_t channels, const float *gate, uint16_t *to, int64_t c);
/** 1x1: n pixels of c numbers through w as lbi_bf16_pack makes it, on the calling thread, between lbi_bf16_begin and lbi_bf16_end. room: n pixels of c rounded up to 32, for those of x, or with x NULL they
 *  are there. */
void lbi_bf16_map(bool tiles, const float *x, int64_t n, int64_t c, const void *w, uint16_t *room, const lbi_bf16_out *to);

#endif
#endif

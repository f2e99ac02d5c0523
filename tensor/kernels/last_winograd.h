/* SPDX-License-Identifier: Apache-2.0 */
/* What Winograd's ways with channels last and their gradient share: tiles of 4x4 outputs, counted over rows, columns and images. Private to
 * tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_WINOGRAD_H
#define LB_TENSOR_KERNELS_LAST_WINOGRAD_H
#include "tensor/kernels/conv.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/winograd_tile.h"
#ifndef LB_DOUBLE

enum { LBI_WINO_OUT = 4, LBI_WINO_IN = 6, LBI_WINO_LANES = 16 };

/** Tiles along an axis. */
static inline int64_t lbi_wino_over(int64_t pixels) { return lbi_over(pixels, LBI_WINO_OUT); }

/** *to = the first `count` numbers, zeros behind them. */
LBI_WINO_INLINE void lbi_wino_some(lbi_wino_vec *to, const float *p, int64_t count) {
    if (count >= LBI_WINO_LANES) {
        *to = *(const lbi_wino_vec *)p;
        return;
    }
    *to = (lbi_wino_vec){0};
    lbi_copy_row((float *)to, p, count);
}

/** at[36]: the pixels of x that a tile sees; beyond the border `zeros`. */
void lbi_wino_see(const lbi_conv *p, const float *x, const float *zeros, int64_t tile, const float **at);
/** Their transforms B' d B: number q of vector k of channels -> v[q step + k apart]. */
void lbi_wino_tile_in(const float *const *at, int64_t channels, float *v, int64_t step, int64_t apart);
/** One channel of 16 kernels, [9][LANES] -> to[q step]. */
void lbi_wino_kernel_in(const float *w, float *to, int64_t step);

/* Where results go: y = act(scale A' m A + bias + end.add). */
typedef struct lbi_wino_out {
    const lbi_conv *p;
    lbi_gemm_end end;
    const float *scale, *bias; /* up to whole vectors */
    float *y;
} lbi_wino_out;

/** Channels first .. end - 1 of a tile; m: the products of the first of them, numbers q `step` apart. */
void lbi_wino_leave(const lbi_wino_out *to, int64_t tile, int64_t first, int64_t end, const float *m, int64_t step);
/** scale and bias, [wide] each. */
void lbi_wino_ends(const lbi_conv *p, const lbi_gemm_end *end, int64_t wide, float *scale, float *bias);

/** Numbers from one of the 36 to the next: an odd number of lines, so that they lie in as many sets of the caches. */
static inline int64_t lbi_wino_apart(int64_t numbers) { return (lbi_over(numbers, LBI_WINO_LANES) | 1) * LBI_WINO_LANES; }

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What convolutions of pictures with channels last are made of, one set per instruction level: a tile of pixels x channels in registers, and a row
 * of depthwise sums. A lane of a vector is a channel. Float only. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_KERNEL_H
#define LB_TENSOR_KERNELS_LAST_KERNEL_H
#include "tensor/kernels/last.h"
#ifndef LB_DOUBLE

enum { LBI_LAST_WIDE = 32, LBI_LAST_STRIP = 7 }; /* most channels of a tile; pixels that a depthwise kernel does together */

/* Numbers of a patch that lie side by side: `count` from `at` on, counted from the patch's first. */
typedef struct lbi_last_piece {
    int64_t at, count;
} lbi_last_piece;

/* On the way out: y = act(scale (y + sums) + bias + add). All point at the tile's first channel. */
typedef struct lbi_last_end {
    bool more, done;           /* y holds the sums of earlier pieces; these are the last: scale and bias apply (add and act only then, too) */
    const float *scale, *bias; /* whole vectors of them may be read */
    const float *add;          /* pixels ld_add apart, or NULL */
    int64_t ld_add;
    lb_act act;                /* one that lbi_last_in_tile knows */
} lbi_last_end;

/* A run of pixels in a row of a depthwise convolution. */
typedef struct lbi_last_strip {
    int64_t kh, kw, step, apart, channels, ld; /* ld: numbers between pixels of x */
    int64_t first, last;                       /* kernel rows that reach the picture */
    const float *w, *bias;                     /* [vectors of channels][kh kw][lanes], [vectors of channels][lanes] */
    lb_act act;
    float *y;                                  /* [pixels][channels] */
    uint16_t *rounded;                         /* NULL, or where results go in its place as bf16, pixels ld_rounded numbers apart: whole vectors, with 0 behind the channels. Where the CPU has bf16 */
    int64_t ld_rounded;
} lbi_last_strip;

typedef struct lbi_last_kernel {
    const char *name;
    int lanes, rows, cols; /* of a vector; pixels and channels of a tile */
    /* rows pixels, ld apart, x cols channels: y[i][j] = sum over the pieces of x[i ld + k] w[k][j]; w [all of k][cols of a tile]. Pixels of y lie ldy
     * apart; channels from cols on are not touched. */
    void (*tile)(const lbi_last_piece *piece, int64_t pieces, const float *x, int64_t ld, const float *w, float *y, int64_t ldy, int rows, int cols, const lbi_last_end *end);
    /* sum[i][j] += sum over rows r and pixels k < n of x[r x_row + k x_pixel + i] g[r g_row + k g_pixel + j]; i < lines, j < cols; sums ld apart, of whole
     * vectors. */
    void (*lines)(int64_t rows, int64_t n, const float *x, int64_t x_row, int64_t x_pixel, const float *g, int64_t g_row, int64_t g_pixel, float *sum, int64_t ld, int lines, int cols);
    /* n pixels of a depthwise row: y[i][c] = act(bias[c] + sum over u in first .. last - 1 and v of row[u][(i step + v apart) ld + c] w[u][v][c]); kernel elements that see a column
     * i step + v apart beyond left .. right - 1 are left out. */
    void (*depth)(const lbi_last_strip *s, const float *const *row, int64_t left, int64_t right, int64_t n);
    /* sum[c] += n pixels; n pixels times gate[c]. Channels side by side. */
    void (*sums)(const float *x, int64_t n, int64_t channels, float *sum);
    void (*gate)(float *x, int64_t n, int64_t channels, const float *gate);
} lbi_last_kernel;

extern const lbi_last_kernel lbi_last_avx2, lbi_last_avx512;
/** That of this CPU and LB_CPU; NULL = none. */
const lbi_last_kernel *lbi_last_kernel_now(void);

/** Numbers of packed 1x1 kernels, and those of [o,c] made so: as lbi_last_conv keeps them, panels of the tile's channels. */
int64_t lbi_last_packed_size(int64_t o, int64_t c);
void lbi_last_pack(float *to, const float *w, int64_t o, int64_t c);

/** Activations that tiles and rows apply themselves. */
static inline bool lbi_last_in_tile(lb_act act) {
    return act == LB_ACT_NONE || act == LB_ACT_RELU || act == LB_ACT_RELU6 || act == LB_ACT_HARDSWISH || act == LB_ACT_HARDSIGMOID || act == LB_ACT_GELU;
}

#endif
#endif

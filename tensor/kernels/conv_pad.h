/* SPDX-License-Identifier: Apache-2.0 */
/* Padded pictures, in which every row of the matrix of patches is a run of memory. Float. Private to tensor/kernels.
 *
 * A channel becomes stride_h * stride_w planes of `rows` rows, `pitch` apart: number (i,q) of plane (a,b) is the picture at row
 * i*stride_h + a - pad_top, column q*stride_w + b - pad_left, or 0 outside. With stride 1 the zeros right of a row are those left of the next.
 * Output (y,x) takes kernel element (u,v) from lbi_pad_at(u,v) + y*pitch + x. Outputs are made flat, rows `pitch` apart with rubbish between. */
#ifndef LB_TENSOR_KERNELS_CONV_PAD_H
#define LB_TENSOR_KERNELS_CONV_PAD_H
#include <string.h>
#include "tensor/kernels/conv.h"

typedef struct lbi_pad {
    bool direct;         /* the picture itself will do */
    int64_t pitch, rows, plane;
    int64_t tail;        /* zeros behind a plane's last row: what is left of a next one elsewhere */
    int64_t channel;     /* numbers of a channel: its planes */
    int64_t slack;       /* numbers behind the last channel that may be read; they are 0 */
} lbi_pad;

lbi_pad lbi_pad_of(const lbi_conv *p);
/** Where kernel element (u,v) of output (0,0) lies in a channel. */
int64_t lbi_pad_at(const lbi_conv *p, const lbi_pad *d, int64_t u, int64_t v);
/** One channel [H,W] into `to` (d->channel numbers); planes that no kernel element reads are left unset. */
void lbi_pad_channel(const lbi_conv *p, const lbi_pad *d, const lb_real *channel, lb_real *to);

/** Copies n numbers; made for the short rows of small pictures. */
static inline __attribute__((always_inline)) void lbi_copy_row(lb_real *to, const lb_real *from, int64_t n) {
    enum { WIDE = 16, HALF = 8, QUARTER = 4 };
    if (n >= WIDE) {
        for (int64_t i = 0; i + WIDE <= n; i += WIDE) memcpy(to + i, from + i, WIDE * sizeof *to);
        memcpy(to + n - WIDE, from + n - WIDE, WIDE * sizeof *to);
    } else if (n >= HALF) {
        memcpy(to, from, HALF * sizeof *to);
        memcpy(to + n - HALF, from + n - HALF, HALF * sizeof *to);
    } else if (n >= QUARTER) {
        memcpy(to, from, QUARTER * sizeof *to);
        memcpy(to + n - QUARTER, from + n - QUARTER, QUARTER * sizeof *to);
    } else
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
}

#endif

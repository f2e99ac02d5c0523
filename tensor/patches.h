/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures as columns of windows and back: what unfold and fold share. Private to tensor/. */
#ifndef LB_TENSOR_PATCHES_H
#define LB_TENSOR_PATCHES_H
#include "tensor/kernels/conv.h"
#include "tensor/loops.h"
LB_BEGIN

/* The geometry of a window (its first two axes) over pictures [c,h,w]. */
lbi_conv lbi_patches_of(const lb_window *w, int64_t channels, int64_t height, int64_t width);
/* Are the window's and the picture's sizes below 2^24, so that no product of two of them overflows? Else the tape fails. To be asked before lbi_patches_of. */
bool lbi_patches_small(lb_call *c, const lb_window *w, int64_t height, int64_t width);
/* Does at least one window fit? Else the tape fails. */
bool lbi_patches_fit(lb_call *c, const lbi_conv *p);
/* y [n, c kh kw, Y X] from x [n,c,h,w], and the adding reverse (fresh: from 0). */
void lbi_to_columns(const lbi_conv *p, int64_t pictures, const lb_real *x, lb_real *y);
void lbi_from_columns(const lbi_conv *p, int64_t pictures, const lb_real *x, lb_real *y, bool fresh);

LB_END
#endif

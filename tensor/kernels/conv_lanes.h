/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of small pictures, with channels side by side in the lanes of a vector. Private to tensor/. Pure, any thread.
 *
 * Rows of 7 or 2 numbers fill no vector, and around them lies more padding than picture. So LBI_LANES channels are turned to [pixels][lanes] in
 * L1, where every number is a vector and every kernel element that reaches the picture one multiply-add; nothing is padded. */
#ifndef LB_TENSOR_KERNELS_CONV_LANES_H
#define LB_TENSOR_KERNELS_CONV_LANES_H
#include "tensor/kernels/conv.h"

enum { LBI_LANES = 64 / (int)sizeof(lb_real), LBI_LANES_SIDE = 16, LBI_LANES_TAPS = 64 };

/* Along one axis, what comes together at a place: `count` kernel elements from `tap` on, each time with the number at `other` of the other
 * picture; both go on by fixed steps. */
typedef struct lbi_reach {
    int64_t count, tap, other;
} lbi_reach;

typedef struct lbi_reaches {
    int64_t size, tap_step, other_step;
    lbi_reach at[LBI_LANES_SIDE];
} lbi_reaches;

typedef struct lbi_lanes {
    int64_t in, out, w, x, kw, taps; /* pixels of a picture and of its result, their widths, width and size of the kernel */
    lbi_reaches rows, cols, back_rows, back_cols;
    int64_t space;                   /* numbers of work memory */
} lbi_lanes;

/** @return false: the pictures or the kernel are too large for it. */
bool lbi_lanes_plan(lbi_lanes *d, const lbi_conv *p);
/** to [taps][LBI_LANES] from the kernels [count][taps] of count <= LBI_LANES channels, zeros behind them. */
void lbi_lanes_kernel(const lbi_lanes *d, const lb_real *w, int64_t count, lb_real *to);
/** y [count][Y*X] = act(w * x + bias), x [count][H*W]; bias may be NULL. */
void lbi_lanes_forward(const lbi_lanes *d, const lb_real *x, int64_t count, const lb_real *w, const lb_real *bias, lb_act act, lb_real *y, lb_real *work);
/** gx = (fresh ? 0 : gx) + gradient, unless NULL; sums [taps][LBI_LANES] += the kernels' gradient, unless NULL. */
void lbi_lanes_back(const lbi_lanes *d, const lb_real *x, const lb_real *g, int64_t count, const lb_real *w, lb_real *gx, bool fresh, lb_real *sums, lb_real *work);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, a plane at a time. Private to tensor/. All are pure and may run on any thread. */
#ifndef LB_TENSOR_KERNELS_CONV_DEPTH_H
#define LB_TENSOR_KERNELS_CONV_DEPTH_H
#include "tensor/kernels/conv_pad.h"

enum { LBI_DEPTH_TAPS = 512, LBI_DEPTH_LANES = 64 / (int)sizeof(lb_real) };

/* A picture [h,w], put into a padded plane that has `top` rows of margin above and `left` columns before it, and its convolution y [rows,n]. */
typedef struct lbi_columns {
    int64_t size, stride;  /* of the kernel: 3 or 5; 1 or 2 */
    int64_t h, w, top, left, rows, n;
    int64_t pitch, plane;  /* between rows; with stride 2 between even and odd columns, each a plane */
    int64_t room;          /* numbers of the padded plane */
    lb_real *x, *y, bias;  /* x: the padded plane, its margins 0 */
    const lb_real *kernel; /* [size,size] */
    const lb_real *ahead;  /* the picture that comes next, of which `piece` numbers are asked for with each output row; NULL: none */
    int64_t piece;
} lbi_columns;
void lbi_columns_avx512(const lbi_columns *p, const lb_real *in);
void lbi_columns_avx2(const lbi_columns *p, const lb_real *in);

/* What is the same for all planes of a call. */
typedef struct lbi_depth {
    lbi_conv p;
    lbi_pad pad;
    lbi_columns columns; /* size 0: it does not go down columns */
    int64_t taps, flat, wide;
    int64_t space; /* numbers of work memory a plane needs, lanes at its end included */
    int64_t top, left; /* of the input's gradient: zeros around g */
    int32_t at[LBI_DEPTH_TAPS];
} lbi_depth;

/** @return false: the kernel is too large for it. */
bool lbi_depth_plan(lbi_depth *d, const lbi_conv *p);
/** The plan for lbi_depth_input, from the convolution's own p. */
bool lbi_depth_plan_back(lbi_depth *d, const lbi_conv *p, bool fresh);

/** Does lbi_depth_forward go down columns: 3x3 and 5x5 at stride 1 or 2? */
bool lbi_depth_by_columns(const lbi_conv *p);
/** To be called once for `work` before lbi_depth_forward or lbi_depth_input, which leave its margins as they are. */
void lbi_depth_begin(const lbi_depth *d, lb_real *work);
/** out [Y,X] = act(kernel * in + bias). ahead: the plane that comes next, or NULL. */
void lbi_depth_forward(const lbi_depth *d, const lb_real *in, const lb_real *ahead, const lb_real *kernel, lb_act act, lb_real bias, lb_real *out,
                       lb_real *work);
/** gin [H,W] = (fresh ? 0 : gin) + what g [Y,X] brings to it. fresh must be the plan's. */
void lbi_depth_input(const lbi_depth *d, const lb_real *g, const lb_real *ahead, const lb_real *kernel, lb_real *gin, bool fresh, lb_real *work);
/** What g brings to the kernel's gradient, lane by lane: lanes [kh*kw][LBI_DEPTH_LANES], zeros at first. With the plan of lbi_depth_plan. */
void lbi_depth_kernel(const lbi_depth *d, const lb_real *in, const lb_real *g, lb_real *lanes, lb_real *work);
/** gkernel [kh*kw] += the lanes' sums; lanes are zeros then. To be called after some 10^5 numbers a lane at the latest, for precision. */
void lbi_depth_kernel_sums(const lbi_depth *d, lb_real *lanes, double *gkernel);

#endif

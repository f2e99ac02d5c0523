/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution kernels. Private to tensor/. Images are one at a time, [C,H,W] -> [O,Y,X]; all are pure and may run on any thread. */
#ifndef LB_TENSOR_KERNELS_CONV_H
#define LB_TENSOR_KERNELS_CONV_H
#include "tensor/kernels/gemm.h"

typedef struct lbi_conv {
    int64_t c, h, w;    /* input */
    int64_t o, y, x;    /* output */
    int64_t kh, kw, sh, sw, dh, dw, pt, pl, groups;
    bool exact;         /* products are added as they stand: no Winograd */
} lbi_conv;

/** Output size along one axis; negative when the kernel does not fit. */
int64_t lbi_conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t before, int64_t after, int64_t dilation);
/** Patches of the channels [first, first + count) as columns: col [count*kh*kw, Y*X]. */
void lbi_im2col(const lbi_conv *p, const lb_real *image, int64_t first, int64_t count, lb_real *col);
/** The reverse: adds columns into an image. */
void lbi_col2im(const lbi_conv *p, const lb_real *col, int64_t first, int64_t count, lb_real *image);

#ifndef LB_DOUBLE
/** y [images,O,Y,X] = act(scale (w * x) + end->row_bias + end->add), without the matrix of patches. end->beta is not looked at; end->add is like y, with
 *  ld_add = Y*X. @return false without memory or a fast kernel: nothing is done then. */
bool lbi_conv_tiles(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y);
/** gx = (fresh ? 0 : gx) + gradient; gw likewise. @return as above; LBI_CONV_BROKEN: memory ran out when part of gx had been written. */
typedef enum lbi_conv_done { LBI_CONV_NOT_DONE = 0, LBI_CONV_DONE, LBI_CONV_BROKEN } lbi_conv_done;
lbi_conv_done lbi_conv_input(const lbi_conv *p, int64_t images, const float *g, const float *w, float *gx, bool fresh);
bool lbi_conv_kernel(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh);
#endif

/* Depthwise as it is defined, one channel [H,W] with one kernel [kh,kw]: forward sets, backward adds. */
void lbi_depthwise(const lbi_conv *p, const lb_real *in, const lb_real *kernel, lb_real *out);
void lbi_depthwise_input(const lbi_conv *p, const lb_real *g, const lb_real *kernel, lb_real *gin);
void lbi_depthwise_kernel(const lbi_conv *p, const lb_real *in, const lb_real *g, double *gkernel);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of pictures whose channels lie side by side: [images,Y,X,O] from [images,H,W,C] or, with `planes`, from [images,C,H,W]. Float.
 * Private to tensor/.
 *
 * A channel of the result is a lane, a pixel a row of a tile: a 1x1 convolution is one product over the pixels of all images, depthwise needs no
 * shuffling, and numbers of a patch lie in runs of a kernel row, so nothing is copied but what a border needs. */
#ifndef LB_TENSOR_KERNELS_LAST_H
#define LB_TENSOR_KERNELS_LAST_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

enum { LBI_LAST_DEEP = 64 }; /* most rows of a depthwise kernel */

/** Has this CPU kernels for it? */
bool lbi_last_can(void);
/** Does lbi_last_conv write each number once, so that end->add may be y? */
bool lbi_last_once(const lbi_conv *p);
/** y = act(scale (w * x) + end->row_bias + end->add), any groups; end->add is like y. w as ever, [O,C/groups,kh,kw]. Each number is summed in one
 *  order, whatever the threads. kept: NULL, or where packed weights are, or are left when they were NULL (from lb_alloc_aligned, for the caller to
 *  keep as long as w is the same). @return false without memory or a kernel: nothing is done then. */
bool lbi_last_conv(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y);
/** The same into numbers of y that lie as `place` says, add likewise; NULL: as ever. With end->beta = 1, which asks for no scale, y is added to. */
typedef struct lbi_last_place {
    int64_t image, row, pixel; /* numbers between them */
} lbi_last_place;
bool lbi_last_conv_to(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y, const lbi_last_place *place);
/** The same by Winograd's way, for what lbi_winograd_can says; x with channels last. */
bool lbi_last_winograd(const lbi_conv *p, int64_t images, const float *x, const float *w, float **kept, const lbi_gemm_end *end, float *y);
/** The same with kernels that are transformed in each call and not kept; is it faster, for many channels on few pixels? */
bool lbi_last_winograd_deep(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y);
bool lbi_last_winograd_deep_worth(const lbi_conv *p, int64_t images);
/** The same for groups = C = O; x with channels last. */
bool lbi_last_depth(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y);

/** gx [images,H,W,C] = (fresh ? 0 : gx) + gradient, from g [images,Y,X,O]. */
lbi_conv_done lbi_last_input(const lbi_conv *p, int64_t images, const float *g, const float *w, float *gx, bool fresh);
/** gw = (fresh ? 0 : gw) + gradient; groups = 1. @return false without memory or a kernel: nothing is done then. */
bool lbi_last_kernels(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *g, float *gw, bool fresh);
/** The same by Winograd's way, for what lbi_winograd_can says; x with channels last. */
bool lbi_last_winograd_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh);

#endif
#endif

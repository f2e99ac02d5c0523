/* SPDX-License-Identifier: Apache-2.0 */
/* The input's gradient as convolutions: of the result's gradient with kernels turned round and inputs for outputs. A stride takes it apart into
 * stride_h * stride_w of them, each for the part of the picture at one phase (a,b) of it. Float. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_CONV_TURN_H
#define LB_TENSOR_KERNELS_CONV_TURN_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

/* Along one axis, the part of the picture at stride phase `a`: rows stride * (first + i) + a - pad for i < count, reached by the kernel elements
 * a, a + stride, ...: taps of them. As a convolution of g with those turned round it has padding `before`. */
typedef struct lbi_turned {
    int64_t first, count, taps, before;
} lbi_turned;

lbi_turned lbi_turned_of(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t a);
/** That convolution; of count rows and columns. */
lbi_conv lbi_turned_conv(const lbi_conv *p, const lbi_turned *rows, const lbi_turned *cols);
/** Its kernels, [C][O/groups][th][tw]: elements (a,b) + stride * (i,j) of each, turned round. */
void lbi_turn_kernels(const lbi_conv *p, const float *w, int64_t a, int64_t b, int64_t th, int64_t tw, float *to);
/** Is every padding of the turned convolutions one that they can have? */
bool lbi_turns(const lbi_conv *p);

#endif
#endif

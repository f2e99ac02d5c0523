/* SPDX-License-Identifier: Apache-2.0 */
/* The typed constructors of all ops, from the one list. What an op computes stands in its file tensor/ops/<id>.c and in
 * `limbeck describe ops NAME`. All: @return a tensor owned by the tape, inert if the tape has failed; shape errors fail the tape
 * with LB_E_SHAPE; thread as the tape. An axis may be negative (-1 = last). */
#ifndef LB_TENSOR_OPS_H
#define LB_TENSOR_OPS_H
#include "tensor/tape.h"
LB_BEGIN

typedef enum lb_act { LB_ACT_NONE = 0, LB_ACT_RELU, LB_ACT_RELU6, LB_ACT_GELU, LB_ACT_GELU_TANH, LB_ACT_SILU, LB_ACT_SIGMOID, LB_ACT_TANH, LB_ACT_HARDSWISH, LB_ACT_HARDSIGMOID } lb_act;
typedef enum lb_reduction { LB_MEAN = 0, LB_SUM, LB_NONE } lb_reduction;

/* What lb_pad_with puts around: mirrored without the edge, the edge, or the other side. */
typedef enum lb_pad_mode { LB_PAD_CONSTANT = 0, LB_PAD_REFLECT, LB_PAD_REPLICATE, LB_PAD_CIRCULAR } lb_pad_mode;

/* Axes of a reduction, in any order, negative ones from the end: LB_AXES(0, -1); none named = all. */
typedef struct lb_axes {
    int n, at[LB_MAX_RANK];
} lb_axes;
#define LB_AXES(...) ((lb_axes){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})
#define LB_ALL_AXES ((lb_axes){0, {0}})

/* Stride, padding (top, bottom, left, right), dilation and groups of a 2-D convolution or pooling. Zero stride, dilation,
 * groups mean 1. */
typedef struct lb_conv_spec {
    int64_t stride_h, stride_w, pad_t, pad_b, pad_l, pad_r, dilation_h, dilation_w, groups;
} lb_conv_spec;
static inline lb_conv_spec lb_conv_same(int64_t stride, int64_t pad, int64_t groups) {
    lb_conv_spec s = {stride, stride, pad, pad, pad, pad, 1, 1, groups};
    return s;
}

#define OP(id, ...) LB_API lb_tensor *lb_##id(__VA_ARGS__);
#define ALSO(name, ...) LB_API lb_tensor *lb_##name(__VA_ARGS__);
#include "tensor/ops.def"
#undef OP
#undef ALSO

LB_END
#endif

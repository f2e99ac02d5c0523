/* SPDX-License-Identifier: Apache-2.0 */
/* The typed constructors of all ops, from the one list. What an op computes stands in its file tensor/ops/<id>.c and in
 * `limbeck describe ops NAME`. All: @return a tensor owned by the tape, inert if the tape has failed; shape errors fail the tape
 * with LB_E_SHAPE; thread as the tape. An axis may be negative (-1 = last).
 * NaN and infinities: a result whose formula reads a NaN is NaN, of sums and losses too; ops that compare, count, choose or hide say in their file what
 * NaN is to them (mostly larger than all numbers), those of linear algebra fail with LB_E_NUMERIC. Infinities go by the formula, or give NaN where two
 * meet in a kernel. Convolutions, attention and scans may hand a NaN to results near those that read it. Gradients as the slopes of the formula.
 * Made of ops: tensor/arrange.h (stack, split, tile, roll, windows, ...), tensor/derived.h (einsum, masked and segment sums, order along any
 * axis, quantiles, ...), tensor/noise.h (random tensors). */
#ifndef LB_TENSOR_OPS_H
#define LB_TENSOR_OPS_H
#include "tensor/tape.h"
LB_BEGIN

typedef enum lb_act {
    LB_ACT_NONE = 0,
    LB_ACT_RELU,
    LB_ACT_RELU6,
    LB_ACT_GELU,
    LB_ACT_GELU_TANH,
    LB_ACT_SILU,
    LB_ACT_SIGMOID,
    LB_ACT_TANH,
    LB_ACT_HARDSWISH,
    LB_ACT_HARDSIGMOID,
    LB_ACT_GELU_QUICK
} lb_act;
/* Of a loss: mean over all, sum, one per element or row, sum divided by the first axis. */
typedef enum lb_reduction { LB_MEAN = 0, LB_SUM = 1, LB_NONE = 2, LB_BATCH_MEAN = 3 } lb_reduction;

/* From a student's distribution q to a teacher's p: tensor/ops/divergence.c. */
typedef enum lb_divergence_kind {
    LB_KL_FORWARD = 0,
    LB_KL_REVERSE = 1,
    LB_JENSEN_SHANNON = 2,
    LB_TOTAL_VARIATION = 3,
    LB_SKEW_FORWARD = 4,
    LB_SKEW_REVERSE = 5,
    LB_SOFT_CROSS = 6,
    LB_SKEW_CROSS = 7
} lb_divergence_kind;

/* What lb_pad_with puts around: mirrored without the edge, the edge, or the other side. */
typedef enum lb_pad_mode { LB_PAD_CONSTANT = 0, LB_PAD_REFLECT, LB_PAD_REPLICATE, LB_PAD_CIRCULAR } lb_pad_mode;

/* Axes of a reduction, in any order, negative ones from the end: LB_AXES(0, -1); none named = all. */
typedef struct lb_axes {
    int n, at[LB_MAX_RANK];
} lb_axes;
#define LB_AXES(...) ((lb_axes){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})
#define LB_ALL_AXES ((lb_axes){0, {0}})

typedef enum lb_distance_kind { LB_SQUARED = 0, LB_EUCLIDEAN = 1, LB_L1 = 2 } lb_distance_kind;
typedef enum lb_box_kind { LB_IOU = 0, LB_GIOU = 1, LB_DIOU = 2, LB_CIOU = 3 } lb_box_kind;

/* How numbers are rounded to few bits: tensor/ops/fake_quantise.c. */
typedef enum lb_quantiser_kind { LB_SYMMETRIC = 0, LB_AFFINE = 1, LB_MINIFLOAT = 2 } lb_quantiser_kind;
typedef enum lb_grain { LB_PER_TENSOR = 0, LB_PER_CHANNEL = 1, LB_PER_GROUP = 2 } lb_grain;
typedef struct lb_quantiser {
    lb_quantiser_kind kind;
    lb_grain grain;
    int bits;      /* symmetric: 2 to 16, affine: 1 to 16 */
    double clip;   /* share of the range that is kept; 1 = all */
    int64_t group; /* numbers in a group, with LB_PER_GROUP */
    int exponent, mantissa; /* bits of a minifloat */
} lb_quantiser;

/* Stride, padding (top, bottom, left, right), dilation and groups of a 2-D convolution or pooling. Zero stride, dilation,
 * groups mean 1. */
typedef struct lb_conv_spec {
    int64_t stride_h, stride_w, pad_t, pad_b, pad_l, pad_r, dilation_h, dilation_w, groups;
} lb_conv_spec;
static inline lb_conv_spec lb_conv_same(int64_t stride, int64_t pad, int64_t groups) {
    lb_conv_spec s = {stride, stride, pad, pad, pad, pad, 1, 1, groups};
    return s;
}

/* Attention of q [N,H,L,D] to k [N,G,S,D]; all zero = plain. Any strides; blocks (Swin windows, local blocks) are samples of their own: reshape. */
typedef struct lb_attention_spec {
    lb_tensor *bias;     /* real, added to scores: [N,H,L,S] or what NumPy would repeat to it; of four axes the first may also divide N
                          * (sample n has n modulo it: windows of a picture). -inf hides. Has a gradient. NULL = none */
    lb_tensor *mask;     /* i64, u8 or bool, spreading the same way, 0 hides: keys alone are [N,1,1,S]. NULL = none */
    lb_tensor *relative; /* real [H,L+S-1] or [1,L+S-1]: element s - l + L - 1 is added for query l and key s (ALiBi, T5). Has a gradient */
    double scale;        /* of q k^T; 0 = 1 / sqrt(D) */
    double softcap;      /* c > 0: c tanh(scale q k^T / c), before biases (Gemma 2) */
    double dropout;      /* of weights, when the tape trains */
    int64_t window;      /* w > 0: query at place p sees keys p - w + 1 .. p + w - 1. Query l stands at l + S - L + shift: the last at the end of
                          * the keys, as when decoding */
    int64_t prefix;      /* so many first keys are seen by all, whatever window and causal rule say; masks hold for them too */
    int64_t shift;       /* see window; L - S puts query 0 at key 0, as PyTorch's is_causal */
    bool causal;         /* keys behind the query's place are hidden */
    bool merge;          /* y is [N,L,H E], heads side by side, rather than [N,H,L,E] */
} lb_attention_spec;

/* A block of lb_inverted_residual: kernels [out,in,1,1] (depthwise [E,1,kh,kw]) with what their results are multiplied by and what is added, both [out] or NULL. */
typedef struct lb_scaled_map {
    lb_tensor *w, *b, *scale;
} lb_scaled_map;
typedef struct lb_inverted_spec {
    lb_scaled_map expand, depthwise, narrow, widen, project; /* expand, and narrow with widen (whose scales are not looked at), may be absent: w NULL */
    lb_conv_spec depth;          /* of the depthwise one */
    lb_act act, inner_act, gate; /* of expand and depthwise; behind narrow; behind widen */
    bool add;                    /* x to the result */
} lb_inverted_spec;
/** Is a block of that many inner channels, with gates by squeeze and excite or without, run faster as one op than as its parts, on x [N,C,H,W]? Never with gradients. Any thread. */
LB_API bool lb_inverted_residual_pays(const lb_tape *t, const lb_tensor *x, int64_t inner, bool gates);

/* The same along depth, height, width. Zero stride, dilation, groups mean 1. */
typedef struct lb_conv3d_spec {
    int64_t stride[3], before[3], after[3], dilation[3], groups;
} lb_conv3d_spec;

/* Frequencies of rotary positions (rotary_table); base 0 = 10000. */
typedef enum lb_rotary_scaling { LB_ROTARY_PLAIN = 0, LB_ROTARY_LINEAR, LB_ROTARY_NTK, LB_ROTARY_LLAMA3, LB_ROTARY_YARN } lb_rotary_scaling;
typedef struct lb_rotary_spec {
    int64_t pairs; /* half of the width that is turned */
    double base;
    lb_rotary_scaling scaling;
    double factor, low, high; /* how much longer than trained; the last two for LB_ROTARY_LLAMA3: low_freq_factor, high_freq_factor; LB_ROTARY_YARN: turns within
                               * the trained length, below which waves are stretched whole, above which not at all (beta_slow, beta_fast) */
    int64_t length;           /* LB_ROTARY_LLAMA3, LB_ROTARY_YARN: trained length */
    double magnitude;         /* of the tables; 0 = 1 */
    bool exact;               /* LB_ROTARY_YARN: borders between pairs are not rounded to whole ones */
} lb_rotary_spec;

/* Resizing of the last one to three axes of x [N,C,...]; arrays go from the first of them. All zero but the sizes: PyTorch's nearest. */
typedef enum lb_resize_mode { LB_RESIZE_NEAREST = 0, LB_RESIZE_LINEAR, LB_RESIZE_CUBIC, LB_RESIZE_AREA } lb_resize_mode;
/* Where output i looks, s = in / out or 1 / scale: usual = as PyTorch without align_corners: i s for nearest, else half pixel (i + 1/2) s - 1/2. The
 * others as ONNX defines them; align corners: i (in - 1) / (out - 1). */
typedef enum lb_coords {
    LB_COORDS_USUAL = 0,
    LB_COORDS_HALF_PIXEL,
    LB_COORDS_ALIGN_CORNERS,
    LB_COORDS_ASYMMETRIC,
    LB_COORDS_PYTORCH_HALF_PIXEL,
    LB_COORDS_HALF_PIXEL_SYMMETRIC,
    LB_COORDS_TF_CROP, /* tf_crop_and_resize: start + i (end - start) (in - 1) / (out - 1), what lies outside is `outside` */
} lb_coords;
/* Rounding of nearest: down, or to the nearest with halves up (with usual coordinates: PyTorch's nearest-exact); ONNX's halves down and up, up. */
typedef enum lb_rounding { LB_NEAREST_FLOOR = 0, LB_NEAREST_EXACT, LB_NEAREST_ROUND_DOWN, LB_NEAREST_ROUND_UP, LB_NEAREST_CEIL } lb_rounding;
typedef struct lb_resize_spec {
    int64_t size[3];      /* 0 = floor(in scale) */
    double scale[3];      /* 0 = out / in; where given it decides where outputs look, as scale_factor does in PyTorch */
    lb_resize_mode mode;
    lb_coords coords;
    lb_rounding nearest;
    double cubic_a;       /* 0 = -0.75, antialiased -0.5 */
    bool antialias;       /* linear and cubic */
    bool exclude_outside; /* cubic: weights of what lies outside are 0 and the rest sums to 1 */
    double start[3], end[3], outside; /* of LB_COORDS_TF_CROP; start and end as parts of the size */
} lb_resize_spec;

/* A window that moves over the last one to three axes; arrays go from the first of them. Zero stride = the window's size, zero dilation = 1. */
typedef struct lb_window {
    int64_t size[3], stride[3], before[3], after[3], dilation[3];
    bool ceil; /* a last window may hang over the end (but not start there) */
} lb_window;
static inline lb_window lb_window_of(int64_t size, int64_t stride, int64_t pad) {
    lb_window w = {{size, size, size}, {stride, stride, stride}, {pad, pad, pad}, {pad, pad, pad}, {1, 1, 1}, false};
    return w;
}

/* Reading between the elements of a picture or volume, and what is read outside of it. */
typedef enum lb_sample { LB_SAMPLE_LINEAR = 0, LB_SAMPLE_NEAREST, LB_SAMPLE_CUBIC } lb_sample;
typedef enum lb_border { LB_BORDER_ZEROS = 0, LB_BORDER_EDGE, LB_BORDER_REFLECT } lb_border;

/* The channels of a block of places taken apart: its elements next to each other for each channel (PyTorch), or its elements outermost. */
typedef enum lb_block_order { LB_BLOCK_INNER = 0, LB_BLOCK_OUTER } lb_block_order;

/* What a mean over a window is divided by: its elements in x and the padding; in x alone; or all of them, the border's element standing for what is outside. */
typedef enum lb_avg_border { LB_AVG_COUNT_PAD = 0, LB_AVG_INSIDE, LB_AVG_EDGES } lb_avg_border;

/* What a scan may have beside its inputs (selective_scan, ssd); NULL = without. */
typedef struct lb_scan_spec {
    lb_tensor *d;     /* skip: y += d x; [C] or [H] */
    lb_tensor *z;     /* selective_scan: y *= silu(z) */
    lb_tensor *bias;  /* of the steps, before softplus; [C] or [H] */
    lb_tensor *state; /* to begin with: [N,C,S] or [N,H,P,S] */
    bool softplus;    /* steps are softplus(delta + bias) */
    double lo, hi;    /* ssd: limits of the steps, after softplus; hi = 0: none */
} lb_scan_spec;

#define OP(id, ...) LB_API lb_tensor *lb_##id(__VA_ARGS__);
#define ALSO(name, ...) LB_API lb_tensor *lb_##name(__VA_ARGS__);
#include "tensor/ops.def"
#undef OP
#undef ALSO

LB_END
#endif

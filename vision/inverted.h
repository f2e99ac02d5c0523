/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of inverted residual blocks: EfficientNet, MobileNetV2. A stem, stages of blocks (1x1 to more channels, depthwise, squeeze and excite, 1x1), a 1x1 head. Parts
 * are named as the program says that wrote the weights. */
#ifndef LB_VISION_INVERTED_H
#define LB_VISION_INVERTED_H
#include "base/param.h"
#include "nn/outside.h"
LB_BEGIN

typedef struct lb_inverted_net {
    int64_t size, channels, stem, head, classes; /* head: channels of the last map */
    const char *widths, *depths, *kernels, *strides, *expands; /* of the stages, with commas; strides of a stage's first block */
    double squeeze;        /* inner channels of squeeze and excite, as a share of the block's input; 0 = none */
    double eps, momentum, dropout;
    const char *act;
    const char *padding;   /* "even": half the kernel on all sides; "same": TensorFlow's; "less": strided convolutions have one less at the top and left */
    const char *even;      /* with "less": numbers of the blocks that have not */
    bool always_new;       /* the first block of a stage has no shortcut even if it could */
    const char *names;     /* "timm", "torchvision", "torchvision_v2" (MobileNetV2), "huggingface", "huggingface_v2" */
} lb_inverted_net;

#define LB_INVERTED_ROW(T, at, word, type_, default_, min_, max_, unit_, text_) \
    {.name = #word, .type = type_, .offset = offsetof(T, at.word), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
#define LB_INVERTED_LIST(T, at, word, default_, text_) {.name = #word, .type = LB_T_TEXT, .offset = offsetof(T, at.word), .def_text = default_, .unit = "NUMBERS", .text = text_}
#define LB_INVERTED_PARAMS(T, at, stem_, head_, widths_, depths_, kernels_, strides_, expands_, squeeze_, act_) \
    LB_INVERTED_ROW(T, at, size, LB_T_I64, 224, 1, 65536, "px", "side of the pictures it was trained on"), \
    LB_INVERTED_ROW(T, at, channels, LB_T_I64, 3, 1, 4096, "1", "channels of the pictures"), \
    LB_INVERTED_ROW(T, at, stem, LB_T_I64, stem_, 1, 65536, "channels", "channels of the stem"), \
    LB_INVERTED_ROW(T, at, head, LB_T_I64, head_, 1, 65536, "channels", "channels of the last map"), \
    LB_INVERTED_ROW(T, at, classes, LB_T_I64, 1000, 0, 10000000, "1", "classes; 0 = no logits"), \
    LB_INVERTED_LIST(T, at, widths, widths_, "channels of the stages, with commas"), \
    LB_INVERTED_LIST(T, at, depths, depths_, "blocks of the stages, with commas"), \
    LB_INVERTED_LIST(T, at, kernels, kernels_, "sides of the stages' depthwise convolutions, with commas"), \
    LB_INVERTED_LIST(T, at, strides, strides_, "strides of the stages' first blocks, with commas"), \
    LB_INVERTED_LIST(T, at, expands, expands_, "inner channels of the stages' blocks, as multiples of their input's, with commas"), \
    LB_INVERTED_ROW(T, at, squeeze, LB_T_F64, squeeze_, 0, 16, "1", "inner channels of squeeze and excite, as a share of the block's input; 0 = none"), \
    LB_INVERTED_ROW(T, at, eps, LB_T_F64, 1e-5, 0, 1, "1", "epsilon of the norms"), \
    LB_INVERTED_ROW(T, at, momentum, LB_T_F64, 0.1, 0, 1, "1", "momentum of the running statistics"), \
    LB_INVERTED_ROW(T, at, dropout, LB_T_F64, 0.2, 0, 0.9, "1", "dropout before the last map"), \
    {.name = "act", .type = LB_T_TEXT, .offset = offsetof(T, at.act), .def_text = act_, .choices = LB_ACT_CHOICES, .unit = "TEXT", .text = "activation"}, \
    {.name = "padding", .type = LB_T_TEXT, .offset = offsetof(T, at.padding), .def_text = "even", .choices = "even|same|less", .unit = "TEXT", .text = "half the kernel on all sides; as TensorFlow does; one less at top and left where there is a stride"}, \
    LB_INVERTED_LIST(T, at, even, "", "with padding less: numbers of the blocks that have it on all sides, with commas"), \
    LB_INVERTED_ROW(T, at, always_new, LB_T_BOOL, 0, 0, 1, "", "the first block of a stage has no shortcut even where it could"), \
    {.name = "names", .type = LB_T_TEXT, .offset = offsetof(T, at.names), .def_text = "timm", .choices = "timm|torchvision|torchvision_v2|huggingface|huggingface_v2", .unit = "TEXT", .text = "whose names the weights have"}

/** The whole network: taps block.K [N,C,h,w], features, pooled and embedding [N,head], logits. */
LB_API void lb_inverted_forward(lb_nn *m, lb_tensor *image, const lb_inverted_net *c);
/** Stages, widths, kernels and the rest from weights with the names of timm or torchvision (c->names says which); strides are the published ones. */
LB_API LB_MUST_USE lb_status lb_inverted_from_shapes(lb_inverted_net *c, const lb_value *config, const lb_param *params, void *cfg);
/** Was it trained in TensorFlow, by its name in timm ("tf_efficientnet_lite0")? Then it pads as TensorFlow does, and its norms have an epsilon of 1e-3. */
LB_API bool lb_inverted_tensorflow(const lb_value *config);
/** Fills five lists of n stages. */
LB_API LB_MUST_USE lb_status lb_inverted_lists(const lb_param *params, void *cfg, int64_t n, const int64_t *widths, const int64_t *depths,
                                               const int64_t *kernels, const int64_t *strides, const int64_t *expands);
/** wanted rounded to a multiple of `step`, at least `least`, and never more than 10% below. */
LB_API int64_t lb_inverted_round(double wanted, int64_t step, int64_t least);

LB_END
#endif

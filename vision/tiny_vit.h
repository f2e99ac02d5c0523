/* SPDX-License-Identifier: Apache-2.0 */
/* TinyViT, Wu et al., arXiv:2207.10666: convolutions, then three stages of attention in windows with a bias per distance and a depthwise convolution behind it.
 * Names of timm. Also the picture encoder of MobileSAM. */
#ifndef LB_VISION_TINY_VIT_H
#define LB_VISION_TINY_VIT_H
#include "base/param.h"
#include "nn/outside.h"
LB_BEGIN

typedef struct lb_tiny_vit {
    int64_t size, channels;  /* size: what it was trained on; any runs */
    const char *widths, *depths, *heads, *windows; /* of the four stages, with commas; the first stage has no heads and windows: its numbers are not used */
    double mlp_ratio, expand;
    int64_t kernel;      /* of the depthwise convolution behind attention */
    bool keep_last;      /* the last stage has the grid of the one before: as in MobileSAM */
    const char *act;
} lb_tiny_vit;

#define LB_TINY_VIT_ROW(T, at, word, field, type_, default_, min_, max_, unit_, text_) \
    {.name = word, .type = type_, .offset = offsetof(T, at.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
#define LB_TINY_VIT_LIST(T, at, word, field, default_, text_) {.name = word, .type = LB_T_TEXT, .offset = offsetof(T, at.field), .def_text = default_, .unit = "NUMBERS", .text = text_}
#define LB_TINY_VIT_PARAMS(T, at, size_, widths_, heads_, keep_) \
    LB_TINY_VIT_ROW(T, at, "size", size, LB_T_I64, size_, 1, 65536, "px", "side of the pictures it was trained on"), \
    LB_TINY_VIT_ROW(T, at, "channels", channels, LB_T_I64, 3, 1, 4096, "1", "channels of the pictures"), \
    LB_TINY_VIT_LIST(T, at, "widths", widths, widths_, "channels of the four stages, with commas"), \
    LB_TINY_VIT_LIST(T, at, "depths", depths, "2,2,6,2", "blocks of the four stages, with commas"), \
    LB_TINY_VIT_LIST(T, at, "heads", heads, heads_, "attention heads of the four stages, with commas; the first has none"), \
    LB_TINY_VIT_LIST(T, at, "windows", windows, "7,7,14,7", "sides of the windows of the four stages, with commas; the first has none"), \
    LB_TINY_VIT_ROW(T, at, "mlp_ratio", mlp_ratio, LB_T_F64, 4, 0.01, 64, "1", "inner width of a block's map, as a multiple of its width"), \
    LB_TINY_VIT_ROW(T, at, "expand", expand, LB_T_F64, 4, 0.01, 64, "1", "inner channels of the first stage's blocks, as a multiple of its width"), \
    LB_TINY_VIT_ROW(T, at, "kernel", kernel, LB_T_I64, 3, 1, 63, "px", "side of the depthwise convolutions behind attention, odd"), \
    LB_TINY_VIT_ROW(T, at, "keep_last", keep_last, LB_T_BOOL, keep_, 0, 1, "", "the last stage has the grid of the one before"), \
    {.name = "act", .type = LB_T_TEXT, .offset = offsetof(T, at.act), .def_text = "gelu", .choices = LB_ACT_CHOICES, .unit = "TEXT", .text = "activation"}

/** image [N,C,H,W] -> [N,D,h,w], h = H / 32 (16 with keep_last), rounded up. Taps block.K [N,C,h,w], stage.S. */
LB_API lb_tensor *lb_tiny_vit_tower(lb_nn *m, lb_tensor *image, const lb_tiny_vit *c);
/** Shape of a picture batch of one, for an arch's example. */
LB_API void lb_tiny_vit_example(const lb_tiny_vit *c, int *rank, int64_t shape[LB_MAX_RANK]);
/** Sizes from timm's names and shapes, or from the published ones behind a prefix ("image_encoder."). `params`: the table of cfg. */
LB_API LB_MUST_USE lb_status lb_tiny_vit_from_shapes(lb_tiny_vit *c, const lb_value *config, const char *prefix, const lb_param *params, void *cfg);
/* The published spelling, in which merging stands behind a stage's blocks. */
extern LB_API const lb_rename lb_tiny_vit_published[];

LB_END
#endif

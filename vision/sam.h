/* SPDX-License-Identifier: Apache-2.0 */
/* Segment Anything, Kirillov et al., arXiv:2304.02643: the picture encoder with windows and decomposed relative positions, the encoder of prompts and the decoder of
 * masks. Names as in the published segment_anything. The last two are also MobileSAM's. */
#ifndef LB_VISION_SAM_H
#define LB_VISION_SAM_H
#include "base/param.h"
#include "nn/outside.h"
LB_BEGIN

typedef struct lb_sam_encoder {
    int64_t size, channels, patch, dim, depth, heads, mlp, out;
    int64_t window;      /* side of the windows, in patches; 0 = none */
    const char *global;  /* numbers of the blocks that see the whole picture: "2,5,8,11" */
    bool no_qkv_bias, no_positions, no_relative;
    double eps;
    const char *act;
} lb_sam_encoder;

/** image [N,C,H,W] -> map [N,out,H/patch,W/patch]. Below patch_embed, pos_embed, blocks, neck. Taps block.K [N,h,w,dim]. Relative positions are resized to grids
 *  other than the trained one. */
LB_API lb_tensor *lb_sam_encode(lb_nn *m, lb_tensor *image, const lb_sam_encoder *c);
/** 1x1 to out, norm over channels, 3x3, norm (names neck.0 .. neck.3). */
LB_API lb_tensor *lb_sam_neck(lb_nn *m, lb_tensor *x, int64_t out);

typedef struct lb_sam_decoder {
    int64_t width;         /* of prompts and map */
    int64_t mask_channels; /* inside of the map that takes a mask as prompt */
    int64_t depth, heads, mlp, less; /* two-way blocks; cross-attention is width / less wide */
    int64_t masks;         /* that stand for readings of an ambiguous prompt; one more is for clear ones */
    int64_t iou_depth, iou_width;
    double eps;            /* of the two-way blocks */
    const char *act;       /* of their map */
} lb_sam_decoder;

/* Prompts of N pictures, each may be NULL: points [N,P,2] (x, y) in pixels of the model's input with labels i64 [N,P] (1 inside, 0 outside, -1 none); boxes [N,4] (x, y, x, y);
 * a mask [N,1,4h,4w] of logits. */
typedef struct lb_sam_prompts {
    lb_tensor *points, *labels, *boxes, *mask;
} lb_sam_prompts;
/** map [N,width,h,w] of pictures of `size` pixels -> taps masks [N,masks,4h,4w] (logits) and iou [N,masks] (how good each is, by its own guess), mask [N,1,4h,4w]
 *  and mask_iou [N,1] for clear prompts; prompts [N,T,width]. Below prompt_encoder and mask_decoder. */
LB_API void lb_sam_decode(lb_nn *m, lb_tensor *map, const lb_sam_prompts *p, const lb_sam_decoder *c, int64_t size);
/** Without prompts, a token for each class in place of readings (c->masks does not count): map [N,width,h,w] -> logits [N,classes,4h,4w]. Below prompt_encoder and mask_decoder. */
LB_API lb_tensor *lb_sam_classes(lb_nn *m, lb_tensor *map, int64_t classes, const lb_sam_decoder *c);
/** Taps map, features, pooled, embedding; and lb_sam_decode where prompts come or one of its taps is asked for. in: as LB_SAM_INPUTS from the points on. */
LB_API void lb_sam_finish(lb_nn *m, lb_tensor *map, lb_tensor *const *in, const lb_sam_decoder *c, int64_t size);
/** Shape of input i of LB_SAM_INPUTS for one picture. */
LB_API void lb_sam_example(int input, int64_t channels, int64_t size, int64_t grid, int *rank, int64_t shape[LB_MAX_RANK]);
/** Sizes of the decoder from the published names and shapes. */
LB_API LB_MUST_USE lb_status lb_sam_decoder_from_shapes(lb_sam_decoder *c, const lb_value *config);

#define LB_SAM_INPUTS "image[N,3,H,W] points[N,P,2]? labels[N,P]:i64? boxes[N,4]? mask[N,1,A,B]?"
#define LB_SAM_TAPS "map[N,C,h,w] features[N,C,h,w] pooled[N,C] embedding[N,C] masks[N,M,4h,4w] iou[N,M] mask[N,1,4h,4w] mask_iou[N,1] prompts[N,T,C]"
#define LB_SAM_PREPROCESS "{\"mode\": \"longest\", \"size_w\": 1024, \"filter\": \"bilinear\", \"pad\": true, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"
#define LB_SAM_NUMBER(T, at, word, field, type_, default_, min_, max_, unit_, text_) \
    {.name = word, .type = type_, .offset = offsetof(T, at.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
/* Rows of a parameter table for the member `at` of T. */
#define LB_SAM_DECODER_PARAMS(T, at) \
    LB_SAM_NUMBER(T, at, "prompt_width", width, LB_T_I64, 256, 8, 65536, "1", "width of map and prompts, a multiple of 8"), \
    LB_SAM_NUMBER(T, at, "mask_channels", mask_channels, LB_T_I64, 16, 4, 65536, "1", "inner channels where a mask is the prompt, a multiple of 4"), \
    LB_SAM_NUMBER(T, at, "decoder_depth", depth, LB_T_I64, 2, 1, 100, "1", "two-way blocks of the mask decoder"), \
    LB_SAM_NUMBER(T, at, "decoder_heads", heads, LB_T_I64, 8, 1, 1024, "1", "their attention heads"), \
    LB_SAM_NUMBER(T, at, "decoder_mlp", mlp, LB_T_I64, 2048, 1, 1000000, "1", "inner width of their map"), \
    LB_SAM_NUMBER(T, at, "decoder_less", less, LB_T_I64, 2, 1, 64, "1", "so many times narrower is cross-attention"), \
    LB_SAM_NUMBER(T, at, "masks", masks, LB_T_I64, 3, 1, 64, "1", "readings of an ambiguous prompt"), \
    LB_SAM_NUMBER(T, at, "iou_depth", iou_depth, LB_T_I64, 3, 2, 16, "1", "linear maps of the head that guesses overlaps"), \
    LB_SAM_NUMBER(T, at, "iou_width", iou_width, LB_T_I64, 256, 1, 65536, "1", "its inner width"), \
    LB_SAM_NUMBER(T, at, "decoder_eps", eps, LB_T_F64, 1e-5, 0, 1, "1", "epsilon of the norms of two-way blocks"), \
    {.name = "decoder_act", .type = LB_T_TEXT, .offset = offsetof(T, at.act), .def_text = "relu", .choices = LB_ACT_CHOICES, .unit = "TEXT", .text = "activation of their map"}

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The trunk that ViT, DeiT, DINOv2, MAE, CLIP and SigLIP share: patches, tokens in front of them, learned positions, blocks. Parameter names are
 * those of timm's VisionTransformer; those of others come from nn/outside.h. */
#ifndef LB_VISION_VIT_H
#define LB_VISION_VIT_H
#include "base/param.h"
#include "nn/attention.h"
#include "nn/outside.h"
#include "nn/swin.h"
LB_BEGIN

typedef struct lb_vit {
    int64_t height, width;          /* of the pictures whose grid the positions stand for; others get them resized. width 0 = height */
    int64_t channels, patch, dim, depth, heads, mlp;
    int64_t registers;              /* tokens between the class token and the patches */
    int64_t prefix_places;          /* so many of the tokens in front have a position of their own; -1 = all */
    bool no_class, distilled;       /* no class token; a distillation token behind it */
    bool no_patch_bias, no_qkv_bias, no_positions;
    bool norm_pre;                  /* a norm before the first block */
    bool gated, qk_norm;            /* SwiGLU with both maps in mlp.fc1; norms of each head's queries and keys */
    double eps, layer_scale, dropout, drop_path;
    const char *act, *places;
    bool recompute;
} lb_vit;

/* Rows of a parameter table for the member `at` of T, names with `p` before them, with the sizes that an arch starts from. */
#define LB_VIT_NUMBER(T, at, p, word, field, type_, default_, min_, max_, unit_, text_) \
    {.name = p word, .type = type_, .offset = offsetof(T, at.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
#define LB_VIT_TEXT(T, at, p, word, field, default_, choices_, text_) \
    {.name = p word, .type = LB_T_TEXT, .offset = offsetof(T, at.field), .def_text = default_, .choices = choices_, .unit = "TEXT", .text = text_}
#define LB_VIT_PARAMS(T, at, p, size_, patch_, dim_, depth_, heads_, mlp_, eps_, act_) \
    LB_VIT_NUMBER(T, at, p, "size", height, LB_T_I64, size_, 1, 65536, "px", "height of the pictures whose patches the positions stand for; others get them resized"), \
    LB_VIT_NUMBER(T, at, p, "size_w", width, LB_T_I64, 0, 0, 65536, "px", "their width; 0 = size"), \
    LB_VIT_NUMBER(T, at, p, "channels", channels, LB_T_I64, 3, 1, 4096, "1", "channels of the pictures"), \
    LB_VIT_NUMBER(T, at, p, "patch", patch, LB_T_I64, patch_, 1, 4096, "px", "side of a patch"), \
    LB_VIT_NUMBER(T, at, p, "width", dim, LB_T_I64, dim_, 1, 65536, "1", "width of the tokens, a multiple of heads"), \
    LB_VIT_NUMBER(T, at, p, "depth", depth, LB_T_I64, depth_, 1, 1000, "1", "blocks"), \
    LB_VIT_NUMBER(T, at, p, "heads", heads, LB_T_I64, heads_, 1, 1024, "1", "attention heads"), \
    LB_VIT_NUMBER(T, at, p, "mlp", mlp, LB_T_I64, mlp_, 1, 1000000, "1", "inner width of a block's map"), \
    LB_VIT_NUMBER(T, at, p, "eps", eps, LB_T_F64, eps_, 0, 1, "1", "epsilon of the norms"), \
    LB_VIT_TEXT(T, at, p, "act", act, act_, LB_ACT_CHOICES, "activation of a block's map"), \
    LB_VIT_TEXT(T, at, p, "places", places, "cubic", "cubic|smooth|offset|linear", "how positions are resized: bicubic, with antialiasing, by (new + 0.1) / old, bilinear"), \
    LB_VIT_NUMBER(T, at, p, "dropout", dropout, LB_T_F64, 0, 0, 0.9, "1", "dropout behind attention and map"), \
    LB_VIT_NUMBER(T, at, p, "drop_path", drop_path, LB_T_F64, 0, 0, 0.9, "1", "share of samples for which a part of a block is left out in training"), \
    LB_VIT_NUMBER(T, at, p, "recompute", recompute, LB_T_BOOL, 0, 0, 1, "", "blocks are computed again in the backward pass: less memory for a second forward pass")

/** Tokens in front of the patches: class, distillation, registers. */
LB_API int64_t lb_vit_prefix(const lb_vit *c);
/** Tokens in front and patches with their positions [N,prefix + P,dim]. keep i64 [N,K]: numbers of the patches that remain, in this order; NULL = all. */
LB_API lb_tensor *lb_vit_embed(lb_nn *m, lb_tensor *image, const lb_vit *c, lb_tensor *keep);
/** image [N,C,H,W] -> tokens behind the last block [N,prefix + P,dim], before any norm. Taps: embeddings (before the first block), block.K, attn.K. Pictures
 *  smaller than a patch fail the tape. */
LB_API lb_tensor *lb_vit_tower(lb_nn *m, lb_tensor *image, const lb_vit *c);
/** Blocks of the trunk on tokens [N,L,dim]. */
LB_API lb_tensor *lb_vit_blocks(lb_nn *m, lb_tensor *x, const lb_vit *c);
/** Token i of [N,L,C]: [N,C]. */
LB_API lb_tensor *lb_vit_token(lb_nn *m, lb_tensor *x, int64_t i);
/** Mean over the patches, which stand behind the tokens in front: [N,C]. */
LB_API lb_tensor *lb_vit_mean(lb_nn *m, lb_tensor *x, const lb_vit *c);
/** Attention of one learned query to the patches, x + mlp(norm x) behind it: [N,C]. Below attn_pool: latent, in_proj_weight, proj, norm, mlp. Zhai et al.,
 *  arXiv:2106.04560 (MAP head). */
LB_API lb_tensor *lb_vit_attention_pool(lb_nn *m, lb_tensor *x, const lb_vit *c);

/** Shape of a picture batch of one, for an arch's example. */
LB_API void lb_vit_example(const lb_vit *c, int *rank, int64_t shape[LB_MAX_RANK]);
/** Sizes from the names and shapes of weights with timm's names behind a prefix: dim, patch, channels, mlp, depth, tokens in front, biases, layer scale, gate. Heads are 64 wide but
 *  in the sizes that are published otherwise; the grid is that
 *  of height x width, where height is not 0, else a square. LB_E_UNSUPPORTED where that gives no network. */
LB_API LB_MUST_USE lb_status lb_vit_from_shapes(lb_vit *c, const lb_value *config, const char *prefix);
/** Of `rows` positions some belong to the tokens in front (all, class and distillation, none), the rest to the grid: that of c->height where it is known, else
 *  a square. Fills prefix_places, height and width. @return false when that is no grid */
LB_API bool lb_vit_grid(lb_vit *c, int64_t rows);
/** Heads of a published network of that width: 64 wide but in the largest ones, and in those whose name in timm (architecture of config) says otherwise. 0 = not known. */
LB_API int64_t lb_vit_usual_heads(const lb_value *config, int64_t dim);
/** The activation of timm's model of that name ("vit_base_patch16_clip_quickgelu_224"), as a name in a config.json; NULL = not said. */
LB_API const char *lb_vit_timm_act(const char *architecture);
/** Fields that a Hugging Face config of any of the families has: hidden_size, num_hidden_layers, ..., hidden_act (put where the row `act` of cfg says);
 *  what is absent stays. */
LB_API LB_MUST_USE lb_status lb_vit_from_config(lb_vit *c, const lb_value *config, const lb_param *act, void *cfg);
/* ---- towers of CLIP and SigLIP (vision/clip.c) ------------------------------------------------------------------- */

/** image -> pooled [N,dim]: the class token behind the last norm. Taps of the trunk, tokens (before that norm), pooled. */
LB_API lb_tensor *lb_clip_vision_tower(lb_nn *m, lb_tensor *image, const lb_vit *c);
/** image -> pooled [N,dim]: what a learned query attends to. Taps of the trunk, tokens (normed), pooled. */
LB_API lb_tensor *lb_siglip_vision_tower(lb_nn *m, lb_tensor *image, const lb_vit *c);
/** Sizes from config.json: Hugging Face's vision_config, open_clip's vision_cfg, or OpenAI's names and shapes of weights. `act`: the row of cfg. *embed: width of the
 *  common space. */
LB_API LB_MUST_USE lb_status lb_clip_vision_config(lb_vit *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg);
LB_API LB_MUST_USE lb_status lb_siglip_vision_config(lb_vit *c, const lb_value *json, const lb_param *act, void *cfg);
/* Preprocessing where a folder says nothing. */
#define LB_CLIP_PREPROCESS \
    "{\"mode\": \"shortest\", \"size_w\": 224, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.48145466, 0.4578275, 0.40821073], \"std\": [0.26862954, 0.26130258, 0.27577711]}"
#define LB_SIGLIP_PREPROCESS "{\"mode\": \"squash\", \"size_w\": 224, \"size_h\": 224, \"filter\": \"bicubic\", \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5]}"
/* Their names elsewhere: Hugging Face, the same without prefix, OpenAI and open_clip; for SigLIP Hugging Face, without prefix, open_clip, timm. */
enum { LB_CLIP_VISION_SPELLINGS = 3, LB_SIGLIP_VISION_SPELLINGS = 4 };
extern LB_API const lb_spelling lb_clip_vision_spellings[LB_CLIP_VISION_SPELLINGS], lb_siglip_vision_spellings[LB_SIGLIP_VISION_SPELLINGS];

LB_END
#endif

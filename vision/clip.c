/* SPDX-License-Identifier: Apache-2.0 */
/* Picture towers of CLIP (Radford et al., arXiv:2103.00020) and SigLIP (Zhai et al., arXiv:2303.15343). */
#include <string.h>
#include "vision/vit.h"

lb_tensor *lb_clip_vision_tower(lb_nn *m, lb_tensor *image, const lb_vit *c) {
    lb_tensor *x = lb_vit_tower(m, image, c);
    lb_nn_tap(m, x, "tokens");
    x = lb_nn_layer_norm(m, lb_vit_token(m, x, 0), "norm", c->eps);
    lb_nn_tap(m, x, "pooled");
    return x;
}

lb_tensor *lb_siglip_vision_tower(lb_nn *m, lb_tensor *image, const lb_vit *c) {
    lb_tensor *x = lb_nn_layer_norm(m, lb_vit_tower(m, image, c), "norm", c->eps);
    lb_nn_tap(m, x, "tokens");
    x = lb_vit_attention_pool(m, x, c);
    lb_nn_tap(m, x, "pooled");
    return x;
}

/* ---- sizes ---- */

/* What Hugging Face's configurations start from. */
static void start(lb_vit *c, int64_t patch, double eps) {
    c->height = c->width = 224;
    c->patch = patch;
    c->dim = 768;
    c->depth = c->heads = 12;
    c->mlp = 3072;
    c->channels = 3;
    c->eps = eps;
}

/* Names of OpenAI's weights; the grid is square. */
static lb_status from_openai_shapes(lb_vit *c, const lb_value *json, int64_t head_width) {
    int64_t places = lb_outside_size(json, "visual.positional_embedding", 0) - 1, side = 0;
    c->dim = lb_outside_size(json, "visual.conv1.weight", 0);
    c->channels = lb_outside_size(json, "visual.conv1.weight", 1);
    c->patch = lb_outside_size(json, "visual.conv1.weight", 2);
    c->depth = lb_outside_count(json, "visual.transformer.resblocks.%d.attn.in_proj_weight");
    c->mlp = lb_outside_size(json, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0);
    c->heads = head_width > 0 ? c->dim / head_width : 0;
    while (side * side < places) side++;
    c->height = c->width = side * c->patch;
    if (places > 0 && side * side == places && c->patch && c->depth && c->mlp && c->heads) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "clip: width %lld, patch %lld, %lld blocks, %lld positions (a square and one) of the picture tower", (long long)c->dim,
                   (long long)c->patch, (long long)c->depth, (long long)places + 1);
}

static lb_status from_openai(lb_vit *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg) {
    const lb_value *vision = lb_get(json, "model_cfg.vision_cfg");
    bool quick = vision ? lb_get_bool(json, "model_cfg.quick_gelu", false) : true; /* OpenAI's own files have no configuration */
    start(c, 16, 1e-5);
    lb_status st = from_openai_shapes(c, json, lb_config_int(vision, "head_width", 0, 64));
    c->height = lb_config_int(vision, "image_size", 0, c->height);
    c->width = lb_config_int(vision, "image_size", 1, c->width);
    c->layer_scale = lb_outside_has(json, "visual.transformer.resblocks.0.ls_1.gamma") ? 1e-5 : 0;
    c->norm_pre = lb_outside_has(json, "visual.ln_pre.weight");
    *embed = lb_outside_size(json, "visual.proj", 1);
    if (st == LB_OK) st = lb_config_act_to(act, cfg, quick ? "quick_gelu" : "gelu");
    return st;
}

lb_status lb_clip_vision_config(lb_vit *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg) {
    const lb_value *vision = lb_get(json, "vision_config");
    c->no_patch_bias = c->norm_pre = true;
    if (lb_outside_has(json, "visual.conv1.weight")) return from_openai(c, embed, json, act, cfg);
    start(c, 32, 1e-5);
    *embed = lb_config_int(json, "projection_dim", 0, lb_config_int(vision, "projection_dim", 0, 512));
    lb_status st = lb_config_act_to(act, cfg, "quick_gelu");
    return st == LB_OK ? lb_vit_from_config(c, vision ? vision : json, act, cfg) : st;
}

/* open_clip and timm: their names give the sizes, heads are as published. */
static lb_status siglip_from_timm(lb_vit *c, const lb_value *json, const char *prefix, const lb_param *act, void *cfg) {
    const char *act_name = lb_vit_timm_act(lb_get_text(json, "model_cfg.vision_cfg.timm_model_name", NULL));
    c->height = c->width = 0;
    lb_status st = lb_vit_from_shapes(c, json, prefix);
    c->heads = lb_config_int(json, "model_args.num_heads", 0, c->heads);
    c->eps = 1e-6;
    if (st == LB_OK) st = lb_config_act_to(act, cfg, lb_get_text(json, "model_args.act_layer", act_name ? act_name : "gelu"));
    return st;
}

lb_status lb_siglip_vision_config(lb_vit *c, const lb_value *json, const lb_param *act, void *cfg) {
    const lb_value *vision = lb_get(json, "vision_config");
    if (lb_outside_has(json, "visual.trunk.patch_embed.proj.weight")) return siglip_from_timm(c, json, "visual.trunk.", act, cfg);
    start(c, 16, 1e-6);
    c->no_class = true;
    c->prefix_places = 0;
    lb_status st = lb_config_act_to(act, cfg, "gelu_pytorch_tanh");
    return st == LB_OK ? lb_vit_from_config(c, vision ? vision : json, act, cfg) : st;
}

/* ---- names ---- */

static const lb_rename clip[] = {
    {"patch_embed.proj", "embeddings.patch_embedding"},
    {"cls_token", "embeddings.class_embedding"},
    {"pos_embed", "embeddings.position_embedding.weight"},
    {"norm_pre", "pre_layrnorm"},
    {"norm", "post_layernorm"},
    {"projection", "/visual_projection"},
    {"attn_pool.latent", "head.probe"},
    {"attn_pool.in_proj_weight", "head.attention.in_proj_weight"},
    {"attn_pool.in_proj_bias", "head.attention.in_proj_bias"},
    {"attn_pool.proj", "head.attention.out_proj"},
    {"attn_pool.norm", "head.layernorm"},
    {"attn_pool.mlp", "head.mlp"},
    {0}};
static const lb_rename openai[] = {
    {"patch_embed.proj", "conv1"},
    {"cls_token", "class_embedding"},
    {"pos_embed", "positional_embedding"},
    {"norm_pre", "ln_pre"},
    {"norm", "ln_post"},
    {"projection.weight", "^proj"},
    {0}};
static const lb_rename timm_pool[] = {{"attn_pool.in_proj_weight", "attn_pool.q.weight+attn_pool.kv.weight"}, {"attn_pool.in_proj_bias", "attn_pool.q.bias+attn_pool.kv.bias"}, {0}};

const lb_spelling lb_clip_vision_spellings[LB_CLIP_VISION_SPELLINGS] = {
    {"vision_model.", {clip, lb_blocks_as_clip}},
    {"", {clip, lb_blocks_as_clip}},
    {"visual.", {openai, lb_blocks_as_openai}},
};
const lb_spelling lb_siglip_vision_spellings[LB_SIGLIP_VISION_SPELLINGS] = {
    {"vision_model.", {clip, lb_blocks_as_clip}},
    {"", {clip, lb_blocks_as_clip}},
    {"visual.trunk.", {timm_pool}},
    {"", {timm_pool}},
};

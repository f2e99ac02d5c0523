/* SPDX-License-Identifier: Apache-2.0 */
/* Vision transformer: Dosovitskiy et al., arXiv:2010.11929; DeiT with its distillation token, Touvron et al., arXiv:2012.12877; DINOv2, Oquab et al.,
 * arXiv:2304.07193, and its registers, Darcet et al., arXiv:2309.16588. Names, fused qkv and epsilon as in timm's VisionTransformer; weights with the
 * names of Hugging Face and of the published DINOv2 load too. */
#include <stdio.h>
#include <string.h>
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit vit;
    int64_t embed, classes;
    const char *pool, *head;
    bool norm_behind, pooler;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, vit, "", 64, 8, 192, 6, 3, 768, 1e-6, "gelu"),
    LB_VIT_NUMBER(config, vit, "", "registers", registers, LB_T_I64, 0, 0, 1024, "tokens", "learned tokens between the class token and the patches"),
    LB_VIT_NUMBER(config, vit, "", "prefix_places", prefix_places, LB_T_I64, -1, -1, 2048, "tokens", "so many tokens in front of the patches have positions; -1 = all"),
    LB_VIT_NUMBER(config, vit, "", "no_class", no_class, LB_T_BOOL, 0, 0, 1, "", "without a class token"),
    LB_VIT_NUMBER(config, vit, "", "distilled", distilled, LB_T_BOOL, 0, 0, 1, "", "a distillation token behind the class token"),
    LB_VIT_NUMBER(config, vit, "", "no_patch_bias", no_patch_bias, LB_T_BOOL, 0, 0, 1, "", "patches without bias"),
    LB_VIT_NUMBER(config, vit, "", "no_qkv_bias", no_qkv_bias, LB_T_BOOL, 0, 0, 1, "", "queries, keys and values without bias"),
    LB_VIT_NUMBER(config, vit, "", "no_positions", no_positions, LB_T_BOOL, 0, 0, 1, "", "without learned positions"),
    LB_VIT_NUMBER(config, vit, "", "norm_pre", norm_pre, LB_T_BOOL, 0, 0, 1, "", "a norm before the first block"),
    LB_VIT_NUMBER(config, vit, "", "gated", gated, LB_T_BOOL, 0, 0, 1, "", "a block's map is SwiGLU"),
    LB_VIT_NUMBER(config, vit, "", "qk_norm", qk_norm, LB_T_BOOL, 0, 0, 1, "", "norms of each head's queries and keys"),
    LB_VIT_NUMBER(config, vit, "", "layer_scale", layer_scale, LB_T_F64, 0, 0, 100, "1", "start of the learned factors per channel; 0 = none"),
    LB_PARAM(config, embed, 256, 0, 65536, "1", "width of the L2-normalised projection that is the embedding; 0 = none, the embedding is pooled"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM_TEXT(config, pool, "cls", "cls|mean|map", "pooled is the class token, the mean over the patches, or what a learned query attends to"),
    LB_PARAM_TEXT(config, head, "pooled", "pooled|both|distilled", "logits come from pooled; from class token and mean over the patches; from class and distillation token, averaged"),
    LB_PARAM_FLAG(config, norm_behind, 0, "the last norm stands behind the pooling"),
    LB_PARAM_FLAG(config, pooler, 0, "pooled goes through a linear map and tanh"),
    LB_PARAM_END};

/* ---- forward ---- */

static lb_tensor *pool(lb_nn *m, lb_tensor *x, const config *c) {
    const lb_vit *v = &c->vit;
    lb_tensor *y = strcmp(c->pool, "mean") == 0 ? lb_vit_mean(m, x, v) : strcmp(c->pool, "map") == 0 ? lb_vit_attention_pool(m, x, v) : lb_vit_token(m, x, 0);
    if (c->norm_behind) y = lb_nn_layer_norm(m, y, "fc_norm", v->eps);
    return c->pooler ? lb_nn_linear(m, y, "pooler.dense", v->dim, LB_ACT_TANH) : y;
}

static lb_tensor *logits(lb_nn *m, lb_tensor *x, lb_tensor *pooled, const config *c) {
    lb_tape *t = lb_nn_tape(m);
    if (strcmp(c->head, "both") == 0) pooled = lb_concat(t, 2, (lb_tensor *[]){pooled, lb_vit_mean(m, x, &c->vit)}, 1);
    lb_tensor *y = lb_nn_linear(m, pooled, "head", c->classes, LB_ACT_NONE);
    if (strcmp(c->head, "distilled") != 0) return y;
    lb_tensor *z = lb_nn_linear(m, lb_vit_token(m, x, 1), "head_dist", c->classes, LB_ACT_NONE);
    lb_nn_tap(m, y, "cls_logits");
    lb_nn_tap(m, z, "distillation_logits");
    return lb_scale(t, lb_add(t, y, z), 0.5);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_vit_tower(m, in[0], &c->vit);
    if (!c->norm_behind) x = lb_nn_layer_norm(m, x, "norm", c->vit.eps);
    lb_nn_tap(m, x, "tokens");
    lb_tensor *y = pool(m, x, c);
    lb_nn_tap(m, y, "pooled");
    lb_nn_tap(m, c->embed ? lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, y, "projection", c->embed, LB_ACT_NONE), 1e-12) : y, "embedding");
    if (c->classes) lb_nn_tap(m, logits(m, x, y, c), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_vit_example(&((const config *)cfg)->vit, rank, shape);
}

/* ---- from outside ---- */

static const char *const families[] = {"vit", "deit", "dinov2", "dinov2_with_registers", "vit_msn"};

static const char *const in_torchvision[] = {"conv_proj.weight", "class_token", "encoder.pos_embedding", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"};

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const plain[] = {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.attn.proj.weight", "blocks.0.norm1.weight"};
    /* relatives with the same names and other maths: SAM, MAE, BEiT, EVA, DINOv3, scaled norms */
    static const char *const not_plain[] = {"blocks.0.attn.rel_pos_h",
                                            "decoder_embed.weight",
                                            "blocks.0.gamma_1",
                                            "blocks.0.attn.relative_position_bias_table",
                                            "rel_pos_bias.relative_position_bias_table",
                                            "blocks.0.attn.q_bias",
                                            "rope_embed.periods",
                                            "blocks.0.attn.norm.weight",
                                            "shared_rel_pos.mlp.fc1.weight",
                                            "shared_rel_pos.relative_position_bias_table",
                                            "blocks.0.mlp.norm.weight",
                                            "blocks.0.mlp.fc1_g.weight"};
    for (size_t i = 0; i < LB_COUNT(families); i++)
        if (lb_config_is(json, families[i])) return 90;
    if (lb_names_found(names, count, (int)LB_COUNT(in_torchvision), in_torchvision) == (int)LB_COUNT(in_torchvision)) return 80;
    return lb_names_found(names, count, (int)LB_COUNT(plain), plain) == (int)LB_COUNT(plain) && lb_names_found(names, count, (int)LB_COUNT(not_plain), not_plain) == 0 ? 60 : 0;
}

static lb_status set_text(void *cfg, const char *row, const char *value) { return lb_param_set_text(lb_param_find(params, row), cfg, value); }

/* Names of timm's pooling and ours. */
static const char *pool_named(const char *timm) {
    static const char *const names[][2] = {{"token", "cls"}, {"", "cls"}, {"avg", "mean"}, {"map", "map"}};
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strcmp(names[i][0], timm) == 0) return names[i][1];
    return NULL;
}

/* timm: shapes, and what "model_args" of its config.json says. */
static lb_status from_timm(config *c, const lb_value *json) {
    const lb_value *args = lb_get(json, "model_args");
    lb_vit *v = &c->vit;
    v->height = lb_config_int(args, "img_size", 0, 0);
    v->width = lb_config_int(args, "img_size", 1, v->height);
    lb_status st = LB_OK;
    LB_TRY(lb_vit_from_shapes(v, json, ""));
    bool hub = lb_outside_has(json, "mask_token"), map = lb_outside_has(json, "attn_pool.latent");
    const char *pool = lb_get_text(args, "global_pool", lb_get_text(json, "global_pool", map ? "map" : "token"));
    v->heads = lb_config_int(args, "num_heads", 0, v->heads);
    c->classes = lb_outside_size(json, "head.weight", 0);
    c->norm_behind = lb_outside_has(json, "fc_norm.weight");
    if ((c->norm_behind || v->no_class) && strcmp(pool, "token") == 0) pool = "avg";
    const char *architecture = lb_get_text(json, "architecture", "");
    LB_TRY(lb_timm_args(json, "vit", "act_layer|global_pool"));
    if (!pool_named(pool)) return lb_fail(LB_E_UNSUPPORTED, "vit: global_pool is '%s'; token, avg and map are known", pool);
    if (strstr(architecture, "test_vit3")) return lb_fail(LB_E_UNSUPPORTED, "vit: '%s' pools its registers too, which is not handled", architecture);
    if (strstr(architecture, "_rpn_")) return lb_fail(LB_E_UNSUPPORTED, "vit: '%s' has its norms behind attention and map, which is not handled", architecture);
    if (st == LB_OK) st = set_text(c, "pool", pool_named(pool));
    if (st == LB_OK) st = set_text(c, "head", lb_outside_has(json, "head_dist.weight") ? "distilled" : "pooled");
    if (st == LB_OK) st = set_text(c, "places", !hub ? "smooth" : v->registers ? "smooth" : "offset");
    if (st == LB_OK) st = lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(args, "act_layer", lb_vit_timm_act(architecture)));
    if (v->norm_pre && strstr(architecture, "_clip_")) v->eps = 1e-5;
    if (v->gated && st == LB_OK) st = set_text(c, "act", "silu");
    if (st != LB_OK || v->heads) return st;
    st = lb_fail(LB_E_UNSUPPORTED, "vit: width %lld is no multiple of 64 and config.json has no model_args.num_heads", (long long)v->dim);
done:
    return st;
}

static lb_status from_torchvision(config *c, const lb_value *json) {
    lb_vit *v = &c->vit;
    int64_t rows = lb_outside_size(json, "encoder.pos_embedding", 1);
    v->dim = lb_outside_size(json, "conv_proj.weight", 0);
    v->channels = lb_outside_size(json, "conv_proj.weight", 1);
    v->patch = lb_outside_size(json, "conv_proj.weight", 2);
    v->depth = lb_outside_count(json, "encoder.layers.encoder_layer_%d.self_attention.in_proj_weight");
    v->mlp = lb_outside_size(json, "encoder.layers.encoder_layer_0.ln_2.weight", 0) ? lb_outside_size(json, "encoder.layers.encoder_layer_0.mlp.*.bias", 0) : 0;
    v->heads = lb_vit_usual_heads(json, v->dim);
    v->height = 0;
    c->classes = lb_outside_size(json, "heads.head.weight", 0);
    if (v->patch && v->heads && v->mlp && lb_vit_grid(v, rows)) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "vit: width %lld, patch %lld, inner width %lld, %lld positions", (long long)v->dim, (long long)v->patch, (long long)v->mlp, (long long)rows);
}

static lb_status from_hugging_face(config *c, const lb_value *json) {
    bool dino = lb_config_is(json, "dinov2") || lb_config_is(json, "dinov2_with_registers");
    lb_vit *v = &c->vit;
    v->height = v->width = 224;
    v->patch = dino ? 14 : 16;
    v->dim = 768;
    v->depth = v->heads = 12;
    v->eps = lb_config_is(json, "vit_msn") || dino ? 1e-6 : 1e-12;
    v->mlp = 3072;
    lb_status st = lb_vit_from_config(v, json, lb_param_find(params, "act"), c);
    v->distilled = lb_config_is(json, "deit");
    v->prefix_places = 1 + v->distilled;
    if (dino) {
        int64_t inner = (int64_t)((double)v->dim * lb_config_real(json, "mlp_ratio", 4));
        v->gated = lb_get_bool(json, "use_swiglu_ffn", false);
        v->mlp = v->gated ? (inner * 2 / 3 + 7) / 8 * 8 : inner;
        v->layer_scale = lb_config_real(json, "layerscale_value", 1);
        if (lb_config_is(json, "dinov2_with_registers")) v->registers = lb_config_int(json, "num_register_tokens", 0, 4);
        if (st == LB_OK && v->registers) st = set_text(c, "places", "smooth");
        if (st == LB_OK && v->gated) st = set_text(c, "act", "silu");
    }
    if (strcmp(lb_get_text(json, "pooler_act", "tanh"), "tanh") != 0) return lb_fail(LB_E_UNSUPPORTED, "vit: pooler_act is '%s', tanh wanted", lb_get_text(json, "pooler_act", "tanh"));
    c->pooler = lb_outside_has(json, "pooler.dense.weight") || lb_outside_has(json, "vit.pooler.dense.weight") || lb_outside_has(json, "deit.pooler.dense.weight");
    c->classes = lb_outside_size(json, "classifier.weight", 0);
    if (!c->classes) c->classes = lb_outside_size(json, "cls_classifier.weight", 0);
    if (st == LB_OK && dino && c->classes) st = set_text(c, "head", "both");
    if (st == LB_OK && lb_outside_has(json, "distillation_classifier.weight")) st = set_text(c, "head", "distilled");
    return st;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    c->embed = 0;
    for (size_t i = 0; i < LB_COUNT(families); i++)
        if (lb_config_is(json, families[i])) return from_hugging_face(c, json);
    return lb_outside_has(json, in_torchvision[0]) ? from_torchvision(c, json) : from_timm(c, json);
}

static const lb_rename timm[] = {{"attn_pool.in_proj_weight", "attn_pool.q.weight+attn_pool.kv.weight"}, {"attn_pool.in_proj_bias", "attn_pool.q.bias+attn_pool.kv.bias"}, {0}};
static const lb_rename hugging_face[] = {
    {"patch_embed.proj", "embeddings.patch_embeddings.projection"},
    {"cls_token", "embeddings.cls_token"},
    {"dist_token", "embeddings.distillation_token"},
    {"reg_token", "embeddings.register_tokens"},
    {"pos_embed", "embeddings.position_embeddings"},
    {"norm", "layernorm"},
    {"pooler", "pooler"},
    {"head", "/classifier"},
    {"blocks.*.ls1.gamma", "encoder.layer.*.layer_scale1.lambda1"},
    {"blocks.*.ls2.gamma", "encoder.layer.*.layer_scale2.lambda1"},
    {0}};
static const lb_rename deit[] = {{"head", "/cls_classifier"}, {"head_dist", "/distillation_classifier"}, {0}};
static const lb_rename dinov2[] = {
    {"blocks.*.norm1", "encoder.layer.*.norm1"},
    {"blocks.*.norm2", "encoder.layer.*.norm2"},
    {"blocks.*.mlp.fc1", "encoder.layer.*.mlp.fc1"},
    {"blocks.*.mlp.fc2", "encoder.layer.*.mlp.fc2"},
    {0}};
static const lb_rename swiglu[] = {{"blocks.*.mlp.fc1", "encoder.layer.*.mlp.weights_in"}, {"blocks.*.mlp.fc2", "encoder.layer.*.mlp.weights_out"}, {0}};
static const lb_rename published_dinov2[] = {{"reg_token", "register_tokens"}, {"blocks.*.mlp.fc1", "blocks.*.mlp.w12"}, {"blocks.*.mlp.fc2", "blocks.*.mlp.w3"}, {0}};
static const lb_rename registers_only[] = {{"reg_token", "register_tokens"}, {0}};

static const lb_rename torchvision[] = {
    {"patch_embed.proj", "conv_proj"},
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"blocks.*.norm1", "encoder.layers.encoder_layer_*.ln_1"},
    {"blocks.*.attn.qkv.weight", "encoder.layers.encoder_layer_*.self_attention.in_proj_weight"},
    {"blocks.*.attn.qkv.bias", "encoder.layers.encoder_layer_*.self_attention.in_proj_bias"},
    {"blocks.*.attn.proj", "encoder.layers.encoder_layer_*.self_attention.out_proj"},
    {"blocks.*.norm2", "encoder.layers.encoder_layer_*.ln_2"},
    {"norm", "encoder.ln"},
    {"head", "heads.head"},
    {0}};
static const lb_rename map_by_number[] = {{"blocks.*.mlp.fc1", "encoder.layers.encoder_layer_*.mlp.0"}, {"blocks.*.mlp.fc2", "encoder.layers.encoder_layer_*.mlp.3"}, {0}};
static const lb_rename map_by_name[] = {{"blocks.*.mlp.fc1", "encoder.layers.encoder_layer_*.mlp.linear_1"}, {"blocks.*.mlp.fc2", "encoder.layers.encoder_layer_*.mlp.linear_2"}, {0}};

static const lb_spelling spellings[] = {
    {"", {timm}},
    {"", {map_by_number, torchvision}},
    {"", {map_by_name, torchvision}},
    {"", {registers_only}},
    {"", {published_dinov2}},
    {"", {hugging_face, lb_blocks_as_vit}},
    {"vit.", {hugging_face, lb_blocks_as_vit}},
    {"", {deit, hugging_face, lb_blocks_as_vit}},
    {"deit.", {hugging_face, lb_blocks_as_vit}},
    {"deit.", {deit, hugging_face, lb_blocks_as_vit}},
    {"", {dinov2, hugging_face, lb_blocks_as_vit}},
    {"", {swiglu, dinov2, hugging_face, lb_blocks_as_vit}},
    {"dinov2.", {dinov2, hugging_face, lb_blocks_as_vit}},
    {"dinov2.", {swiglu, dinov2, hugging_face, lb_blocks_as_vit}},
    {"dinov2_with_registers.", {dinov2, hugging_face, lb_blocks_as_vit}},
    {"dinov2_with_registers.", {swiglu, dinov2, hugging_face, lb_blocks_as_vit}},
};

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(vit) = {.id = "vit",
                .title = "vision transformer: ViT, DeiT, DINOv2",
                .source = "arXiv:2010.11929, 2012.12877, 2304.07193, 2309.16588; names of timm's VisionTransformer",
                .params = params,
                .params_size = sizeof(config),
                .kind = "image",
                .apart = true,
                .inputs = "image[N,3,H,W]",
                .taps = "embedding[N,E] pooled[N,D] tokens[N,T+P,D] embeddings[N,T+P,D] block.K[N,T+P,D] attn.K[N,H,T+P,T+P] logits[N,K]",
                .forward = forward,
                .example = example,
                .from_config = from_config,
                .recognise = recognise,
                .outside_name = outside_name,
                .outside_variants = (int)LB_COUNT(spellings),
                .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, 0.456, "
                              "0.406], \"std\": [0.229, 0.224, 0.225]}"};

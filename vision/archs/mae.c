/* SPDX-License-Identifier: Apache-2.0 */
/* Masked autoencoder: He et al., arXiv:2111.06377. Encoder of the patches that remain, decoder of all: names of the published code, whose positions are fixed sines
 * that the files hold. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit vit;
    int64_t decoder_width, decoder_depth, decoder_heads, decoder_mlp;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, vit, "", 224, 16, 768, 12, 12, 3072, 1e-6, "gelu"),
    LB_VIT_NUMBER(config, vit, "", "no_qkv_bias", no_qkv_bias, LB_T_BOOL, 0, 0, 1, "", "queries, keys and values without bias"),
    LB_VIT_NUMBER(config, vit, "", "prefix_places", prefix_places, LB_T_I64, 1, -1, 1, "tokens", "so many tokens in front of the patches have positions; -1 = all"),
    LB_PARAM(config, decoder_width, 512, 1, 65536, "1", "width of the decoder's tokens"),
    LB_PARAM(config, decoder_depth, 8, 0, 1000, "1", "its blocks; 0 = no decoder"),
    LB_PARAM(config, decoder_heads, 16, 1, 1024, "1", "its attention heads"),
    LB_PARAM(config, decoder_mlp, 2048, 1, 1000000, "1", "inner width of its blocks' map"),
    LB_PARAM_END};

/* Patches where they belong, the mask token where one is missing: [N,P,decoder_width]. x: the patches that remain. */
static lb_tensor *put_back(lb_nn *m, lb_tensor *x, lb_tensor *keep, int64_t patches, const config *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *mask = lb_nn_param(m, "mask_token", 3, (int64_t[]){1, 1, c->decoder_width}, LB_INIT_NORMAL, 0.02);
    if (!keep || !lb_tape_ok(t)) return x;
    mask = lb_contiguous(t, lb_expand(t, mask, 3, (int64_t[]){x->shape[0], patches, c->decoder_width}));
    lb_tensor *place = lb_expand(t, lb_reshape(t, keep, 3, (int64_t[]){x->shape[0], x->shape[1], 1}), 3, x->shape);
    return lb_scatter(t, mask, place, x, 1);
}

/* tokens [N,1+K,D], normed -> what each patch looks like: [N,P,patch^2 channels], rows of a patch from the top, channels innermost. */
static void decode(lb_nn *m, lb_tensor *tokens, lb_tensor *keep, int64_t rows, int64_t columns, const config *c) {
    lb_tape *t = lb_nn_tape(m);
    int64_t h = c->vit.height / c->vit.patch, w = (c->vit.width ? c->vit.width : c->vit.height) / c->vit.patch;
    lb_tensor *x = lb_nn_linear(m, tokens, "decoder_embed", c->decoder_width, LB_ACT_NONE);
    lb_tensor *all = put_back(m, lb_slice(t, x, 1, 1, INT64_MAX, 1), keep, rows * columns, c);
    lb_tensor *places = lb_nn_param(m, "decoder_pos_embed", 3, (int64_t[]){1, 1 + h * w, c->decoder_width}, LB_INIT_TRUNC_NORMAL, 0.02);
    x = lb_concat(t, 2, (lb_tensor *[]){lb_slice(t, x, 1, 0, 1, 1), all}, 1);
    x = lb_add(t, x, lb_nn_resize_positions(m, places, 1, h, w, rows, columns, LB_PLACES_CUBIC));
    lb_vit blocks = c->vit;
    blocks.dim = c->decoder_width;
    blocks.depth = c->decoder_depth;
    blocks.heads = c->decoder_heads;
    blocks.mlp = c->decoder_mlp;
    lb_nn_tap_under(m, "decoder.");
    lb_nn_in(m, "decoder");
    x = lb_nn_out(m, lb_vit_blocks(m, x, &blocks));
    lb_nn_tap_under(m, "");
    x = lb_nn_linear(m, lb_nn_layer_norm(m, x, "decoder_norm", c->vit.eps), "decoder_pred", c->vit.patch * c->vit.patch * c->vit.channels, LB_ACT_NONE);
    lb_nn_tap(m, lb_slice(t, x, 1, 1, INT64_MAX, 1), "reconstruction");
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_vit_embed(m, in[0], &c->vit, in[1]);
    lb_nn_tap(m, x, "embeddings");
    x = lb_nn_layer_norm(m, lb_vit_blocks(m, x, &c->vit), "norm", c->vit.eps);
    lb_nn_tap(m, x, "tokens");
    lb_tensor *pooled = lb_vit_token(m, x, 0);
    lb_nn_tap(m, pooled, "pooled");
    lb_nn_tap(m, pooled, "embedding");
    if (c->decoder_depth && lb_tape_ok(lb_nn_tape(m))) decode(m, x, in[1], in[0]->shape[2] / c->vit.patch, in[0]->shape[3] / c->vit.patch, c);
}

/* Of the example all patches remain. */
static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const lb_vit *v = &((const config *)cfg)->vit;
    lb_vit_example(v, rank, shape);
    if (input == 0) return;
    int64_t patches = (shape[2] / v->patch) * (shape[3] / v->patch);
    *rank = 2;
    shape[1] = patches;
}

/* ---- from outside ---- */

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const published[] = {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "decoder_embed.weight", "decoder_pred.weight"};
    if (lb_config_is(json, "vit_mae")) return 90;
    return lb_names_found(names, count, 4, published) == 4 ? 80 : 0;
}

static lb_status from_hugging_face(config *c, const lb_value *json) {
    c->vit.eps = 1e-12;
    lb_status st = lb_vit_from_config(&c->vit, json, lb_param_find(params, "act"), c);
    c->decoder_width = lb_config_int(json, "decoder_hidden_size", 0, 512);
    c->decoder_heads = lb_config_int(json, "decoder_num_attention_heads", 0, 16);
    c->decoder_mlp = lb_config_int(json, "decoder_intermediate_size", 0, 2048);
    c->decoder_depth = lb_outside_has(json, "decoder.decoder_embed.weight") ? lb_config_int(json, "decoder_num_hidden_layers", 0, 8) : 0;
    return st;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    c->vit.prefix_places = 1;
    if (lb_config_is(json, "vit_mae")) return from_hugging_face(c, json);
    c->vit.height = c->vit.width = 0;
    lb_status st = lb_vit_from_shapes(&c->vit, json, "");
    c->decoder_width = lb_outside_size(json, "decoder_embed.weight", 0);
    c->decoder_depth = lb_outside_count(json, "decoder_blocks.%d.attn.qkv.weight");
    c->decoder_mlp = lb_outside_size(json, "decoder_blocks.0.mlp.fc1.weight", 0);
    if (st == LB_OK && !c->vit.heads) return lb_fail(LB_E_UNSUPPORTED, "mae: width %lld is no multiple of 64", (long long)c->vit.dim);
    return st;
}

static const lb_rename published[] = {{"decoder.blocks.*", "decoder_blocks.*"}, {0}};
static const lb_rename hugging_face[] = {
    {"patch_embed.proj", "vit.embeddings.patch_embeddings.projection"},
    {"cls_token", "vit.embeddings.cls_token"},
    {"pos_embed", "vit.embeddings.position_embeddings"},
    {"norm", "vit.layernorm"},
    {"decoder_embed", "decoder.decoder_embed"},
    {"mask_token", "decoder.mask_token"},
    {"decoder_pos_embed", "decoder.decoder_pos_embed"},
    {"decoder_norm", "decoder.decoder_norm"},
    {"decoder_pred", "decoder.decoder_pred"},
    {0}};

enum { PUBLISHED, WITH_LAYERS, WITH_ENCODER, ENCODER_ALONE, SPELLINGS };

/* Hugging Face: blocks of the decoder stand below decoder_layers, in newer files below decoder_encoder.layer; an encoder alone has no "vit." before its names. */
static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const lb_spelling first = {"", {published}}, rest = {"", {hugging_face}}, vit = {"vit.", {lb_blocks_as_vit}}, decoder = {"decoder.decoder_", {lb_blocks_as_vit}};
    char whole[256];
    if (variant == PUBLISHED) return lb_spell(dst, cap, name, &first);
    if (strncmp(name, "decoder.blocks.", 15) == 0) lb_spell(whole, sizeof whole, name + 8, &decoder);
    else lb_spell(whole, sizeof whole, name, strncmp(name, "blocks.", 7) == 0 ? &vit : &rest);
    size_t n = 0;
    dst[0] = 0;
    for (const char *p = whole; *p && n + 1 < cap;) {
        if (variant == WITH_LAYERS && strncmp(p, "decoder.decoder_encoder.layer.", 30) == 0) {
            n += (size_t)snprintf(dst + n, cap - n, "decoder.decoder_layers.");
            p += 30;
        } else if (variant == ENCODER_ALONE && strncmp(p, "vit.", 4) == 0 && (p == whole || p[-1] == '+')) p += 4;
        else dst[n++] = *p++, dst[n] = 0;
    }
    return true;
}

LB_ARCH(mae) = {.id = "mae",
                .title = "masked autoencoder",
                .source = "arXiv:2111.06377; names of the published code, files of Hugging Face",
                .params = params,
                .params_size = sizeof(config),
                .kind = "image",
                .apart = true,
                .inputs = "image[N,3,H,W] keep[N,K]:i64?",
                .taps = "embedding[N,D] pooled[N,D] tokens[N,1+P,D] embeddings[N,1+P,D] block.K[N,1+P,D] attn.K[N,H,1+P,1+P] decoder.block.K[N,1+P,E] "
                        "reconstruction[N,P,S*S*3]",
                .forward = forward,
                .example = example,
                .from_config = from_config,
                .recognise = recognise,
                .outside_name = outside_name,
                .outside_variants = SPELLINGS,
                .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, 0.456, "
                              "0.406], \"std\": [0.229, 0.224, 0.225]}"};

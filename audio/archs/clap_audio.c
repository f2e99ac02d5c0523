/* SPDX-License-Identifier: Apache-2.0 */
/* The sound side of CLAP: Wu et al., arXiv:2211.06687; HTSAT (Chen et al., arXiv:2202.00874), a Swin transformer over a log-mel folded into a square. Layers
 * are those of nn/swin.h; published names are Hugging Face's ClapAudioModelWithProjection and ClapModel. Of networks with fusion, sound that is not longer
 * than a window takes the same way. */
#include <stdio.h>
#include <string.h>
#include "audio/archs.h"
#include "nn/attention.h"
#include "nn/conv.h"
#include "nn/outside.h"
#include "nn/swin.h"
#include "tensor/arrange.h"

enum { STAGES = 8 };

typedef struct config {
    int64_t window_size, num_mel_bins, spec_size, patch_size, patch_stride, patch_width, stride_width, patch_embeds_hidden_size, projection_dim;
    double mlp_ratio, layer_norm_eps;
    const char *depths, *num_attention_heads, *hidden_act, *projection_hidden_act;
    bool enable_patch_layer_norm;
} config;

static const lb_param params[] = {
    LB_PARAM(config, window_size, 8, 1, 1024, "1", "side of an attention window"),
    LB_PARAM(config, num_mel_bins, 64, 1, 4096, "1", "bands of the log-mel"),
    LB_PARAM(config, spec_size, 256, 1, 65536, "1", "side of the square that the log-mel is folded into, a multiple of its bands"),
    LB_PARAM(config, patch_size, 4, 1, 1024, "1", "side of a patch, or its height in bands"),
    LB_PARAM(config, patch_stride, 4, 1, 1024, "1", "from a patch to the next, or to the one below"),
    LB_PARAM(config, patch_width, 0, 0, 1024, "1", "frames of a patch; 0 = as many as bands"),
    LB_PARAM(config, stride_width, 0, 0, 1024, "1", "frames from a patch to the next; 0 = as many as bands"),
    LB_PARAM(config, patch_embeds_hidden_size, 96, 1, 65536, "1", "width of the tokens of the first stage; it doubles from stage to stage"),
    LB_PARAM(config, projection_dim, 512, 0, 65536, "1", "width of the embedding; 0 = the embedding is pooled"),
    LB_PARAM_TEXT(config, depths, "2,2,6,2", NULL, "blocks of each stage"),
    LB_PARAM_TEXT(config, num_attention_heads, "4,8,16,32", NULL, "attention heads of each stage"),
    LB_PARAM(config, mlp_ratio, 4, LB_ABOVE_0, 1000, "1", "inner width of a block's map over that of its tokens"),
    LB_PARAM_TEXT(config, hidden_act, "gelu", LB_ACT_CHOICES, "activation of the blocks"),
    LB_PARAM_TEXT(config, projection_hidden_act, "relu", LB_ACT_CHOICES, "activation between the two maps to the embedding"),
    LB_PARAM(config, layer_norm_eps, 1e-5, 0, 1, "1", "epsilon of the blocks' norms"),
    LB_PARAM_FLAG(config, enable_patch_layer_norm, 1, "patches are normalised"),
    LB_PARAM_END};

typedef struct stages {
    int count;
    int64_t depth[STAGES], heads[STAGES];
} stages;

static bool read_stages(stages *s, const config *c) {
    s->count = lb_numbers_of(s->depth, STAGES, c->depths);
    return s->count > 0 && lb_numbers_of(s->heads, STAGES, c->num_attention_heads) == s->count && c->spec_size % c->num_mel_bins == 0;
}

/* Log-mel [N,1,T,F], stretched to T = size r frames and F = size / r bands, r pieces of frames one below the other: [N,1,size,size]. */
static lb_tensor *fold(lb_tape *t, const config *c, lb_tensor *x) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = x->shape[0], ratio = c->spec_size / c->num_mel_bins, wide = c->spec_size * ratio, high = c->spec_size / ratio;
    for (int axis = 0; axis < 2; axis++) {
        int64_t *s = x->shape + 2, want = axis ? high : wide;
        if (s[axis] > want)
            return lb_tape_fail(t, LB_E_SHAPE, "clap-audio: log-mel of %lld frames of %lld bands, at most %lld of %lld wanted", (long long)s[0],
                                (long long)s[1], (long long)wide, (long long)high);
        if (s[axis] < want) x = lb_resize(t, x, (lb_resize_spec){.size = {axis ? s[0] : want, axis ? want : s[1]}, .mode = LB_RESIZE_CUBIC, .coords = LB_COORDS_ALIGN_CORNERS});
        if (!lb_tape_ok(t)) return lb_inert(t);
    }
    x = lb_reshape(t, x, 4, (int64_t[]){n, ratio, c->spec_size, high});
    return lb_reshape(t, lb_transpose(t, x, 2, 3), 4, (int64_t[]){n, 1, high * ratio, c->spec_size});
}

/* The square as tokens [N,H,W,C]. */
static lb_tensor *patches(lb_nn *m, const config *c, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t wide = c->patch_width ? c->patch_width : c->patch_size, on = c->stride_width ? c->stride_width : c->patch_stride, above = (c->patch_size - c->patch_stride) / 2, before = (wide - on) / 2;
    lb_nn_in(m, "patch_embed");
    x = lb_nn_conv2d_oblong(m, x, "proj", c->patch_embeds_hidden_size, c->patch_size, wide,
                            (lb_conv_spec){.stride_h = c->patch_stride, .stride_w = on, .pad_t = above, .pad_b = above, .pad_l = before, .pad_r = before},
                            true);
    x = lb_permute(t, x, (int[]){0, 2, 3, 1});
    return lb_nn_out(m, c->enable_patch_layer_norm ? lb_nn_layer_norm(m, x, "norm", 1e-5) : x);
}

static lb_tensor *stage(lb_nn *m, const config *c, const stages *s, int i, int *block, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(m);
    int64_t width = c->patch_embeds_hidden_size << i;
    lb_nn_in(m, "layers.%d", i);
    for (int k = 0; k < s->depth[i]; k++) {
        char tap[24];
        lb_tensor *map = NULL;
        snprintf(tap, sizeof tap, "attn.%d", *block);
        bool fits = x->rank == 4 && (x->shape[1] <= c->window_size || x->shape[2] <= c->window_size); /* one window covers a side */
        lb_nn_in(m, "blocks.%d", k);
        x = lb_nn_swin_block(m, x,
                             &(lb_swin_spec){.map = lb_nn_wants(m, tap) ? &map : NULL,
                                             .heads = s->heads[i],
                                             .window = c->window_size,
                                             .shift = k % 2 && !fits ? c->window_size / 2 : 0,
                                             .mlp = {.width = (int64_t)(c->mlp_ratio * (double)width), .act = lb_act_named(c->hidden_act)},
                                             .eps = c->layer_norm_eps});
        if (map) lb_nn_tap(m, map, "%s", tap);
        lb_nn_tap(m, lb_flatten(t, x, 1, 2), "block.%d", (*block)++);
        x = lb_nn_out(m, x);
    }
    if (i + 1 < s->count) {
        lb_nn_in(m, "downsample");
        x = lb_nn_out(m, lb_nn_patch_merging(m, x, 1e-5));
    }
    return lb_nn_out(m, x);
}

/* Tokens [N,h,w,C] -> [N,C,h/r,r w]: the pieces of frames side by side again. */
static lb_tensor *unfold(lb_tape *t, const config *c, lb_tensor *x) {
    int64_t ratio = c->spec_size / c->num_mel_bins;
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = x->shape[0], high = x->shape[1], wide = x->shape[2], bands = high / ratio > 0 ? high / ratio : 1;
    x = lb_reshape(t, lb_permute(t, x, (int[]){0, 3, 1, 2}), 5, (int64_t[]){n, -1, high / bands, bands, wide});
    return lb_reshape(t, lb_transpose(t, x, 2, 3), 4, (int64_t[]){n, -1, bands, high / bands * wide});
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    stages s;
    int block = 0;
    if (!read_stages(&s, c)) {
        lb_tape_fail(t, LB_E_ARG, "clap-audio: depths '%s' and heads '%s' are to be as many whole numbers each, 1 to %d, and %lld a multiple of %lld",
                     c->depths, c->num_attention_heads, STAGES, (long long)c->spec_size, (long long)c->num_mel_bins);
        return;
    }
    lb_nn_tap(m, in[0], "mel");
    lb_tensor *x = lb_slice(t, in[0], 1, 0, 1, 1); /* of networks with fusion: the whole sound */
    x = lb_transpose(t, lb_nn_batch_norm(m, lb_transpose(t, x, 1, 3), "batch_norm", 1e-5, 0.1, LB_ACT_NONE), 1, 3);
    x = patches(m, c, fold(t, c, x));
    lb_nn_tap(m, lb_flatten(t, x, 1, 2), "embeddings");
    for (int i = 0; i < s.count; i++) x = stage(m, c, &s, i, &block, x);
    x = lb_nn_layer_norm(m, x, "norm", 1e-5);
    lb_nn_tap(m, unfold(t, c, x), "features");
    x = lb_flatten(t, x, 1, 2);
    lb_nn_tap(m, x, "tokens");
    x = lb_mean(t, x, 1, false);
    lb_nn_tap(m, x, "pooled");
    if (c->projection_dim) {
        x = lb_nn_linear(m, lb_nn_linear(m, x, "projection.linear1", c->projection_dim, lb_act_named(c->projection_hidden_act)), "projection.linear2", c->projection_dim, LB_ACT_NONE);
        lb_nn_tap(m, x, "audio_embeds");
    }
    lb_nn_tap(m, lb_normalize(t, x, 1e-12), "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 4;
    shape[0] = shape[1] = 1;
    shape[2] = c->spec_size * (c->spec_size / c->num_mel_bins);
    shape[3] = c->num_mel_bins;
}

/* ---- config.json ---- */

static int recognise(const lb_value *json, const char *const *tensors, int64_t count) {
    static const char *const known[] = {"audio_model.audio_encoder.patch_embed.proj.weight", "audio_encoder.patch_embed.proj.weight"};
    if (lb_config_is(json, "clap") || lb_config_is(json, "clap_audio_model")) return 90;
    return !lb_get(json, "model_type") && lb_names_found(tensors, count, 2, known) ? 20 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    const lb_value *inner = lb_get(json, "audio_config"), *v = inner && inner->kind == LB_V_MAP ? inner : json;
    lb_status st = lb_params_from_config(params, cfg, v);
    if (st == LB_OK) st = lb_numbers_from_config(lb_param_find(params, "depths"), cfg, v);
    if (st == LB_OK) st = lb_numbers_from_config(lb_param_find(params, "num_attention_heads"), cfg, v);
    if (st != LB_OK) return st;
    c->patch_size = lb_config_int(v, "patch_size", 0, 4);
    c->patch_stride = lb_config_int(v, "patch_stride", 0, 4);
    c->projection_dim = lb_outside_size(json, "audio_projection.linear1.weight", 0);
    c->patch_width = lb_config_int(v, "patch_size", 1, 4);
    c->stride_width = lb_config_int(v, "patch_stride", 1, 4);
    if (!lb_get_bool(v, "qkv_bias", true) || !lb_get_bool(v, "flatten_patch_embeds", true)) return lb_fail(LB_E_UNSUPPORTED, "clap-audio: qkv_bias and flatten_patch_embeds are wanted");
    return LB_OK;
}

static const lb_rename published[] = {
    {"layers.*.blocks.*.norm1", "layers.*.blocks.*.layernorm_before"},
    {"layers.*.blocks.*.norm2", "layers.*.blocks.*.layernorm_after"},
    {"layers.*.blocks.*.attn.qkv.weight",
     "layers.*.blocks.*.attention.self.query.weight+layers.*.blocks.*.attention.self.key.weight+layers.*.blocks.*.attention.self.value.weight"},
    {"layers.*.blocks.*.attn.qkv.bias",
     "layers.*.blocks.*.attention.self.query.bias+layers.*.blocks.*.attention.self.key.bias+layers.*.blocks.*.attention.self.value.bias"},
    {"layers.*.blocks.*.attn.proj", "layers.*.blocks.*.attention.output.dense"},
    {"layers.*.blocks.*.attn.relative_position_bias_table", "layers.*.blocks.*.attention.self.relative_position_bias_table"},
    {"layers.*.blocks.*.mlp.fc1", "layers.*.blocks.*.intermediate.dense"},
    {"layers.*.blocks.*.mlp.fc2", "layers.*.blocks.*.output.dense"},
    {"projection", "/audio_projection"},
    {0}};
static const lb_spelling spellings[] = {{"audio_model.audio_encoder.", {published}}, {"audio_encoder.", {published}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(clap_audio) = {
    .id = "clap_audio",
    .title = "sound side of CLAP (HTSAT)",
    .source = "arXiv:2211.06687, arXiv:2202.00874; names of Hugging Face ClapAudioModelWithProjection",
    .params = params,
    .params_size = sizeof(config),
    .kind = "audio",
    .apart = true,
    .inputs = "audio[N,1,T,F]",
    .taps = "embedding[N,E] audio_embeds[N,E] pooled[N,D] tokens[N,L,D] features[N,D,h,w] block.K[N,L,D] attn.K[N,W,H,M,M] embeddings[N,L,D] mel[N,1,T,F]",
    .forward = forward,
    .example = example,
    .from_config = from_config,
    .recognise = recognise,
    .outside_name = outside_name,
    .outside_variants = 2,
    .preprocess = "{\"feature_extractor_type\": \"ClapFeatureExtractor\", \"truncation\": \"rand_trunc\", \"frequency_min\": 50}"};

/* SPDX-License-Identifier: Apache-2.0 */
/* Swin transformer: Liu et al., arXiv:2103.14030. Names of timm, where the merging of patches stands before the blocks of its stage. */
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "nn/swin.h"
#include "vision/archs.h"

typedef struct config {
    int64_t size, channels, patch, width, window, classes;
    const char *depths, *heads, *windows, *act;
    double mlp_ratio, eps, drop_path;
    const char *rule;
    bool no_qkv_bias, positions;
} config;

static const lb_param params[] = {
    LB_PARAM(config, size, 224, 1, 65536, "px", "side of the pictures it was trained on: windows are no larger than their stage's grid"),
    LB_PARAM(config, channels, 3, 1, 4096, "1", "channels of the pictures"),
    LB_PARAM(config, patch, 4, 1, 256, "px", "side of a patch"),
    LB_PARAM(config, width, 96, 1, 65536, "1", "width of the first stage; each next has twice as much"),
    LB_PARAM_TEXT(config, depths, "2,2,6,2", NULL, "blocks of the stages, with commas"),
    LB_PARAM_TEXT(config, heads, "3,6,12,24", NULL, "attention heads of the stages, with commas"),
    LB_PARAM(config, window, 7, 1, 256, "patches", "side of the windows"),
    LB_PARAM_TEXT(config, windows, "", NULL, "sides of the windows of the stages, with commas, in place of window"),
    LB_PARAM(config, mlp_ratio, 4, 0.01, 64, "1", "inner width of a block's map, as a multiple of its width"),
    LB_PARAM_TEXT(config, act, "gelu", LB_ACT_CHOICES, "activation of a block's map"),
    LB_PARAM(config, eps, 1e-5, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM(config, drop_path, 0, 0, 0.9, "1", "share of samples for which a part of a block is left out in training"),
    LB_PARAM_FLAG(config, no_qkv_bias, 0, "queries, keys and values without bias"),
    LB_PARAM_FLAG(config, positions, 0, "learned positions are added to the patches"),
    LB_PARAM_TEXT(
        config, rule, "timm", "timm|huggingface|torchvision",
        "windows shift where the grid in training was larger than one, before sides are filled up; where both sides are larger; along each side that is"),
    LB_PARAM(config, classes, 1000, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM_END};

enum { STAGES = 8 };

/* Patches with a norm: [N,h,w,width]. Sides are filled up with zeros. */
static lb_tensor *embed(lb_nn *m, lb_tensor *image, const config *c) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t) || image->rank != 4) return lb_tape_fail(t, LB_E_SHAPE, "swin: pictures [N,C,H,W] wanted");
    int64_t more_h = (c->patch - image->shape[2] % c->patch) % c->patch, more_w = (c->patch - image->shape[3] % c->patch) % c->patch, side = c->size / c->patch;
    if (more_h || more_w) image = lb_pad(t, image, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, 0, more_h, more_w}, 0);
    int64_t h = image->shape[2] / c->patch, w = image->shape[3] / c->patch;
    lb_nn_in(m, "patch_embed");
    lb_tensor *x = lb_nn_out(m, lb_nn_layer_norm(m, lb_nn_patches(m, image, "proj", c->width, c->patch, true), "norm", 1e-5));
    if (c->positions)
        x = lb_add(t, x,
                   lb_nn_resize_positions(m, lb_nn_param(m, "absolute_pos_embed", 3, (int64_t[]){1, side * side, c->width}, LB_INIT_TRUNC_NORMAL, 0.02), 0,
                                          side, side, h, w, LB_PLACES_CUBIC));
    return lb_reshape(t, x, 4, (int64_t[]){-1, h, w, c->width});
}

/* A stage: grid = side of its grid in training. */
static lb_tensor *stage(lb_nn *m, lb_tensor *x, const config *c, int s, int64_t depth, int64_t heads, int64_t window, int64_t grid, int *k) {
    lb_swin_spec spec = {.heads = heads, .window = grid < window ? grid : window, .eps = c->eps, .drop_path = c->drop_path, .no_qkv_bias = c->no_qkv_bias};
    lb_nn_in(m, "layers.%d", s);
    if (s > 0) {
        lb_nn_in(m, "downsample");
        x = lb_nn_out(m, lb_nn_patch_merging(m, x, 1e-5));
    }
    if (!lb_tape_ok(lb_nn_tape(m))) return lb_nn_out(m, x);
    spec.shift_first = strcmp(c->rule, "timm") == 0;
    bool still = spec.shift_first ? grid <= spec.window : strcmp(c->rule, "huggingface") == 0 && (x->shape[1] <= spec.window || x->shape[2] <= spec.window);
    spec.mlp = (lb_mlp_spec){.width = (int64_t)((double)x->shape[3] * c->mlp_ratio), .act = lb_act_named(c->act)};
    for (int i = 0; i < depth; i++, (*k)++) {
        spec.shift = i % 2 && !still ? spec.window / 2 : 0;
        lb_nn_in(m, "blocks.%d", i);
        x = lb_nn_swin_block(m, x, &spec);
        lb_nn_tap(m, x, "block.%d", *k);
        x = lb_nn_out(m, x);
    }
    lb_nn_tap(m, x, "stage.%d", s);
    return lb_nn_out(m, x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    int64_t depth[STAGES], heads[STAGES], window[STAGES], n = lb_numbers(c->depths, depth, STAGES), windows = lb_numbers(c->windows, window, STAGES), grid = (c->size + c->patch - 1) / c->patch;
    int k = 0;
    if (n < 1 || lb_numbers(c->heads, heads, STAGES) != n || (windows && windows != n)) {
        lb_tape_fail(t, LB_E_ARG, "swin: depths '%s', heads '%s' and windows '%s' are to be as many, 1 to %d", c->depths, c->heads, c->windows, STAGES);
        return;
    }
    lb_tensor *x = embed(m, in[0], c);
    for (int s = 0; s < n; s++) {
        x = stage(m, x, c, s, depth[s], heads[s], windows ? window[s] : c->window, grid, &k);
        grid = (grid + 1) / 2;
    }
    x = lb_nn_layer_norm(m, x, "norm", c->eps);
    if (!lb_tape_ok(t)) return;
    lb_nn_tap(m, lb_permute(t, x, (int[]){0, 3, 1, 2}), "features");
    x = lb_reshape(t, x, 3, (int64_t[]){x->shape[0], x->shape[1] * x->shape[2], x->shape[3]});
    lb_nn_tap(m, x, "tokens");
    x = lb_mean(t, x, 1, false);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, "head.fc", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(c->channels, c->size, c->size, rank, shape);
}

/* ---- from outside ---- */

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const timm[] = {"patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table"},
                             *const torchvision[] = {"features.0.0.weight", "features.1.0.attn.relative_position_bias_table"};
    if (lb_config_is(json, "swin")) return 90;
    return lb_names_found(names, count, 2, timm) == 2 || lb_names_found(names, count, 2, torchvision) == 2 ? 80 : 0;
}

/* Side of the windows whose table of relative positions has so many rows: (2 side - 1)^2. */
static int64_t window_of(int64_t rows) {
    int64_t side = 1;
    while ((2 * side - 1) * (2 * side - 1) < rows) side++;
    return side;
}

static lb_status set_lists(config *c, const int64_t *depth, const int64_t *heads, int64_t n) {
    lb_status st = lb_numbers_to(lb_param_find(params, "depths"), c, depth, n);
    return st == LB_OK ? lb_numbers_to(lb_param_find(params, "heads"), c, heads, n) : st;
}

static lb_status from_hugging_face(config *c, const lb_value *json) {
    int64_t depth[STAGES] = {2, 2, 6, 2}, heads[STAGES] = {3, 6, 12, 24}, n = lb_get(json, "depths") ? lb_config_ints(json, "depths", depth, STAGES) : 4;
    if (lb_get(json, "num_heads") && lb_config_ints(json, "num_heads", heads, STAGES) != n) return lb_fail(LB_E_FORMAT, "swin: depths and num_heads are lists of different lengths");
    c->size = lb_config_int(json, "image_size", 0, 224);
    c->channels = lb_config_int(json, "num_channels", 0, 3);
    c->patch = lb_config_int(json, "patch_size", 0, 4);
    c->width = lb_config_int(json, "embed_dim", 0, 96);
    c->window = lb_config_int(json, "window_size", 0, 7);
    c->mlp_ratio = lb_config_real(json, "mlp_ratio", 4);
    c->eps = lb_config_real(json, "layer_norm_eps", 1e-5);
    c->no_qkv_bias = !lb_get_bool(json, "qkv_bias", true);
    c->positions = lb_get_bool(json, "use_absolute_embeddings", false);
    c->classes = lb_outside_size(json, "classifier.weight", 0);
    lb_status st = set_lists(c, depth, heads, n);
    if (st == LB_OK) st = lb_param_set_text(lb_param_find(params, "rule"), c, "huggingface");
    return st == LB_OK ? lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(json, "hidden_act", NULL)) : st;
}

/* timm and the published code, or torchvision (stages are every second part). Heads and windows from the tables of relative positions. */
static lb_status from_shapes(config *c, const lb_value *json) {
    bool torchvision = lb_outside_has(json, "features.0.0.weight");
    const char *stem = torchvision ? "features.0.0.weight" : "patch_embed.proj.weight";
    int64_t depth[STAGES], heads[STAGES], window[STAGES], n = 0;
    bool several = false;
    char format[96], name[96];
    for (; n < STAGES; n++) {
        if (torchvision) snprintf(format, sizeof format, "features.%d.%%d.attn.relative_position_bias_table", 2 * (int)n + 1);
        else snprintf(format, sizeof format, "layers.%d.blocks.%%d.attn.relative_position_bias_table", (int)n);
        if (!(depth[n] = lb_outside_count(json, format))) break;
        snprintf(name, sizeof name, format, 0);
        heads[n] = lb_outside_size(json, name, 1);
        window[n] = window_of(lb_outside_size(json, name, 0));
        several = several || window[n] > window[0];
    }
    c->channels = lb_outside_size(json, stem, 1);
    c->patch = lb_outside_size(json, stem, 2);
    c->width = lb_outside_size(json, stem, 0);
    c->window = n > 0 ? window[0] : 1;
    c->size = lb_config_int(json, "model_args.img_size|pretrained_cfg.input_size", lb_get(json, "model_args.img_size") ? 0 : 1, c->window * c->patch * (1 << (n > 1 ? n - 1 : 0)));
    int64_t inner = lb_outside_size(json, torchvision ? "features.1.0.mlp.0.weight" : "layers.0.blocks.0.mlp.fc1.weight", 0);
    c->mlp_ratio = c->width ? (double)inner / (double)c->width : 4;
    c->no_qkv_bias = !lb_outside_has(json, torchvision ? "features.1.0.attn.qkv.bias" : "layers.0.blocks.0.attn.qkv.bias");
    c->positions = lb_outside_has(json, "absolute_pos_embed");
    c->classes = lb_outside_size(json, "head.fc.weight", 0);
    if (!c->classes) c->classes = lb_outside_size(json, "head.weight", 0);
    if (n > 0 && c->patch && c->width && inner) {
        lb_status st = lb_timm_args(json, "swin", "");
        if (st == LB_OK) st = set_lists(c, depth, heads, n);
        if (st == LB_OK && several) st = lb_numbers_to(lb_param_find(params, "windows"), c, window, n);
        return st == LB_OK ? lb_param_set_text(lb_param_find(params, "rule"), c, torchvision ? "torchvision" : "timm") : st;
    }
    return lb_fail(LB_E_UNSUPPORTED, "swin: %lld stages, patch %lld, width %lld", (long long)n, (long long)c->patch, (long long)c->width);
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_config_is(json, "swin") ? from_hugging_face(cfg, json) : from_shapes(cfg, json); }

/* In the others' files the merging stands behind the blocks of the stage before. */
static const lb_rename published[] = {{"layers.1.downsample", "layers.0.downsample"},
                                      {"layers.2.downsample", "layers.1.downsample"},
                                      {"layers.3.downsample", "layers.2.downsample"},
                                      {"head.fc", "head"},
                                      {0}};
static const lb_rename hugging_face[] = {
    {"patch_embed.proj", "embeddings.patch_embeddings.projection"},
    {"patch_embed.norm", "embeddings.norm"},
    {"absolute_pos_embed", "embeddings.position_embeddings"},
    {"layers.1.downsample", "encoder.layers.0.downsample"},
    {"layers.2.downsample", "encoder.layers.1.downsample"},
    {"layers.3.downsample", "encoder.layers.2.downsample"},
    {"layers.4.downsample", "encoder.layers.3.downsample"},
    {"layers.*.blocks.*.norm1", "encoder.layers.*.blocks.*.layernorm_before"},
    {"layers.*.blocks.*.attn.relative_position_bias_table", "encoder.layers.*.blocks.*.attention.self.relative_position_bias_table"},
    {"layers.*.blocks.*.attn.qkv", "encoder.layers.*.blocks.*.attention.self.query+encoder.layers.*.blocks.*.attention.self.key+encoder.layers.*.blocks.*.attention.self.value"},
    {"layers.*.blocks.*.attn.proj", "encoder.layers.*.blocks.*.attention.output.dense"},
    {"layers.*.blocks.*.norm2", "encoder.layers.*.blocks.*.layernorm_after"},
    {"layers.*.blocks.*.mlp.fc1", "encoder.layers.*.blocks.*.intermediate.dense"},
    {"layers.*.blocks.*.mlp.fc2", "encoder.layers.*.blocks.*.output.dense"},
    {"norm", "layernorm"},
    {"head.fc", "/classifier"},
    {0}};
static const lb_rename torchvision[] = {
    {"patch_embed.proj", "features.0.0"},
    {"patch_embed.norm", "features.0.2"},
    {"layers.1.downsample", "features.2"},
    {"layers.2.downsample", "features.4"},
    {"layers.3.downsample", "features.6"},
    {"head.fc", "head"},
    {0}};
enum { TORCHVISION = 4, SPELLINGS };
static const lb_spelling spellings[SPELLINGS] = {{"", {NULL}}, {"", {published}}, {"swin.", {hugging_face}}, {"", {hugging_face}}, {"", {torchvision}}};

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    int s = 0, i = 0, at = 0;
    if (variant == TORCHVISION && sscanf(name, "layers.%d.blocks.%d.%n", &s, &i, &at) == 2 && at) {
        const char *rest = name + at;
        if (strncmp(rest, "mlp.fc", 6) == 0) snprintf(dst, cap, "features.%d.%d.mlp.%d%s", 2 * s + 1, i, rest[6] == '1' ? 0 : 3, rest + 7);
        else snprintf(dst, cap, "features.%d.%d.%s", 2 * s + 1, i, rest);
        return true;
    }
    return lb_spell(dst, cap, name, &spellings[variant]);
}

LB_ARCH(swin) = {.id = "swin",
                 .title = "Swin transformer",
                 .source = "arXiv:2103.14030; names of timm",
                 .params = params,
                 .params_size = sizeof(config),
                 .kind = "image",
                 .apart = true,
                 .inputs = "image[N,3,H,W]",
                 .taps = "embedding[N,D] pooled[N,D] tokens[N,h*w,D] features[N,D,h,w] stage.S[N,h,w,C] block.K[N,h,w,C] logits[N,K]",
                 .forward = forward,
                 .example = example,
                 .from_config = from_config,
                 .recognise = recognise,
                 .outside_name = outside_name,
                 .outside_variants = SPELLINGS,
                 .preprocess = "{\"mode\": \"shortest\", \"size_w\": 248, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, 0.456, "
                               "0.406], \"std\": [0.229, 0.224, 0.225]}"};

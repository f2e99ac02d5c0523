/* SPDX-License-Identifier: Apache-2.0 */
/* ConvNeXt: Liu et al., arXiv:2201.03545; V2 with global response normalisation in place of layer scale: Woo et al., arXiv:2301.00808. Names of timm. */
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "nn/picture.h"
#include "vision/archs.h"

typedef struct config {
    const char *depths, *widths, *act;
    int64_t size, channels, patch, kernel, classes, overlap, hidden;
    double eps, head_eps;
    bool response, no_scale, norm_first;
} config;

static const lb_param params[] = {
    LB_PARAM_TEXT(config, depths, "3,3,9,3", NULL, "blocks of the stages, with commas"),
    LB_PARAM_TEXT(config, widths, "96,192,384,768", NULL, "channels of the stages, with commas"),
    LB_PARAM_TEXT(config, act, "gelu", LB_ACT_CHOICES, "activation of a block"),
    LB_PARAM(config, size, 224, 1, 65536, "px", "side of the pictures it was trained on"),
    LB_PARAM(config, channels, 3, 1, 4096, "1", "channels of the pictures"),
    LB_PARAM(config, patch, 4, 1, 256, "px", "side and stride of the stem's convolution"),
    LB_PARAM(config, overlap, 0, 0, 65536, "channels", "in place of it two convolutions of 3x3 that halve, the first to so many channels; 0 = none"),
    LB_PARAM(config, kernel, 7, 1, 63, "px", "side of the depthwise convolutions, odd"),
    LB_PARAM(config, eps, 1e-6, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM(config, head_eps, 1e-6, 0, 1, "1", "epsilon of the last norm"),
    LB_PARAM_FLAG(config, response, 0, "V2: global response normalisation in the blocks"),
    LB_PARAM_FLAG(config, no_scale, 0, "without layer scale"),
    LB_PARAM_FLAG(config, norm_first, 0, "the last norm stands before the mean over places"),
    LB_PARAM(config, hidden, 0, 0, 65536, "1", "width of a map with GELU before the head; 0 = none"),
    LB_PARAM(config, classes, 1000, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM_END};

enum { STAGES = 8 };

static lb_tensor *stem(lb_nn *m, lb_tensor *x, const config *c, int64_t width) {
    if (!c->overlap) return lb_nn_channel_norm(m, lb_nn_conv2d(m, x, "stem.0", width, c->patch, lb_conv_same(c->patch, 0, 1), true), "stem.1", c->eps);
    x = lb_nn_conv2d(m, x, "stem.0", c->overlap, 3, lb_conv_same(2, 1, 1), true);
    return lb_nn_channel_norm(m, lb_nn_conv2d(m, x, "stem.1", width, 3, lb_conv_same(2, 1, 1), true), "stem.2", c->eps);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    const lb_convnext_names names = {"conv_dw", "norm", "mlp.fc1", "mlp.fc2", c->no_scale ? NULL : "gamma", c->response ? "mlp.grn" : NULL, lb_act_named(c->act)};
    int64_t depth[STAGES], width[STAGES], n = lb_numbers(c->depths, depth, STAGES);
    int k = 0;
    if (n < 1 || lb_numbers(c->widths, width, STAGES) != n || c->kernel % 2 == 0) {
        lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "convnext: depths '%s' and widths '%s' are to be as many, 1 to %d, and kernel %lld odd", c->depths, c->widths, STAGES, (long long)c->kernel);
        return;
    }
    lb_tensor *x = stem(m, in[0], c, width[0]);
    for (int s = 0; s < n; s++) {
        lb_nn_in(m, "stages.%d", s);
        if (s > 0) x = lb_nn_conv2d(m, lb_nn_channel_norm(m, x, "downsample.0", c->eps), "downsample.1", width[s], 2, lb_conv_same(2, 0, 1), true);
        for (int i = 0; i < depth[s]; i++, k++) {
            lb_nn_in(m, "blocks.%d", i);
            x = lb_nn_convnext_block(m, x, c->kernel, c->eps, &names);
            lb_nn_tap(m, x, "block.%d", k);
            x = lb_nn_out(m, x);
        }
        lb_nn_tap(m, x, "stage.%d", s);
        x = lb_nn_out(m, x);
    }
    if (c->norm_first) x = lb_nn_channel_norm(m, x, "norm_pre", c->head_eps);
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    if (!c->norm_first) x = lb_nn_layer_norm(m, x, "head.norm", c->head_eps);
    if (c->hidden) x = lb_nn_linear(m, x, "head.pre_logits.fc", c->hidden, LB_ACT_GELU);
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

/* Tensors of each published spelling that say what it is: stem, a block's depthwise convolution, its widening map. */
typedef struct layout {
    const char *stem, *depthwise, *head;
    int first, step; /* stage s of torchvision is part first + step s */
} layout;
static const layout layouts[] = {
    {"stem.0.weight", "stages.%d.blocks.%%d.conv_dw.weight", "head.fc.weight", 0, 1},
    {"downsample_layers.0.0.weight", "stages.%d.%%d.dwconv.weight", "head.weight", 0, 1},
    {"features.0.0.weight", "features.%d.%%d.block.0.weight", "classifier.2.weight", 1, 2},
    {"convnext.embeddings.patch_embeddings.weight", "convnext.encoder.stages.%d.layers.%%d.dwconv.weight", "classifier.weight", 0, 1},
    {"convnextv2.embeddings.patch_embeddings.weight", "convnextv2.encoder.stages.%d.layers.%%d.dwconv.weight", "classifier.weight", 0, 1},
    {"embeddings.patch_embeddings.weight", "encoder.stages.%d.layers.%%d.dwconv.weight", "classifier.weight", 0, 1},
};

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const timm[] = {"stem.0.weight", "stages.0.blocks.0.conv_dw.weight"}, *const published[] = {"downsample_layers.0.0.weight", "stages.0.0.dwconv.weight"},
                      *const torchvision[] = {"features.1.0.block.0.weight", "features.1.0.layer_scale", "classifier.2.weight"};
    if (lb_config_is(json, "convnext") || lb_config_is(json, "convnextv2")) return 90;
    return lb_names_found(names, count, 2, timm) == 2 || lb_names_found(names, count, 2, published) == 2 || lb_names_found(names, count, 3, torchvision) == 3 ? 80 : 0;
}

/* timm's variants: stems of two 3x3 convolutions, the norm before the mean, a map before the head, and what its names say of activation and epsilon. */
static lb_status parts_from_timm(config *c, const lb_value *json) {
    const char *name = lb_get_text(json, "architecture", "");
    bool small = strncmp(name, "test_convnext", 13) == 0;
    if (lb_outside_has(json, "stem.2.weight")) c->overlap = lb_outside_size(json, "stem.0.weight", 0);
    c->norm_first = lb_outside_has(json, "norm_pre.weight");
    c->hidden = lb_outside_size(json, "head.pre_logits.fc.weight", 0);
    if (small || strstr(name, "convnext_xxlarge")) c->eps = c->head_eps = 1e-5;
    lb_status st = lb_timm_args(json, "convnext", "act_layer");
    return st == LB_OK ? lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(json, "model_args.act_layer", small ? "gelu_tanh" : NULL)) : st;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    int64_t depth[STAGES], width[STAGES], n = 0;
    const layout *l = NULL;
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(layouts) && !l; i++)
        if (lb_outside_has(json, layouts[i].stem)) l = &layouts[i];
    for (; l && n < STAGES; n++) {
        char format[96], name[96];
        snprintf(format, sizeof format, l->depthwise, l->first + l->step * (int)n);
        if (!(depth[n] = lb_outside_count(json, format))) break;
        snprintf(name, sizeof name, format, 0);
        width[n] = lb_outside_size(json, name, 0);
        c->kernel = lb_outside_size(json, name, 2);
    }
    if (n == 0) return lb_fail(LB_E_UNSUPPORTED, "convnext: none of the known names of a stem and its blocks");
    LB_TRY(parts_from_timm(c, json));
    c->channels = lb_outside_size(json, l->stem, 1);
    c->patch = lb_outside_size(json, l->stem, 2);
    c->classes = lb_outside_size(json, l->head, 0);
    c->response = lb_outside_has(json, "*.*.*.*.mlp.grn.weight") || lb_outside_has(json, "*.*.*.grn.gamma") || lb_outside_has(json, "*.*.*.*.*.*.grn.weight") ||
                  lb_outside_has(json, "*.*.*.*.*.grn.weight");
    c->no_scale = c->response;
    c->size = lb_config_int(json, "image_size", 0, 224);
    /* Hugging Face's name for it means the last norm alone */
    if (lb_config_is(json, "convnext") || lb_config_is(json, "convnextv2")) c->head_eps = lb_config_real(json, "layer_norm_eps", 1e-12);
    LB_TRY(lb_numbers_to(lb_param_find(params, "depths"), c, depth, n));
    LB_TRY(lb_numbers_to(lb_param_find(params, "widths"), c, width, n));
    LB_TRY(lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(json, "hidden_act", NULL)));
done:
    return st;
}

static const lb_rename hugging_face[] = {
    {"stem.0", "embeddings.patch_embeddings"},
    {"stem.1", "embeddings.layernorm"},
    {"stages.*.downsample.*", "encoder.stages.*.downsampling_layer.*"},
    {"stages.*.blocks.*.conv_dw", "encoder.stages.*.layers.*.dwconv"},
    {"stages.*.blocks.*.norm", "encoder.stages.*.layers.*.layernorm"},
    {"stages.*.blocks.*.mlp.fc1", "encoder.stages.*.layers.*.pwconv1"},
    {"stages.*.blocks.*.mlp.fc2", "encoder.stages.*.layers.*.pwconv2"},
    {"stages.*.blocks.*.mlp.grn", "encoder.stages.*.layers.*.grn"},
    {"stages.*.blocks.*.gamma", "encoder.stages.*.layers.*.layer_scale_parameter"},
    {"head.norm", "layernorm"},
    {"head.fc", "/classifier"},
    {0}};
static const lb_rename published[] = {
    {"stem.*", "downsample_layers.0.*"},
    {"stages.*.downsample.*", "downsample_layers.*.*"},
    {"stages.*.blocks.*.conv_dw", "stages.*.*.dwconv"},
    {"stages.*.blocks.*.norm", "stages.*.*.norm"},
    {"stages.*.blocks.*.mlp.fc1", "stages.*.*.pwconv1"},
    {"stages.*.blocks.*.mlp.fc2", "stages.*.*.pwconv2"},
    {"stages.*.blocks.*.mlp.grn.weight", "stages.*.*.grn.gamma"},
    {"stages.*.blocks.*.mlp.grn.bias", "stages.*.*.grn.beta"},
    {"stages.*.blocks.*.gamma", "stages.*.*.gamma"},
    {"head.norm", "norm"},
    {"head.fc", "head"},
    {0}};
static const lb_rename torchvision[] = {{"stem.0", "features.0.0"}, {"stem.1", "features.0.1"}, {"head.norm", "classifier.0"}, {"head.fc", "classifier.2"}, {0}};
static const lb_spelling spellings[] = {{"", {NULL}}, {"convnext.", {hugging_face}}, {"convnextv2.", {hugging_face}}, {"", {hugging_face}}, {"", {published}}, {"", {torchvision}}};

/* torchvision numbers stages and what lies between them as one row of parts. */
static bool torchvision_name(char *dst, size_t cap, const char *name) {
    static const char *const ours[] = {"conv_dw", "norm", "mlp.fc1", "mlp.fc2"}, *const theirs[] = {"block.0", "block.2", "block.3", "block.5"};
    int s = 0, i = 0, at = 0;
    if (sscanf(name, "stages.%d.downsample.%n", &s, &at) == 1 && at) {
        snprintf(dst, cap, "features.%d.%s", 2 * s, name + at);
        return true;
    }
    if (sscanf(name, "stages.%d.blocks.%d.%n", &s, &i, &at) != 2 || !at) return lb_spell(dst, cap, name, &spellings[5]);
    for (size_t k = 0; k < LB_COUNT(ours); k++)
        if (strncmp(name + at, ours[k], strlen(ours[k])) == 0) {
            snprintf(dst, cap, "features.%d.%d.%s%s", 2 * s + 1, i, theirs[k], name + at + strlen(ours[k]));
            return true;
        }
    snprintf(dst, cap, "features.%d.%d.layer_scale", 2 * s + 1, i);
    return true;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    return variant == 5 ? torchvision_name(dst, cap, name) : lb_spell(dst, cap, name, &spellings[variant]);
}

LB_ARCH(convnext) = {.id = "convnext",
                     .title = "ConvNeXt and ConvNeXt V2",
                     .source = "arXiv:2201.03545, 2301.00808; names of timm",
                     .params = params,
                     .params_size = sizeof(config),
                     .kind = "image",
                     .apart = true,
                     .inputs = "image[N,3,H,W]",
                     .taps = "embedding[N,D] pooled[N,D] features[N,D,h,w] stage.S[N,C,h,w] block.K[N,C,h,w] logits[N,K]",
                     .forward = forward,
                     .example = example,
                     .from_config = from_config,
                     .recognise = recognise,
                     .outside_name = outside_name,
                     .outside_variants = (int)LB_COUNT(spellings),
                     .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, "
                                   "0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

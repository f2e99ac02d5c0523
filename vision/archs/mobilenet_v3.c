/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV3: Howard et al., arXiv:1905.02244, tables 1 and 2. Names, epsilon and momentum as in torchvision, so its published weights load. */
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "nn/picture.h"
#include "vision/archs.h"
#include "vision/inverted.h"

typedef struct config {
    const char *variant;
    double width, dropout, eps;
    int64_t size, classes, hidden, stem;
    const char *inners, *outs, *squeezes;
    bool same;
} config;

static const lb_param params[] = {
    LB_PARAM_TEXT(config, variant, "large", "large|small", "table 1 or table 2 of the paper"),
    LB_PARAM(config, width, 1, 0.01, 10, "1", "width multiplier"),
    LB_PARAM(config, dropout, 0.2, 0, 0.9, "1", "dropout before the last map"),
    LB_PARAM(config, eps, 1e-3, 0, 1, "1", "epsilon of the norms"),
    LB_PARAM(config, size, 224, 32, 4096, "px", "side of the pictures it was trained on"),
    LB_PARAM(config, stem, 0, 0, 65536, "channels", "channels of the stem; 0 = 16 times width"),
    LB_PARAM_TEXT(config, inners, "", NULL, "inner channels of the blocks, with commas, in place of the table's times width"),
    LB_PARAM_TEXT(config, outs, "", NULL, "channels that the blocks give, the same"),
    LB_PARAM_TEXT(config, squeezes, "", NULL, "inner channels of squeeze and excite, 0 = none, the same"),
    LB_PARAM_FLAG(config, same, 0, "sides are padded as TensorFlow does"),
    LB_PARAM(config, hidden, 0, 0, 65536, "1", "width of the embedding; 0 = 1280 (small: 1024) times width"),
    LB_PARAM(config, classes, 1000, 1, 1000000, "1", "classes"),
    LB_PARAM_END};

typedef struct stage {
    int64_t kernel, inner, out;
    bool squeeze, swish;
    int64_t stride;
} stage;
static const stage large[] = {{3, 16, 16, false, false, 1}, {3, 64, 24, false, false, 2}, {3, 72, 24, false, false, 1}, {5, 72, 40, true, false, 2},  {5, 120, 40, true, false, 1},
                              {5, 120, 40, true, false, 1}, {3, 240, 80, false, true, 2}, {3, 200, 80, false, true, 1}, {3, 184, 80, false, true, 1}, {3, 184, 80, false, true, 1},
                              {3, 480, 112, true, true, 1}, {3, 672, 112, true, true, 1}, {5, 672, 160, true, true, 2}, {5, 960, 160, true, true, 1}, {5, 960, 160, true, true, 1}};
static const stage small[] = {{3, 16, 16, true, false, 2}, {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1}, {5, 96, 40, true, true, 2},
                              {5, 240, 40, true, true, 1}, {5, 240, 40, true, true, 1},  {5, 120, 48, true, true, 1},  {5, 144, 48, true, true, 1},
                              {5, 288, 96, true, true, 2}, {5, 576, 96, true, true, 1},  {5, 576, 96, true, true, 1}};
static const double momentum = 0.01;

/* Rounded to a multiple of 8, never more than 10% below. */
static int64_t multiple_of_8(double wanted) {
    int64_t r = (int64_t)(wanted + 4) / 8 * 8;
    if (r < 8) r = 8;
    return (double)r < 0.9 * wanted ? r + 8 : r;
}

static int64_t channels(const config *c, int64_t n) { return multiple_of_8((double)n * c->width); }

static lb_tensor *conv(lb_nn *m, lb_tensor *x, const config *c, const char *at, int64_t out, int64_t kernel, int64_t stride, lb_act act) {
    char weight[64], norm[64];
    snprintf(weight, sizeof weight, "%s.0", at);
    snprintf(norm, sizeof norm, "%s.1", at);
    return lb_nn_conv_bn(m, x, weight, norm, out, kernel, c->same ? lb_nn_conv_ceil(x, kernel, stride) : lb_conv_same(stride, kernel / 2, 1), c->eps, momentum, act);
}

enum { BLOCKS = 15, LISTS = 3 };

/* Inner channels, channels given and channels of squeeze and excite of each block. */
typedef struct plan {
    bool big;
    int count;
    const stage *stages;
    int64_t of[LISTS][BLOCKS];
} plan;

static plan plan_of(const config *c) {
    plan p = {.big = strcmp(c->variant, "large") == 0};
    const char *const lists[LISTS] = {c->inners, c->outs, c->squeezes};
    p.stages = p.big ? large : small;
    p.count = p.big ? (int)LB_COUNT(large) : (int)LB_COUNT(small);
    for (int i = 0; i < p.count; i++) {
        p.of[0][i] = channels(c, p.stages[i].inner);
        p.of[1][i] = channels(c, p.stages[i].out);
        p.of[2][i] = p.stages[i].squeeze ? multiple_of_8((double)(p.of[0][i] / 4)) : 0;
    }
    for (int k = 0; k < LISTS; k++) {
        int64_t given[BLOCKS];
        if (lb_numbers(lists[k], given, BLOCKS) == p.count) memcpy(p.of[k], given, (size_t)p.count * sizeof *given);
    }
    return p;
}

static lb_tensor *block(lb_nn *m, lb_tensor *x, const config *c, int i, const plan *p) {
    const stage *s = &p->stages[i];
    lb_inverted b = {s->kernel, p->of[0][i], p->of[1][i], s->stride, p->of[2][i], s->swish ? LB_ACT_HARDSWISH : LB_ACT_RELU, c->eps, momentum, c->same};
    lb_nn_in(m, "features.%d", i + 1);
    x = lb_nn_inverted_residual(m, x, &b);
    lb_nn_tap(m, x, "block.%d", i);
    return lb_nn_out(m, x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    plan p = plan_of(c);
    char at[32];
    lb_tensor *x = conv(m, in[0], c, "features.0", c->stem ? c->stem : channels(c, 16), 3, 2, LB_ACT_HARDSWISH);
    for (int i = 0; i < p.count; i++) x = block(m, x, c, i, &p);
    snprintf(at, sizeof at, "features.%d", p.count + 1);
    x = conv(m, x, c, at, 6 * p.of[1][p.count - 1], 1, 1, LB_ACT_HARDSWISH);
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    lb_nn_tap(m, x, "pooled");
    x = lb_nn_linear(m, x, "classifier.0", c->hidden ? c->hidden : channels(c, p.big ? 1280 : 1024), LB_ACT_HARDSWISH);
    lb_nn_tap(m, x, "embedding");
    if (lb_tape_training(t)) x = lb_nn_dropout(m, x, c->dropout);
    lb_nn_tap(m, lb_nn_linear(m, x, "classifier.3", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(3, c->size, c->size, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const torchvision[] = {"features.0.0.weight", "features.4.block.2.fc1.weight", "classifier.3.weight"},
                             *const timm[] = {"conv_stem.weight", "conv_head.bias", "blocks.2.0.se.conv_reduce.weight"};
    (void)json;
    return lb_names_found(names, count, 3, torchvision) == 3 || lb_names_found(names, count, 3, timm) == 3 ? 80 : 0;
}

/* Blocks of timm's stages. */
static const int large_groups[] = {1, 2, 3, 4, 2, 3}, small_groups[] = {1, 2, 3, 2, 3};

/* timm: blocks lie in stages, parts have names of their own. */
static void timm_part(char *dst, size_t cap, const char *at, bool first, const char *rest) {
    static const char *const convs[] = {"conv_pw", "conv_dw", "conv_pwl", "conv_pwl"}, *const norms[] = {"bn1", "bn2", "bn3", "bn3"};
    static const char *const first_convs[] = {"conv_dw", "conv_pw", "conv_pw"}, *const first_norms[] = {"bn1", "bn2", "bn2"};
    int part = rest[0] - '0';
    const char *kind = rest + 2, *value = strchr(kind, '.'); /* "2.fc1.weight", "3.1.bias" */
    if (strncmp(kind, "fc1", 3) == 0) snprintf(dst, cap, "%s.se.conv_reduce%s", at, value);
    else if (strncmp(kind, "fc2", 3) == 0) snprintf(dst, cap, "%s.se.conv_expand%s", at, value);
    else if (kind[0] == '0') snprintf(dst, cap, "%s.%s%s", at, first ? first_convs[part % 3] : convs[part % 4], value);
    else snprintf(dst, cap, "%s.%s%s", at, first ? first_norms[part % 3] : norms[part % 4], value);
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    const int *groups = variant == 1 ? large_groups : small_groups, stages = variant == 1 ? (int)LB_COUNT(large_groups) : (int)LB_COUNT(small_groups);
    int k = 0, rest = 0, group = 0;
    char at[32];
    if (variant == 0 || strncmp(name, "classifier.", 11) == 0) {
        snprintf(dst, cap, "%s%s", variant == 0 ? name : name[11] == '0' ? "conv_head" : "classifier", variant == 0 ? "" : name + 12);
        return true;
    }
    if (sscanf(name, "features.%d.%n", &k, &rest) != 1 || !rest) return false;
    if (k == 0) {
        snprintf(dst, cap, "%s%s", name[rest] == '0' ? "conv_stem" : "bn1", name + rest + 1);
        return true;
    }
    bool first = --k == 0;
    while (group < stages && k >= groups[group]) k -= groups[group++];
    snprintf(at, sizeof at, "blocks.%d.%d", group, k);
    if (group == stages) snprintf(dst, cap, "%s.%s%s", at, name[rest] == '0' ? "conv" : "bn1", name + rest + 1);
    else if (strncmp(name + rest, "block.", 6) == 0) timm_part(dst, cap, at, first, name + rest + 6);
    else return false; /* the last convolution of the other size */
    return true;
}

/* Size of axis 0 of our parameter features.<block + 1>.block.<part> in a file of that spelling. */
static int64_t seen(const lb_value *json, int variant, int block, const char *part) {
    char ours[64], theirs[128];
    snprintf(ours, sizeof ours, "features.%d.block.%s.weight", block + 1, part);
    return outside_name(theirs, sizeof theirs, ours, variant) ? lb_outside_size(json, theirs, 0) : 0;
}

/* Channels from the weights. A block has its parts in a row: 1x1 where it widens, depthwise, squeeze and excite where it has that, 1x1. */
static lb_status from_config(void *cfg, const lb_value *json) {
    static const char *const words[LISTS] = {"inners", "outs", "squeezes"};
    config *c = cfg;
    bool timm = lb_outside_has(json, "conv_stem.weight"), big = lb_outside_has(json, timm ? "blocks.6.0.conv.weight" : "features.16.0.weight");
    int variant = !timm ? 0 : big ? 1 : 2;
    lb_status st = lb_param_set_text(lb_param_find(params, "variant"), cfg, big ? "large" : "small");
    if (st == LB_OK) st = lb_timm_args(json, "mobilenet-v3", "");
    if (st != LB_OK) return st;
    const int *groups = big ? large_groups : small_groups, stages = big ? (int)LB_COUNT(large_groups) : (int)LB_COUNT(small_groups);
    for (int s = 1; timm && s < stages; s++) {
        char format[48];
        snprintf(format, sizeof format, "blocks.%d.%%d.conv_pwl.weight", s);
        if (lb_outside_count(json, format) != groups[s])
            return lb_fail(LB_E_UNSUPPORTED, "mobilenet-v3: stage %d has %lld blocks, the %s one has %d", s, (long long)lb_outside_count(json, format),
                           c->variant, groups[s]);
    }
    plan p = plan_of(c);
    for (int i = 0; i < p.count; i++) {
        bool plain = i == 0;
        const char *const depthwise[] = {"1.0", "0.0"}, *const squeeze[] = {"2.fc1", "1.fc1"}, *const with[] = {"3.0", "2.0"}, *const without[] = {"2.0", "1.0"};
        p.of[0][i] = seen(json, variant, i, depthwise[plain]);
        p.of[2][i] = seen(json, variant, i, squeeze[plain]);
        p.of[1][i] = seen(json, variant, i, p.of[2][i] ? with[plain] : without[plain]);
        if (!p.of[0][i] || !p.of[1][i]) return lb_fail(LB_E_UNSUPPORTED, "mobilenet-v3: block %d of the %s one is not there", i, c->variant);
    }
    for (int k = 0; k < LISTS && st == LB_OK; k++) st = lb_numbers_to(lb_param_find(params, words[k]), cfg, p.of[k], p.count);
    c->stem = lb_outside_size(json, timm ? "conv_stem.weight" : "features.0.0.weight", 0);
    c->hidden = lb_outside_size(json, timm ? "conv_head.weight" : "classifier.0.weight", 0);
    c->classes = lb_outside_size(json, timm ? "classifier.weight" : "classifier.3.weight", 0);
    c->same = timm && lb_inverted_tensorflow(json);
    if (timm && !c->same) c->eps = 1e-5;
    return st;
}

LB_ARCH(mobilenet_v3) = {.id = "mobilenet_v3",
                         .title = "MobileNetV3 large and small",
                         .source = "arXiv:1905.02244; names of torchvision's MobileNetV3",
                         .params = params,
                         .params_size = sizeof(config),
                         .kind = "image",
                         .apart = true,
                         .inputs = "image[N,3,H,W]",
                         .taps = "embedding[N,D] pooled[N,D] features[N,D,h,w] block.K[N,C,h,w] logits[N,K]",
                         .forward = forward,
                         .example = example,
                         .from_config = from_config,
                         .recognise = recognise,
                         .outside_name = outside_name,
                         .outside_variants = 3,
                         .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bilinear\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": "
                                       "[0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

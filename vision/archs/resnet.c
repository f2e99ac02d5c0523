/* SPDX-License-Identifier: Apache-2.0 */
/* Residual networks: He et al., arXiv:1512.03385, with the stride of a bottleneck in its 3x3 convolution; stems of three 3x3 and pooled shortcuts
 * (arXiv:1812.01187), gates of channels (arXiv:1709.01507, arXiv:1910.03151). Names, epsilon and momentum as in torchvision and timm, so their
 * published weights load. */
#include <stdio.h>
#include <string.h>
#include "nn/outside.h"
#include "nn/picture.h"
#include "tensor/hold.h"
#include "vision/archs.h"

typedef struct config {
    int64_t depth, width, size, channels, classes, groups, group_width, stem_kernel, shortcut_kernel;
    const char *blocks, *widths, *stem, *squeeze;
    bool basic, shrink, stem_halves, pooled, across, early;
} config;

static const lb_param params[] = {
    LB_PARAM(config, depth, 18, 10, 152, "layers", "10, 18, 34 (two 3x3 convolutions a block), 26, 50, 101 or 152 (1x1, 3x3, 1x1)"),
    LB_PARAM(config, width, 64, 1, 4096, "channels", "channels of the stem; stages have 1, 2, 4, 8 times as many"),
    LB_PARAM(config, size, 224, 32, 4096, "px", "side of the pictures it was trained on"),
    LB_PARAM(config, channels, 3, 1, 4096, "1", "channels of the pictures"),
    LB_PARAM(config, classes, 1000, 0, 1000000, "1", "classes; 0 = no logits"),
    LB_PARAM(config, groups, 1, 1, 4096, "1", "groups of the 3x3 convolutions of bottlenecks (ResNeXt)"),
    LB_PARAM(config, group_width, 64, 1, 4096, "channels", "inner channels of a group where a stage has 64 (wide networks)"),
    LB_PARAM_TEXT(config, blocks, "", NULL, "blocks of the stages, with commas, in place of depth"),
    LB_PARAM_TEXT(config, widths, "", NULL, "channels that the stages give, with commas, in place of multiples of width"),
    LB_PARAM_FLAG(config, basic, 0, "with blocks: two 3x3 convolutions a block"),
    LB_PARAM_FLAG(config, shrink, 0, "the first stage halves its map too"),
    LB_PARAM(config, stem_kernel, 7, 3, 7, "px", "side of the stem's convolution; 3 = for small pictures: neither it nor a pooling behind it halves them"),
    LB_PARAM_TEXT(config, stem, "", NULL, "channels of the first two of three 3x3 convolutions that are the stem, with a comma; \"\" = one convolution"),
    LB_PARAM_FLAG(config, stem_halves, 0, "a 3x3 convolution with stride 2 in place of the stem's max pooling"),
    LB_PARAM(config, shortcut_kernel, 1, 1, 3, "px", "side of the convolutions of shortcuts that stride"),
    LB_PARAM_FLAG(config, pooled, 0, "shortcuts stride by the mean of 2x2"),
    LB_PARAM_TEXT(config, squeeze, "", NULL, "inner channels of the squeeze and excite of a stage's blocks, with commas; \"\" = none"),
    LB_PARAM_FLAG(config, across, 0, "gates of channels from their neighbours' means (ECA)"),
    LB_PARAM_FLAG(config, early, 0, "bottlenecks stride in their first 1x1"),
    LB_PARAM_END};

enum { STAGES = 4, MOST = 8, WIDER = 4 }; /* a bottleneck gives four times its inner channels */
typedef struct published {
    int64_t depth;
    bool bottleneck;
    int64_t blocks[STAGES];
} published;
static const published sizes[] = {{10, false, {1, 1, 1, 1}}, {18, false, {2, 2, 2, 2}}, {26, true, {2, 2, 2, 2}},   {34, false, {3, 4, 6, 3}},
                                  {50, true, {3, 4, 6, 3}},  {101, true, {3, 4, 23, 3}}, {152, true, {3, 8, 36, 3}}};
static const double eps = 1e-5, momentum = 0.1;

static const published *size_of(int64_t depth) {
    for (size_t i = 0; i < LB_COUNT(sizes); i++)
        if (sizes[i].depth == depth) return &sizes[i];
    return NULL;
}

/* What a stage is made of. */
typedef struct plan {
    int64_t stages, blocks[MOST], out[MOST], squeeze[MOST];
    bool bottleneck;
} plan;

static bool plan_of(plan *p, const config *c) {
    const published *known = size_of(c->depth);
    p->stages = lb_numbers(c->blocks, p->blocks, MOST);
    p->bottleneck = !c->basic;
    if (p->stages == 0 && known) {
        p->stages = STAGES;
        p->bottleneck = known->bottleneck;
        memcpy(p->blocks, known->blocks, sizeof known->blocks);
    }
    int64_t given = lb_numbers(c->widths, p->out, MOST), squeezed = lb_numbers(c->squeeze, p->squeeze, MOST);
    for (int s = 0; given == 0 && s < p->stages; s++) p->out[s] = (c->width << s) * (p->bottleneck ? WIDER : 1);
    for (int s = 0; squeezed == 0 && s < p->stages; s++) p->squeeze[s] = 0;
    return p->stages > 0 && (given == 0 || given == p->stages) && (squeezed == 0 || squeezed == p->stages);
}

static lb_tensor *halved(lb_nn *m, const config *c, lb_tensor *x) {
    lb_tensor *y = c->stem_halves ? lb_nn_conv_bn(m, x, "maxpool.0", "maxpool.1", c->width, 3, lb_conv_same(2, 1, 1), eps, momentum, LB_ACT_RELU)
                                  : lb_max_pool(lb_nn_tape(m), x, lb_window_of(3, 2, 1));
    lb_release(lb_nn_tape(m), x);
    return y;
}

static lb_tensor *stem(lb_nn *m, const config *c, lb_tensor *x) {
    int64_t inner[2];
    if (lb_numbers(c->stem, inner, 2) == 2) {
        x = lb_nn_conv_bn(m, x, "conv1.0", "conv1.1", inner[0], 3, lb_conv_same(2, 1, 1), eps, momentum, LB_ACT_RELU);
        x = lb_nn_conv_bn(m, x, "conv1.3", "conv1.4", inner[1], 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU);
        return halved(m, c, lb_nn_conv_bn(m, x, "conv1.6", "bn1", c->width, 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU));
    }
    bool small = c->stem_kernel == 3;
    x = lb_nn_conv_bn(m, x, "conv1", "bn1", c->width, c->stem_kernel, lb_conv_same(small ? 1 : 2, c->stem_kernel / 2, 1), eps, momentum, LB_ACT_RELU);
    return small ? x : halved(m, c, x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    plan p;
    int k = 0;
    if (!plan_of(&p, c)) {
        (void)lb_tape_fail(t, LB_E_ARG,
                           "resnet: depth %lld is none of 10, 18, 26, 34, 50, 101, 152, or blocks '%s', widths '%s' and squeeze '%s' are not as many",
                           (long long)c->depth, c->blocks, c->widths, c->squeeze);
        return;
    }
    lb_tensor *x = stem(m, c, in[0]);
    for (int s = 0; s < p.stages; s++)
        for (int64_t i = 0; i < p.blocks[s]; i++) {
            lb_tensor *before = x;
            lb_residual block = {.last = true,
                                 .out = p.out[s],
                                 .squeeze = p.squeeze[s],
                                 .stride = (s > 0 || c->shrink) && i == 0 ? 2 : 1,
                                 .groups = c->groups,
                                 .shortcut_kernel = c->shortcut_kernel,
                                 .across = c->across,
                                 .pooled = c->pooled,
                                 .early = c->early};
            if (p.bottleneck) block.inner = p.out[s] / WIDER * c->group_width / 64 * c->groups;
            lb_nn_in(m, "layer%d.%d", s + 1, (int)i);
            x = lb_nn_residual_block(m, x, &block);
            lb_nn_tap(m, x, "block.%d", k++);
            x = lb_nn_out(m, x);
            lb_release(t, before); /* nobody looks back */
        }
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, "fc", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(c->channels, c->size, c->size, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const body[] = {"bn1.weight", "layer1.0.conv1.weight", "layer2.0.bn1.weight"}, *const stems[] = {"conv1.weight", "conv1.0.weight"},
                             *const shortcuts[] = {"layer2.0.downsample.0.weight", "layer2.0.downsample.1.weight"};
    if (lb_config_is(json, "resnet")) return 90;
    return lb_names_found(names, count, 3, body) == 3 && lb_names_found(names, count, 2, stems) && lb_names_found(names, count, 2, shortcuts) ? 80 : 0;
}

/* The stem, shortcuts and gates that the file's names tell of. */
static lb_status parts_from_shapes(config *c, const lb_value *json) {
    bool deep = lb_outside_has(json, "conv1.0.weight");
    const char *name = lb_get_text(json, "architecture", "");
    int64_t inner[2] = {lb_outside_size(json, "conv1.0.weight", 0), lb_outside_size(json, "conv1.3.weight", 0)}, narrow[STAGES];
    lb_status st = LB_OK;
    c->width = lb_outside_size(json, "bn1.weight", 0);
    c->channels = lb_outside_size(json, deep ? "conv1.0.weight" : "conv1.weight", 1);
    c->stem_kernel = deep ? 7 : lb_outside_size(json, "conv1.weight", 2);
    c->stem_halves = lb_outside_has(json, "maxpool.0.weight");
    c->pooled = lb_outside_has(json, "layer2.0.downsample.2.weight");
    c->across = lb_outside_has(json, "layer1.0.se.conv.weight");
    c->shortcut_kernel = c->pooled ? 1 : lb_outside_size(json, "layer2.0.downsample.0.weight", 2);
    if (strstr(name, "netaa") || strstr(name, "nextaa") || strstr(name, "netblur")) return lb_fail(LB_E_UNSUPPORTED, "resnet: '%s' blurs before it strides, which is not handled", name);
    LB_TRY(lb_timm_args(json, "resnet", "block_args|replace_stem_pool|down_kernel_size"));
    if (c->stem_kernel != 7 && c->stem_kernel != 3)
        return lb_fail(LB_E_UNSUPPORTED, "resnet: a stem of 7x7, 3x3 or three 3x3 is wanted, it is %lldx%lld", (long long)c->stem_kernel,
                       (long long)c->stem_kernel);
    for (int i = 0; i < STAGES; i++) {
        char squeeze[64];
        snprintf(squeeze, sizeof squeeze, "layer%d.0.se.fc1.weight", i + 1);
        narrow[i] = lb_outside_size(json, squeeze, 0);
    }
    if (narrow[0]) LB_TRY(lb_numbers_to(lb_param_find(params, "squeeze"), c, narrow, STAGES));
    if (deep) LB_TRY(lb_numbers_to(lb_param_find(params, "stem"), c, inner, 2));
done:
    return st;
}

/* Blocks and widths from the shapes; a published depth where there is one. */
static lb_status from_shapes(config *c, const lb_value *json) {
    int64_t blocks[STAGES], widths[STAGES];
    bool bottleneck = lb_outside_has(json, "layer1.0.conv3.weight");
    for (int s = 0; s < STAGES; s++) {
        char name[64];
        snprintf(name, sizeof name, "layer%d.%%d.conv1.weight", s + 1);
        blocks[s] = lb_outside_count(json, name);
        snprintf(name, sizeof name, "layer%d.0.conv%d.weight", s + 1, bottleneck ? 3 : 2);
        widths[s] = lb_outside_size(json, name, 0);
    }
    c->classes = lb_outside_size(json, "fc.weight", 0);
    c->basic = !bottleneck;
    if (!blocks[0] || !blocks[STAGES - 1])
        return lb_fail(LB_E_UNSUPPORTED, "resnet: four stages of blocks are wanted, there are %lld, %lld, %lld, %lld blocks", (long long)blocks[0],
                       (long long)blocks[1], (long long)blocks[2], (long long)blocks[3]);
    lb_status st = parts_from_shapes(c, json);
    if (st != LB_OK) return st;
    int64_t inner = lb_outside_size(json, "layer1.0.conv2.weight", 0), each = lb_outside_size(json, "layer1.0.conv2.weight", 1);
    if (bottleneck && (!each || !widths[0] || inner % each))
        return lb_fail(LB_E_UNSUPPORTED, "resnet: bottlenecks of %lld channels behind %lld are of no such network (pruned ones are not handled)",
                       (long long)inner, (long long)each);
    c->groups = bottleneck ? inner / each : 1;
    c->group_width = bottleneck ? inner * 64 * WIDER / widths[0] / c->groups : 64;
    for (size_t i = 0; i < LB_COUNT(sizes); i++)
        if (sizes[i].bottleneck == bottleneck && memcmp(sizes[i].blocks, blocks, sizeof blocks) == 0 && widths[0] == c->width * (bottleneck ? WIDER : 1)) {
            c->depth = sizes[i].depth;
            return LB_OK;
        }
    st = lb_numbers_to(lb_param_find(params, "blocks"), c, blocks, STAGES);
    return st == LB_OK ? lb_numbers_to(lb_param_find(params, "widths"), c, widths, STAGES) : st;
}

static lb_status from_hugging_face(config *c, const lb_value *json) {
    int64_t blocks[MOST] = {3, 4, 6, 3}, widths[MOST] = {256, 512, 1024, 2048}, n = 4, w = 4;
    if (lb_get(json, "depths")) n = lb_config_ints(json, "depths", blocks, MOST);
    if (lb_get(json, "hidden_sizes")) w = lb_config_ints(json, "hidden_sizes", widths, MOST);
    if (n != w || n == 0) return lb_fail(LB_E_FORMAT, "resnet: depths and hidden_sizes are lists of different lengths");
    if (strcmp(lb_get_text(json, "hidden_act", "relu"), "relu") != 0) return lb_fail(LB_E_UNSUPPORTED, "resnet: hidden_act is '%s', relu wanted", lb_get_text(json, "hidden_act", "relu"));
    c->early = lb_get_bool(json, "downsample_in_bottleneck", false);
    c->width = lb_config_int(json, "embedding_size", 0, 64);
    c->channels = lb_config_int(json, "num_channels", 0, 3);
    c->basic = strcmp(lb_get_text(json, "layer_type", "bottleneck"), "basic") == 0;
    c->shrink = lb_get_bool(json, "downsample_in_first_stage", false);
    c->classes = lb_outside_size(json, "classifier.1.weight", 0);
    lb_status st = lb_numbers_to(lb_param_find(params, "blocks"), c, blocks, n);
    return st == LB_OK ? lb_numbers_to(lb_param_find(params, "widths"), c, widths, n) : st;
}

static lb_status from_config(void *cfg, const lb_value *json) { return lb_config_is(json, "resnet") ? from_hugging_face(cfg, json) : from_shapes(cfg, json); }

/* Hugging Face counts stages and convolutions from 0: layer2.0.conv3 is encoder.stages.1.layers.0.layer.2.convolution. */
static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    int stage = 0, block = 0, conv = 0, at = 0;
    const char *prefix = variant == 1 ? "resnet." : "", *last = strrchr(name, '.');
    if (variant == 0) snprintf(dst, cap, "%s", name);
    else if (sscanf(name, "layer%d.%d.conv%d%n", &stage, &block, &conv, &at) == 3 && at)
        snprintf(dst, cap, "%sencoder.stages.%d.layers.%d.layer.%d.convolution%s", prefix, stage - 1, block, conv - 1, last);
    else if (sscanf(name, "layer%d.%d.bn%d%n", &stage, &block, &conv, &at) == 3 && at)
        snprintf(dst, cap, "%sencoder.stages.%d.layers.%d.layer.%d.normalization%s", prefix, stage - 1, block, conv - 1, last);
    else if (sscanf(name, "layer%d.%d.downsample.%d%n", &stage, &block, &conv, &at) == 3 && at)
        snprintf(dst, cap, "%sencoder.stages.%d.layers.%d.shortcut.%s%s", prefix, stage - 1, block, conv == 0 ? "convolution" : "normalization", last);
    else if (strncmp(name, "fc.", 3) == 0) snprintf(dst, cap, "classifier.1%s", last);
    else snprintf(dst, cap, "%sembedder.embedder.%s%s", prefix, strncmp(name, "conv1.", 6) == 0 ? "convolution" : "normalization", last);
    return true;
}

LB_ARCH(resnet) = {.id = "resnet",
                   .title = "residual networks: ResNet, wide, ResNeXt",
                   .source = "arXiv:1512.03385; names of torchvision's ResNet",
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
                   .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bilinear\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, "
                                 "0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

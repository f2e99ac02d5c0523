/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV3: Howard et al., arXiv:1905.02244, tables 1 and 2. Names, epsilon and momentum as in torchvision, so its published weights load. */
#include <stdio.h>
#include <string.h>
#include "nn/picture.h"
#include "vision/archs.h"

typedef struct config {
    const char *variant;
    double width, dropout;
    int64_t size, classes;
} config;

static const lb_param params[] = {
    LB_PARAM_TEXT(config, variant, "large", "large|small", "table 1 or table 2 of the paper"),
    LB_PARAM(config, width, 1, 0.01, 10, "1", "width multiplier"),
    LB_PARAM(config, dropout, 0.2, 0, 0.9, "1", "dropout before the last map"),
    LB_PARAM(config, size, 224, 32, 4096, "px", "side of the pictures it was trained on"),
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
static const stage small[] = {{3, 16, 16, true, false, 2}, {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1}, {5, 96, 40, true, true, 2},  {5, 240, 40, true, true, 1}, {5, 240, 40, true, true, 1},
                              {5, 120, 48, true, true, 1}, {5, 144, 48, true, true, 1},  {5, 288, 96, true, true, 2},  {5, 576, 96, true, true, 1}, {5, 576, 96, true, true, 1}};
static const double eps = 1e-3, momentum = 0.01;

/* Rounded to a multiple of 8, never more than 10% below. */
static int64_t multiple_of_8(double wanted) {
    int64_t r = (int64_t)(wanted + 4) / 8 * 8;
    if (r < 8) r = 8;
    return (double)r < 0.9 * wanted ? r + 8 : r;
}

static int64_t channels(const config *c, int64_t n) { return multiple_of_8((double)n * c->width); }

static lb_tensor *conv(lb_nn *m, lb_tensor *x, const char *at, int64_t out, int64_t kernel, int64_t stride, lb_act act) {
    char weight[64], norm[64];
    snprintf(weight, sizeof weight, "%s.0", at);
    snprintf(norm, sizeof norm, "%s.1", at);
    return lb_nn_conv_bn(m, x, weight, norm, out, kernel, lb_conv_same(stride, kernel / 2, 1), eps, momentum, act);
}

static lb_tensor *block(lb_nn *m, lb_tensor *x, const config *c, int i, const stage *s) {
    int64_t inner = channels(c, s->inner);
    lb_inverted b = {s->kernel, inner, channels(c, s->out), s->stride, s->squeeze ? multiple_of_8((double)(inner / 4)) : 0, s->swish ? LB_ACT_HARDSWISH : LB_ACT_RELU, eps, momentum};
    lb_nn_in(m, "features.%d", i + 1);
    x = lb_nn_inverted_residual(m, x, &b);
    lb_nn_tap(m, x, "block.%d", i);
    return lb_nn_out(m, x);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    bool big = strcmp(c->variant, "large") == 0;
    const stage *stages = big ? large : small;
    int count = big ? (int)LB_COUNT(large) : (int)LB_COUNT(small);
    char at[32];
    lb_tensor *x = conv(m, in[0], "features.0", channels(c, 16), 3, 2, LB_ACT_HARDSWISH);
    for (int i = 0; i < count; i++) x = block(m, x, c, i, &stages[i]);
    snprintf(at, sizeof at, "features.%d", count + 1);
    x = conv(m, x, at, 6 * channels(c, stages[count - 1].out), 1, 1, LB_ACT_HARDSWISH);
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    lb_nn_tap(m, x, "pooled");
    x = lb_nn_linear(m, x, "classifier.0", channels(c, big ? 1280 : 1024), LB_ACT_HARDSWISH);
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
    int found = 0;
    (void)json;
    for (int64_t i = 0; i < count; i++)
        found += strcmp(names[i], "features.0.0.weight") == 0 || strcmp(names[i], "features.4.block.2.fc1.weight") == 0 || strcmp(names[i], "classifier.3.weight") == 0;
    return found == 3 ? 80 : 0;
}

/* Only the published width is told from weights: widths below it round to the same channels in places. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    const lb_value *tensors = lb_get(json, "tensors");
    int64_t hidden = 0;
    for (int64_t i = 0; tensors && i < tensors->count; i++) {
        if (strcmp(tensors->keys[i], "classifier.3.weight") != 0 || tensors->items[i]->count != 2) continue;
        c->classes = tensors->items[i]->items[0]->integer;
        hidden = tensors->items[i]->items[1]->integer;
    }
    if (hidden == 1280) return LB_OK;
    if (hidden == 1024) return lb_param_set_text(lb_param_find(params, "variant"), cfg, "small");
    return lb_fail(LB_E_UNSUPPORTED, "mobilenet-v3: a classifier of %lld inner units is neither large (1280) nor small (1024)", (long long)hidden);
}

LB_ARCH(mobilenet_v3) = {.id = "mobilenet_v3", .title = "MobileNetV3 large and small", .source = "arXiv:1905.02244; names of torchvision's MobileNetV3", .params = params, .params_size = sizeof(config), .kind = "image",
                         .inputs = "image[N,3,H,W]", .taps = "embedding[N,D] pooled[N,D] features[N,D,h,w] block.K[N,C,h,w] logits[N,K]", .forward = forward, .example = example,
                         .from_config = from_config, .recognise = recognise,
                         .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bilinear\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

/* SPDX-License-Identifier: Apache-2.0 */
/* EfficientNet-lite: Tan and Le, arXiv:1905.11946, without squeeze-and-excitation, with ReLU6, stem and head not scaled. Names, epsilon and
 * padding ("SAME" of TensorFlow) as in the published lukemelas-style PyTorch port. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/picture.h"
#include "vision/archs.h"

typedef struct config {
    double width, depth;
    int64_t size, classes;
} config;

static const lb_param params[] = {
    LB_PARAM(config, width, 1, 0.1, 10, "1", "width multiplier: lite0 1, lite1 1, lite2 1.1, lite3 1.2, lite4 1.4"),
    LB_PARAM(config, depth, 1, 0.1, 10, "1", "depth multiplier: lite0 1, lite1 1.1, lite2 1.2, lite3 1.4, lite4 1.8"),
    LB_PARAM(config, size, 224, 32, 4096, "px", "side of the pictures it was trained on: 224, 240, 260, 280, 300"),
    LB_PARAM(config, classes, 1000, 1, 1000000, "1", "classes"),
    LB_PARAM_END};

typedef struct stage {
    int64_t kernel, stride, expand, out, repeat;
} stage;
static const stage stages[] = {{3, 1, 1, 16, 1}, {3, 2, 6, 24, 2}, {5, 2, 6, 40, 2}, {3, 2, 6, 80, 3}, {5, 1, 6, 112, 3}, {5, 2, 6, 192, 4}, {3, 1, 6, 320, 1}};
enum { STAGES = (int)LB_COUNT(stages), STEM = 32, HEAD = 1280 };
static const double eps = 1e-3, momentum = 0.01;

/* Rounded to a multiple of 8, never more than 10% below. */
static int64_t channels(const config *c, int64_t n) {
    double wanted = (double)n * c->width;
    int64_t r = (int64_t)(wanted + 4) / 8 * 8;
    if (r < 8) r = 8;
    return (double)r < 0.9 * wanted ? r + 8 : r;
}

static lb_tensor *block(lb_nn *m, lb_tensor *x, int i, const stage *s, int64_t stride, int64_t out) {
    int64_t in = x->rank == 4 ? x->shape[1] : 0;
    lb_inverted_block b = {.depthwise = {"_depthwise_conv", "_bn1"},
                           .project = {"_project_conv", "_bn2"},
                           .inner = in * s->expand,
                           .out = out,
                           .kernel = s->kernel,
                           .depth = lb_nn_conv_ceil(x, s->kernel, stride),
                           .act = LB_ACT_RELU6,
                           .eps = eps,
                           .momentum = momentum,
                           .add = stride == 1 && in == out};
    if (s->expand != 1) b.expand[0] = "_expand_conv", b.expand[1] = "_bn0";
    lb_nn_in(m, "_blocks.%d", i);
    lb_tensor *y = lb_nn_inverted_block(m, x, &b);
    lb_nn_tap(m, y, "block.%d", i);
    return lb_nn_out(m, y);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    int i = 0;
    lb_tensor *x = lb_nn_conv_bn(m, in[0], "_conv_stem", "_bn0", STEM, 3, lb_nn_conv_ceil(in[0], 3, 2), eps, momentum, LB_ACT_RELU6);
    for (int k = 0; k < STAGES; k++) {
        /* the first and the last stage keep their depth */
        int64_t repeat = k == 0 || k == STAGES - 1 ? stages[k].repeat : (int64_t)ceil((double)stages[k].repeat * c->depth);
        for (int64_t r = 0; r < repeat; r++) x = block(m, x, i++, &stages[k], r == 0 ? stages[k].stride : 1, channels(c, stages[k].out));
    }
    x = lb_nn_conv_bn(m, x, "_conv_head", "_bn1", HEAD, 1, lb_conv_same(1, 0, 1), eps, momentum, LB_ACT_RELU6);
    lb_nn_tap(m, x, "features");
    if (x->rank == 4) x = lb_mean(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], x->shape[1], -1}), 2, false);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (!lb_tape_training(t)) lb_nn_tap(m, lb_nn_linear(m, x, "_fc", c->classes, LB_ACT_NONE), "logits");
    else lb_nn_tap(m, lb_nn_linear(m, lb_nn_dropout(m, x, 0.2), "_fc", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(3, c->size, c->size, rank, shape);
}

static int recognise(const lb_value *config_json, const char *const *names, int64_t count) {
    (void)config_json;
    bool stem = false, squeeze = false;
    for (int64_t i = 0; i < count; i++) {
        stem = stem || strcmp(names[i], "_conv_stem.weight") == 0;
        squeeze = squeeze || strstr(names[i], "_se_reduce") != NULL;
    }
    return stem && !squeeze ? 80 : 0;
}

/* Which of the published sizes: told by the number of blocks and the width of the last but one stage. */
static lb_status from_config(void *cfg, const lb_value *config_json) {
    static const struct {
        double width, depth;
        int64_t size;
    } published[] = {{1, 1, 224}, {1, 1.1, 240}, {1.1, 1.2, 260}, {1.2, 1.4, 280}, {1.4, 1.8, 300}};
    config *c = cfg;
    const lb_value *tensors = lb_get(config_json, "tensors"), *fc = NULL;
    int64_t blocks = 0, last = 0;
    for (int64_t i = 0; tensors && i < tensors->count; i++) {
        int k = -1, n = 0;
        if (sscanf(tensors->keys[i], "_blocks.%d._project_conv.weight%n", &k, &n) == 1 && n > 0) blocks++;
        if (strcmp(tensors->keys[i], "_fc.weight") == 0) fc = tensors->items[i];
        if (strcmp(tensors->keys[i], "_conv_head.weight") == 0 && tensors->items[i]->count == 4) last = tensors->items[i]->items[1]->integer;
    }
    if (fc && fc->count == 2) c->classes = fc->items[0]->integer;
    for (size_t i = 0; i < LB_COUNT(published); i++) {
        config p = {published[i].width, published[i].depth, published[i].size, c->classes};
        int64_t all = 0;
        for (int k = 0; k < STAGES; k++) all += k == 0 || k == STAGES - 1 ? stages[k].repeat : (int64_t)ceil((double)stages[k].repeat * p.depth);
        if (all == blocks && channels(&p, 320) == last) {
            *c = p;
            return LB_OK;
        }
    }
    return lb_fail(LB_E_UNSUPPORTED, "efficientnet-lite: %lld blocks ending in %lld channels is none of lite0 to lite4", (long long)blocks, (long long)last);
}

LB_ARCH(efficientnet_lite) = {.id = "efficientnet_lite",
                              .title = "EfficientNet-lite0 to lite4",
                              .source = "arXiv:1905.11946; names of the lukemelas-style port",
                              .params = params,
                              .params_size = sizeof(config),
                              .kind = "image",
                              .apart = true,
                              .inputs = "image[N,3,H,W]",
                              .taps = "embedding[N,1280] pooled[N,1280] features[N,1280,h,w] block.K[N,C,h,w] logits[N,K]",
                              .forward = forward,
                              .example = example,
                              .from_config = from_config,
                              .recognise = recognise,
                              .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": "
                                            "[0.498, 0.498, 0.498], \"std\": [0.502, 0.502, 0.502]}"};

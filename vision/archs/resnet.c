/* SPDX-License-Identifier: Apache-2.0 */
/* Residual networks: He et al., arXiv:1512.03385, with the stride of a bottleneck in its 3x3 convolution. Names, epsilon and momentum as in
 * torchvision, so its published weights load. */
#include <stdio.h>
#include <string.h>
#include "nn/picture.h"
#include "vision/archs.h"

typedef struct config {
    int64_t depth, width, size, classes;
} config;

static const lb_param params[] = {
    LB_PARAM(config, depth, 18, 10, 152, "layers", "10, 18, 34 (two 3x3 convolutions a block), 26, 50, 101 or 152 (1x1, 3x3, 1x1)"),
    LB_PARAM(config, width, 64, 1, 4096, "channels", "channels of the stem; stages have 1, 2, 4, 8 times as many"),
    LB_PARAM(config, size, 224, 32, 4096, "px", "side of the pictures it was trained on"),
    LB_PARAM(config, classes, 1000, 1, 1000000, "1", "classes"),
    LB_PARAM_END};

enum { STAGES = 4, WIDER = 4 }; /* a bottleneck gives four times its inner channels */
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

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    const published *p = size_of(c->depth);
    lb_tape *t = lb_nn_tape(m);
    int k = 0;
    if (!p) {
        (void)lb_tape_fail(t, LB_E_ARG, "resnet: depth %lld is none of 10, 18, 26, 34, 50, 101, 152", (long long)c->depth);
        return;
    }
    lb_tensor *x = lb_nn_conv_bn(m, in[0], "conv1", "bn1", c->width, 7, lb_conv_same(2, 3, 1), eps, momentum, LB_ACT_RELU);
    x = lb_max_pool(t, x, lb_window_of(3, 2, 1));
    for (int s = 0; s < STAGES; s++)
        for (int64_t i = 0; i < p->blocks[s]; i++) {
            lb_nn_in(m, "layer%d.%d", s + 1, (int)i);
            int64_t inner = c->width << s, stride = s > 0 && i == 0 ? 2 : 1;
            x = p->bottleneck ? lb_nn_bottleneck(m, x, inner, WIDER * inner, stride, 1, 1) : lb_nn_basic_block(m, x, inner, stride);
            lb_nn_tap(m, x, "block.%d", k++);
            x = lb_nn_out(m, x);
        }
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    lb_nn_tap(m, lb_nn_linear(m, x, "fc", c->classes, LB_ACT_NONE), "logits");
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
        found += strcmp(names[i], "conv1.weight") == 0 || strcmp(names[i], "layer1.0.conv1.weight") == 0 || strcmp(names[i], "layer4.0.downsample.0.weight") == 0 || strcmp(names[i], "fc.weight") == 0;
    return found == 4 ? 80 : 0;
}

static const lb_value *shape_of(const lb_value *tensors, const char *name) {
    for (int64_t i = 0; tensors && i < tensors->count; i++)
        if (strcmp(tensors->keys[i], name) == 0) return tensors->items[i];
    return NULL;
}

/* Which of the published sizes: told by the blocks of each stage and the presence of a third convolution. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    const lb_value *tensors = lb_get(json, "tensors"), *stem = shape_of(tensors, "conv1.weight"), *fc = shape_of(tensors, "fc.weight");
    int64_t blocks[STAGES] = {0};
    bool bottleneck = shape_of(tensors, "layer1.0.conv3.weight") != NULL;
    for (int s = 0; s < STAGES; s++)
        for (;; blocks[s]++) {
            char name[64];
            snprintf(name, sizeof name, "layer%d.%lld.conv1.weight", s + 1, (long long)blocks[s]);
            if (!shape_of(tensors, name)) break;
        }
    for (size_t i = 0; i < LB_COUNT(sizes) && stem && stem->count == 4 && fc && fc->count == 2; i++)
        if (sizes[i].bottleneck == bottleneck && memcmp(sizes[i].blocks, blocks, sizeof blocks) == 0) {
            c->depth = sizes[i].depth;
            c->width = stem->items[0]->integer;
            c->classes = fc->items[0]->integer;
            return LB_OK;
        }
    return lb_fail(LB_E_UNSUPPORTED, "resnet: %lld, %lld, %lld, %lld blocks%s are none of the published sizes", (long long)blocks[0], (long long)blocks[1], (long long)blocks[2], (long long)blocks[3], bottleneck ? " of three convolutions" : "");
}

LB_ARCH(resnet) = {.id = "resnet", .title = "residual networks ResNet-18 to 152", .source = "arXiv:1512.03385; names of torchvision's ResNet", .params = params, .params_size = sizeof(config), .kind = "image", .inputs = "image[N,3,H,W]",
                   .taps = "embedding[N,D] pooled[N,D] features[N,D,h,w] block.K[N,C,h,w] logits[N,K]", .forward = forward, .example = example, .from_config = from_config, .recognise = recognise,
                   .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bilinear\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

/* SPDX-License-Identifier: Apache-2.0 */
/* Inverted residual blocks: Sandler et al., arXiv:1801.04381 (MobileNetV2), with fewer and wider stages for small pictures. */
#include "vision/archs.h"

typedef struct config {
    lb_dwconv tower;
    int64_t embed;
} config;

#define TOWER(field, default_, min_, max_, unit_, text_)                                                                          \
    {.name = #field, .type = LB_T_I64, .offset = offsetof(config, tower.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
static const lb_param params[] = {
    TOWER(size, 64, 8, 4096, "px", "side of the pictures"),
    TOWER(width, 32, 8, 1024, "channels", "channels of the stem"),
    TOWER(expand, 3, 1, 16, "1", "inner channels of a block, as a multiple of its input's"),
    TOWER(head, 512, 8, 8192, "channels", "channels of the last map"),
    LB_PARAM(config, embed, 256, 1, 65536, "1", "width of the embedding"),
    LB_PARAM_END};

enum { BLOCKS = 5 };
static const double growth[BLOCKS] = {1.5, 2, 3, 4, 6};
static const int64_t strides[BLOCKS] = {2, 1, 2, 1, 2};
static const double eps = 1e-5, momentum = 0.1;

static lb_tensor *block(lb_nn *m, lb_tensor *x, int i, int64_t out, int64_t stride, int64_t expand) {
    int64_t in = x->rank == 4 ? x->shape[1] : 0, inner = in * expand;
    lb_nn_in(m, "blocks.%d", i);
    lb_tensor *y = lb_nn_conv_bn(m, x, "expand", "norm1", inner, 1, lb_conv_same(1, 0, 1), eps, momentum, LB_ACT_RELU6);
    y = lb_nn_conv_bn(m, y, "depthwise", "norm2", inner, 3, lb_conv_same(stride, 1, inner), eps, momentum, LB_ACT_RELU6);
    y = lb_nn_conv_bn_add(m, y, "project", "norm3", out, 1, lb_conv_same(1, 0, 1), eps, momentum, stride == 1 && in == out ? x : NULL, LB_ACT_NONE);
    lb_nn_tap(m, y, "block.%d", i);
    return lb_nn_out(m, y);
}

/* The stem and the blocks; y[i] = what block i gives. */
static lb_tensor *blocks(lb_nn *m, lb_tensor *image, const lb_dwconv *c, lb_tensor *y[BLOCKS]) {
    lb_tensor *x = lb_nn_conv_bn(m, image, "stem", "stem_norm", c->width, 3, lb_conv_same(2, 1, 1), eps, momentum, LB_ACT_RELU6);
    for (int i = 0; i < BLOCKS; i++) x = y[i] = block(m, x, i, (int64_t)(growth[i] * (double)c->width), strides[i], c->expand);
    return x;
}

void lb_dwconv_maps(lb_nn *m, lb_tensor *image, const lb_dwconv *c, lb_tensor *maps[LB_DWCONV_MAPS]) {
    lb_tensor *y[BLOCKS];
    blocks(m, image, c, y);
    maps[0] = y[1];
    maps[1] = y[3];
    maps[2] = y[4];
}

lb_tensor *lb_dwconv_tower(lb_nn *m, lb_tensor *image, const lb_dwconv *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *y[BLOCKS], *x = blocks(m, image, c, y);
    x = lb_nn_conv_bn(m, x, "head", "head_norm", c->head, 1, lb_conv_same(1, 0, 1), eps, momentum, LB_ACT_RELU6);
    lb_nn_tap(m, x, "features");
    if (x->rank == 4) x = lb_mean(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], x->shape[1], -1}), 2, false);
    return x;
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_dwconv_tower(m, in[0], &c->tower);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 4;
    shape[0] = 1;
    shape[1] = 3;
    shape[2] = shape[3] = c->tower.size;
}

LB_ARCH(dwconv) = {.id = "dwconv",
                   .title = "compact depthwise-convolutional image tower",
                   .source = "blocks: arXiv:1801.04381",
                   .params = params,
                   .params_size = sizeof(config),
                   .kind = "image",
                   .apart = true,
                   .inputs = "image[N,3,H,W]",
                   .taps = "embedding[N,E] pooled[N,D] features[N,D,h,w] block.K[N,C,h,w]",
                   .forward = forward,
                   .example = example};

/* SPDX-License-Identifier: Apache-2.0 */
/* A light network for segmentation: the depthwise-convolutional tower's maps at 1/4, 1/8 and 1/16, decoded by FCN's head on the last
 * (Long et al., arXiv:1411.4038), by UPerNet's over all (Xiao et al., arXiv:1807.10221) or by Segment Anything's decoder on the last, with a token for each
 * class (Kirillov et al., arXiv:2304.02643), with `decoder` channels; logits in the picture's size, bilinear. */
#include <string.h>
#include "nn/picture.h"
#include "vision/archs.h"
#include "vision/sam.h"

typedef struct config {
    lb_dwconv tower;
    int64_t classes, decoder;
    const char *head;
} config;

#define TOWER(field, default_, min_, max_, unit_, text_)                                                                          \
    {.name = #field, .type = LB_T_I64, .offset = offsetof(config, tower.field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
static const lb_param params[] = {
    TOWER(size, 128, 16, 4096, "px", "side of the pictures"),
    TOWER(width, 32, 8, 1024, "channels", "channels of the stem"),
    TOWER(expand, 3, 1, 16, "1", "inner channels of a block, as a multiple of its input's"),
    LB_PARAM(config, classes, 2, 1, 65535, "1", "classes of a pixel"),
    LB_PARAM(config, decoder, 64, 4, 4096, "channels", "channels of the decoder"),
    LB_PARAM_TEXT(config, head, "upernet", "fcn|upernet|sam", "decoder; sam wants a multiple of 8 channels"),
    LB_PARAM_END};

static lb_tensor *decode(lb_nn *m, lb_tensor *maps[LB_DWCONV_MAPS], const config *c) {
    static const int64_t sides[] = {1, 2, 4};
    lb_nn_in(m, "decode_head");
    if (strcmp(c->head, "upernet") == 0) return lb_nn_out(m, lb_nn_upernet_head(m, LB_DWCONV_MAPS, maps, (int)LB_COUNT(sides), sides, c->decoder, c->classes));
    if (strcmp(c->head, "sam") == 0) {
        const lb_sam_decoder sam = {.width = c->decoder, .mask_channels = 4, .depth = 2, .heads = 4, .mlp = 4 * c->decoder, .less = 2, .eps = 1e-5, .act = "relu"};
        lb_tensor *map = lb_nn_conv_bn(m, maps[LB_DWCONV_MAPS - 1], "reduce", "reduce_norm", c->decoder, 1, lb_conv_same(1, 0, 1), 1e-5, 0.1, LB_ACT_RELU);
        return lb_nn_out(m, lb_sam_classes(m, map, c->classes, &sam));
    }
    lb_tensor *x = lb_nn_conv_bn(m, maps[LB_DWCONV_MAPS - 1], "reduce", "reduce_norm", 4 * c->decoder, 1, lb_conv_same(1, 0, 1), 1e-5, 0.1, LB_ACT_RELU);
    return lb_nn_out(m, lb_nn_fcn_head(m, x, c->classes));
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *maps[LB_DWCONV_MAPS], *image = in[0];
    lb_dwconv_maps(m, image, &c->tower, maps);
    lb_nn_tap(m, maps[LB_DWCONV_MAPS - 1], "features");
    lb_tensor *y = decode(m, maps, c);
    lb_nn_tap(m, y, "small_logits");
    if (image->rank == 4) y = lb_resize2d(lb_nn_tape(m), y, image->shape[2], image->shape[3], LB_RESIZE_LINEAR, false);
    lb_nn_tap(m, y, "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 4;
    shape[0] = 1;
    shape[1] = 3;
    shape[2] = shape[3] = c->tower.size;
}

LB_ARCH(segmenter) = {.id = "segmenter",
                      .title = "compact network for segmentation",
                      .source = "tower: arXiv:1801.04381; decoders: arXiv:1411.4038, arXiv:1807.10221, arXiv:2304.02643",
                      .params = params,
                      .params_size = sizeof(config),
                      .kind = "image",
                      .apart = true,
                      .inputs = "image[N,3,H,W]",
                      .taps = "logits[N,K,H,W] small_logits[N,K,h,w] features[N,C,h,w] block.K[N,C,h,w]",
                      .forward = forward,
                      .example = example};

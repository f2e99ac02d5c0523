/* SPDX-License-Identifier: Apache-2.0 */
/* EfficientNet b0 to b7: Tan and Le, arXiv:1905.11946. */
#include <math.h>
#include <string.h>
#include "vision/archs.h"
#include "vision/inverted.h"

typedef struct config {
    lb_inverted_net net;
} config;

static const lb_param params[] = {
    LB_INVERTED_PARAMS(config, net, 32, 1280, "16,24,40,80,112,192,320", "1,2,2,3,3,4,1", "3,3,5,3,5,5,3", "1,2,2,2,1,2,1", "1,6,6,6,6,6,6", 0.25, "silu"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) { lb_inverted_forward(m, in[0], &((const config *)cfg)->net); }

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(c->net.channels, c->net.size, c->net.size, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const timm[] = {"conv_stem.weight", "blocks.1.0.se.conv_reduce.weight", "bn2.weight", "classifier.weight"},
                             *const torchvision[] = {"features.0.0.weight", "features.2.0.block.2.fc1.weight", "classifier.1.weight"};
    if (lb_config_is(json, "efficientnet")) return 90;
    return lb_names_found(names, count, 4, timm) == 4 || lb_names_found(names, count, 3, torchvision) == 3 ? 70 : 0;
}

static lb_status set_text(void *cfg, const char *row, const char *value) { return lb_param_set_text(lb_param_find(params, row), cfg, value); }

enum { STAGES = 16 };

static lb_status from_hugging_face(config *c, const lb_value *json) {
    int64_t width[STAGES] = {16, 24, 40, 80, 112, 192, 320}, depth[STAGES] = {1, 2, 2, 3, 3, 4, 1}, kernel[STAGES] = {3, 3, 5, 3, 5, 5, 3},
            stride[STAGES] = {1, 2, 2, 2, 1, 2, 1}, expand[STAGES] = {1, 6, 6, 6, 6, 6, 6}, even[64];
    const struct { const char *key; int64_t *list; } lists[] = {{"out_channels", width}, {"num_block_repeats", depth}, {"kernel_sizes", kernel}, {"strides", stride}, {"expand_ratios", expand}};
    lb_inverted_net *n = &c->net;
    int64_t count = 7, step = lb_config_int(json, "depth_divisor", 0, 8);
    double wider = lb_config_real(json, "width_coefficient", 2), deeper = lb_config_real(json, "depth_coefficient", 3.1);
    for (size_t i = 0; i < LB_COUNT(lists); i++) {
        int64_t read = lb_get(json, lists[i].key) ? lb_config_ints(json, lists[i].key, lists[i].list, STAGES) : count;
        if (i > 0 && read != count) return lb_fail(LB_E_FORMAT, "efficientnet: %s has %lld numbers, want %lld", lists[i].key, (long long)read, (long long)count);
        count = read;
    }
    for (int64_t i = 0; i < count; i++) {
        width[i] = lb_inverted_round((double)width[i] * wider, step, step);
        depth[i] = (int64_t)ceil((double)depth[i] * deeper);
    }
    n->size = lb_config_int(json, "image_size", 0, 600);
    n->channels = lb_config_int(json, "num_channels", 0, 3);
    n->stem = lb_inverted_round(32 * wider, step, step);
    n->head = lb_inverted_round(1280 * wider, step, step);
    n->squeeze = lb_config_real(json, "squeeze_expansion_ratio", 0.25);
    n->eps = lb_config_real(json, "batch_norm_eps", 1e-3);
    n->always_new = true;
    n->classes = lb_outside_size(json, "classifier.weight", 0);
    lb_status st = lb_inverted_lists(params, c, count, width, depth, kernel, stride, expand);
    if (st == LB_OK) st = set_text(c, "padding", "less");
    if (st == LB_OK) st = set_text(c, "names", "huggingface");
    if (st == LB_OK) st = lb_numbers_to(lb_param_find(params, "even"), c, even, lb_config_ints(json, "depthwise_padding", even, (int64_t)LB_COUNT(even)));
    return st == LB_OK ? lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(json, "hidden_act", NULL)) : st;
}

/* Of torchvision's, b5 to b7 (from 40 channels of the second stage on) have TensorFlow's epsilon. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    if (lb_config_is(json, "efficientnet")) return from_hugging_face(c, json);
    bool torchvision = lb_outside_has(json, "features.0.0.weight");
    lb_status st = set_text(c, "names", torchvision ? "torchvision" : "timm");
    if (st == LB_OK) st = lb_inverted_from_shapes(&c->net, json, params, cfg);
    if (torchvision && lb_outside_size(json, "features.2.0.block.3.0.weight", 0) >= 40) c->net.eps = 1e-3;
    c->net.size = lb_config_int(json, "pretrained_cfg.input_size", 1, c->net.size);
    return st;
}

static const lb_rename classifier[] = {{"classifier", "/classifier"}, {0}};
static const lb_spelling spellings[] = {{"", {NULL}}, {"efficientnet.", {classifier}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(efficientnet) = {.id = "efficientnet",
                         .title = "EfficientNet b0 to b7",
                         .source = "arXiv:1905.11946; names of timm, torchvision or Hugging Face",
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
                         .outside_variants = (int)LB_COUNT(spellings),
                         .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, "
                                       "0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

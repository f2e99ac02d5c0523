/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV2: Sandler et al., arXiv:1801.04381. */
#include <math.h>
#include <string.h>
#include "vision/archs.h"
#include "vision/inverted.h"

typedef struct config {
    lb_inverted_net net;
} config;

static const lb_param params[] = {
    LB_INVERTED_PARAMS(config, net, 32, 1280, "16,24,32,64,96,160,320", "1,2,3,4,3,3,1", "3,3,3,3,3,3,3", "1,2,2,2,1,2,1", "1,6,6,6,6,6,6", 0, "relu6"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) { lb_inverted_forward(m, in[0], &((const config *)cfg)->net); }

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    lb_example_picture(c->net.channels, c->net.size, c->net.size, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const timm[] = {"conv_stem.weight", "blocks.1.0.conv_pwl.weight", "bn2.weight"}, *const torchvision[] = {"features.0.0.weight",
                                                                                                                                "features.2.conv.1.0.weight",
                                                                                                                                "classifier.1.weight"};
    if (lb_config_is(json, "mobilenet_v2")) return 90;
    /* timm's EfficientNet has these names and more, so it comes first */
    return lb_names_found(names, count, 3, torchvision) == 3 ? 80 : lb_names_found(names, count, 3, timm) == 3 ? 60 : 0;
}

static lb_status set_text(void *cfg, const char *row, const char *value) { return lb_param_set_text(lb_param_find(params, row), cfg, value); }

static lb_status from_hugging_face(config *c, const lb_value *json) {
    int64_t width[] = {16, 24, 32, 64, 96, 160, 320}, expand[] = {1, 6, 6, 6, 6, 6, 6};
    static const int64_t depth[] = {1, 2, 3, 4, 3, 3, 1}, kernel[] = {3, 3, 3, 3, 3, 3, 3}, stride[] = {1, 2, 2, 2, 1, 2, 1};
    int64_t step = lb_config_int(json, "depth_divisible_by", 0, 8), least = lb_config_int(json, "min_depth", 0, 8);
    double wider = lb_config_real(json, "depth_multiplier", 1), ratio = lb_config_real(json, "expand_ratio", 6);
    lb_inverted_net *n = &c->net;
    if (lb_config_int(json, "output_stride", 0, 32) != 32 || !lb_get_bool(json, "first_layer_is_expansion", true) || ratio != floor(ratio))
        return lb_fail(LB_E_UNSUPPORTED, "mobilenet-v2: output_stride 32, first_layer_is_expansion and a whole expand_ratio are wanted");
    for (size_t i = 0; i < LB_COUNT(width); i++) {
        width[i] = lb_inverted_round(round((double)width[i] * wider), step, least);
        if (i > 0) expand[i] = (int64_t)ratio;
    }
    n->size = lb_config_int(json, "image_size", 0, 224);
    n->channels = lb_config_int(json, "num_channels", 0, 3);
    n->stem = lb_inverted_round(round(32 * wider), step, least);
    n->head = lb_get_bool(json, "finegrained_output", true) && wider < 1 ? 1280 : lb_inverted_round(round(1280 * wider), step, least);
    n->eps = lb_config_real(json, "layer_norm_eps", 1e-3);
    n->classes = lb_outside_size(json, "classifier.weight", 0);
    lb_status st = lb_inverted_lists(params, c, (int64_t)LB_COUNT(width), width, depth, kernel, stride, expand);
    if (st == LB_OK) st = set_text(c, "padding", lb_get_bool(json, "tf_padding", true) ? "same" : "even");
    if (st == LB_OK) st = set_text(c, "names", "huggingface_v2");
    return st == LB_OK ? lb_config_act_to(lb_param_find(params, "act"), c, lb_get_text(json, "hidden_act", NULL)) : st;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    if (lb_config_is(json, "mobilenet_v2")) return from_hugging_face(c, json);
    lb_status st = set_text(c, "names", lb_outside_has(json, "features.0.0.weight") ? "torchvision_v2" : "timm");
    if (st == LB_OK) st = lb_inverted_from_shapes(&c->net, json, params, cfg);
    if (st != LB_OK) return st;
    int64_t expand[2];
    bool mnasnet = lb_numbers(c->net.expands, expand, 2) == 2 && expand[1] == 3; /* arXiv:1807.11626: same parts, other sizes, ReLU */
    return mnasnet ? set_text(c, "act", "relu") : LB_OK;
}

static const lb_rename classifier[] = {{"classifier", "/classifier"}, {0}};
static const lb_spelling spellings[] = {{"", {NULL}}, {"mobilenet_v2.", {classifier}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(mobilenet_v2) = {.id = "mobilenet_v2",
                         .title = "MobileNetV2",
                         .source = "arXiv:1801.04381; names of timm, torchvision or Hugging Face",
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
                         .preprocess = "{\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bilinear\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": "
                                       "[0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

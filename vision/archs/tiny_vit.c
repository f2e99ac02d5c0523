/* SPDX-License-Identifier: Apache-2.0 */
/* TinyViT: Wu et al., arXiv:2207.10666. */
#include "nn/conv.h"
#include "vision/archs.h"
#include "vision/tiny_vit.h"

typedef struct config {
    lb_tiny_vit net;
    int64_t classes;
} config;

static const lb_param params[] = {
    LB_TINY_VIT_PARAMS(config, net, 224, "64,128,160,320", "2,4,5,10", 0),
    LB_PARAM(config, classes, 1000, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_tiny_vit_tower(m, in[0], &c->net);
    lb_nn_tap(m, x, "features");
    x = lb_nn_layer_norm(m, lb_nn_global_pool(m, x), "head.norm", 1e-5);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, "head.fc", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_tiny_vit_example(&((const config *)cfg)->net, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const timm[] = {"patch_embed.conv1.conv.weight", "stages.1.blocks.0.attn.attention_biases"},
                             *const published[] = {"patch_embed.seq.0.c.weight", "layers.1.blocks.0.attn.attention_biases"};
    (void)json;
    return lb_names_found(names, count, 2, timm) == 2 || lb_names_found(names, count, 2, published) == 2 ? 80 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    c->net.size = lb_config_int(json, "model_args.img_size", 0, lb_config_int(json, "pretrained_cfg.input_size", 1, c->net.size));
    c->classes = lb_outside_size(json, "head.fc.weight", 0);
    if (!c->classes) c->classes = lb_outside_size(json, "head.weight", 0);
    return lb_tiny_vit_from_shapes(&c->net, json, "", params, cfg);
}

static const lb_spelling spellings[] = {{"", {NULL}}, {"", {lb_tiny_vit_published}}};
static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &spellings[variant]); }

LB_ARCH(tiny_vit) = {.id = "tiny_vit",
                     .title = "TinyViT",
                     .source = "arXiv:2207.10666; names of timm",
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
                     .preprocess = "{\"mode\": \"shortest\", \"size_w\": 235, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224, \"mean\": [0.485, "
                                   "0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}"};

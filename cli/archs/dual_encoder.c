/* SPDX-License-Identifier: Apache-2.0 */
/* Two towers into one space: Radford et al., arXiv:2103.00020. logit_scale is kept as its logarithm, as there. */
#include <stdio.h>
#include "text/archs.h"
#include "vision/archs.h"

typedef struct config {
    lb_dwconv image;
    lb_text_tower text;
    int64_t embed, specific;
    double temperature;
} config;

#define PART(name_, field, default_, min_, max_, unit_, text_)                                                                    \
    {.name = name_, .type = LB_T_I64, .offset = offsetof(config, field), .def = default_, .min = min_, .max = max_, .unit = unit_, .text = text_}
static const lb_param params[] = {
    PART("image_size", image.size, 64, 8, 4096, "px", "side of the pictures"),
    PART("image_width", image.width, 32, 8, 1024, "channels", "channels of the image tower's stem"),
    PART("image_expand", image.expand, 3, 1, 16, "1", "inner channels of a block, as a multiple of its input's"),
    PART("image_head", image.head, 512, 8, 8192, "channels", "width of the pooled picture"),
    PART("vocab", text.vocab, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    PART("max_tokens", text.max_tokens, 64, 1, 65536, "tokens", "longest text"),
    PART("text_width", text.width, 128, 8, 8192, "1", "width of the tokens"),
    PART("text_layers", text.layers, 2, 1, 100, "1", "blocks of the text tower"),
    PART("text_heads", text.heads, 4, 1, 256, "1", "its attention heads"),
    PART("text_mlp", text.mlp, 512, 8, 65536, "1", "inner width of its blocks"),
    {.name = "text_dropout", .type = LB_T_F64, .offset = offsetof(config, text.dropout), .def = 0, .min = 0, .max = 0.9, .unit = "1", .text = "dropout in the text tower"},
    LB_PARAM(config, embed, 256, 1, 65536, "1", "width of the common space"),
    LB_PARAM(config, specific, 0, 0, 65536, "1", "width of a second projection per modality for what the other lacks; 0 = none"),
    LB_PARAM(config, temperature, 0.07, LB_ABOVE_0, 100, "1", "temperature that the learned logit_scale starts from"),
    LB_PARAM_END};

static void tower(lb_nn *m, const config *c, lb_tensor *pooled, const char *kind) {
    lb_tape *t = lb_nn_tape(m);
    char name[32];
    lb_nn_tap(m, pooled, "%s_features", kind);
    snprintf(name, sizeof name, "%s_projection", kind);
    lb_nn_tap(m, lb_normalize(t, lb_nn_linear_no_bias(m, pooled, name, c->embed, LB_ACT_NONE), 1e-12), "%s_embed", kind);
    if (c->specific == 0) return;
    snprintf(name, sizeof name, "%s_specific", kind);
    lb_nn_tap(m, lb_nn_linear_no_bias(m, pooled, name, c->specific, LB_ACT_NONE), "%s_specific", kind);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x;
    if (in[0]) {
        lb_nn_in(m, "image");
        lb_nn_tap_under(m, "image.");
        x = lb_nn_out(m, lb_dwconv_tower(m, in[0], &c->image));
        lb_nn_tap_under(m, "");
        tower(m, c, x, "image");
    }
    if (in[1]) {
        lb_nn_in(m, "text");
        lb_nn_tap_under(m, "text.");
        x = lb_nn_out(m, lb_text_tower_run(m, in[1], in[2], &c->text));
        lb_nn_tap_under(m, "");
        tower(m, c, x, "text");
    }
    lb_nn_tap(m, lb_nn_logit_scale(m, "logit_scale", c->temperature), "logit_scale");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    shape[0] = 1;
    *rank = input == 0 ? 4 : 2;
    shape[1] = input == 0 ? 3 : c->text.max_tokens < 16 ? c->text.max_tokens : 16;
    shape[2] = shape[3] = c->image.size;
}

LB_ARCH(dual_encoder) = {.id = "dual_encoder",
                         .title = "compact picture and text towers into one space",
                         .source = "arXiv:2103.00020",
                         .params = params,
                         .params_size = sizeof(config),
                         .kind = "joint",
                         .apart = true,
                         .inputs = "image[N,3,H,W]? ids[M,L]:i64? mask[M,L]:i64?",
                         .taps = "image_embed[N,E] text_embed[M,E] image_features[N,D] text_features[M,W] image_specific[N,S] text_specific[M,S] logit_scale[] "
                                 "image.features[N,D,h,w] image.block.K[N,C,h,w] text.tokens[M,L,W] text.block.K[M,L,W]",
                         .forward = forward,
                         .example = example};

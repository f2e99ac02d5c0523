/* SPDX-License-Identifier: Apache-2.0 */
/* Two small towers over features of frozen encoders into one space (as in "locked" contrastive tuning, Zhai et al., arXiv:2111.07991, with
 * both encoders locked). */
#include <stdio.h>
#include "nn/model.h"

typedef struct config {
    int64_t image_width, text_width, hidden, embed;
    double dropout, temperature;
} config;

static const lb_param params[] = {
    LB_PARAM(config, image_width, 1280, 1, 1000000, "1", "width of the pictures' features"),
    LB_PARAM(config, text_width, 384, 1, 1000000, "1", "width of the texts' features"),
    LB_PARAM(config, hidden, 512, 1, 1000000, "1", "inner width of both towers"),
    LB_PARAM(config, embed, 256, 1, 65536, "1", "width of the common space"),
    LB_PARAM(config, dropout, 0.2, 0, 0.9, "1", "dropout before each map"),
    LB_PARAM(config, temperature, 0.07, LB_ABOVE_0, 100, "1", "temperature that the learned logit_scale starts from"),
    LB_PARAM_END};

static void tower(lb_nn *m, const config *c, lb_tensor *x, const char *kind) {
    lb_nn_in(m, "%s", kind);
    x = lb_nn_layer_norm(m, x, "norm", 1e-5);
    x = lb_nn_linear(m, lb_nn_dropout(m, x, c->dropout), "fc1", c->hidden, LB_ACT_GELU);
    x = lb_nn_linear(m, lb_nn_dropout(m, x, c->dropout), "fc2", c->embed, LB_ACT_NONE);
    x = lb_nn_out(m, lb_normalize(lb_nn_tape(m), x, 1e-12));
    lb_nn_tap(m, x, "%s_embed", kind);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    if (in[0]) tower(m, c, in[0], "image");
    if (in[1]) tower(m, c, in[1], "text");
    lb_nn_tap(m, lb_nn_logit_scale(m, "logit_scale", c->temperature), "logit_scale");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = 2;
    shape[0] = 1;
    shape[1] = input == 0 ? c->image_width : c->text_width;
}

LB_ARCH(joint_head) = {.id = "joint_head",
                       .title = "two small towers over cached features into one space",
                       .source = "arXiv:2111.07991",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "joint",
                       .apart = true,
                       .inputs = "image_features[N,A]? text_features[M,B]?",
                       .taps = "image_embed[N,E] text_embed[M,E] logit_scale[]",
                       .forward = forward,
                       .example = example};

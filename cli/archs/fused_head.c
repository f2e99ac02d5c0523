/* SPDX-License-Identifier: Apache-2.0 */
/* Features of several modalities through a norm and a map each, joined by a fusion block (limbeck describe blocks), into an embedding and classes. */
#include <stdio.h>
#include "fusion/block.h"
#include "nn/model.h"

enum { INPUTS = 4 };
static const char *const kinds[INPUTS] = {"image", "text", "audio", "video"};

typedef struct config {
    int64_t image_width, text_width, audio_width, video_width, width, embed, classes;
    const char *block;
    bool norm;
} config;

static const lb_param params[] = {
    LB_PARAM(config, image_width, 1280, 0, 1000000, "1", "width of the pictures' features; 0 = there are none"),
    LB_PARAM(config, text_width, 384, 0, 1000000, "1", "likewise of the texts'"),
    LB_PARAM(config, audio_width, 0, 0, 1000000, "1", "likewise of the sounds'"),
    LB_PARAM(config, video_width, 0, 0, 1000000, "1", "likewise of the videos'"),
    LB_PARAM(config, width, 256, 1, 65536, "1", "width in which they are joined"),
    LB_PARAM(config, embed, 256, 0, 65536, "1", "width of the embedding; 0 = none"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes; 0 = no logits"),
    LB_PARAM_TEXT(config, block, "gated", NULL, "fusion block"),
    LB_PARAM_FLAG(config, norm, true, "a layer norm before each modality's map"),
    LB_PARAM_END};

static const int64_t *width_of(const config *c, int i) { return (const int64_t *[]){&c->image_width, &c->text_width, &c->audio_width, &c->video_width}[i]; }

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *x[INPUTS];
    int n = 0;
    for (int i = 0; i < INPUTS; i++) {
        if (*width_of(c, i) == 0) continue;
        if (!in[i]) {
            (void)lb_tape_fail(t, LB_E_NOTFOUND, "fused_head: %s_features are missing", kinds[i]);
            return;
        }
        lb_nn_in(m, "%s", kinds[i]);
        x[n] = lb_nn_out(m, lb_nn_linear(m, c->norm ? lb_nn_layer_norm(m, in[i], "norm", 1e-5) : in[i], "fc", c->width, LB_ACT_GELU));
        n++;
    }
    lb_nn_in(m, "fusion");
    lb_tensor *y = lb_nn_out(m, lb_fuse(m, c->block, n, x));
    lb_nn_tap(m, y, "pooled");
    if (c->embed > 0) lb_nn_tap(m, lb_normalize(t, lb_nn_linear_no_bias(m, y, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
    if (c->classes > 0) lb_nn_tap(m, lb_nn_linear(m, y, "head", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    *rank = 2;
    shape[0] = 1;
    shape[1] = *width_of(c, input) > 0 ? *width_of(c, input) : 1;
}

LB_ARCH(fused_head) = {.id = "fused_head",
                       .title = "features of several modalities joined by a fusion block",
                       .source = "",
                       .params = params,
                       .params_size = sizeof(config),
                       .kind = "joint",
                       .inputs = "image_features[N,A]? text_features[N,B]? audio_features[N,C]? video_features[N,D]?",
                       .taps = "embedding[N,E] pooled[N,W] logits[N,K]",
                       .forward = forward,
                       .example = example};

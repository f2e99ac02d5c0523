/* SPDX-License-Identifier: Apache-2.0 */
/* CLIP with a residual network for pictures (RN50, RN101, RN50x4, ...): three 3x3 convolutions as its stem, means in place of strides, and at the end the
 * places' mean that attends to all places. Radford et al., arXiv:2103.00020, section 2.4; names of OpenAI's ModifiedResNet. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/attention.h"
#include "nn/outside.h"
#include "nn/picture.h"
#include "tensor/arrange.h"
#include "text/clip.h"
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    int64_t image_width, image_size, image_channels, image_heads, embed;
    const char *image_blocks;
    lb_clip_text text;
    double temperature;
} config;

static const lb_param params[] = {
    LB_PARAM(config, image_width, 64, 2, 4096, "channels", "channels of the picture tower's stem; stages give 4, 8, 16, 32 times as many"),
    LB_PARAM(config, image_size, 224, 32, 4096, "px", "side of the pictures, a multiple of 32"),
    LB_PARAM(config, image_channels, 3, 1, 4096, "1", "channels of the pictures"),
    LB_PARAM(config, image_heads, 32, 1, 1024, "1", "attention heads of the last layer"),
    LB_PARAM_TEXT(config, image_blocks, "3,4,6,3", NULL, "blocks of the four stages, with commas"),
    LB_CLIP_TEXT_PARAMS(config, text, "text_", 49408, 77, 512, 12, 8, 2048, 1e-5, "gelu_quick", 0),
    LB_PARAM(config, embed, 1024, 1, 65536, "1", "width of the common space"),
    LB_PARAM(config, temperature, 0.07, LB_ABOVE_0, 100, "1", "temperature that the learned logit_scale starts from"),
    LB_PARAM_END};

enum { STAGES = 4, WIDER = 4, SHRINK = 32 };
static const double eps = 1e-5, momentum = 0.1;

static lb_tensor *stem(lb_nn *m, lb_tensor *x, int64_t width) {
    x = lb_nn_conv_bn(m, x, "conv1", "bn1", width / 2, 3, lb_conv_same(2, 1, 1), eps, momentum, LB_ACT_RELU);
    x = lb_nn_conv_bn(m, x, "conv2", "bn2", width / 2, 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU);
    x = lb_nn_conv_bn(m, x, "conv3", "bn3", width, 3, lb_conv_same(1, 1, 1), eps, momentum, LB_ACT_RELU);
    return lb_avg_pool(lb_nn_tape(m), x, lb_window_of(2, 2, 0), LB_AVG_INSIDE, 0);
}

/* What the mean of the places finds in all of them and itself: [N,C,H,W] -> [N,embed]. */
static lb_tensor *attention_pool(lb_nn *m, lb_tensor *x, const config *c) {
    static const lb_attend_names names = {.out = "c_proj"};
    lb_tape *t = lb_nn_tape(m);
    int64_t side = c->image_size / SHRINK, channels = x->shape[1];
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (x->shape[2] != side || x->shape[3] != side) {
        (void)lb_tape_fail(t, LB_E_SHAPE, "clip_resnet: pictures of %lld x %lld are wanted, positions are learned for those alone", (long long)c->image_size, (long long)c->image_size);
        return lb_inert(t);
    }
    lb_nn_in(m, "attnpool");
    lb_tensor *places = lb_transpose(t, lb_flatten(t, x, 2, 3), 1, 2), *all = lb_concat(t, 2, (lb_tensor *[]){lb_mean(t, places, 1, true), places}, 1);
    all = lb_add(t, all, lb_nn_param(m, "positional_embedding", 2, (int64_t[]){1 + side * side, channels}, LB_INIT_NORMAL, 1 / sqrt((double)channels)));
    lb_tensor *y = lb_nn_attend(m, lb_slice(t, all, 1, 0, 1, 1), all, &(lb_attend_spec){.heads = c->image_heads, .out_width = c->embed, .names = &names});
    return lb_nn_out(m, lb_vit_token(m, y, 0));
}

static lb_tensor *picture_tower(lb_nn *m, lb_tensor *x, const config *c) {
    int64_t blocks[STAGES];
    int k = 0;
    if (lb_numbers(c->image_blocks, blocks, STAGES) != STAGES) {
        (void)lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "clip_resnet: image_blocks '%s' are not four numbers", c->image_blocks);
        return lb_inert(lb_nn_tape(m));
    }
    x = stem(m, x, c->image_width);
    for (int s = 0; s < STAGES; s++)
        for (int64_t i = 0; i < blocks[s]; i++) {
            int64_t inner = c->image_width << s;
            lb_nn_in(m, "layer%d.%d", s + 1, (int)i);
            x = lb_nn_residual_block(m, x, &(lb_residual){.inner = inner, .out = WIDER * inner, .stride = s > 0 && i == 0 ? 2 : 1, .groups = 1, .last = true, .by_means = true});
            lb_nn_tap(m, x, "block.%d", k++);
            x = lb_nn_out(m, x);
        }
    lb_nn_tap(m, x, "features");
    x = attention_pool(m, x, c);
    lb_nn_tap(m, x, "pooled");
    return x;
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *picture = NULL;
    if (in[0]) {
        lb_nn_in(m, "image");
        lb_nn_tap_under(m, "image.");
        picture = picture_tower(m, in[0], c);
        lb_nn_tap_under(m, "");
        picture = lb_nn_out(m, lb_normalize(t, picture, 1e-12));
        lb_nn_tap(m, picture, "image_embed");
    }
    lb_tensor *words = in[1] ? lb_clip_text_embed(m, in[1], in[2], &c->text, c->embed) : NULL;
    lb_clip_scores(m, picture, words, c->temperature);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    if (input == 0) lb_example_picture(c->image_channels, c->image_size, c->image_size, rank, shape);
    else lb_clip_text_example(&c->text, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const all[] = {"visual.attnpool.positional_embedding", "visual.layer1.0.conv1.weight", "visual.conv3.weight", "logit_scale"};
    (void)json;
    return lb_names_found(names, count, (int)LB_COUNT(all), all) == (int)LB_COUNT(all) ? 80 : 0;
}

/* Sizes from the names and shapes of the weights. Heads are 64 wide unless open_clip's configuration says otherwise. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    int64_t blocks[STAGES], embed = 0, places = lb_outside_size(json, "visual.attnpool.positional_embedding", 0) - 1, side = 0,
                            head = lb_config_int(lb_get(json, "model_cfg.vision_cfg"), "head_width", 0, 64);
    for (int s = 0; s < STAGES; s++) {
        char name[64];
        snprintf(name, sizeof name, "visual.layer%d.%%d.conv1.weight", s + 1);
        blocks[s] = lb_outside_count(json, name);
    }
    while (side * side < places) side++;
    c->image_width = lb_outside_size(json, "visual.conv3.weight", 0);
    c->image_channels = lb_outside_size(json, "visual.conv1.weight", 1);
    c->image_size = side * SHRINK;
    c->image_heads = head > 0 ? c->image_width * SHRINK / head : 0;
    c->embed = lb_outside_size(json, "visual.attnpool.c_proj.weight", 0);
    if (places < 1 || side * side != places || !c->image_width || !c->image_heads || !c->embed)
        return lb_fail(LB_E_UNSUPPORTED, "clip_resnet: %lld channels, %lld positions (a square and one), heads of %lld, %lld numbers out of the picture tower",
                       (long long)c->image_width, (long long)places + 1, (long long)head, (long long)c->embed);
    lb_status st = lb_numbers_to(lb_param_find(params, "image_blocks"), c, blocks, STAGES);
    if (st == LB_OK) st = lb_clip_text_config(&c->text, &embed, json, lb_param_find(params, "text_act"), cfg);
    if (st == LB_OK && embed != c->embed) return lb_fail(LB_E_FORMAT, "clip_resnet: pictures go to %lld numbers, texts to %lld", (long long)c->embed, (long long)embed);
    return st;
}

enum { OPENAI, OPEN_CLIP, SPELLINGS };

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const lb_spelling image = {"visual.", {NULL}}, plain = {"", {NULL}};
    if (strncmp(name, "image.", 6) == 0) return lb_spell(dst, cap, name + 6, &image);
    return strncmp(name, "text.", 5) == 0 ? lb_spell(dst, cap, name + 5, &lb_clip_text_spellings[variant == OPENAI ? 2 : 3]) : lb_spell(dst, cap, name, &plain);
}

LB_ARCH(clip_resnet) = {.id = "clip_resnet",
                        .title = "CLIP with a residual network for pictures",
                        .source = "arXiv:2103.00020; files of OpenAI, open_clip",
                        .params = params,
                        .params_size = sizeof(config),
                        .kind = "joint",
                        .apart = true,
                        .inputs = "image[N,3,H,W]? ids[M,L]:i64? mask[M,L]:i64?",
                        .taps = "image_embed[N,E] text_embed[M,E] logits[N,M] logit_scale[] image.pooled[N,E] image.features[N,D,h,w] image.block.K[N,C,h,w] "
                                "text.pooled[M,W] text.tokens[M,L,W] "
                                "text.block.K[M,L,W] text.attn.K[M,H,L,L]",
                        .forward = forward,
                        .example = example,
                        .from_config = from_config,
                        .recognise = recognise,
                        .outside_name = outside_name,
                        .outside_variants = SPELLINGS,
                        .preprocess = LB_CLIP_PREPROCESS};

/* SPDX-License-Identifier: Apache-2.0 */
/* CLIP: pictures and texts into one space. Radford et al., arXiv:2103.00020. */
#include <string.h>
#include "text/clip.h"
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit image;
    lb_clip_text text;
    int64_t embed;
    double temperature;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, image, "image_", 224, 32, 768, 12, 12, 3072, 1e-5, "gelu_quick"),
    LB_VIT_NUMBER(config, image, "image_", "no_patch_bias", no_patch_bias, LB_T_BOOL, 1, 0, 1, "", "patches without bias"),
    LB_VIT_NUMBER(config, image, "image_", "norm_pre", norm_pre, LB_T_BOOL, 1, 0, 1, "", "a norm before the first block"),
    LB_VIT_NUMBER(config, image, "image_", "prefix_places", prefix_places, LB_T_I64, -1, -1, 1, "tokens", "so many tokens in front of the patches have positions; -1 = all"),
    LB_VIT_NUMBER(config, image, "image_", "layer_scale", layer_scale, LB_T_F64, 0, 0, 100, "1", "start of the learned factors per channel; 0 = none"),
    LB_CLIP_TEXT_PARAMS(config, text, "text_", 49408, 77, 512, 12, 8, 2048, 1e-5, "gelu_quick", 0),
    LB_PARAM(config, embed, 512, 1, 65536, "1", "width of the common space"),
    LB_PARAM(config, temperature, 0.07, LB_ABOVE_0, 100, "1", "temperature that the learned logit_scale starts from"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *picture = NULL;
    if (in[0]) {
        lb_nn_in(m, "image");
        lb_nn_tap_under(m, "image.");
        picture = lb_clip_vision_tower(m, in[0], &c->image);
        lb_nn_tap_under(m, "");
        picture = lb_nn_out(m, lb_normalize(t, lb_nn_linear_no_bias(m, picture, "projection", c->embed, LB_ACT_NONE), 1e-12));
        lb_nn_tap(m, picture, "image_embed");
    }
    lb_tensor *words = in[1] ? lb_clip_text_embed(m, in[1], in[2], &c->text, c->embed) : NULL;
    lb_clip_scores(m, picture, words, c->temperature);
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    if (input == 0) lb_vit_example(&c->image, rank, shape);
    else lb_clip_text_example(&c->text, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const both[] = {"visual.conv1.weight", "visual.class_embedding", "visual.transformer.resblocks.0.attn.in_proj_weight", "logit_scale"};
    if (lb_config_is(json, "clip")) return 90;
    return lb_names_found(names, count, (int)LB_COUNT(both), both) == (int)LB_COUNT(both) ? 80 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    int64_t embed = 0;
    lb_status st = lb_clip_vision_config(&c->image, &c->embed, json, lb_param_find(params, "image_act"), cfg);
    if (st == LB_OK) st = lb_clip_text_config(&c->text, &embed, json, lb_param_find(params, "text_act"), cfg);
    if (st == LB_OK && embed != c->embed) return lb_fail(LB_E_FORMAT, "clip: pictures go to %lld numbers, texts to %lld", (long long)c->embed, (long long)embed);
    return st;
}

enum { HUGGING_FACE, OPENAI, OPEN_CLIP, SPELLINGS };

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const lb_spelling plain = {"", {NULL}};
    const lb_spelling *image = &lb_clip_vision_spellings[variant == HUGGING_FACE ? 0 : 2], *text = &lb_clip_text_spellings[variant == HUGGING_FACE ? 0 : variant == OPENAI ? 2 : 3];
    if (strncmp(name, "image.", 6) == 0) return lb_spell(dst, cap, name + 6, image);
    return strncmp(name, "text.", 5) == 0 ? lb_spell(dst, cap, name + 5, text) : lb_spell(dst, cap, name, &plain);
}

LB_ARCH(clip) = {.id = "clip",
                 .title = "CLIP: pictures and texts in one space",
                 .source = "arXiv:2103.00020; files of OpenAI, open_clip, Hugging Face",
                 .params = params,
                 .params_size = sizeof(config),
                 .kind = "joint",
                 .apart = true,
                 .inputs = "image[N,3,H,W]? ids[M,L]:i64? mask[M,L]:i64?",
                 .taps = "image_embed[N,E] text_embed[M,E] logits[N,M] logit_scale[] image.pooled[N,D] image.tokens[N,1+P,D] image.block.K[N,1+P,D] "
                         "image.attn.K[N,H,1+P,1+P] text.pooled[M,W] text.tokens[M,L,W] "
                         "text.block.K[M,L,W] text.attn.K[M,H,L,L]",
                 .forward = forward,
                 .example = example,
                 .from_config = from_config,
                 .recognise = recognise,
                 .outside_name = outside_name,
                 .outside_variants = SPELLINGS,
                 .preprocess = LB_CLIP_PREPROCESS};

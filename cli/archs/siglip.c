/* SPDX-License-Identifier: Apache-2.0 */
/* SigLIP: pictures and texts into one space, learned with sigmoids of scaled and shifted similarities. Zhai et al., arXiv:2303.15343. */
#include <string.h>
#include "text/clip.h"
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit image;
    lb_clip_text text;
    double temperature, bias;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, image, "image_", 224, 16, 768, 12, 12, 3072, 1e-6, "gelu_tanh"),
    LB_VIT_NUMBER(config, image, "image_", "no_class", no_class, LB_T_BOOL, 1, 0, 1, "", "without a class token"),
    LB_CLIP_TEXT_PARAMS(config, text, "text_", 32000, 64, 768, 12, 12, 3072, 1e-6, "gelu_tanh", 1),
    LB_PARAM(config, temperature, 0.1, LB_ABOVE_0, 100, "1", "temperature that the learned logit_scale starts from"),
    LB_PARAM(config, bias, -10, -1000, 1000, "1", "where the learned logit_bias starts"),
    LB_PARAM_END};

/* The numbers of the common space are those of a picture's token. */
static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *embed[2] = {NULL, NULL};
    if (in[0]) {
        lb_nn_in(m, "image");
        lb_nn_tap_under(m, "image.");
        embed[0] = lb_nn_out(m, lb_normalize(t, lb_siglip_vision_tower(m, in[0], &c->image), 1e-12));
        lb_nn_tap_under(m, "");
        lb_nn_tap(m, embed[0], "image_embed");
    }
    if (in[1]) {
        lb_nn_in(m, "text");
        lb_nn_tap_under(m, "text.");
        embed[1] = lb_nn_out(m, lb_normalize(t, lb_siglip_text_tower(m, in[1], in[2], &c->text, c->image.dim), 1e-12));
        lb_nn_tap_under(m, "");
        lb_nn_tap(m, embed[1], "text_embed");
    }
    lb_tensor *scale = lb_nn_logit_scale(m, "logit_scale", c->temperature), *bias = lb_nn_param(m, "logit_bias", 0, NULL, LB_INIT_CONSTANT, c->bias);
    lb_nn_tap(m, scale, "logit_scale");
    lb_nn_tap(m, bias, "logit_bias");
    if (in[0] && in[1]) lb_nn_tap(m, lb_add(t, lb_mul(t, lb_matmul(t, embed[0], embed[1], false, true), scale), bias), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    if (input == 0) lb_vit_example(&c->image, rank, shape);
    else lb_clip_text_example(&c->text, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const open_clip[] = {"visual.trunk.attn_pool.latent", "text.token_embedding.weight", "logit_bias"};
    if (lb_config_is(json, "siglip")) return 90;
    return lb_names_found(names, count, (int)LB_COUNT(open_clip), open_clip) == (int)LB_COUNT(open_clip) ? 85 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    int64_t embed = 0;
    lb_status st = lb_siglip_vision_config(&c->image, json, lb_param_find(params, "image_act"), cfg);
    if (st == LB_OK) st = lb_siglip_text_config(&c->text, &embed, json, lb_param_find(params, "text_act"), cfg);
    if (st == LB_OK && embed != c->image.dim) return lb_fail(LB_E_FORMAT, "siglip: pictures go to %lld numbers, texts to %lld", (long long)c->image.dim, (long long)embed);
    return st;
}

enum { HUGGING_FACE, OPEN_CLIP, SPELLINGS };

static bool outside_name(char *dst, size_t cap, const char *name, int variant) {
    static const lb_spelling plain = {"", {NULL}};
    if (strncmp(name, "image.", 6) == 0) return lb_spell(dst, cap, name + 6, &lb_siglip_vision_spellings[variant == HUGGING_FACE ? 0 : 2]);
    return strncmp(name, "text.", 5) == 0 ? lb_spell(dst, cap, name + 5, &lb_clip_text_spellings[variant == HUGGING_FACE ? 0 : 3]) : lb_spell(dst, cap, name, &plain);
}

LB_ARCH(siglip) = {.id = "siglip",
                   .title = "SigLIP: pictures and texts in one space",
                   .source = "arXiv:2303.15343; files of open_clip and Hugging Face",
                   .params = params,
                   .params_size = sizeof(config),
                   .kind = "joint",
                   .apart = true,
                   .inputs = "image[N,3,H,W]? ids[M,L]:i64? mask[M,L]:i64?",
                   .taps = "image_embed[N,D] text_embed[M,D] logits[N,M] logit_scale[] logit_bias[] image.pooled[N,D] image.tokens[N,P,D] image.block.K[N,P,D] "
                           "image.attn.K[N,H,P,P] text.pooled[M,D] text.tokens[M,L,W] "
                           "text.block.K[M,L,W] text.attn.K[M,H,L,L]",
                   .forward = forward,
                   .example = example,
                   .from_config = from_config,
                   .recognise = recognise,
                   .outside_name = outside_name,
                   .outside_variants = SPELLINGS,
                   .whole_texts = true,
                   .preprocess = LB_SIGLIP_PREPROCESS};

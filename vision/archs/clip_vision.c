/* SPDX-License-Identifier: Apache-2.0 */
/* The picture tower of CLIP alone: Radford et al., arXiv:2103.00020. */
#include <string.h>
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit vit;
    int64_t embed;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, vit, "", 224, 32, 768, 12, 12, 3072, 1e-5, "gelu_quick"),
    LB_VIT_NUMBER(config, vit, "", "no_patch_bias", no_patch_bias, LB_T_BOOL, 1, 0, 1, "", "patches without bias"),
    LB_VIT_NUMBER(config, vit, "", "norm_pre", norm_pre, LB_T_BOOL, 1, 0, 1, "", "a norm before the first block"),
    LB_VIT_NUMBER(config, vit, "", "prefix_places", prefix_places, LB_T_I64, -1, -1, 1, "tokens", "so many tokens in front of the patches have positions; -1 = all"),
    LB_VIT_NUMBER(config, vit, "", "layer_scale", layer_scale, LB_T_F64, 0, 0, 100, "1", "start of the learned factors per channel; 0 = none"),
    LB_PARAM(config, embed, 512, 0, 65536, "1", "width of the L2-normalised projection that is the embedding; 0 = none, the embedding is pooled"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_clip_vision_tower(m, in[0], &c->vit);
    lb_nn_tap(m, c->embed ? lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12) : x, "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_vit_example(&((const config *)cfg)->vit, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    static const char *const openai[] = {"visual.conv1.weight", "visual.class_embedding", "visual.transformer.resblocks.0.attn.in_proj_weight"};
    if (lb_config_is(json, "clip_vision_model")) return 90;
    return lb_names_found(names, count, (int)LB_COUNT(openai), openai) == (int)LB_COUNT(openai) ? 60 : 0; /* with a text tower as well it is clip's */
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    lb_status st = lb_clip_vision_config(&c->vit, &c->embed, json, lb_param_find(params, "act"), cfg);
    if (!lb_outside_has(json, "visual_projection.weight") && !lb_outside_has(json, "visual.proj")) c->embed = 0;
    return st;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &lb_clip_vision_spellings[variant]); }

LB_ARCH(clip_vision) = {.id = "clip_vision",
                        .title = "picture tower of CLIP",
                        .source = "arXiv:2103.00020; names of timm, files of OpenAI, open_clip, Hugging Face",
                        .params = params,
                        .params_size = sizeof(config),
                        .kind = "image",
                        .apart = true,
                        .inputs = "image[N,3,H,W]",
                        .taps = "embedding[N,E] pooled[N,D] tokens[N,1+P,D] embeddings[N,1+P,D] block.K[N,1+P,D] attn.K[N,H,1+P,1+P]",
                        .forward = forward,
                        .example = example,
                        .from_config = from_config,
                        .recognise = recognise,
                        .outside_name = outside_name,
                        .outside_variants = LB_CLIP_VISION_SPELLINGS,
                        .preprocess = LB_CLIP_PREPROCESS};

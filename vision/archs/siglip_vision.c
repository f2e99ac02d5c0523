/* SPDX-License-Identifier: Apache-2.0 */
/* The picture tower of SigLIP alone: Zhai et al., arXiv:2303.15343. */
#include <string.h>
#include "vision/archs.h"
#include "vision/vit.h"

typedef struct config {
    lb_vit vit;
} config;

static const lb_param params[] = {
    LB_VIT_PARAMS(config, vit, "", 224, 16, 768, 12, 12, 3072, 1e-6, "gelu_tanh"),
    LB_VIT_NUMBER(config, vit, "", "no_class", no_class, LB_T_BOOL, 1, 0, 1, "", "without a class token"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_siglip_vision_tower(m, in[0], &c->vit), 1e-12), "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_vit_example(&((const config *)cfg)->vit, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    (void)names;
    (void)count;
    return lb_config_is(json, "siglip_vision_model") ? 90 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    return lb_siglip_vision_config(&c->vit, json, lb_param_find(params, "act"), cfg);
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &lb_siglip_vision_spellings[variant]); }

LB_ARCH(siglip_vision) = {.id = "siglip_vision",
                          .title = "picture tower of SigLIP",
                          .source = "arXiv:2303.15343; names of timm, files of open_clip and Hugging Face",
                          .params = params,
                          .params_size = sizeof(config),
                          .kind = "image",
                          .apart = true,
                          .inputs = "image[N,3,H,W]",
                          .taps = "embedding[N,D] pooled[N,D] tokens[N,P,D] embeddings[N,P,D] block.K[N,P,D] attn.K[N,H,P,P]",
                          .forward = forward,
                          .example = example,
                          .from_config = from_config,
                          .recognise = recognise,
                          .outside_name = outside_name,
                          .outside_variants = LB_SIGLIP_VISION_SPELLINGS,
                          .preprocess = LB_SIGLIP_PREPROCESS};

/* SPDX-License-Identifier: Apache-2.0 */
/* The text tower of SigLIP alone: Zhai et al., arXiv:2303.15343. */
#include "text/archs.h"
#include "text/clip.h"

typedef struct config {
    lb_clip_text text;
    int64_t embed;
} config;

static const lb_param params[] = {
    LB_CLIP_TEXT_PARAMS(config, text, "", 32000, 64, 768, 12, 12, 3072, 1e-6, "gelu_tanh", 1),
    LB_PARAM(config, embed, 768, 1, 65536, "1", "width of pooled and of the embedding"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_siglip_text_tower(m, in[0], in[1], &c->text, c->embed), 1e-12), "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_clip_text_example(&((const config *)cfg)->text, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    (void)names;
    (void)count;
    return lb_config_is(json, "siglip_text_model") ? 90 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    return lb_siglip_text_config(&c->text, &c->embed, json, lb_param_find(params, "act"), cfg);
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &lb_clip_text_spellings[variant]); }

LB_ARCH(siglip_text) = {.id = "siglip_text",
                        .title = "text tower of SigLIP",
                        .source = "arXiv:2303.15343; block names of timm, files of Hugging Face",
                        .params = params,
                        .params_size = sizeof(config),
                        .kind = "text",
                        .apart = true,
                        .inputs = "ids[N,L]:i64 mask[N,L]:i64?",
                        .taps = "embedding[N,E] pooled[N,E] tokens[N,L,D] block.K[N,L,D] attn.K[N,H,L,L]",
                        .forward = forward,
                        .example = example,
                        .from_config = from_config,
                        .recognise = recognise,
                        .outside_name = outside_name,
                        .outside_variants = LB_CLIP_TEXT_SPELLINGS,
                        .whole_texts = true};

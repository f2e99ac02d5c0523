/* SPDX-License-Identifier: Apache-2.0 */
/* The text tower of CLIP alone: Radford et al., arXiv:2103.00020. */
#include "text/archs.h"
#include "text/clip.h"

typedef struct config {
    lb_clip_text text;
    int64_t embed;
} config;

static const lb_param params[] = {
    LB_CLIP_TEXT_PARAMS(config, text, "", 49408, 77, 512, 12, 8, 2048, 1e-5, "gelu_quick", 0),
    LB_PARAM(config, embed, 512, 0, 65536, "1", "width of the L2-normalised projection that is the embedding; 0 = none, the embedding is pooled"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_clip_text_tower(m, in[0], in[1], &c->text);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, c->embed ? lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12) : x, "embedding");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)input;
    lb_clip_text_example(&((const config *)cfg)->text, rank, shape);
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    (void)names;
    (void)count;
    return lb_config_is(json, "clip_text_model") ? 90 : 0;
}

static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    lb_status st = lb_clip_text_config(&c->text, &c->embed, json, lb_param_find(params, "act"), cfg);
    if (!lb_outside_has(json, "text_projection.weight")) c->embed = 0;
    return st;
}

static bool outside_name(char *dst, size_t cap, const char *name, int variant) { return lb_spell(dst, cap, name, &lb_clip_text_spellings[variant]); }

LB_ARCH(clip_text) = {.id = "clip_text",
                      .title = "text tower of CLIP",
                      .source = "arXiv:2103.00020; block names of timm, files of Hugging Face",
                      .params = params,
                      .params_size = sizeof(config),
                      .kind = "text",
                      .apart = true,
                      .inputs = "ids[N,L]:i64 mask[N,L]:i64?",
                      .taps = "embedding[N,E] pooled[N,D] tokens[N,L,D] block.K[N,L,D] attn.K[N,H,L,L]",
                      .forward = forward,
                      .example = example,
                      .from_config = from_config,
                      .recognise = recognise,
                      .outside_name = outside_name,
                      .outside_variants = LB_CLIP_TEXT_SPELLINGS};

/* SPDX-License-Identifier: Apache-2.0 */
#include "text/clip.h"
#include <stdio.h>
#include <string.h>
#include "nn/attention.h"

/* ---- the tower ---- */

/* Place of each text's end [N] i64: the first largest number of what marks it. */
static lb_tensor *ends(lb_tape *t, lb_tensor *ids, const lb_clip_text *c) {
    if (c->end < 0) return lb_argmax(t, lb_to_real(t, ids), 1);
    lb_tensor *end = lb_input(t, LB_I64, 0, NULL, &c->end, LB_I64);
    return lb_argmax(t, lb_to_real(t, lb_eq(t, ids, end)), 1);
}

static lb_tensor *picked(lb_tape *t, lb_tensor *x, lb_tensor *ids, const lb_clip_text *c) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = x->shape[0], l = x->shape[1], w = x->shape[2];
    if (c->whole) return lb_reshape(t, lb_slice(t, x, 1, l - 1, l, 1), 2, (int64_t[]){n, w});
    lb_tensor *place = lb_reshape(t, ends(t, ids, c), 3, (int64_t[]){n, 1, 1});
    return lb_reshape(t, lb_gather(t, x, lb_expand(t, place, 3, (int64_t[]){n, 1, w}), 1), 2, (int64_t[]){n, w});
}

lb_tensor *lb_clip_text_tower(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (ids->rank != 2 || ids->shape[1] > c->max_tokens) {
        char text[96];
        return lb_tape_fail(t, LB_E_SHAPE, "clip: ids %s, wanted [N,L] with L at most %lld", lb_shape_text(text, sizeof text, ids->rank, ids->shape), (long long)c->max_tokens);
    }
    lb_tensor *x = lb_nn_embedding(m, ids, "token_embedding", c->vocab, c->width, 0.02);
    lb_tensor *places = lb_nn_param(m, "pos_embed", 2, (int64_t[]){c->max_tokens, c->width}, LB_INIT_NORMAL, 0.01);
    x = lb_add(t, x, lb_slice(t, places, 0, 0, ids->shape[1], 1));
    x = lb_nn_blocks(m, x, c->depth, &(lb_block_spec){.self = {.heads = c->heads, .mask = mask, .causal = !c->whole}, .mlp = {.width = c->mlp, .act = lb_act_named(c->act)}, .eps = c->eps,
                                                      .layer_scale = c->layer_scale ? 1e-5 : 0, .names = &lb_names_timm});
    x = lb_nn_layer_norm(m, x, "norm", c->eps);
    lb_nn_tap(m, x, "tokens");
    return picked(t, x, ids, c);
}

lb_tensor *lb_siglip_text_tower(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c, int64_t out) {
    lb_tensor *x = lb_nn_linear(m, lb_clip_text_tower(m, ids, mask, c), "head", out, LB_ACT_NONE);
    lb_nn_tap(m, x, "pooled");
    return x;
}

lb_tensor *lb_clip_text_embed(lb_nn *m, lb_tensor *ids, lb_tensor *mask, const lb_clip_text *c, int64_t out) {
    lb_nn_in(m, "text");
    lb_nn_tap_under(m, "text.");
    lb_tensor *x = lb_clip_text_tower(m, ids, mask, c);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap_under(m, "");
    x = lb_nn_out(m, lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", out, LB_ACT_NONE), 1e-12));
    lb_nn_tap(m, x, "text_embed");
    return x;
}

void lb_clip_scores(lb_nn *m, lb_tensor *pictures, lb_tensor *texts, double temperature) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *scale = lb_nn_logit_scale(m, "logit_scale", temperature);
    lb_nn_tap(m, scale, "logit_scale");
    if (pictures && texts) lb_nn_tap(m, lb_mul(t, lb_matmul(t, pictures, texts, false, true), scale), "logits");
}

void lb_clip_text_example(const lb_clip_text *c, int *rank, int64_t shape[LB_MAX_RANK]) {
    *rank = 2;
    shape[0] = 1;
    shape[1] = c->whole || c->max_tokens < 16 ? c->max_tokens : 16;
}

/* ---- sizes ---- */

static lb_status from_hugging_face(lb_clip_text *c, const lb_value *text, const lb_param *act, void *cfg) {
    c->vocab = lb_config_int(text, "vocab_size", 0, c->vocab);
    c->max_tokens = lb_config_int(text, "max_position_embeddings", 0, c->max_tokens);
    c->width = lb_config_int(text, "hidden_size", 0, c->width);
    c->depth = lb_config_int(text, "num_hidden_layers", 0, c->depth);
    c->heads = lb_config_int(text, "num_attention_heads", 0, c->heads);
    c->mlp = lb_config_int(text, "intermediate_size", 0, c->mlp);
    c->eps = lb_config_real(text, "layer_norm_eps", c->eps);
    return lb_config_act_to(act, cfg, lb_get_text(text, "hidden_act", NULL));
}

/* OpenAI's names, "text." before them in open_clip's own text towers. Heads are 64 wide unless open_clip's configuration says otherwise. */
static lb_status from_openai(lb_clip_text *c, int64_t *embed, const lb_value *json, const char *prefix) {
    const lb_value *text = lb_get(json, "model_cfg.text_cfg");
    char name[128];
    snprintf(name, sizeof name, "%stoken_embedding.weight", prefix);
    c->vocab = lb_outside_size(json, name, 0);
    c->width = lb_outside_size(json, name, 1);
    snprintf(name, sizeof name, "%spositional_embedding", prefix);
    c->max_tokens = lb_outside_size(json, name, 0);
    snprintf(name, sizeof name, "%stransformer.resblocks.%%d.attn.in_proj_weight", prefix);
    c->depth = lb_outside_count(json, name);
    snprintf(name, sizeof name, "%stransformer.resblocks.0.mlp.c_fc.weight", prefix);
    c->mlp = lb_outside_size(json, name, 0);
    snprintf(name, sizeof name, "%stransformer.resblocks.0.ls_1.gamma", prefix);
    c->layer_scale = lb_outside_has(json, name);
    c->heads = lb_config_int(text, "heads", 0, c->width / 64);
    c->eps = lb_config_real(text, "norm_kwargs.eps", c->eps);
    c->end = -1;
    snprintf(name, sizeof name, "%stext_projection", prefix);
    *embed = lb_outside_size(json, name, 1);
    if (!*embed) {
        snprintf(name, sizeof name, "%stext_projection.weight", prefix);
        *embed = lb_outside_size(json, name, 0);
    }
    if (c->vocab && c->width && c->max_tokens && c->depth && c->mlp && c->heads) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "clip: %lld tokens of width %lld, %lld positions, %lld blocks of the text tower", (long long)c->vocab, (long long)c->width,
                   (long long)c->max_tokens, (long long)c->depth);
}

static const char *openai_prefix(const lb_value *json) { return lb_outside_has(json, "text.token_embedding.weight") ? "text." : lb_outside_has(json, "token_embedding.weight") ? "" : NULL; }

lb_status lb_clip_text_config(lb_clip_text *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg) {
    const lb_value *text = lb_get(json, "text_config");
    const char *prefix = openai_prefix(json);
    bool quick = !lb_get(json, "model_cfg") || lb_get_bool(json, "model_cfg.quick_gelu", false);
    lb_status st = lb_config_act_to(act, cfg, quick ? "quick_gelu" : "gelu");
    c->eps = 1e-5;
    if (st != LB_OK) return st;
    if (prefix) return from_openai(c, embed, json, prefix);
    if (!text) text = json;
    c->vocab = 49408;
    c->max_tokens = 77;
    c->width = 512;
    c->depth = 12;
    c->heads = 8;
    c->mlp = 2048;
    *embed = lb_config_int(json, "projection_dim", 0, lb_config_int(text, "projection_dim", 0, 512));
    int64_t end = lb_config_int(text, "eos_token_id", 0, 49407);
    c->end = end == 2 ? -1 : end; /* 2: configurations of old, whose value is wrong: the largest id then */
    return from_hugging_face(c, text, act, cfg);
}

lb_status lb_siglip_text_config(lb_clip_text *c, int64_t *embed, const lb_value *json, const lb_param *act, void *cfg) {
    const lb_value *text = lb_get(json, "text_config");
    const char *prefix = openai_prefix(json);
    c->eps = 1e-6;
    c->whole = true;
    c->end = -1;
    lb_status st = lb_config_act_to(act, cfg, prefix ? "gelu" : "gelu_pytorch_tanh");
    if (st != LB_OK) return st;
    if (prefix) {
        const char *tanh = lb_get_text(json, "model_cfg.text_cfg.act_kwargs.approximate", "none");
        c->eps = 1e-5; /* open_clip's, unless norm_kwargs says otherwise */
        st = from_openai(c, embed, json, prefix);
        return st == LB_OK && strcmp(tanh, "tanh") == 0 ? lb_config_act_to(act, cfg, "gelu_pytorch_tanh") : st;
    }
    if (!text) text = json;
    c->vocab = 32000;
    c->max_tokens = 64;
    c->width = 768;
    c->depth = c->heads = 12;
    c->mlp = 3072;
    st = from_hugging_face(c, text, act, cfg);
    *embed = lb_config_int(text, "projection_size", 0, c->width);
    return st;
}

/* ---- names ---- */

static const lb_rename clip[] = {
    {"token_embedding", "embeddings.token_embedding"},
    {"pos_embed", "embeddings.position_embedding.weight"},
    {"norm", "final_layer_norm"},
    {"projection", "/text_projection"},
    {0}};
static const lb_rename openai[] = {
    {"pos_embed", "positional_embedding"},
    {"norm", "ln_final"},
    {"projection.weight", "^text_projection"},
    {"head", "text_projection"},
    {0}};

const lb_spelling lb_clip_text_spellings[LB_CLIP_TEXT_SPELLINGS] = {
    {"text_model.", {clip, lb_blocks_as_clip}},
    {"", {clip, lb_blocks_as_clip}},
    {"", {openai, lb_blocks_as_openai}},
    {"text.", {openai, lb_blocks_as_openai}},
};

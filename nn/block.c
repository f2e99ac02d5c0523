/* SPDX-License-Identifier: Apache-2.0 */
/* Transformer blocks from data: which norms, where they stand, what the parts are called. */
#include <math.h>
#include <stdio.h>
#include "nn/adapt.h"
#include "nn/attention.h"
#include "nn/parts.h"
#include "tensor/rounded.h"
#include "tensor/derived.h"
#include "tensor/hold.h"

static const lb_attend_names fused = {.qkv = "qkv", .out = "proj"};
static const lb_attend_names torch_in_proj = {.in_proj = "in_proj", .out = "out_proj"};
static const lb_attend_names llama = {.q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "o_proj"};
static const lb_attend_names plain = {0};

const lb_block_names lb_names_plain = {.norm1 = "norm1",
                                       .attn = "attn",
                                       .norm_cross = "norm_cross",
                                       .cross = "cross",
                                       .norm2 = "norm2",
                                       .mlp = "mlp",
                                       .scale1 = "ls1.gamma",
                                       .scale_cross = "ls_cross.gamma",
                                       .scale2 = "ls2.gamma",
                                       .gate_cross = "attn_gate",
                                       .gate_mlp = "ff_gate",
                                       .self_names = &plain,
                                       .cross_names = &plain};
const lb_block_names lb_names_timm = {.self_names = &fused, .cross_names = &plain};
const lb_block_names lb_names_torch = {.attn = "self_attn",
                                       .norm_cross = "norm2",
                                       .cross = "multihead_attn",
                                       .norm2 = "norm3",
                                       .mlp = "",
                                       .self_names = &torch_in_proj,
                                       .cross_names = &torch_in_proj,
                                       .up = "linear1",
                                       .down = "linear2"};
const lb_block_names lb_names_llama = {.norm1 = "input_layernorm",
                                       .attn = "self_attn",
                                       .norm_cross = "cross_layernorm",
                                       .cross = "cross_attn",
                                       .norm2 = "post_attention_layernorm",
                                       .self_names = &llama,
                                       .cross_names = &llama,
                                       .up = "up_proj",
                                       .gate = "gate_proj",
                                       .down = "down_proj"};

static const char *or_else(const char *name, const char *usual) { return name ? name : usual; }

lb_tensor *lb_nn_mlp(lb_nn *m, lb_tensor *x, const lb_mlp_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0), w = s->width;
    lb_tensor *h;
    if (!s->gated) {
        h = lbi_linear_before(m, x, or_else(s->up, "fc1"), w, s->act, !s->no_bias);
    } else if (s->gate) {
        h = lb_mul(t, lbi_linear(m, x, s->gate, w, s->act, !s->no_bias), lbi_linear(m, x, or_else(s->up, "fc1"), w, LB_ACT_NONE, !s->no_bias));
    } else {
        lb_tensor *both = lbi_linear(m, x, or_else(s->up, "fc1"), 2 * w, LB_ACT_NONE, !s->no_bias);
        h = lb_mul(t, lb_activate(t, lb_slice(t, both, -1, 0, w, 1), s->act), lb_slice(t, both, -1, w, 2 * w, 1));
    }
    return lbi_linear(m, lb_nn_dropout(m, h, s->dropout), or_else(s->down, "fc2"), c, LB_ACT_NONE, !s->no_bias);
}

lb_tensor *lb_nn_drop_path(lb_nn *m, lb_tensor *x, double p) {
    lb_tape *t = lb_nn_tape(m);
    int64_t shape[LB_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    if (p <= 0 || !lb_tape_training(t) || !lb_tape_ok(t) || x->rank < 1) return x;
    shape[0] = x->shape[0];
    return lb_mul(t, x, lb_dropout(t, lb_full(t, x->rank, shape, 1), p));
}

/* Enters a part's name, "" for the block itself. */
static void enter(lb_nn *m, const char *name) {
    if (name[0]) lb_nn_in(m, "%s", name);
}
static lb_tensor *leave(lb_nn *m, const char *name, lb_tensor *y) { return name[0] ? lb_nn_out(m, y) : y; }

/* x + drop(scale gate f): the end of each part. */
static lb_tensor *sum(lb_nn *m, lb_tensor *x, lb_tensor *f, const lb_block_spec *s, const char *scale, const char *gate) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_size(x, 0);
    f = lb_nn_dropout(m, f, s->dropout);
    if (s->layer_scale > 0) f = lb_mul(t, f, lb_nn_param(m, scale, 1, &c, LB_INIT_CONSTANT, s->layer_scale));
    if (gate) f = lb_mul(t, f, lb_tanh(t, lb_nn_param(m, gate, 1, (int64_t[]){1}, LB_INIT_ZEROS, 0)));
    return lb_add(t, x, lb_nn_drop_path(m, f, s->drop_path));
}

/* Names with those left out filled in. */
static lb_block_names full(const lb_block_names *n) {
    const lb_block_names *u = &lb_names_plain;
    if (!n) return *u;
    return (lb_block_names){or_else(n->norm1, u->norm1),
                            or_else(n->attn, u->attn),
                            or_else(n->norm_cross, u->norm_cross),
                            or_else(n->cross, u->cross),
                            or_else(n->norm2, u->norm2),
                            or_else(n->mlp, u->mlp),
                            or_else(n->scale1, u->scale1),
                            or_else(n->scale_cross, u->scale_cross),
                            or_else(n->scale2, u->scale2),
                            or_else(n->gate_cross, u->gate_cross),
                            or_else(n->gate_mlp, u->gate_mlp),
                            n->self_names ? n->self_names : &plain,
                            n->cross_names ? n->cross_names : &plain,
                            n->up,
                            n->gate,
                            n->down};
}

static lb_tensor *attend(lb_nn *m, lb_tensor *x, lb_tensor *memory, lb_attend_spec s, const char *part, const lb_attend_names *names) {
    if (!s.names) s.names = names;
    enter(m, part);
    return leave(m, part, lb_nn_attend(m, x, memory, &s));
}

static lb_tensor *mlp_part(lb_nn *m, lb_tensor *x, const lb_block_spec *s, const lb_block_names *n) {
    lb_mlp_spec p = s->mlp;
    if (!p.up) p.up = n->up;
    if (!p.gate) p.gate = n->gate;
    if (!p.down) p.down = n->down;
    enter(m, n->mlp);
    return leave(m, n->mlp, lb_nn_mlp(m, x, &p));
}

/* The block with its tensors given anew, in the order of again(). */
static lb_tensor *as_part(lb_nn *m, const void *context, int n, lb_tensor *const *in) {
    lb_block_spec s = *(const lb_block_spec *)context;
    s.recompute = false;
    s.memory = in[1];
    s.self.mask = in[2];
    s.self.bias = in[3];
    s.self.relative = in[4];
    s.self.cos = in[5];
    s.self.sin = in[6];
    s.self.prefix_k = in[7];
    s.self.prefix_v = in[8];
    s.cross.mask = in[9];
    return lb_nn_block(m, in[0], &s);
}

static lb_tensor *again(lb_nn *m, lb_tensor *x, const lb_block_spec *s) {
    const lb_attend_spec *a = &s->self, *c = &s->cross;
    if (a->map || a->cache || c->map || c->cache || c->bias || c->relative || c->cos || c->prefix_k)
        return lb_tape_fail(lb_nn_tape(m), LB_E_ARG, "block: with recompute, no maps and caches, and of the cross part only a mask");
    lb_tensor *const in[] = {x, s->memory, a->mask, a->bias, a->relative, a->cos, a->sin, a->prefix_k, a->prefix_v, c->mask};
    return lb_nn_recompute(m, as_part, s, sizeof *s, 10, in);
}

/* A norm that linear maps alone read. */
static lb_tensor *norm_before(lb_nn *m, lb_tensor *x, const char *name, lb_norm_kind kind, double eps) {
    int64_t c = lbi_size(x, 0);
    if (kind != LB_NORM_LAYER) return lb_nn_norm(m, x, name, kind, eps);
    lb_tensor *gamma = lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), *beta = lbi_named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    return lbi_layer_norm_rounded(lb_nn_tape(m), x, gamma, beta, eps);
}

lb_tensor *lb_nn_block(lb_nn *m, lb_tensor *x, const lb_block_spec *s) {
    if (s->recompute) return again(m, x, s);
    lb_block_names n = full(s->names);
    double eps = s->eps > 0 ? s->eps : 1e-5;
    /* torch's encoder layer has no third norm: that of its map is the second. */
    if (s->names == &lb_names_torch && !s->memory) n.norm2 = "norm2";
    if (!s->no_self) {
        lb_tensor *f = s->post ? x : norm_before(m, x, n.norm1, s->norm, eps);
        x = sum(m, x, attend(m, f, NULL, s->self, n.attn, n.self_names), s, n.scale1, NULL);
        if (s->post) x = lb_nn_norm(m, x, n.norm1, s->norm, eps);
    }
    if (s->memory) {
        lb_tensor *f = s->post ? x : norm_before(m, x, n.norm_cross, s->norm, eps);
        x = sum(m, x, attend(m, f, s->memory, s->cross, n.cross, n.cross_names), s, n.scale_cross, s->gates ? n.gate_cross : NULL);
        if (s->post) x = lb_nn_norm(m, x, n.norm_cross, s->norm, eps);
    }
    if (s->mlp.width > 0) {
        lb_tensor *f = s->post ? x : norm_before(m, x, n.norm2, s->norm, eps);
        x = sum(m, x, mlp_part(m, f, s, &n), s, n.scale2, s->gates ? n.gate_mlp : NULL);
        if (s->post) x = lb_nn_norm(m, x, n.norm2, s->norm, eps);
    }
    return x;
}

lb_tensor *lb_nn_encoder_block(lb_nn *m, lb_tensor *x, lb_tensor *mask, int64_t heads, int64_t mlp, lb_act act, double eps, double dropout) {
    return lb_nn_block(m, x, &(lb_block_spec){.self = {.heads = heads, .mask = mask}, .mlp = {.width = mlp, .act = act}, .eps = eps, .dropout = dropout});
}

lb_tensor *lb_nn_tapped_block(lb_nn *m, lb_tensor *x, const lb_block_spec *spec, int i) {
    char tap[32];
    lb_block_spec s = *spec;
    lb_tensor *map = NULL;
    if (s.self.cache) return lb_nn_block(m, x, spec);
    snprintf(tap, sizeof tap, "attn.%d", i);
    if (!s.recompute && lb_nn_wants(m, tap)) s.self.map = &map;
    x = lb_nn_block(m, x, &s);
    if (map) lb_nn_tap(m, map, "%s", tap);
    lb_nn_tap(m, x, "block.%d", i);
    return x;
}

lb_tensor *lb_nn_blocks(lb_nn *m, lb_tensor *x, int64_t depth, const lb_block_spec *spec) {
    for (int i = 0; i < depth; i++) {
        lb_tensor *before = x;
        lb_nn_in(m, "blocks.%d", i);
        x = lb_nn_out(m, lb_nn_tapped_block(m, x, spec, i));
        if (i > 0) lb_release(lb_nn_tape(m), before); /* the first is the caller's */
    }
    return x;
}

void lb_nn_co_block(lb_nn *m, lb_tensor **a, lb_tensor **b, lb_tensor *mask_a, lb_tensor *mask_b, const lb_block_spec *spec) {
    lb_tensor *x[2] = {*a, *b}, *mask[2] = {mask_a, mask_b}, *y[2];
    for (int i = 0; i < 2; i++) {
        lb_block_spec s = *spec;
        s.memory = x[1 - i];
        s.self.mask = mask[i];
        s.cross.mask = mask[1 - i];
        lb_nn_in(m, "%c", 'a' + i);
        y[i] = lb_nn_out(m, lb_nn_block(m, x[i], &s));
    }
    *a = y[0];
    *b = y[1];
}

/* ---- queries, patches ---- */

lb_tensor *lb_nn_queries(lb_nn *m, const char *name, int64_t n, int64_t count, int64_t width, double std) {
    lb_tensor *q = lb_nn_param(m, name, 2, (int64_t[]){count, width}, LB_INIT_NORMAL, std);
    return lb_expand(lb_nn_tape(m), q, 3, (int64_t[]){n, count, width});
}

lb_tensor *lb_nn_patches(lb_nn *m, lb_tensor *image, const char *name, int64_t width, int64_t patch, bool bias) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *x = lb_nn_conv2d(m, image, name, width, patch, lb_conv_same(patch, 0, 1), bias);
    if (!lb_tape_ok(t)) return lb_inert(t);
    return lb_transpose(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], width, x->shape[2] * x->shape[3]}), 1, 2);
}

/* One layer: latents [N,M,C] attend to the media and themselves, then a map. */
static lb_tensor *resampler_layer(lb_nn *m, lb_tensor *latents, lb_tensor *x, lb_tensor *mask, const lb_resampler_spec *s, int64_t i) {
    static const lb_attend_names names = {.q = "to_q", .kv = "to_kv", .out = "to_out"};
    static const char *const parts[] = {"0", "1"};
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "layers.%lld", (long long)i);
    lb_nn_in(m, "%s", parts[0]);
    lb_tensor *media = lb_nn_layer_norm(m, x, "norm_media", 1e-5), *q = lb_nn_layer_norm(m, latents, "norm_latents", 1e-5);
    lb_tensor *both = lb_concat(t, 2, (lb_tensor *[]){media, q}, 1);
    lb_tensor *f = lb_nn_out(m, lb_nn_attend(m, q, both, &(lb_attend_spec){.heads = s->heads, .head_width = s->head_width, .names = &names, .no_bias = true, .no_out_bias = true, .mask = mask}));
    latents = lb_add(t, latents, f);
    lb_nn_in(m, "%s", parts[1]);
    f = lb_nn_layer_norm(m, latents, "0", 1e-5);
    f = lb_nn_out(m, lb_nn_mlp(m, f, &(lb_mlp_spec){.width = s->inner, .act = LB_ACT_GELU, .no_bias = true, .up = "1", .down = "3"}));
    return lb_nn_out(m, lb_add(t, latents, f));
}

lb_tensor *lb_nn_resampler(lb_nn *m, lb_tensor *x, lb_tensor *mask, const lb_resampler_spec *s) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t) || x->rank != 3) return lb_tape_fail(t, LB_E_SHAPE, "resampler: expected [N,S,C]");
    lb_tensor *latents = lb_nn_queries(m, "latents", x->shape[0], s->count, x->shape[2], 1);
    if (mask) mask = lb_pad(t, mask, (int64_t[]){0, 0}, (int64_t[]){0, s->count}, 1); /* latents are always seen */
    for (int64_t i = 0; i < s->layers; i++) latents = resampler_layer(m, latents, x, mask, s, i);
    return lb_nn_layer_norm(m, latents, "norm", 1e-5);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts and masks of Segment Anything. */
#include <math.h>
#include <stdio.h>
#include "nn/attention.h"
#include "nn/conv.h"
#include "tensor/arrange.h"
#include "vision/sam.h"

static const double channel_eps = 1e-6;
static const double turn = 6.283185307179586476925286766559;

/* ---- prompts ---- */

/* Places [...,2] (x, y), 0 .. 1, as sines and cosines of random mixtures: [...,width]. */
static lb_tensor *place_code(lb_nn *m, lb_tensor *at, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "pe_layer");
    lb_tensor *mix = lb_nn_param(m, "positional_encoding_gaussian_matrix", 2, (int64_t[]){2, c->width / 2}, LB_INIT_NORMAL, 1);
    lb_tensor *x = lb_scale(t, lb_matmul(t, lb_add_scalar(t, lb_scale(t, at, 2), -1), mix, false, false), turn);
    return lb_nn_out(m, lb_concat(t, 2, (lb_tensor *[]){lb_sin(t, x), lb_cos(t, x)}, -1));
}

/* Codes of the places of a map: [h w,width]. */
static lb_tensor *map_code(lb_nn *m, int64_t h, int64_t w, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_real *at = lb_alloc((size_t)(2 * h * w) + 1, sizeof *at);
    if (!at) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < h * w; i++) {
        at[2 * i] = ((lb_real)(i % w) + (lb_real)0.5) / (lb_real)w;
        at[2 * i + 1] = ((lb_real)(i / w) + (lb_real)0.5) / (lb_real)h;
    }
    lb_tensor *x = lb_input(t, LB_REAL, 2, (int64_t[]){h * w, 2}, at, LB_REAL);
    lb_free(at);
    return place_code(m, x, c);
}

/* Row <name>.weight [1,width]. */
static lb_tensor *row(lb_nn *m, const char *name, const lb_sam_decoder *c) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    return lb_nn_param(m, full, 2, (int64_t[]){1, c->width}, LB_INIT_NORMAL, 1);
}

/* 1 where labels [N,P] are `value`: [N,P,1]. */
static lb_tensor *labelled(lb_tape *t, lb_tensor *labels, int64_t value) {
    return lb_unsqueeze(t, lb_to_real(t, lb_eq(t, labels, lb_input(t, LB_I64, 0, NULL, &value, LB_I64))), -1);
}

/* Points [N,P,2] in pixels; without a box one more, which is none, stands behind them. */
static lb_tensor *point_prompts(lb_nn *m, lb_tensor *points, lb_tensor *labels, bool more, const lb_sam_decoder *c, int64_t size) {
    lb_tape *t = lb_nn_tape(m);
    const int64_t zero = 0;
    points = lb_scale(t, lb_add_scalar(t, points, 0.5), 1 / (double)size);
    if (more) {
        points = lb_pad(t, points, (int64_t[]){0, 0, 0}, (int64_t[]){0, 1, 0}, 0);
        labels = lb_pad(t, labels, (int64_t[]){0, 0}, (int64_t[]){0, 1}, -1);
    }
    lb_tensor *real = lb_unsqueeze(t, lb_to_real(t, lb_ge(t, labels, lb_input(t, LB_I64, 0, NULL, &zero, LB_I64))), -1);
    lb_tensor *x = lb_mul(t, place_code(m, points, c), real);
    x = lb_add(t, x, lb_mul(t, labelled(t, labels, -1), row(m, "not_a_point_embed", c)));
    x = lb_add(t, x, lb_mul(t, labelled(t, labels, 0), row(m, "point_embeddings.0", c)));
    return lb_add(t, x, lb_mul(t, labelled(t, labels, 1), row(m, "point_embeddings.1", c)));
}

/* Boxes [N,4] -> their two corners. */
static lb_tensor *box_prompts(lb_nn *m, lb_tensor *boxes, const lb_sam_decoder *c, int64_t size) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *at = lb_reshape(t, lb_scale(t, lb_add_scalar(t, boxes, 0.5), 1 / (double)size), 3, (int64_t[]){-1, 2, 2});
    lb_tensor *corners = lb_concat(t, 2, (lb_tensor *[]){row(m, "point_embeddings.2", c), row(m, "point_embeddings.3", c)}, 0);
    return lb_add(t, place_code(m, at, c), corners);
}

/* A mask [N,1,4h,4w] -> [N,width,h,w]. */
static lb_tensor *mask_prompt(lb_nn *m, lb_tensor *mask, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "mask_downscaling");
    lb_tensor *x = lb_nn_conv2d(m, mask, "0", c->mask_channels / 4, 2, lb_conv_same(2, 0, 1), true);
    x = lb_gelu(t, lb_nn_channel_norm(m, x, "1", channel_eps));
    x = lb_nn_conv2d(m, x, "3", c->mask_channels, 2, lb_conv_same(2, 0, 1), true);
    x = lb_gelu(t, lb_nn_channel_norm(m, x, "4", channel_eps));
    return lb_nn_out(m, lb_nn_conv2d(m, x, "6", c->width, 1, lb_conv_same(1, 0, 1), true));
}

/* Prompts as tokens [N,T,width], NULL for none; *dense what is added to the map; *code those of its places. */
static lb_tensor *encode_prompts(lb_nn *m, const lb_tensor *map, const lb_sam_prompts *p, const lb_sam_decoder *c, int64_t size, lb_tensor **dense, lb_tensor **code) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *parts[2];
    int n = 0;
    bool points = p->points && p->labels;
    lb_nn_in(m, "prompt_encoder");
    if (points) parts[n++] = point_prompts(m, p->points, p->labels, !p->boxes, c, size);
    if (p->boxes) parts[n++] = box_prompts(m, p->boxes, c, size);
    *dense = p->mask ? mask_prompt(m, p->mask, c) : NULL;
    lb_tensor *none = row(m, "no_mask_embed", c);
    if (!*dense) *dense = lb_reshape(t, none, 4, (int64_t[]){1, c->width, 1, 1});
    *code = map_code(m, map->shape[2], map->shape[3], c);
    *dense = lb_keep(t, *dense);
    *code = lb_keep(t, *code);
    return lb_nn_out(m, n == 2 ? lb_concat(t, 2, parts, 1) : n == 1 ? parts[0] : NULL);
}

/* ---- two-way blocks ---- */

static lb_tensor *attend(lb_nn *m, const char *name, lb_tensor *q, lb_tensor *k, lb_tensor *v, const lb_sam_decoder *c, int64_t inner) {
    static const char *const maps[] = {"q_proj", "k_proj", "v_proj"};
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *part[3] = {q, k, v};
    if (!lb_tape_ok(t)) return lb_inert(t);
    lb_nn_in(m, "%s", name);
    for (int i = 0; i < 3; i++) {
        int64_t n = part[i]->shape[0], l = part[i]->shape[1];
        part[i] = lb_reshape(t, lb_nn_linear(m, part[i], maps[i], inner, LB_ACT_NONE), 4, (int64_t[]){n, l, c->heads, inner / c->heads});
        part[i] = lb_permute(t, part[i], (int[]){0, 2, 1, 3});
    }
    lb_tensor *y = lb_attention(t, part[0], part[1], part[2], (lb_attention_spec){.merge = true});
    return lb_nn_out(m, lb_nn_linear(m, y, "out_proj", c->width, LB_ACT_NONE));
}

/* Tokens look at each other and at the map, then the map at the tokens. pe: what tokens began as; code: of the map's places. */
static void two_way_block(lb_nn *m, int i, lb_tensor **tokens, lb_tensor **map, lb_tensor *pe, lb_tensor *code, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    int64_t narrow = c->width / c->less;
    lb_tensor *x = *tokens, *y = *map;
    lb_nn_in(m, "layers.%d", i);
    lb_tensor *q = i == 0 ? x : lb_add(t, x, pe), *f = attend(m, "self_attn", q, q, x, c, c->width);
    x = lb_nn_layer_norm(m, i == 0 ? f : lb_add(t, x, f), "norm1", c->eps);
    lb_tensor *k = lb_add(t, y, code);
    x = lb_nn_layer_norm(m, lb_add(t, x, attend(m, "cross_attn_token_to_image", lb_add(t, x, pe), k, y, c, narrow)), "norm2", c->eps);
    lb_nn_in(m, "mlp");
    f = lb_nn_out(m, lb_nn_mlp(m, x, &(lb_mlp_spec){.width = c->mlp, .act = lb_act_named(c->act), .up = "lin1", .down = "lin2"}));
    x = lb_nn_layer_norm(m, lb_add(t, x, f), "norm3", c->eps);
    y = lb_nn_layer_norm(m, lb_add(t, y, attend(m, "cross_attn_image_to_token", k, lb_add(t, x, pe), x, c, narrow)), "norm4", c->eps);
    *tokens = lb_keep(t, x);
    *map = lb_keep(t, y);
    lb_nn_out(m, x);
}

static void two_way(lb_nn *m, lb_tensor **tokens, lb_tensor **map, lb_tensor *code, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *pe = *tokens;
    lb_nn_in(m, "transformer");
    for (int i = 0; i < c->depth; i++) two_way_block(m, i, tokens, map, pe, code, c);
    lb_tensor *f = attend(m, "final_attn_token_to_image", lb_add(t, *tokens, pe), lb_add(t, *map, code), *map, c, c->width / c->less);
    *tokens = lb_nn_out(m, lb_nn_layer_norm(m, lb_add(t, *tokens, f), "norm_final_attn", c->eps));
}

/* ---- masks ---- */

/* `depth` linears below layers, relu between them. */
static lb_tensor *mlp(lb_nn *m, lb_tensor *x, int64_t depth, int64_t width, int64_t out) {
    char name[32];
    for (int i = 0; i < depth; i++) {
        snprintf(name, sizeof name, "layers.%d", i);
        x = lb_nn_linear(m, x, name, i + 1 < depth ? width : out, i + 1 < depth ? LB_ACT_RELU : LB_ACT_NONE);
    }
    return x;
}

static lb_tensor *upscale(lb_nn *m, lb_tensor *x, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_nn_in(m, "output_upscaling");
    x = lb_nn_conv_transpose2d(m, x, "0", c->width / 4, 2, lb_conv_same(2, 0, 1), 0, true);
    x = lb_gelu(t, lb_nn_channel_norm(m, x, "1", channel_eps));
    return lb_nn_out(m, lb_gelu(t, lb_nn_conv_transpose2d(m, x, "3", c->width / 8, 2, lb_conv_same(2, 0, 1), 0, true)));
}

/* Token i of [N,T,C] as [N,C]. */
static lb_tensor *token(lb_tape *t, lb_tensor *x, int64_t i) { return lb_reshape(t, lb_slice(t, x, 1, i, i + 1, 1), 2, (int64_t[]){x->shape[0], x->shape[2]}); }

/* Masks of all mask tokens: [N,masks + 1,4h,4w]. */
static lb_tensor *make_masks(lb_nn *m, lb_tensor *tokens, lb_tensor *map, int64_t h, int64_t w, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *rows[65];
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t n = map->shape[0];
    lb_tensor *x = upscale(m, lb_reshape(t, lb_transpose(t, map, 1, 2), 4, (int64_t[]){n, c->width, h, w}), c);
    for (int i = 0; i <= c->masks; i++) {
        lb_nn_in(m, "output_hypernetworks_mlps.%d", i);
        rows[i] = lb_nn_out(m, mlp(m, token(t, tokens, 1 + i), 3, c->width, c->width / 8));
    }
    lb_tensor *mixes = lb_stack(t, (int)c->masks + 1, rows, 1);
    lb_tensor *y = lb_matmul(t, mixes, lb_reshape(t, x, 3, (int64_t[]){n, c->width / 8, 16 * h * w}), false, false);
    return lb_reshape(t, y, 4, (int64_t[]){n, c->masks + 1, 4 * h, 4 * w});
}

static bool fits(lb_tape *t, const lb_tensor *map, const lb_sam_decoder *c) {
    if (!lb_tape_ok(t)) return false;
    if (c->width % 8 || c->width % c->less || c->width / c->less % c->heads || c->mask_channels % 4 || map->rank != 4 || map->shape[1] != c->width || c->masks > 64)
        lb_tape_fail(t, LB_E_ARG, "sam: width %lld of prompts, 1/%lld of it in cross-attention, %lld heads, %lld mask channels and the map do not go together",
                     (long long)c->width, (long long)c->less, (long long)c->heads, (long long)c->mask_channels);
    return lb_tape_ok(t);
}

/* The token of the guessed overlap and those of the masks, for n pictures. */
static lb_tensor *first_tokens(lb_nn *m, int64_t n, const lb_sam_decoder *c) {
    lb_tensor *iou_token = row(m, "iou_token", c), *mask_tokens = lb_nn_param(m, "mask_tokens.weight", 2, (int64_t[]){c->masks + 1, c->width}, LB_INIT_NORMAL, 1);
    return lb_expand(lb_nn_tape(m), lb_concat(lb_nn_tape(m), 2, (lb_tensor *[]){iou_token, mask_tokens}, 0), 3, (int64_t[]){n, c->masks + 2, c->width});
}

void lb_sam_decode(lb_nn *m, lb_tensor *map, const lb_sam_prompts *p, const lb_sam_decoder *c, int64_t size) {
    lb_tape *t = lb_nn_tape(m);
    if (!fits(t, map, c)) return;
    int64_t n = map->shape[0], h = map->shape[2], w = map->shape[3];
    lb_tensor *dense = NULL, *code = NULL, *prompts = encode_prompts(m, map, p, c, size, &dense, &code);
    if (prompts) lb_nn_tap(m, prompts, "prompts");
    lb_nn_in(m, "mask_decoder");
    lb_tensor *tokens = first_tokens(m, n, c);
    if (prompts) tokens = lb_concat(t, 2, (lb_tensor *[]){tokens, prompts}, 1);
    lb_tensor *x = lb_transpose(t, lb_reshape(t, lb_add(t, map, dense), 3, (int64_t[]){n, c->width, h * w}), 1, 2);
    two_way(m, &tokens, &x, code, c);
    if (!lb_tape_ok(t)) return;
    lb_tensor *masks = make_masks(m, tokens, x, h, w, c);
    lb_nn_in(m, "iou_prediction_head");
    lb_tensor *iou = lb_nn_out(m, mlp(m, token(t, tokens, 0), c->iou_depth, c->iou_width, c->masks + 1));
    lb_nn_tap(m, lb_slice(t, masks, 1, 1, INT64_MAX, 1), "masks");
    lb_nn_tap(m, lb_slice(t, iou, 1, 1, INT64_MAX, 1), "iou");
    lb_nn_tap(m, lb_slice(t, masks, 1, 0, 1, 1), "mask");
    lb_nn_tap(m, lb_slice(t, iou, 1, 0, 1, 1), "mask_iou");
    lb_nn_out(m, masks);
}

void lb_sam_finish(lb_nn *m, lb_tensor *map, lb_tensor *const *in, const lb_sam_decoder *c, int64_t size) {
    lb_tensor *pooled = lb_nn_global_pool(m, map);
    lb_nn_tap(m, map, "map");
    lb_nn_tap(m, map, "features");
    lb_nn_tap(m, pooled, "pooled");
    lb_nn_tap(m, pooled, "embedding");
    bool asked = in[0] || in[2] || in[3] || lb_nn_wants(m, "masks") || lb_nn_wants(m, "iou") || lb_nn_wants(m, "mask") || lb_nn_wants(m, "mask_iou");
    if (asked) lb_sam_decode(m, map, &(lb_sam_prompts){in[0], in[1], in[2], in[3]}, c, size);
}

void lb_sam_example(int input, int64_t channels, int64_t size, int64_t grid, int *rank, int64_t shape[LB_MAX_RANK]) {
    static const int ranks[] = {4, 3, 2, 2, 4};
    const int64_t shapes[][4] = {{1, channels, size, size}, {1, 2, 2, 0}, {1, 2, 0, 0}, {1, 4, 0, 0}, {1, 1, 4 * grid, 4 * grid}};
    *rank = ranks[input];
    for (int i = 0; i < *rank; i++) shape[i] = shapes[input][i];
}

lb_status lb_sam_decoder_from_shapes(lb_sam_decoder *c, const lb_value *config) {
    c->width = lb_outside_size(config, "mask_decoder.iou_token.weight", 1);
    c->masks = lb_outside_size(config, "mask_decoder.mask_tokens.weight", 0) - 1;
    c->mask_channels = lb_outside_size(config, "prompt_encoder.mask_downscaling.3.weight", 0);
    c->depth = lb_outside_count(config, "mask_decoder.transformer.layers.%d.norm1.weight");
    c->mlp = lb_outside_size(config, "mask_decoder.transformer.layers.0.mlp.lin1.weight", 0);
    int64_t narrow = lb_outside_size(config, "mask_decoder.transformer.final_attn_token_to_image.q_proj.weight", 0);
    c->less = narrow ? c->width / narrow : 0;
    c->iou_depth = lb_outside_count(config, "mask_decoder.iou_prediction_head.layers.%d.weight");
    c->iou_width = lb_outside_size(config, "mask_decoder.iou_prediction_head.layers.0.weight", 0);
    if (c->width && c->masks > 0 && c->mask_channels && c->depth && c->mlp && c->less && c->iou_depth) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "sam: prompts of width %lld, %lld masks, %lld two-way blocks", (long long)c->width, (long long)c->masks, (long long)c->depth);
}

lb_tensor *lb_sam_classes(lb_nn *m, lb_tensor *map, int64_t classes, const lb_sam_decoder *c) {
    lb_tape *t = lb_nn_tape(m);
    lb_sam_decoder own = *c;
    own.masks = classes - 1;
    if (!fits(t, map, &own)) return lb_inert(t);
    int64_t n = map->shape[0], h = map->shape[2], w = map->shape[3];
    lb_nn_in(m, "prompt_encoder");
    lb_tensor *code = lb_nn_out(m, map_code(m, h, w, &own));
    lb_nn_in(m, "mask_decoder");
    lb_tensor *tokens = first_tokens(m, n, &own), *x = lb_transpose(t, lb_reshape(t, map, 3, (int64_t[]){n, own.width, h * w}), 1, 2);
    two_way(m, &tokens, &x, code, &own);
    return lb_nn_out(m, make_masks(m, tokens, x, h, w, &own));
}

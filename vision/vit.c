/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/vit.h"
#include <stdio.h>
#include <string.h>
#include "vision/archs.h"

int64_t lb_vit_prefix(const lb_vit *c) { return !c->no_class + c->distilled + c->registers; }

static lb_places places_of(const lb_vit *c) {
    static const char *const names[] = {"cubic", "smooth", "offset", "linear"};
    for (int i = 0; i < (int)LB_COUNT(names); i++)
        if (strcmp(c->places, names[i]) == 0) return (lb_places)i;
    return LB_PLACES_CUBIC;
}

static int64_t placed(const lb_vit *c) { return c->prefix_places < 0 ? lb_vit_prefix(c) : c->prefix_places; }

/* Positions for a grid of rows x columns: [1,placed + rows columns,dim]. */
static lb_tensor *positions(lb_nn *m, const lb_vit *c, int64_t rows, int64_t columns) {
    int64_t first = placed(c), h = c->height / c->patch, w = (c->width ? c->width : c->height) / c->patch;
    lb_tensor *x = lb_nn_param(m, "pos_embed", 3, (int64_t[]){1, first + h * w, c->dim}, LB_INIT_TRUNC_NORMAL, 0.02);
    return lb_nn_resize_positions(m, x, first, h, w, rows, columns, places_of(c));
}

static lb_tensor *patches(lb_nn *m, lb_tensor *image, const lb_vit *c, int64_t *rows, int64_t *columns) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (image->rank != 4 || image->shape[1] != c->channels || image->shape[2] < c->patch || image->shape[3] < c->patch) {
        char text[96];
        return lb_tape_fail(t, LB_E_SHAPE, "vit: pictures %s, wanted [N,%lld,H,W] with sides of at least %lld",
                            lb_shape_text(text, sizeof text, image->rank, image->shape), (long long)c->channels, (long long)c->patch);
    }
    if (c->height < c->patch || c->dim % c->heads)
        return lb_tape_fail(t, LB_E_ARG, "vit: size %lld is less than patch %lld, or width %lld no multiple of %lld heads", (long long)c->height,
                            (long long)c->patch, (long long)c->dim, (long long)c->heads);
    *rows = image->shape[2] / c->patch;
    *columns = image->shape[3] / c->patch;
    return lb_nn_patches(m, image, "patch_embed.proj", c->dim, c->patch, !c->no_patch_bias);
}

/* The tokens in front with the positions they have: [1,prefix,dim]. */
static lb_tensor *front(lb_nn *m, const lb_vit *c, lb_tensor *places) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *parts[3], *x;
    int n = 0;
    const int64_t one[] = {1, 1, c->dim};
    if (!c->no_class) parts[n++] = lb_nn_param(m, "cls_token", 3, one, LB_INIT_NORMAL, 1e-6);
    if (c->distilled) parts[n++] = lb_nn_param(m, "dist_token", 3, one, LB_INIT_NORMAL, 1e-6);
    if (c->registers) parts[n++] = lb_nn_param(m, "reg_token", 3, (int64_t[]){1, c->registers, c->dim}, LB_INIT_NORMAL, 1e-6);
    x = n > 1 ? lb_concat(t, n, parts, 1) : parts[0];
    int64_t with = places ? placed(c) : 0;
    if (with == 0) return x;
    lb_tensor *y = lb_add(t, lb_slice(t, x, 1, 0, with, 1), lb_slice(t, places, 1, 0, with, 1));
    return with < lb_vit_prefix(c) ? lb_concat(t, 2, (lb_tensor *[]){y, lb_slice(t, x, 1, with, INT64_MAX, 1)}, 1) : y;
}

lb_tensor *lb_vit_embed(lb_nn *m, lb_tensor *image, const lb_vit *c, lb_tensor *keep) {
    lb_tape *t = lb_nn_tape(m);
    int64_t rows = 0, columns = 0;
    lb_tensor *x = patches(m, image, c, &rows, &columns), *places = NULL;
    if (!lb_tape_ok(t)) return x;
    if (!c->no_positions) {
        places = positions(m, c, rows, columns);
        x = lb_add(t, x, lb_slice(t, places, 1, placed(c), INT64_MAX, 1));
    }
    if (!lb_tape_ok(t)) return x;
    if (keep) x = lb_gather(t, x, lb_expand(t, lb_reshape(t, keep, 3, (int64_t[]){keep->shape[0], -1, 1}), 3, (int64_t[]){keep->shape[0], keep->shape[keep->rank - 1], c->dim}), 1);
    if (!lb_tape_ok(t) || lb_vit_prefix(c) == 0) return x;
    lb_tensor *before = front(m, c, places);
    return lb_concat(t, 2, (lb_tensor *[]){lb_expand(t, before, 3, (int64_t[]){x->shape[0], lb_vit_prefix(c), c->dim}), x}, 1);
}

lb_tensor *lb_vit_blocks(lb_nn *m, lb_tensor *x, const lb_vit *c) {
    static const lb_attend_names normed = {.qkv = "qkv", .out = "proj", .q_norm = "q_norm", .k_norm = "k_norm"};
    lb_block_spec s = {.self = {.heads = c->heads, .no_bias = c->no_qkv_bias, .eps = c->eps},
                       .mlp = {.width = c->mlp, .act = lb_act_named(c->act), .gated = c->gated},
                       .eps = c->eps,
                       .dropout = c->dropout,
                       .drop_path = c->drop_path,
                       .layer_scale = c->layer_scale,
                       .recompute = c->recompute,
                       .names = &lb_names_timm};
    if (c->qk_norm) s.self.names = &normed;
    return lb_nn_blocks(m, x, c->depth, &s);
}

lb_tensor *lb_vit_tower(lb_nn *m, lb_tensor *image, const lb_vit *c) {
    lb_tensor *x = lb_vit_embed(m, image, c, NULL);
    if (c->norm_pre) x = lb_nn_layer_norm(m, x, "norm_pre", c->eps);
    lb_nn_tap(m, x, "embeddings");
    return lb_vit_blocks(m, x, c);
}

/* ---- from tokens to one vector ---- */

lb_tensor *lb_vit_token(lb_nn *m, lb_tensor *x, int64_t i) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    return lb_reshape(t, lb_slice(t, x, 1, i, i + 1, 1), 2, (int64_t[]){x->shape[0], x->shape[2]});
}

lb_tensor *lb_vit_mean(lb_nn *m, lb_tensor *x, const lb_vit *c) {
    lb_tape *t = lb_nn_tape(m);
    return lb_mean(t, lb_slice(t, x, 1, lb_vit_prefix(c), INT64_MAX, 1), 1, false);
}

lb_tensor *lb_vit_attention_pool(lb_nn *m, lb_tensor *x, const lb_vit *c) {
    static const lb_attend_names names = {.in_proj = "in_proj", .out = "proj"};
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (lb_vit_prefix(c)) x = lb_slice(t, x, 1, lb_vit_prefix(c), INT64_MAX, 1);
    lb_nn_in(m, "attn_pool");
    lb_tensor *q = lb_nn_param(m, "latent", 3, (int64_t[]){1, 1, c->dim}, LB_INIT_TRUNC_NORMAL, 0.02);
    q = lb_expand(t, q, 3, (int64_t[]){x->shape[0], 1, c->dim});
    q = lb_nn_attend(m, q, x, &(lb_attend_spec){.heads = c->heads, .names = &names});
    lb_tensor *y = lb_nn_layer_norm(m, q, "norm", c->eps);
    lb_nn_in(m, "mlp");
    y = lb_nn_out(m, lb_nn_mlp(m, y, &(lb_mlp_spec){.width = c->mlp, .act = lb_act_named(c->act)}));
    return lb_nn_out(m, lb_vit_token(m, lb_add(t, q, y), 0));
}

/* ---- sizes ---- */

void lb_vit_example(const lb_vit *c, int *rank, int64_t shape[LB_MAX_RANK]) {
    lb_example_picture(c->channels, c->height, c->width ? c->width : c->height, rank, shape);
}

int64_t lb_vit_usual_heads(const lb_value *config, int64_t dim) {
    static const struct { const char *name; int64_t heads; } named[] = {{"test_vit3", 3}, {"test_vit4", 3}, {"test_vit", 2}, {"vit_base_patch16_gap_224", 16}, {"vit_giantopt_patch16_siglip", 16}};
    const char *name = lb_get_text(config, "model_cfg.vision_cfg.timm_model_name", lb_get_text(config, "architecture", ""));
    for (size_t i = 0; i < LB_COUNT(named); i++)
        if (strncmp(name, named[i].name, strlen(named[i].name)) == 0) return named[i].heads;
    return dim == 1152 || dim == 1280 || dim == 1408 || dim == 1664 ? 16 : dim % 64 ? 0 : dim / 64;
}

bool lb_vit_grid(lb_vit *c, int64_t rows) {
    const int64_t prefix = lb_vit_prefix(c), first[] = {prefix, prefix - c->registers, 0};
    for (int i = 0; i < 3; i++) {
        int64_t side = 0, n = rows - first[i];
        while (side * side < n) side++;
        bool known = c->height > 0, fits = known ? c->height / c->patch * (c->width / c->patch) == n : side * side == n;
        if (n < 1 || !fits) continue;
        c->prefix_places = first[i];
        if (!known) c->height = c->width = side * c->patch;
        return true;
    }
    return false;
}

/* Shapes of weights whose names all have a prefix. */
typedef struct shapes {
    const lb_value *config;
    const char *prefix;
} shapes;

static int64_t size_of(const shapes *s, const char *name, int axis) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", s->prefix, name);
    return lb_outside_size(s->config, full, axis);
}

static bool has(const shapes *s, const char *name) { return size_of(s, name, 0) > 0; }

static int64_t count_of(const shapes *s, const char *format) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", s->prefix, format);
    return lb_outside_count(s->config, full);
}

lb_status lb_vit_from_shapes(lb_vit *c, const lb_value *config, const char *prefix) {
    const shapes s = {config, prefix};
    int64_t rows = size_of(&s, "pos_embed", 1);
    c->dim = size_of(&s, "patch_embed.proj.weight", 0);
    c->channels = size_of(&s, "patch_embed.proj.weight", 1);
    c->patch = size_of(&s, "patch_embed.proj.weight", 2);
    c->no_patch_bias = !has(&s, "patch_embed.proj.bias");
    c->depth = count_of(&s, "blocks.%d.attn.qkv.weight");
    c->no_qkv_bias = !has(&s, "blocks.0.attn.qkv.bias");
    c->mlp = size_of(&s, "blocks.0.mlp.fc2.weight", 1);
    c->gated = c->mlp > 0 && size_of(&s, "blocks.0.mlp.fc1.weight", 0) == 2 * c->mlp;
    if (!c->mlp) { /* the SwiGLU of the published DINOv2 */
        c->mlp = size_of(&s, "blocks.0.mlp.w3.weight", 1);
        c->gated = c->mlp > 0;
    }
    c->qk_norm = has(&s, "blocks.0.attn.q_norm.weight");
    c->layer_scale = has(&s, "blocks.0.ls1.gamma") ? 1e-5 : 0;
    c->norm_pre = has(&s, "norm_pre.weight");
    c->no_class = !has(&s, "cls_token");
    c->distilled = has(&s, "dist_token");
    c->registers = size_of(&s, "reg_token", 1) + size_of(&s, "register_tokens", 1);
    c->heads = lb_vit_usual_heads(config, c->dim);
    c->no_positions = rows == 0;
    if (c->no_positions && !c->height) c->height = c->width = 224;
    if (c->no_positions) c->prefix_places = -1;
    else if (c->patch && !lb_vit_grid(c, rows))
        return lb_fail(LB_E_UNSUPPORTED, "vit: %lld positions are no grid of the pictures, or no square one, and %lld tokens in front of it", (long long)rows,
                       (long long)lb_vit_prefix(c));
    if (c->dim && c->patch && c->mlp && c->depth) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "vit: width %lld, patch %lld, inner width %lld, %lld blocks", (long long)c->dim, (long long)c->patch, (long long)c->mlp, (long long)c->depth);
}

const char *lb_vit_timm_act(const char *architecture) {
    static const char *const tanh[] = {"patch32_siglip", "large_patch16_siglip_512", "large_patch16_siglip_gap_512", "so400m_patch16_siglip", "giantopt_patch16_siglip"};
    if (!architecture) return NULL;
    if (strstr(architecture, "quickgelu")) return "quick_gelu";
    for (size_t i = 0; i < LB_COUNT(tanh); i++)
        if (strstr(architecture, tanh[i])) return "gelu_tanh";
    return NULL;
}

lb_status lb_vit_from_config(lb_vit *c, const lb_value *config, const lb_param *act_row, void *cfg) {
    c->height = lb_config_int(config, "image_size", 0, c->height);
    c->width = lb_config_int(config, "image_size", 1, c->width);
    c->patch = lb_config_int(config, "patch_size", 0, c->patch);
    if (lb_config_int(config, "patch_size", 1, c->patch) != c->patch)
        return lb_fail(LB_E_UNSUPPORTED, "patch_size: %lld x %lld, a square is wanted", (long long)c->patch,
                       (long long)lb_config_int(config, "patch_size", 1, 0));
    c->channels = lb_config_int(config, "num_channels", 0, c->channels);
    c->dim = lb_config_int(config, "hidden_size", 0, c->dim);
    c->depth = lb_config_int(config, "num_hidden_layers", 0, c->depth);
    c->heads = lb_config_int(config, "num_attention_heads", 0, c->heads);
    c->mlp = lb_config_int(config, "intermediate_size", 0, c->mlp);
    c->eps = lb_config_real(config, "layer_norm_eps", c->eps);
    c->no_qkv_bias = !lb_get_bool(config, "qkv_bias", !c->no_qkv_bias);
    return lb_config_act_to(act_row, cfg, lb_get_text(config, "hidden_act", NULL));
}

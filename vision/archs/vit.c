/* SPDX-License-Identifier: Apache-2.0 */
/* Vision transformer: Dosovitskiy et al., arXiv:2010.11929. Names, fused qkv and epsilon as in timm's VisionTransformer, so its published
 * weights load (class token, learned positions, norm before blocks' parts and at the end). */
#include <stdio.h>
#include <string.h>
#include "nn/attention.h"
#include "vision/archs.h"

typedef struct config {
    int64_t size, patch, width, depth, heads, mlp, embed, classes;
    double dropout;
    bool recompute;
    const char *pool;
} config;

static const lb_param params[] = {
    LB_PARAM(config, size, 64, 1, 4096, "px", "side of the pictures, a multiple of patch"),
    LB_PARAM(config, patch, 8, 1, 256, "px", "side of a patch"),
    LB_PARAM(config, width, 192, 1, 65536, "1", "width of the tokens, a multiple of heads"),
    LB_PARAM(config, depth, 6, 1, 1000, "1", "blocks"),
    LB_PARAM(config, heads, 3, 1, 1024, "1", "attention heads"),
    LB_PARAM(config, mlp, 768, 1, 1000000, "1", "inner width of a block's map"),
    LB_PARAM(config, embed, 256, 0, 65536, "1", "width of the L2-normalised projection that is the embedding; 0 = none, the embedding is pooled"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM(config, dropout, 0, 0, 0.9, "1", "dropout behind attention and map"),
    LB_PARAM_FLAG(config, recompute, 0, "blocks are computed again in the backward pass: less memory for a second forward pass"),
    LB_PARAM_TEXT(config, pool, "cls", "cls|mean", "pooled is the class token, or the mean over the patches"),
    LB_PARAM_END};

static const double eps = 1e-6;

static lb_tensor *block(lb_nn *m, lb_tensor *x, const config *c, int i) {
    lb_nn_in(m, "blocks.%d", i);
    lb_tensor *y = lb_nn_block(m, x, &(lb_block_spec){.self = {.heads = c->heads}, .mlp = {.width = c->mlp, .act = LB_ACT_GELU}, .eps = eps, .dropout = c->dropout, .recompute = c->recompute, .names = &lb_names_timm});
    lb_nn_tap(m, y, "block.%d", i);
    return lb_nn_out(m, y);
}

/* image [N,3,S,S] -> tokens [N,1+P,C]: class token, then patches row by row, with positions. */
static lb_tensor *patches(lb_nn *m, lb_tensor *image, const config *c) {
    lb_tape *t = lb_nn_tape(m);
    int64_t side = c->size / c->patch, count = side * side, w = c->width;
    lb_tensor *x = lb_nn_conv2d(m, image, "patch_embed.proj", w, c->patch, lb_conv_same(c->patch, 0, 1), true);
    lb_tensor *token = lb_nn_param(m, "cls_token", 3, (int64_t[]){1, 1, w}, LB_INIT_NORMAL, 1e-6);
    lb_tensor *places = lb_nn_param(m, "pos_embed", 3, (int64_t[]){1, count + 1, w}, LB_INIT_TRUNC_NORMAL, 0.02);
    if (!lb_tape_ok(t)) return x;
    x = lb_transpose(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], w, count}), 1, 2);
    token = lb_expand(t, token, 3, (int64_t[]){x->shape[0], 1, w});
    return lb_add(t, lb_concat(t, 2, (lb_tensor *[]){token, x}, 1), places);
}

static bool fits(lb_tape *t, const config *c, const lb_tensor *image) {
    if (!lb_tape_ok(t)) return false;
    if (c->size % c->patch || c->width % c->heads)
        lb_tape_fail(t, LB_E_ARG, "vit: size %lld is to be a multiple of patch %lld, width %lld of heads %lld", (long long)c->size, (long long)c->patch, (long long)c->width, (long long)c->heads);
    else if (image->rank != 4 || image->shape[2] != c->size || image->shape[3] != c->size) {
        char text[96];
        lb_tape_fail(t, LB_E_SHAPE, "vit: pictures %s, wanted [N,3,%lld,%lld]", lb_shape_text(text, sizeof text, image->rank, image->shape), (long long)c->size, (long long)c->size);
    }
    return lb_tape_ok(t);
}

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tape *t = lb_nn_tape(m);
    if (!fits(t, c, in[0])) return;
    lb_tensor *x = patches(m, in[0], c);
    for (int64_t i = 0; i < c->depth; i++) x = block(m, x, c, (int)i);
    x = lb_nn_layer_norm(m, x, "norm", eps);
    lb_nn_tap(m, x, "tokens");
    if (!lb_tape_ok(t)) return;
    bool mean = strcmp(c->pool, "mean") == 0;
    x = mean ? lb_mean(t, lb_slice(t, x, 1, 1, x->shape[1], 1), 1, false) : lb_reshape(t, lb_slice(t, x, 1, 0, 1, 1), 2, (int64_t[]){x->shape[0], c->width});
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, c->embed ? lb_normalize(t, lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12) : x, "embedding");
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, "head", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    const config *c = cfg;
    (void)input;
    *rank = 4;
    shape[0] = 1;
    shape[1] = 3;
    shape[2] = shape[3] = c->size;
}

static int recognise(const lb_value *json, const char *const *names, int64_t count) {
    int found = 0;
    (void)json;
    for (int64_t i = 0; i < count; i++)
        found += strcmp(names[i], "cls_token") == 0 || strcmp(names[i], "patch_embed.proj.weight") == 0 || strcmp(names[i], "blocks.0.attn.qkv.weight") == 0;
    return found == 3 ? 60 : 0;
}

static int64_t size_of(const lb_value *tensors, const char *name, int axis) {
    for (int64_t i = 0; tensors && i < tensors->count; i++)
        if (strcmp(tensors->keys[i], name) == 0 && tensors->items[i]->count > axis) return tensors->items[i]->items[axis]->integer;
    return 0;
}

/* Sizes from the weights; heads are 64 wide in every published size. */
static lb_status from_config(void *cfg, const lb_value *json) {
    config *c = cfg;
    const lb_value *tensors = lb_get(json, "tensors");
    char name[64];
    int64_t side = 0, places = size_of(tensors, "pos_embed", 1);
    c->width = size_of(tensors, "cls_token", 2);
    c->patch = size_of(tensors, "patch_embed.proj.weight", 2);
    c->mlp = size_of(tensors, "blocks.0.mlp.fc1.weight", 0);
    c->classes = size_of(tensors, "head.weight", 0);
    c->embed = 0;
    while ((side + 1) * (side + 1) < places) side++;
    c->size = side * c->patch;
    c->heads = c->width / 64;
    for (c->depth = 0;; c->depth++) {
        snprintf(name, sizeof name, "blocks.%lld.attn.qkv.weight", (long long)c->depth);
        if (!size_of(tensors, name, 0)) break;
    }
    if (side * side + 1 == places && c->width && c->width % 64 == 0 && c->patch && c->mlp && c->depth) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "vit: width %lld (a multiple of 64 is wanted), %lld positions (a square and one), patch %lld, %lld blocks", (long long)c->width, (long long)places, (long long)c->patch, (long long)c->depth);
}

LB_ARCH(vit) = {.id = "vit", .title = "vision transformer", .source = "arXiv:2010.11929; names of timm's VisionTransformer", .params = params, .params_size = sizeof(config), .kind = "image", .inputs = "image[N,3,H,W]",
                .taps = "embedding[N,E] pooled[N,D] tokens[N,1+P,D] block.K[N,1+P,D] logits[N,K]", .forward = forward, .example = example, .from_config = from_config, .recognise = recognise};

/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/tiny_vit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "nn/attention.h"
#include "nn/conv.h"
#include "tensor/arrange.h"
#include "tensor/derived.h"
#include "vision/archs.h"

enum { STAGES = 4 };
static const double eps = 1e-5, momentum = 0.1;

/* <name>.conv, <name>.bn. */
static lb_tensor *conv(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, int64_t stride, int64_t groups, lb_act act) {
    lb_nn_in(m, "%s", name);
    return lb_nn_out(m, lb_nn_conv_bn(m, x, "conv", "bn", out, kernel, lb_conv_same(stride, kernel / 2, groups), eps, momentum, act));
}

static int64_t channels(const lb_tensor *x) { return x->rank == 4 ? x->shape[1] : 0; }

static lb_tensor *mb_conv(lb_nn *m, lb_tensor *x, double expand, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = channels(x), inner = (int64_t)((double)c * expand);
    lb_tensor *y = conv(m, x, "conv1", inner, 1, 1, 1, act);
    y = conv(m, y, "conv2", inner, 3, 1, inner, act);
    return lb_activate(t, lb_add(t, conv(m, y, "conv3", c, 1, 1, 1, LB_ACT_NONE), x), act);
}

static lb_tensor *merge(lb_nn *m, lb_tensor *x, int64_t out, int64_t stride, lb_act act) {
    lb_nn_in(m, "downsample");
    x = conv(m, x, "conv1", out, 1, 1, 1, act);
    x = conv(m, x, "conv2", out, 3, stride, out, act);
    return lb_nn_out(m, conv(m, x, "conv3", out, 1, 1, 1, LB_ACT_NONE));
}

/* Bias of each pair of places of a window by how far apart they are: [heads,w w,w w]. */
static lb_tensor *distances(lb_nn *m, int64_t w, int64_t heads) {
    lb_tape *t = lb_nn_tape(m);
    int64_t n = w * w;
    lb_tensor *table = lb_nn_param(m, "attention_biases", 2, (int64_t[]){heads, n}, LB_INIT_ZEROS, 0);
    int64_t *at = lb_alloc((size_t)(n * n) + 1, sizeof *at);
    if (!at) return lb_tape_fail_status(t, LB_E_NOMEM);
    for (int64_t i = 0; i < n * n; i++) {
        int64_t q = i / n, k = i % n;
        at[i] = labs((long)(q / w - k / w)) * w + labs((long)(q % w - k % w));
    }
    lb_tensor *index = lb_input(t, LB_I64, 1, (int64_t[]){n * n}, at, LB_I64);
    lb_free(at);
    return lb_reshape(t, lb_take(t, table, index, 1), 3, (int64_t[]){heads, n, n});
}

/* Attention of places [B,n,C] of windows; heads lie outermost in qkv. */
static lb_tensor *attend(lb_nn *m, lb_tensor *x, int64_t heads, int64_t window) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *part[3];
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t b = x->shape[0], n = x->shape[1], c = x->shape[2];
    x = lb_nn_linear(m, lb_nn_layer_norm(m, x, "norm", eps), "qkv", 3 * c, LB_ACT_NONE);
    x = lb_permute(t, lb_reshape(t, x, 5, (int64_t[]){b, n, heads, 3, c / heads}), (int[]){3, 0, 2, 1, 4});
    lb_unbind(t, x, 0, part);
    x = lb_attention(t, part[0], part[1], part[2], (lb_attention_spec){.bias = distances(m, window, heads), .merge = true});
    return lb_nn_linear(m, x, "proj", c, LB_ACT_NONE);
}

/* x [N,C,H,W]. */
static lb_tensor *block(lb_nn *m, lb_tensor *x, const lb_tiny_vit *c, int64_t heads, int64_t s) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_ok(t)) return lb_inert(t);
    int64_t h = x->shape[2], w = x->shape[3], width = x->shape[1], more_h = (s - h % s) % s, more_w = (s - w % s) % s;
    lb_tensor *y = lb_permute(t, x, (int[]){0, 2, 3, 1});
    if (more_h || more_w) y = lb_pad(t, y, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, more_h, more_w, 0}, 0);
    y = lb_reshape(t, lb_windows(t, y, s, s), 3, (int64_t[]){-1, s * s, width});
    lb_nn_in(m, "attn");
    y = lb_nn_out(m, attend(m, y, heads, s));
    y = lb_from_windows(t, lb_reshape(t, y, 4, (int64_t[]){-1, s, s, width}), h + more_h, w + more_w);
    y = lb_permute(t, lb_slice(t, lb_slice(t, y, 1, 0, h, 1), 2, 0, w, 1), (int[]){0, 3, 1, 2});
    x = conv(m, lb_add(t, x, y), "local_conv", width, c->kernel, 1, width, LB_ACT_NONE);
    y = lb_permute(t, x, (int[]){0, 2, 3, 1});
    lb_nn_in(m, "mlp");
    y = lb_nn_out(m, lb_nn_mlp(m, lb_nn_layer_norm(m, y, "norm", eps), &(lb_mlp_spec){.width = (int64_t)((double)width * c->mlp_ratio), .act = lb_act_named(c->act)}));
    return lb_add(t, x, lb_permute(t, y, (int[]){0, 3, 1, 2}));
}

lb_tensor *lb_tiny_vit_tower(lb_nn *m, lb_tensor *image, const lb_tiny_vit *c) {
    lb_tape *t = lb_nn_tape(m);
    int64_t width[STAGES], depth[STAGES], heads[STAGES], window[STAGES];
    lb_act act = lb_act_named(c->act);
    int k = 0;
    bool whole = lb_numbers(c->widths, width, STAGES) == STAGES && lb_numbers(c->depths, depth, STAGES) == STAGES &&
                 lb_numbers(c->heads, heads, STAGES) == STAGES && lb_numbers(c->windows, window, STAGES) == STAGES;
    for (int s = 1; whole && s < STAGES; s++) whole = heads[s] > 0 && width[s] % heads[s] == 0 && window[s] > 0;
    if (!whole || c->kernel % 2 == 0)
        return lb_tape_fail(t, LB_E_ARG, "tiny-vit: widths '%s', depths '%s', heads '%s', windows '%s': four each, widths multiples of heads, and kernel odd",
                            c->widths, c->depths, c->heads, c->windows);
    lb_nn_in(m, "patch_embed");
    lb_tensor *x = conv(m, image, "conv1", width[0] / 2, 3, 2, 1, act);
    x = lb_nn_out(m, conv(m, x, "conv2", width[0], 3, 2, 1, LB_ACT_NONE));
    for (int s = 0; s < STAGES; s++) {
        lb_nn_in(m, "stages.%d", s);
        if (s > 0) x = merge(m, x, width[s], s == STAGES - 1 && c->keep_last ? 1 : 2, act);
        for (int i = 0; i < depth[s]; i++, k++) {
            lb_nn_in(m, "blocks.%d", i);
            x = s == 0 ? mb_conv(m, x, c->expand, act) : block(m, x, c, heads[s], window[s]);
            lb_nn_tap(m, x, "block.%d", k);
            x = lb_nn_out(m, x);
        }
        lb_nn_tap(m, x, "stage.%d", s);
        x = lb_nn_out(m, x);
    }
    return x;
}

void lb_tiny_vit_example(const lb_tiny_vit *c, int *rank, int64_t shape[LB_MAX_RANK]) {
    lb_example_picture(c->channels, c->size, c->size, rank, shape);
}

/* ---- sizes ---- */

static int64_t size_at(const lb_value *config, const char *prefix, const char *part, const char *name, int axis) {
    char full[160];
    snprintf(full, sizeof full, "%s%s%s", prefix, part, name);
    return lb_outside_size(config, full, axis);
}

/* Numbers of stage s, whose blocks are named "<stages><s>.blocks.K". */
static void read_stage(lb_tiny_vit *c, const lb_value *config, const char *prefix, bool timm, int s, int64_t width[], int64_t depth[], int64_t heads[], int64_t window[]) {
    char part[32], format[160];
    const char *conv1 = timm ? ".blocks.0.conv1.conv.weight" : ".blocks.0.conv1.c.weight", *local = timm ? ".blocks.0.local_conv.conv.weight" : ".blocks.0.local_conv.c.weight";
    snprintf(part, sizeof part, "%s.%d", timm ? "stages" : "layers", s);
    snprintf(format, sizeof format, "%s%s.blocks.%%d.%s.weight", prefix, part, s == 0 ? (timm ? "conv1.conv" : "conv1.c") : "attn.qkv");
    depth[s] = lb_outside_count(config, format);
    heads[s] = window[s] = 1;
    if (s == 0) {
        width[s] = size_at(config, prefix, part, conv1, 1);
        c->expand = width[s] ? (double)size_at(config, prefix, part, conv1, 0) / (double)width[s] : 4;
        return;
    }
    width[s] = size_at(config, prefix, part, ".blocks.0.attn.qkv.weight", 1);
    heads[s] = size_at(config, prefix, part, ".blocks.0.attn.attention_biases", 0);
    window[s] = (int64_t)(sqrt((double)size_at(config, prefix, part, ".blocks.0.attn.attention_biases", 1)) + 0.5);
    c->kernel = size_at(config, prefix, part, local, 2);
    c->mlp_ratio = width[s] ? (double)size_at(config, prefix, part, ".blocks.0.mlp.fc1.weight", 0) / (double)width[s] : 4;
}

lb_status lb_tiny_vit_from_shapes(lb_tiny_vit *c, const lb_value *config, const char *prefix, const lb_param *params, void *cfg) {
    int64_t width[STAGES], depth[STAGES], heads[STAGES], window[STAGES];
    bool timm = size_at(config, prefix, "patch_embed.", "conv1.conv.weight", 0) > 0, whole = true;
    c->channels = size_at(config, prefix, "patch_embed.", timm ? "conv1.conv.weight" : "seq.0.c.weight", 1);
    for (int s = 0; s < STAGES; s++) {
        read_stage(c, config, prefix, timm, s, width, depth, heads, window);
        whole = whole && width[s] && depth[s] && heads[s];
    }
    if (!whole)
        return lb_fail(LB_E_UNSUPPORTED, "tiny-vit: not all four stages are there: widths %lld, %lld, %lld, %lld", (long long)width[0], (long long)width[1],
                       (long long)width[2], (long long)width[3]);
    lb_status st = lb_numbers_to(lb_param_find(params, "widths"), cfg, width, STAGES);
    if (st == LB_OK) st = lb_numbers_to(lb_param_find(params, "depths"), cfg, depth, STAGES);
    if (st == LB_OK) st = lb_numbers_to(lb_param_find(params, "heads"), cfg, heads, STAGES);
    return st == LB_OK ? lb_numbers_to(lb_param_find(params, "windows"), cfg, window, STAGES) : st;
}

const lb_rename lb_tiny_vit_published[] = {
    {"patch_embed.conv1.conv", "patch_embed.seq.0.c"},
    {"patch_embed.conv1.bn", "patch_embed.seq.0.bn"},
    {"patch_embed.conv2.conv", "patch_embed.seq.2.c"},
    {"patch_embed.conv2.bn", "patch_embed.seq.2.bn"},
    {"stages.1.downsample.*.conv", "layers.0.downsample.*.c"},
    {"stages.1.downsample.*.bn", "layers.0.downsample.*.bn"},
    {"stages.2.downsample.*.conv", "layers.1.downsample.*.c"},
    {"stages.2.downsample.*.bn", "layers.1.downsample.*.bn"},
    {"stages.3.downsample.*.conv", "layers.2.downsample.*.c"},
    {"stages.3.downsample.*.bn", "layers.2.downsample.*.bn"},
    {"stages.*.blocks.*.*.conv", "layers.*.blocks.*.*.c"},
    {"stages.*.blocks.*", "layers.*.blocks.*"},
    {"head.norm", "norm_head"},
    {"head.fc", "head"},
    {0}};

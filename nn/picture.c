/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/picture.h"
#include <math.h>
#include <stdio.h>
#include "nn/parts.h"
#include "tensor/derived.h"
#include "tensor/hold.h"
#include "tensor/split.h"

static const double usual_eps = 1e-5, usual_momentum = 0.1;

enum { MAPS = 8 }; /* most maps of a pyramid */

lb_tensor *lb_nn_squeeze(lb_nn *m, lb_tensor *x, const char *narrow, const char *widen, int64_t inner, lb_act act, lb_act gate) {
    lb_tape *t = lb_nn_tape(m);
    int64_t n = lbi_size(x, 3), c = lbi_channels(x);
    lb_tensor *s = lb_reshape(t, lb_nn_global_pool(m, x), 4, (int64_t[]){n, c, 1, 1});
    s = lb_activate(t, lb_nn_conv2d(m, s, narrow, inner, 1, lb_conv_same(1, 0, 1), true), act);
    s = lb_nn_conv2d(m, s, widen, c, 1, lb_conv_same(1, 0, 1), true);
    return lb_mul(t, x, gate == LB_ACT_HARDSIGMOID ? lb_hardsigmoid(t, s) : lb_sigmoid(t, s));
}

lb_tensor *lb_nn_squeeze_excite(lb_nn *m, lb_tensor *x, const char *name, int64_t inner, lb_act gate) {
    lb_nn_in(m, "%s", name);
    return lb_nn_out(m, lb_nn_squeeze(m, x, "fc1", "fc2", inner, LB_ACT_RELU, gate));
}

/* ---- residual blocks ---- */

static lb_tensor *conv_bn(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, lb_act act) {
    return lb_nn_conv_bn(m, x, conv, norm, out, kernel, spec, usual_eps, usual_momentum, act);
}

/* What goes past the block: x, in the block's shape. */
static lb_tensor *means(lb_nn *m, lb_tensor *x, int64_t stride) { return stride > 1 ? lb_avg_pool(lb_nn_tape(m), x, lb_window_of(stride, stride, 0), LB_AVG_INSIDE, 0) : x; }

static lb_tensor *shortcut(lb_nn *m, lb_tensor *x, const lb_residual *b) {
    if (x->rank != 4 || (b->stride == 1 && x->shape[1] == b->out)) return x;
    if (b->by_means) return conv_bn(m, means(m, x, b->stride), "downsample.0", "downsample.1", b->out, 1, lb_conv_same(1, 0, 1), LB_ACT_NONE);
    int64_t kernel = b->stride > 1 && b->shortcut_kernel ? b->shortcut_kernel : 1;
    if (!b->pooled) return conv_bn(m, x, "downsample.0", "downsample.1", b->out, kernel, lb_conv_same(b->stride, kernel / 2, 1), LB_ACT_NONE);
    lb_window window = lb_window_of(2, b->stride, 0);
    window.ceil = true;
    if (b->stride > 1) x = lb_avg_pool(lb_nn_tape(m), x, window, LB_AVG_INSIDE, 0);
    return conv_bn(m, x, "downsample.1", "downsample.2", b->out, 1, lb_conv_same(1, 0, 1), LB_ACT_NONE);
}

/* x times sigmoid(a convolution over the channels' means); its kernel grows with the logarithm of their number. Wang et al., arXiv:1910.03151, section 3.3. */
static lb_tensor *gate_across(lb_nn *m, lb_tensor *x, const char *name) {
    lb_tape *t = lb_nn_tape(m);
    int64_t n = lbi_size(x, 3), c = lbi_channels(x), kernel = c > 0 ? (int64_t)(fabs(log2((double)c) + 1) / 2) : 1;
    kernel = kernel % 2 ? kernel : kernel + 1;
    if (kernel < 3) kernel = 3;
    lb_tensor *s = lb_reshape(t, lb_nn_global_pool(m, x), 3, (int64_t[]){n, 1, c});
    s = lb_nn_conv1d(m, s, name, 1, kernel, lb_conv_same(1, kernel / 2, 1), false);
    return lb_mul(t, x, lb_reshape(t, lb_sigmoid(t, s), 4, (int64_t[]){n, c, 1, 1}));
}

/* The block's last convolution with what goes past it. */
static lb_tensor *end_block(lb_nn *m, lb_tensor *y, const char *conv, const char *norm, int64_t kernel, lb_tensor *x, const lb_residual *b) {
    lb_tensor *past = shortcut(m, x, b);
    if (past != x || b->last) lb_last_use(lb_nn_tape(m), past);
    x = past;
    const lb_conv_spec spec = lb_conv_same(1, kernel / 2, 1);
    if (!b->squeeze && !b->across) return lb_nn_conv_bn_add(m, y, conv, norm, b->out, kernel, spec, usual_eps, usual_momentum, x, LB_ACT_RELU);
    y = conv_bn(m, y, conv, norm, b->out, kernel, spec, LB_ACT_NONE);
    y = b->across ? gate_across(m, y, "se.conv") : lb_nn_squeeze_excite(m, y, "se", b->squeeze, LB_ACT_SIGMOID);
    return lb_relu(lb_nn_tape(m), lb_add(lb_nn_tape(m), y, x));
}

lb_tensor *lb_nn_residual_block(lb_nn *m, lb_tensor *x, const lb_residual *b) {
    if (!b->inner) return end_block(m, conv_bn(m, x, "conv1", "bn1", b->out, 3, lb_conv_same(b->stride, 1, 1), LB_ACT_RELU), "conv2", "bn2", 3, x, b);
    int64_t dilation = b->dilation ? b->dilation : 1;
    lb_conv_spec middle = lb_conv_same(b->early || b->by_means ? 1 : b->stride, dilation, b->groups);
    middle.dilation_h = middle.dilation_w = dilation;
    lb_tensor *y = conv_bn(m, x, "conv1", "bn1", b->inner, 1, lb_conv_same(b->early ? b->stride : 1, 0, 1), LB_ACT_RELU);
    y = conv_bn(m, lb_last_use(lb_nn_tape(m), y), "conv2", "bn2", b->inner, 3, middle, LB_ACT_RELU);
    if (b->by_means) y = means(m, y, b->stride);
    return end_block(m, y, "conv3", "bn3", 1, x, b);
}

lb_tensor *lb_nn_basic_block(lb_nn *m, lb_tensor *x, int64_t out, int64_t stride) { return lb_nn_residual_block(m, x, &(lb_residual){.out = out, .stride = stride}); }

lb_tensor *lb_nn_bottleneck(lb_nn *m, lb_tensor *x, int64_t inner, int64_t out, int64_t stride, int64_t groups, int64_t dilation) {
    return lb_nn_residual_block(m, x, &(lb_residual){.inner = inner, .out = out, .stride = stride, .groups = groups, .dilation = dilation});
}

/* ---- inverted residual ---- */

static lb_tensor *block_in_parts(lb_nn *m, lb_tensor *x, const lb_inverted_block *b) {
    const lb_conv_spec point = lb_conv_same(1, 0, 1);
    lb_tensor *y = x;
    if (b->expand[0]) y = lb_nn_conv_bn(m, y, b->expand[0], b->expand[1], b->inner, 1, point, b->eps, b->momentum, b->act);
    lb_conv_spec depth = b->depth;
    depth.groups = b->inner;
    y = lb_nn_conv_bn(m, y, b->depthwise[0], b->depthwise[1], b->inner, b->kernel, depth, b->eps, b->momentum, b->act);
    if (b->narrow) y = lb_nn_squeeze(m, y, b->narrow, b->widen, b->squeeze, b->inner_act, b->gate);
    return lb_nn_conv_bn_add(m, y, b->project[0], b->project[1], b->out, 1, point, b->eps, b->momentum, b->add ? x : NULL, LB_ACT_NONE);
}

static lb_scaled_map biased_map(lb_nn *m, const char *name, int64_t out, int64_t in) {
    lb_tensor *w = lbi_named(m, name, "weight", 4, (int64_t[]){out, in, 1, 1}, LB_INIT_KAIMING_UNIFORM, 0);
    return (lb_scaled_map){.w = w, .b = lbi_named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)in)};
}

lb_tensor *lb_nn_inverted_block(lb_nn *m, lb_tensor *x, const lb_inverted_block *b) {
    lb_tape *t = lb_nn_tape(m);
    if (!lb_tape_splits(t) || !lb_inverted_residual_pays(t, x, b->inner, b->narrow != NULL)) return block_in_parts(m, x, b);
    lb_inverted_spec s = {.depth = b->depth, .act = b->act, .inner_act = b->inner_act, .gate = b->gate, .add = b->add};
    if (b->expand[0]) s.expand = lbi_folded_conv(m, b->expand[0], b->expand[1], b->inner, lbi_channels(x), 1, b->eps);
    s.depthwise = lbi_folded_conv(m, b->depthwise[0], b->depthwise[1], b->inner, 1, b->kernel, b->eps);
    if (b->narrow) s.narrow = biased_map(m, b->narrow, b->squeeze, b->inner);
    if (b->narrow) s.widen = biased_map(m, b->widen, b->inner, b->squeeze);
    s.project = lbi_folded_conv(m, b->project[0], b->project[1], b->out, b->inner, 1, b->eps);
    return lb_inverted_residual(t, x, &s);
}

lb_tensor *lb_nn_inverted_residual(lb_nn *m, lb_tensor *x, const lb_inverted *b) {
    int64_t in = lbi_channels(x);
    bool expands = b->inner != in;
    char name[8][32];
    int k = expands ? 1 : 0, narrow = b->squeeze ? k + 1 : 0, last = k + 1 + (b->squeeze ? 1 : 0);
    const int part[] = {0, 0, k, k, last, last};
    for (int i = 0; i < 6; i++) snprintf(name[i], sizeof name[i], "block.%d.%d", part[i], i % 2);
    for (int i = 0; i < 2; i++) snprintf(name[6 + i], sizeof name[6 + i], "block.%d.fc%d", narrow, 1 + i);
    lb_inverted_block block = {.depthwise = {name[2], name[3]},
                               .project = {name[4], name[5]},
                               .inner = b->inner,
                               .out = b->out,
                               .kernel = b->kernel,
                               .squeeze = b->squeeze,
                               .depth = b->same ? lb_nn_conv_ceil(x, b->kernel, b->stride) : lb_conv_same(b->stride, b->kernel / 2, 1),
                               .act = b->act,
                               .inner_act = LB_ACT_RELU,
                               .gate = LB_ACT_HARDSIGMOID,
                               .eps = b->eps,
                               .momentum = b->momentum,
                               .add = b->stride == 1 && in == b->out};
    if (expands) block.expand[0] = name[0], block.expand[1] = name[1];
    if (b->squeeze) block.narrow = name[6], block.widen = name[7];
    return lb_nn_inverted_block(m, x, &block);
}

/* ---- ConvNeXt ---- */

/* A linear layer over the channels of pictures. */
static lb_tensor *channel_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t in = lbi_channels(x);
    lb_tensor *w = lbi_named(m, name, "weight", 2, (int64_t[]){out, in}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *b = lbi_named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)in);
    return lb_conv2d(t, x, lb_reshape(t, w, 4, (int64_t[]){out, in, 1, 1}), b, lb_conv_same(1, 0, 1), act);
}

/* Global response normalisation: which channels answer more strongly than the others. */
static lb_tensor *global_response(lb_nn *m, lb_tensor *x, const char *name) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_channels(x), shape[] = {c, 1, 1};
    lb_tensor *weight = lbi_named(m, name, "weight", 1, &c, LB_INIT_ZEROS, 0), *bias = lbi_named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    lb_tensor *strength = lb_norm(t, x, 2, LB_AXES(2, 3), true);
    strength = lb_div(t, strength, lb_add_scalar(t, lb_mean(t, strength, 1, true), 1e-6));
    lb_tensor *y = lb_mul(t, lb_mul(t, x, strength), lb_reshape(t, weight, 3, shape));
    return lb_add(t, x, lb_add(t, y, lb_reshape(t, bias, 3, shape)));
}

lb_tensor *lb_nn_convnext_block(lb_nn *m, lb_tensor *x, int64_t kernel, double eps, const lb_convnext_names *names) {
    static const lb_convnext_names usual = {"block.0", "block.2", "block.3", "block.5", "layer_scale", NULL, LB_ACT_GELU};
    static const double small = 1e-6; /* where layer scale starts */
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_channels(x), shape[] = {c, 1, 1};
    int rank = names ? 1 : 3;
    if (!names) names = &usual;
    lb_tensor *y = lb_nn_conv2d(m, x, names->depthwise, c, kernel, lb_conv_same(1, kernel / 2, c), true);
    y = lb_nn_channel_norm(m, y, names->norm, eps);
    y = channel_linear(m, y, names->widen, 4 * c, names->act ? names->act : LB_ACT_GELU);
    if (names->response) y = global_response(m, y, names->response);
    y = channel_linear(m, y, names->narrow, c, LB_ACT_NONE);
    if (!names->scale) return lb_add(t, x, y);
    lb_tensor *scale = lb_nn_param(m, names->scale, rank, shape, LB_INIT_CONSTANT, small);
    return lb_add(t, x, lb_mul(t, y, lb_reshape(t, scale, 3, shape)));
}

/* ---- in and out ---- */

lb_tensor *lb_nn_patch_embed(lb_nn *m, lb_tensor *x, const char *name, int64_t width, int64_t patch) {
    lb_tape *t = lb_nn_tape(m);
    x = lb_nn_conv2d(m, x, name, width, patch, lb_conv_same(patch, 0, 1), true);
    if (x->rank != 4) return x;
    return lb_transpose(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], width, x->shape[2] * x->shape[3]}), 1, 2);
}

lb_tensor *lb_nn_up_block(lb_nn *m, lb_tensor *x, const char *name, int64_t out, double factor, lb_resize_mode mode, lb_act act) {
    x = lb_resize(lb_nn_tape(m), x, (lb_resize_spec){.scale = {factor, factor}, .mode = mode});
    lb_nn_in(m, "%s", name);
    return lb_nn_out(m, conv_bn(m, x, "conv", "norm", out, 3, lb_conv_same(1, 1, 1), act));
}

lb_tensor *lb_nn_fcn_head(lb_nn *m, lb_tensor *x, int64_t classes) {
    x = conv_bn(m, x, "0", "1", lbi_channels(x) / 4, 3, lb_conv_same(1, 1, 1), LB_ACT_RELU);
    if (lb_tape_training(lb_nn_tape(m))) x = lb_nn_dropout(m, x, 0.1);
    return lb_nn_conv2d(m, x, "4", classes, 1, lb_conv_same(1, 0, 1), true);
}

/* x in the size of `like`. */
static lb_tensor *sized_as(lb_nn *m, lb_tensor *x, const lb_tensor *like, lb_resize_mode mode) { return lb_resize2d(lb_nn_tape(m), x, lbi_size(like, 1), lbi_size(like, 0), mode, false); }

void lb_nn_feature_pyramid(lb_nn *m, int n, lb_tensor *const *x, int64_t width, lb_tensor **out) {
    lb_tensor *above = NULL;
    char name[32];
    for (int i = n - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "inner_blocks.%d.0", i);
        lb_tensor *y = lb_nn_conv2d(m, x[i], name, width, 1, lb_conv_same(1, 0, 1), true);
        above = above ? lb_add(lb_nn_tape(m), y, sized_as(m, above, y, LB_RESIZE_NEAREST)) : y;
        snprintf(name, sizeof name, "layer_blocks.%d.0", i);
        out[i] = lb_nn_conv2d(m, above, name, width, 3, lb_conv_same(1, 1, 1), true);
    }
}

/* Convolution <name>.conv, norm <name>.batch_norm, relu. */
static lb_tensor *upernet_conv(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel) {
    lb_nn_in(m, "%s", name);
    return lb_nn_out(m, conv_bn(m, x, "conv", "batch_norm", out, kernel, lb_conv_same(1, kernel / 2, 1), LB_ACT_RELU));
}

static lb_tensor *pyramid_pooling(lb_nn *m, lb_tensor *x, int sides, const int64_t *side, int64_t width) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *parts[1 + MAPS] = {x};
    char name[32];
    for (int i = 0; i < sides; i++) {
        snprintf(name, sizeof name, "psp_modules.%d.1", i);
        parts[1 + i] = upernet_conv(m, lb_adaptive_avg_pool(t, x, (int64_t[]){side[i], side[i]}), name, width, 1);
        parts[1 + i] = sized_as(m, parts[1 + i], x, LB_RESIZE_LINEAR);
    }
    return upernet_conv(m, lb_concat(t, 1 + sides, parts, 1), "bottleneck", width, 3);
}

lb_tensor *lb_nn_upernet_head(lb_nn *m, int n, lb_tensor *const *x, int sides, const int64_t *side, int64_t width, int64_t classes) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *maps[MAPS];
    char name[32];
    if (n < 1 || n > MAPS || sides < 0 || sides > MAPS) return lb_tape_fail(t, LB_E_ARG, "upernet: %d maps, %d sides, expected 1 to %d and none to %d", n, sides, MAPS, MAPS);
    for (int i = 0; i < n - 1; i++) {
        snprintf(name, sizeof name, "lateral_convs.%d", i);
        maps[i] = upernet_conv(m, x[i], name, width, 1);
    }
    maps[n - 1] = pyramid_pooling(m, x[n - 1], sides, side, width);
    for (int i = n - 1; i > 0; i--) maps[i - 1] = lb_add(t, maps[i - 1], sized_as(m, maps[i], maps[i - 1], LB_RESIZE_LINEAR));
    for (int i = 0; i < n - 1; i++) {
        snprintf(name, sizeof name, "fpn_convs.%d", i);
        maps[i] = upernet_conv(m, maps[i], name, width, 3);
    }
    for (int i = 1; i < n; i++) maps[i] = sized_as(m, maps[i], maps[0], LB_RESIZE_LINEAR);
    lb_tensor *y = upernet_conv(m, lb_concat(t, n, maps, 1), "fpn_bottleneck", width, 3);
    return lb_nn_conv2d(m, y, "classifier", classes, 1, lb_conv_same(1, 0, 1), true);
}

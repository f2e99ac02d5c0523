/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/inverted.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/conv.h"
#include "nn/picture.h"

enum { STAGES = 16 };

/* ---- names ---- */

typedef struct part_names {
    const char *expand, *expand_norm, *depthwise, *depthwise_norm, *narrow, *widen, *project, *project_norm;
} part_names;

typedef struct name_table {
    const char *word, *stem, *stem_norm;
    const char *block, *first_block; /* format of stage and place, or of one number through all blocks; the very first one, NULL = as the others */
    bool by_stage;
    int from;                        /* number of the first stage or block */
    part_names expanded, plain;
    const char *head, *head_norm;    /* of torchvision: the format of its number */
    const char *classifier;
} name_table;

static const name_table tables[] = {
    {"timm",
     "conv_stem",
     "bn1",
     "blocks.%d.%d",
     NULL,
     true,
     0,
     {"conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"},
     {NULL, NULL, "conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"},
     "conv_head",
     "bn2",
     "classifier"},
    {"torchvision",
     "features.0.0",
     "features.0.1",
     "features.%d.%d.block",
     NULL,
     true,
     1,
     {"0.0", "0.1", "1.0", "1.1", "2.fc1", "2.fc2", "3.0", "3.1"},
     {NULL, NULL, "0.0", "0.1", "1.fc1", "1.fc2", "2.0", "2.1"},
     "features.%d.0",
     "features.%d.1",
     "classifier.1"},
    {"torchvision_v2",
     "features.0.0",
     "features.0.1",
     "features.%d.conv",
     NULL,
     false,
     1,
     {"0.0", "0.1", "1.0", "1.1", NULL, NULL, "2", "3"},
     {NULL, NULL, "0.0", "0.1", NULL, NULL, "1", "2"},
     "features.%d.0",
     "features.%d.1",
     "classifier.1"},
    {"huggingface",
     "embeddings.convolution",
     "embeddings.batchnorm",
     "encoder.blocks.%d",
     NULL,
     false,
     0,
     {"expansion.expand_conv", "expansion.expand_bn", "depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm", "squeeze_excite.reduce",
      "squeeze_excite.expand", "projection.project_conv", "projection.project_bn"},
     {NULL, NULL, "depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm", "squeeze_excite.reduce", "squeeze_excite.expand", "projection.project_conv",
      "projection.project_bn"},
     "encoder.top_conv",
     "encoder.top_bn",
     "classifier"},
    {"huggingface_v2",
     "conv_stem.first_conv.convolution",
     "conv_stem.first_conv.normalization",
     "layer.%d",
     "conv_stem",
     false,
     -1,
     {"expand_1x1.convolution", "expand_1x1.normalization", "conv_3x3.convolution", "conv_3x3.normalization", NULL, NULL, "reduce_1x1.convolution",
      "reduce_1x1.normalization"},
     {NULL, NULL, "conv_3x3.convolution", "conv_3x3.normalization", NULL, NULL, "reduce_1x1.convolution", "reduce_1x1.normalization"},
     "conv_1x1.convolution",
     "conv_1x1.normalization",
     "classifier"},
};

static const name_table *table_of(const char *word) {
    for (size_t i = 0; i < LB_COUNT(tables); i++)
        if (strcmp(tables[i].word, word) == 0) return &tables[i];
    return &tables[0];
}

/* ---- the network ---- */

typedef struct stage {
    int64_t width, kernel, stride, expand;
} stage;

/* Strides and padding of a convolution over x. */
static lb_conv_spec padded(const lb_inverted_net *c, const lb_tensor *x, int64_t kernel, int64_t stride, bool even) {
    if (strcmp(c->padding, "same") == 0) return lb_nn_conv_ceil(x, kernel, stride);
    lb_conv_spec s = lb_conv_same(stride, kernel / 2, 1);
    if (stride > 1 && !even && strcmp(c->padding, "less") == 0) {
        s.pad_t--;
        s.pad_l--;
    }
    return s;
}

static lb_tensor *conv(lb_nn *m, lb_tensor *x, const lb_inverted_net *c, const char *name, const char *norm, int64_t out, int64_t kernel, int64_t stride, bool even, lb_act act) {
    return lb_nn_conv_bn(m, x, name, norm, out, kernel, padded(c, x, kernel, stride, even), c->eps, c->momentum, act);
}

/* first: of its stage; bare: never with a shortcut; even: padding is the same on all sides. */
static lb_tensor *block(lb_nn *m, lb_tensor *x, const lb_inverted_net *c, const stage *s, bool first, bool bare, bool even) {
    const name_table *table = table_of(c->names);
    const part_names *n = s->expand == 1 ? &table->plain : &table->expanded;
    lb_act act = lb_act_named(c->act);
    if (!lb_tape_ok(lb_nn_tape(m))) return lb_inert(lb_nn_tape(m));
    int64_t in = x->shape[1], stride = first ? s->stride : 1, squeeze = (int64_t)((double)in * c->squeeze);
    lb_inverted_block b = {.expand = {n->expand, n->expand_norm},
                           .depthwise = {n->depthwise, n->depthwise_norm},
                           .project = {n->project, n->project_norm},
                           .inner = in * s->expand,
                           .out = s->width,
                           .kernel = s->kernel,
                           .squeeze = squeeze < 1 ? 1 : squeeze,
                           .depth = padded(c, x, s->kernel, stride, even),
                           .act = act,
                           .inner_act = act,
                           .gate = LB_ACT_SIGMOID,
                           .eps = c->eps,
                           .momentum = c->momentum,
                           .add = stride == 1 && in == s->width && !bare};
    if (s->expand == 1) b.expand[0] = NULL;
    if (c->squeeze > 0) b.narrow = n->narrow, b.widen = n->widen;
    return lb_nn_inverted_block(m, x, &b);
}

/* Enters the name of block k, the i-th of stage s. */
static void enter_block(lb_nn *m, const name_table *n, int s, int i, int k) {
    char name[64];
    if (n->by_stage) snprintf(name, sizeof name, n->block, s + n->from, i);
    else snprintf(name, sizeof name, n->block, k + n->from);
    lb_nn_in(m, "%s", k == 0 && n->first_block ? n->first_block : name);
}

static bool listed(const char *list, int64_t number) {
    int64_t all[256], n = lb_numbers(list, all, (int64_t)LB_COUNT(all));
    while (n > 0 && all[n - 1] != number) n--;
    return n > 0;
}

/* The lists of the stages; false fails the tape. */
static bool stages_of(lb_tape *t, const lb_inverted_net *c, int64_t *count, stage s[STAGES], int64_t depth[STAGES]) {
    int64_t width[STAGES], kernel[STAGES], stride[STAGES], expand[STAGES], n = *count = lb_numbers(c->widths, width, STAGES);
    bool whole = n > 0 && lb_numbers(c->depths, depth, STAGES) == n && lb_numbers(c->kernels, kernel, STAGES) == n &&
                 lb_numbers(c->strides, stride, STAGES) == n && lb_numbers(c->expands, expand, STAGES) == n;
    for (int i = 0; whole && i < n; i++) {
        s[i] = (stage){width[i], kernel[i], stride[i], expand[i]};
        whole = width[i] > 0 && kernel[i] % 2 && stride[i] > 0 && expand[i] > 0;
    }
    if (!whole)
        lb_tape_fail(t, LB_E_ARG, "widths '%s', depths '%s', kernels '%s', strides '%s', expands '%s' are to be as many, at most %d, and kernels odd",
                     c->widths, c->depths, c->kernels, c->strides, c->expands, STAGES);
    return whole && lb_tape_ok(t);
}

void lb_inverted_forward(lb_nn *m, lb_tensor *image, const lb_inverted_net *c) {
    const name_table *n = table_of(c->names);
    lb_tape *t = lb_nn_tape(m);
    int64_t count, depth[STAGES];
    stage s[STAGES];
    int k = 0;
    char head[32], norm[32];
    if (!stages_of(t, c, &count, s, depth)) return;
    lb_tensor *x = conv(m, image, c, n->stem, n->stem_norm, c->stem, 3, 2, false, lb_act_named(c->act));
    for (int i = 0; i < count; i++)
        for (int j = 0; j < depth[i]; j++, k++) {
            enter_block(m, n, i, j, k);
            x = block(m, x, c, &s[i], j == 0, (j == 0 && c->always_new) || (k == 0 && n->first_block), listed(c->even, k));
            lb_nn_tap(m, x, "block.%d", k);
            x = lb_nn_out(m, x);
        }
    snprintf(head, sizeof head, n->head, n->by_stage ? (int)count + 1 : k + 1);
    snprintf(norm, sizeof norm, n->head_norm, n->by_stage ? (int)count + 1 : k + 1);
    x = conv(m, x, c, head, norm, c->head, 1, 1, true, lb_act_named(c->act));
    lb_nn_tap(m, x, "features");
    x = lb_nn_global_pool(m, x);
    lb_nn_tap(m, x, "pooled");
    lb_nn_tap(m, x, "embedding");
    if (lb_tape_training(t)) x = lb_nn_dropout(m, x, c->dropout);
    if (c->classes) lb_nn_tap(m, lb_nn_linear(m, x, n->classifier, c->classes, LB_ACT_NONE), "logits");
}

/* ---- sizes ---- */

int64_t lb_inverted_round(double wanted, int64_t step, int64_t least) {
    int64_t r = (int64_t)(wanted + (double)step / 2) / step * step;
    if (r < least) r = least;
    return (double)r < 0.9 * wanted ? r + step : r;
}

lb_status lb_inverted_lists(const lb_param *params, void *cfg, int64_t n, const int64_t *widths, const int64_t *depths, const int64_t *kernels, const int64_t *strides, const int64_t *expands) {
    static const char *const words[] = {"widths", "depths", "kernels", "strides", "expands"};
    const int64_t *const lists[] = {widths, depths, kernels, strides, expands};
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(words) && st == LB_OK; i++) st = lb_numbers_to(lb_param_find(params, words[i]), cfg, lists[i], n);
    return st;
}

/* Size of an axis of a part's weight in block k = (s, i), 0 when there is none. */
static int64_t part_size(const lb_value *config, const name_table *n, int s, int i, int k, const char *part, int axis) {
    char at[64], name[128];
    if (!part) return 0;
    if (n->by_stage) snprintf(at, sizeof at, n->block, s + n->from, i);
    else snprintf(at, sizeof at, n->block, k + n->from);
    snprintf(name, sizeof name, "%s.%s.weight", at, part);
    return lb_outside_size(config, name, axis);
}

typedef struct seen_block {
    int64_t in, width, kernel, expand, squeeze;
} seen_block;

/* What the weights say of block k. A depthwise kernel has 1 in its second axis. */
static bool see(const lb_value *config, const name_table *n, int s, int i, int k, seen_block *b) {
    for (int plain = 0; plain < 2; plain++) {
        const part_names *p = plain ? &n->plain : &n->expanded;
        int64_t inner = part_size(config, n, s, i, k, p->depthwise, 0);
        if (!inner || part_size(config, n, s, i, k, p->depthwise, 1) != 1 || !part_size(config, n, s, i, k, p->project, 0)) continue;
        int64_t in = plain ? inner : part_size(config, n, s, i, k, p->expand, 1);
        if (!in || part_size(config, n, s, i, k, p->project, 1) != inner) continue;
        *b = (seen_block){in, part_size(config, n, s, i, k, p->project, 0), part_size(config, n, s, i, k, p->depthwise, 2), inner / in, part_size(config, n, s, i, k, p->narrow, 0)};
        return true;
    }
    return false;
}

/* Blocks in a row, as MobileNetV2's are: 17 in stages of 1, 2, 3, 4, 3, 3, 1. */
static int64_t see_row(const lb_value *config, const name_table *n, seen_block first[STAGES], int64_t depth[STAGES]) {
    static const int64_t usual[] = {1, 2, 3, 4, 3, 3, 1};
    seen_block b;
    int k = 0;
    for (size_t s = 0; s < LB_COUNT(usual); s++) {
        for (int i = 0; i < usual[s]; i++, k++)
            if (!see(config, n, 0, 0, k, i == 0 ? &first[s] : &b)) return 0;
        depth[s] = usual[s];
    }
    return see(config, n, 0, 0, k, &b) ? 0 : (int64_t)LB_COUNT(usual);
}

static int64_t see_stages(const lb_value *config, const name_table *n, seen_block first[STAGES], int64_t depth[STAGES]) {
    seen_block b;
    int s = 0;
    for (; s < STAGES && see(config, n, s, 0, 0, &first[s]); s++)
        for (depth[s] = 1; see(config, n, s, (int)depth[s], 0, &b); depth[s]++) continue;
    return s;
}

bool lb_inverted_tensorflow(const lb_value *config) { return strncmp(lb_get_text(config, "architecture", ""), "tf_", 3) == 0; }

lb_status lb_inverted_from_shapes(lb_inverted_net *c, const lb_value *config, const lb_param *params, void *cfg) {
    static const int64_t usual[STAGES] = {1, 2, 2, 2, 1, 2, 1};
    const name_table *n = table_of(c->names);
    seen_block first[STAGES] = {{0}};
    int64_t width[STAGES], depth[STAGES] = {0}, kernel[STAGES], expand[STAGES], count = n->by_stage ? see_stages(config, n, first, depth) : see_row(config, n, first, depth);
    lb_status st = LB_OK;
    char name[64];
    for (int s = 0; s < count; s++) {
        width[s] = first[s].width;
        kernel[s] = first[s].kernel;
        expand[s] = first[s].expand;
    }
    c->squeeze = first[0].in ? (double)first[0].squeeze / (double)first[0].in : 0;
    snprintf(name, sizeof name, "%s.weight", n->stem);
    c->stem = lb_outside_size(config, name, 0);
    c->channels = lb_outside_size(config, name, 1);
    snprintf(name, sizeof name, "%s.weight", n->classifier);
    c->classes = lb_outside_size(config, name, 0);
    c->head = lb_outside_size(config, name, 1);
    if (!c->head) c->head = lb_outside_size(config, "conv_head.weight", 0);
    if (count == 0 || count > 7 || !c->stem || !c->head)
        return lb_fail(LB_E_UNSUPPORTED, "%lld stages of inverted residual blocks, stem of %lld, head of %lld channels", (long long)count, (long long)c->stem,
                       (long long)c->head);
    if (strstr(lb_get_text(config, "architecture", ""), "efficientnet_blur"))
        return lb_fail(LB_E_UNSUPPORTED, "'%s' blurs before it strides, which is not handled", lb_get_text(config, "architecture", ""));
    LB_TRY(lb_timm_args(config, "inverted residual blocks", ""));
    if (n->by_stage && n->from == 0 && lb_inverted_tensorflow(config)) {
        c->eps = 1e-3;
        LB_TRY(lb_param_set_text(lb_param_find(params, "padding"), cfg, "same"));
    }
    LB_TRY(lb_inverted_lists(params, cfg, count, width, depth, kernel, usual, expand));
done:
    return st;
}

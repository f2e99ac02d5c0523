/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and blocks against recorded values, gradients, parameter names and running statistics of PyTorch, torchvision and Hugging Face, in
 * double: tests/data/nn/make_pictures.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/hdf5.h"
#include "nn/attention.h"
#include "nn/picture.h"
#include "tests/check.h"

enum { MAPS = 4 };

static const lb_conv3d_spec volume = {.stride = {1, 2, 1}, .before = {1, 1, 1}, .after = {1, 1, 1}}, spread = {.stride = {2, 2, 2}, .before = {1, 1, 1}, .after = {1, 1, 1}};
static const lb_inverted swish = {5, 16, 8, 1, 8, LB_ACT_HARDSWISH, 1e-3, 0.01}, plain = {3, 8, 16, 2, 0, LB_ACT_RELU, 1e-3, 0.01};

static lb_tensor *conv1d(lb_nn *m, lb_tensor *x) { return lb_nn_conv1d(m, x, "a", 6, 3, lb_conv_same(2, 1, 2), true); }
static lb_tensor *conv3d(lb_nn *m, lb_tensor *x) { return lb_nn_conv3d(m, x, "a", 3, 3, volume, false); }
static lb_tensor *conv_transpose1d(lb_nn *m, lb_tensor *x) { return lb_nn_conv_transpose1d(m, x, "a", 6, 3, lb_conv_same(2, 1, 2), 1, true); }
static lb_tensor *conv_transpose2d(lb_nn *m, lb_tensor *x) { return lb_nn_conv_transpose2d(m, x, "a", 2, 2, lb_conv_same(2, 0, 1), 0, true); }
static lb_tensor *conv_transpose3d(lb_nn *m, lb_tensor *x) { return lb_nn_conv_transpose3d(m, x, "a", 2, 3, spread, 1, false); }
static lb_tensor *conv2d_standard(lb_nn *m, lb_tensor *x) { return lb_nn_conv2d_standard(m, x, "a", 4, 3, lb_conv_same(1, 1, 2), 1e-6, true); }
static lb_tensor *group_norm(lb_nn *m, lb_tensor *x) { return lb_nn_group_norm(m, x, "a", 2, 1e-5); }
static lb_tensor *instance_norm(lb_nn *m, lb_tensor *x) { return lb_nn_instance_norm(m, x, "a", 1e-5); }
static lb_tensor *channel_norm(lb_nn *m, lb_tensor *x) { return lb_nn_channel_norm(m, x, "a", 1e-6); }
static lb_tensor *rms_norm(lb_nn *m, lb_tensor *x) { return lb_nn_rms_norm(m, x, "a", 1e-6); }
static lb_tensor *batch_norm(lb_nn *m, lb_tensor *x) { return lb_nn_batch_norm(m, x, "a", 1e-5, 0.1, LB_ACT_NONE); }
static lb_tensor *frozen_norm(lb_nn *m, lb_tensor *x) { return lb_nn_frozen_norm(m, x, "a", 1e-5, LB_ACT_NONE); }
static lb_tensor *squeeze_excite(lb_nn *m, lb_tensor *x) { return lb_nn_squeeze_excite(m, x, "a", 2, LB_ACT_SIGMOID); }
static lb_tensor *basic_block(lb_nn *m, lb_tensor *x) { return lb_nn_basic_block(m, x, 4, 2); }
static lb_tensor *basic_block_same(lb_nn *m, lb_tensor *x) { return lb_nn_basic_block(m, x, 3, 1); }
static lb_tensor *bottleneck(lb_nn *m, lb_tensor *x) { return lb_nn_bottleneck(m, x, 4, 8, 2, 2, 1); }
static lb_tensor *bottleneck_dilated(lb_nn *m, lb_tensor *x) { return lb_nn_bottleneck(m, x, 2, 8, 1, 1, 2); }
static lb_tensor *inverted(lb_nn *m, lb_tensor *x) { return lb_nn_inverted_residual(m, x, &swish); }
static lb_tensor *inverted_plain(lb_nn *m, lb_tensor *x) { return lb_nn_inverted_residual(m, x, &plain); }
static lb_tensor *convnext(lb_nn *m, lb_tensor *x) { return lb_nn_convnext_block(m, x, 7, 1e-6, NULL); }
static lb_tensor *patch_embed(lb_nn *m, lb_tensor *x) { return lb_nn_patch_embed(m, x, "a", 5, 2); }
static lb_tensor *up_block(lb_nn *m, lb_tensor *x) { return lb_nn_up_block(m, x, "a", 3, 2, LB_RESIZE_LINEAR, LB_ACT_SILU); }
static lb_tensor *fcn_head(lb_nn *m, lb_tensor *x) { return lb_nn_fcn_head(m, x, 3); }
static void pyramid(lb_nn *m, lb_tensor *const *x, lb_tensor **y) { lb_nn_feature_pyramid(m, 3, x, 3, y); }
static void upernet(lb_nn *m, lb_tensor *const *x, lb_tensor **y) { y[0] = lb_nn_upernet_head(m, 3, x, 3, (int64_t[]){1, 2, 3}, 4, 3); }

typedef struct layer {
    const char *name;
    bool train;
    lb_tensor *(*one)(lb_nn *m, lb_tensor *x);
    void (*several)(lb_nn *m, lb_tensor *const *x, lb_tensor **y);
} layer;

static const layer layers[] = {
    {"conv1d", false, conv1d, NULL},
    {"conv3d", false, conv3d, NULL},
    {"conv_transpose1d", false, conv_transpose1d, NULL},
    {"conv_transpose2d", false, conv_transpose2d, NULL},
    {"conv_transpose3d", false, conv_transpose3d, NULL},
    {"conv2d_standard", false, conv2d_standard, NULL},
    {"group_norm", false, group_norm, NULL},
    {"instance_norm", false, instance_norm, NULL},
    {"channel_norm", false, channel_norm, NULL},
    {"rms_norm", false, rms_norm, NULL},
    {"batch_norm_rows", true, batch_norm, NULL},
    {"batch_norm_volumes", true, batch_norm, NULL},
    {"frozen_norm", true, frozen_norm, NULL},
    {"frozen_norm_weights", true, frozen_norm, NULL},
    {"squeeze_excite", false, squeeze_excite, NULL},
    {"basic_block", true, basic_block, NULL},
    {"basic_block_same", false, basic_block_same, NULL},
    {"bottleneck", true, bottleneck, NULL},
    {"bottleneck_dilated", false, bottleneck_dilated, NULL},
    {"inverted", true, inverted, NULL},
    {"inverted_plain", false, inverted_plain, NULL},
    {"convnext", false, convnext, NULL},
    {"patch_embed", false, patch_embed, NULL},
    {"up_block", true, up_block, NULL},
    {"fcn_head", false, fcn_head, NULL},
    {"feature_pyramid", false, NULL, pyramid},
    {"upernet", true, NULL, upernet},
};

/* A dataset of the case; NULL when there is none. */
static lb_tensor *read(lb_h5 *f, const layer *l, const char *what, const char *name) {
    char path[256];
    lb_tensor *x = NULL;
    snprintf(path, sizeof path, "%s/%s%s", l->name, what, name);
    if (lb_h5_has(f, path)) CHECK_OK(lb_h5_read(&x, f, path, LB_F64));
    return x;
}

/* Both sides compute in double: what differs is the order of sums, some hundred roundings of the typical value at most. */
static void against(lb_h5 *f, const layer *l, const char *what, const char *name, const lb_tensor *got) {
    lb_tensor *want = read(f, l, what, name);
    double *values = got ? lb_alloc((size_t)lb_numel(got) + 1, sizeof *values) : NULL;
    if (CHECK(want && values) && CHECK_INT(lb_numel(got), lb_numel(want))) {
        for (int64_t i = 0; i < lb_numel(got); i++) values[i] = lb_get_at(got, i);
        check_doubles(values, want->data, lb_numel(want), 1e-11, 1e-13, __FILE__, __LINE__, name);
    }
    lb_free(values);
    lb_tensor_free(want);
}

static void run(const layer *l, lb_nn *m, lb_tensor *const *x, lb_tensor **y) {
    if (l->one) y[0] = l->one(m, x[0]);
    else l->several(m, x, y);
}

/* The declared parameters are the recorded ones, and get their values. */
static bool load(lb_h5 *f, const layer *l, lb_store *s) {
    char path[128], **names = NULL;
    int64_t count = 0;
    snprintf(path, sizeof path, "%s/param", l->name);
    bool ok = CHECK_OK(lb_h5_members(f, path, &names, &count)) && CHECK_INT(lb_store_count(s), count);
    lb_names_free(names, count);
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        lb_tensor *x = read(f, l, "param/", p->name);
        ok = check_true(x && lb_same_shape(x, p->x), __FILE__, __LINE__, p->name) && ok;
        if (x && lb_same_shape(x, p->x)) memcpy(p->x->data, x->data, (size_t)lb_numel(x) * sizeof(double));
        lb_tensor_free(x);
    }
    return ok;
}

/* The network on a tape: declared, or computed and compared. */
static void compute(lb_h5 *f, const layer *l, lb_store *s, lb_tensor *const *x, bool declaring) {
    lb_tape *t = NULL;
    lb_nn *m = NULL;
    lb_tensor *in[MAPS] = {NULL}, *y[MAPS] = {NULL}, *g[MAPS] = {NULL};
    char number[8];
    int outs = 0;
    if (!CHECK_OK(lb_tape_new(&t))) return;
    if (declaring) lb_tape_set_mode(t, LB_TAPE_SHAPES);
    lb_tape_set_training(t, l->train, NULL);
    if (!CHECK_OK(lb_nn_new(&m, t, s, declaring))) goto done;
    for (int i = 0; i < MAPS && x[i]; i++) in[i] = declaring ? lb_input(t, LB_REAL, x[i]->rank, x[i]->shape, NULL, LB_F64) : x[i];
    run(l, m, in, y);
    if (!CHECK_OK(lb_tape_status(t)) || declaring) goto done;
    for (; outs < MAPS && y[outs]; outs++) {
        snprintf(number, sizeof number, "%d", outs);
        against(f, l, "y", number, y[outs]);
        g[outs] = read(f, l, "g", number);
        if (!CHECK(g[outs])) goto done;
    }
    lb_backward_from(t, outs, y, g, false);
    if (!CHECK_OK(lb_tape_status(t))) goto done;
    for (int i = 0; i < MAPS && x[i]; i++) {
        snprintf(number, sizeof number, "%d", i);
        against(f, l, "gx", number, x[i]->grad);
    }
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        char path[160];
        snprintf(path, sizeof path, "%s/grad/%s", l->name, p->name);
        if (lb_h5_has(f, path)) against(f, l, "grad/", p->name, p->x->grad);
        snprintf(path, sizeof path, "%s/after/%s", l->name, p->name);
        if (lb_h5_has(f, path)) against(f, l, "after/", p->name, p->x);
    }
done:
    for (int i = 0; i < MAPS; i++) lb_tensor_free(g[i]);
    lb_nn_free(m);
    lb_tape_free(t);
}

static void one(lb_h5 *f, const layer *l) {
    lb_store *s = NULL;
    lb_tensor *x[MAPS] = {NULL};
    char number[8];
    for (int i = 0; i < MAPS; i++) {
        snprintf(number, sizeof number, "%d", i);
        if ((x[i] = read(f, l, "x", number))) x[i]->requires_grad = true;
    }
    if (CHECK(x[0]) && CHECK_OK(lb_store_new(&s))) {
        compute(f, l, s, x, true);
        CHECK_OK(lb_store_init(s, 0));
        if (load(f, l, s)) compute(f, l, s, x, false);
    }
    for (int i = 0; i < MAPS; i++) lb_tensor_free(x[i]);
    lb_store_free(s);
}

static void recorded(void) {
    lb_h5 *f = NULL;
    char **names = NULL;
    int64_t count = 0;
    if (!CHECK_OK(lb_h5_open(&f, check_data("nn/pictures.h5")))) return;
    CHECK_OK(lb_h5_members(f, "/", &names, &count));
    CHECK_INT(count, LB_COUNT(layers));
    lb_names_free(names, count);
    for (size_t i = 0; i < LB_COUNT(layers); i++) {
        check_begin("%s", layers[i].name);
        one(f, &layers[i]);
        check_end();
    }
    CHECK_OK(lb_h5_close(f));
}

int main(int argc, char **argv) { return check_main(argc, argv, "nn-pictures", (check_test[]){{"recorded", recorded}, {0}}); }

/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/conv.h"
#include "nn/parts.h"

/* A kernel [out,in,k...] of `axes` axes, and its bias; PyTorch bounds both by 1 / sqrt(in k^axes). */
static lb_tensor *kernel_of(lb_nn *m, const char *name, int64_t out, int64_t in, int64_t k, int axes) {
    int64_t shape[5] = {out, in, k, k, k};
    return lbi_named(m, name, "weight", 2 + axes, shape, LB_INIT_KAIMING_UNIFORM, 0);
}

static lb_tensor *bias_of(lb_nn *m, const char *name, int64_t count, int64_t in, int64_t k, int axes) {
    double fan = (double)in;
    for (int a = 0; a < axes; a++) fan *= (double)k;
    return lbi_named(m, name, "bias", 1, &count, LB_INIT_KAIMING_UNIFORM, fan);
}

static int64_t one(int64_t groups) { return groups ? groups : 1; }

lb_tensor *lb_nn_conv1d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, bool bias) {
    int64_t in = lbi_channels(x) / one(spec.groups);
    lb_tensor *w = kernel_of(m, name, out, in, kernel, 1);
    return lb_conv1d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, in, kernel, 1) : NULL, spec, LB_ACT_NONE);
}

lb_tensor *lb_nn_conv2d_oblong(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t high, int64_t wide, lb_conv_spec spec, bool bias) {
    int64_t in = lbi_channels(x) / one(spec.groups);
    lb_tensor *w = lbi_named(m, name, "weight", 4, (int64_t[]){out, in, high, wide}, LB_INIT_KAIMING_UNIFORM, 0);
    return lb_conv2d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, in, high * wide, 1) : NULL, spec, LB_ACT_NONE);
}

lb_tensor *lb_nn_conv3d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv3d_spec spec, bool bias) {
    int64_t in = lbi_channels(x) / one(spec.groups);
    lb_tensor *w = kernel_of(m, name, out, in, kernel, 3);
    return lb_conv3d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, in, kernel, 3) : NULL, spec);
}

/* PyTorch's fan of a transposed kernel [in,out/groups,k...] counts its second axis too. */
lb_tensor *lb_nn_conv_transpose1d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, int64_t more, bool bias) {
    int64_t each = out / one(spec.groups);
    lb_tensor *w = kernel_of(m, name, lbi_channels(x), each, kernel, 1);
    return lb_conv_transpose1d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, each, kernel, 1) : NULL, spec, more);
}

lb_tensor *lb_nn_conv_transpose2d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, int64_t more, bool bias) {
    int64_t each = out / one(spec.groups);
    lb_tensor *w = kernel_of(m, name, lbi_channels(x), each, kernel, 2);
    return lb_conv_transpose2d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, each, kernel, 2) : NULL, spec, more, more);
}

lb_tensor *lb_nn_conv_transpose3d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv3d_spec spec, int64_t more, bool bias) {
    int64_t each = out / one(spec.groups);
    lb_tensor *w = kernel_of(m, name, lbi_channels(x), each, kernel, 3);
    return lb_conv_transpose3d(lb_nn_tape(m), x, w, bias ? bias_of(m, name, out, each, kernel, 3) : NULL, spec, (int64_t[]){more, more, more});
}

lb_tensor *lb_nn_conv2d_standard(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, bool bias) {
    lb_tape *t = lb_nn_tape(m);
    int64_t in = lbi_channels(x) / one(spec.groups), shape[] = {out, in, kernel, kernel};
    lb_tensor *w = kernel_of(m, name, out, in, kernel, 2);
    w = lb_layer_norm(t, lb_reshape(t, w, 2, (int64_t[]){out, in * kernel * kernel}), NULL, NULL, eps);
    return lb_conv2d(t, x, lb_reshape(t, w, 4, shape), bias ? bias_of(m, name, out, in, kernel, 2) : NULL, spec, LB_ACT_NONE);
}

/* ---- norms ---- */

static lb_tensor *scale_of(lb_nn *m, const char *name, int64_t c) { return lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0); }
static lb_tensor *shift_of(lb_nn *m, const char *name, int64_t c) { return lbi_named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0); }

lb_tensor *lb_nn_group_norm(lb_nn *m, lb_tensor *x, const char *name, int64_t groups, double eps) {
    int64_t c = lbi_channels(x);
    lb_tensor *gamma = scale_of(m, name, c);
    return lb_group_norm(lb_nn_tape(m), x, gamma, shift_of(m, name, c), groups, eps);
}

lb_tensor *lb_nn_instance_norm(lb_nn *m, lb_tensor *x, const char *name, double eps) { return lb_nn_group_norm(m, x, name, lbi_channels(x), eps); }

lb_tensor *lb_nn_channel_norm(lb_nn *m, lb_tensor *x, const char *name, double eps) {
    int64_t c = lbi_channels(x);
    lb_tensor *gamma = scale_of(m, name, c);
    return lb_channel_norm(lb_nn_tape(m), x, gamma, shift_of(m, name, c), eps);
}

lb_tensor *lb_nn_frozen_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = lbi_channels(x);
    lb_tensor *gamma = scale_of(m, name, c), *beta = shift_of(m, name, c);
    lb_tensor *mean = lbi_named_buffer(m, name, "running_mean", c, 0), *var = lbi_named_buffer(m, name, "running_var", c, 1);
    lb_tensor *scale = lb_mul(t, gamma, lb_rsqrt(t, lb_add_scalar(t, var, eps)));
    return lb_channel_affine(t, x, scale, lb_sub(t, beta, lb_mul(t, mean, scale)), act);
}

lb_tensor *lb_nn_global_pool(lb_nn *m, lb_tensor *x) {
    lb_tape *t = lb_nn_tape(m);
    if (x->rank < 3) return x;
    if (x->rank == 4) return lb_mean_over(t, x, LB_AXES(2, 3), false);
    return lb_mean(t, lb_reshape(t, x, 3, (int64_t[]){x->shape[0], x->shape[1], -1}), 2, false);
}

/* Zeros beside a side of `in` numbers, half of them in front. */
static int64_t missing(int64_t in, int64_t kernel, int64_t stride) {
    int64_t all = ((in + stride - 1) / stride - 1) * stride + kernel - in;
    return all < 0 ? 0 : all;
}

lb_conv_spec lb_nn_conv_ceil(const lb_tensor *x, int64_t kernel, int64_t stride) {
    lb_conv_spec s = lb_conv_same(stride, 0, 1);
    if (x->rank != 4) return s;
    int64_t h = missing(x->shape[2], kernel, stride), w = missing(x->shape[3], kernel, stride);
    s.pad_t = h / 2;
    s.pad_b = h - h / 2;
    s.pad_l = w / 2;
    s.pad_r = w - w / 2;
    return s;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include "nn/nn.h"
#include "nn/parts.h"
#include "tensor/derived.h"
#include "tensor/rounded.h"

lb_tensor *lbi_named(lb_nn *m, const char *name, const char *part, int rank, const int64_t *shape, lb_init init, double arg) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return lb_nn_param(m, full, rank, shape, init, arg);
}

lb_tensor *lbi_named_buffer(lb_nn *m, const char *name, const char *part, int64_t n, double value) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return lb_nn_buffer(m, full, 1, &n, value);
}

lb_tensor *lbi_still(lb_tape *t, lb_tensor *b, int64_t from, int64_t to) {
    if (!b || from >= to || !b->requires_grad || lb_tape_get_mode(t) != LB_TAPE_GRAD || !lb_tape_ok(t)) return b;
    if (to - from == b->shape[0]) return lb_add(t, lb_detach(t, b), lb_scale(t, b, 0));
    lb_tensor *parts[3] = {lb_slice(t, b, 0, 0, from, 1), lb_detach(t, lb_slice(t, b, 0, from, to, 1)), lb_slice(t, b, 0, to, b->shape[0], 1)};
    int first = from > 0 ? 0 : 1, last = to < b->shape[0] ? 2 : 1;
    return lb_concat(t, last - first + 1, parts + first, 0);
}

static lb_tensor *weight(lb_nn *m, const char *name, int64_t out, int64_t in) { return lbi_named(m, name, "weight", 2, (int64_t[]){out, in}, LB_INIT_KAIMING_UNIFORM, 0); }
static lb_tensor *bias_of(lb_nn *m, const char *name, int64_t out, int64_t in) { return lbi_named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)in); }

lb_tensor *lbi_linear_still(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias, int64_t from, int64_t to) {
    lb_tape *t = lb_nn_tape(m);
    int64_t in = lbi_size(x, 0);
    lb_tensor *w = weight(m, name, out, in), *b = bias ? lbi_still(t, bias_of(m, name, out, in), from, to) : NULL;
    if (!lbi_lora_chosen(m, name)) return lb_linear(t, x, w, b, act);
    return lb_activate(t, lbi_lora_add(m, lb_linear(t, x, w, b, LB_ACT_NONE), x, name, out), act);
}

lb_tensor *lbi_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias) { return lbi_linear_still(m, x, name, out, act, bias, 0, 0); }

lb_tensor *lbi_linear_before(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias) {
    if (lbi_lora_chosen(m, name)) return lbi_linear(m, x, name, out, act, bias);
    int64_t in = lbi_size(x, 0);
    lb_tensor *w = weight(m, name, out, in), *b = bias ? bias_of(m, name, out, in) : NULL;
    return lbi_linear_rounded(lb_nn_tape(m), x, w, b, act);
}

lb_tensor *lb_nn_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act) { return lbi_linear(m, x, name, out, act, true); }
lb_tensor *lb_nn_linear_no_bias(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act) { return lbi_linear(m, x, name, out, act, false); }

lb_tensor *lb_nn_conv2d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, bool bias) {
    int64_t groups = spec.groups ? spec.groups : 1, in = lbi_size(x, 2) / groups;
    lb_tensor *w = lbi_named(m, name, "weight", 4, (int64_t[]){out, in, kernel, kernel}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *b = bias ? lbi_named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)(in * kernel * kernel)) : NULL;
    return lb_conv2d(lb_nn_tape(m), x, w, b, spec, LB_ACT_NONE);
}

/* Running statistics are edited outside the graph: new = (1 - momentum) old + momentum batch, variance unbiased. */
static void update_running(lb_tensor *running, const lb_tensor *batch, double momentum, double factor) {
    if (!batch->data || !running->data) return;
    lb_real *r = running->data;
    const lb_real *b = batch->data;
    for (int64_t i = 0; i < running->shape[0]; i++) r[i] = (lb_real)((1 - momentum) * (double)r[i] + momentum * factor * (double)b[i]);
}

/* scale and shift of a norm in evaluation. */
static lb_tensor *norm_scale(lb_tape *t, lb_tensor *gamma, lb_tensor *var, double eps) { return lb_mul(t, gamma, lb_rsqrt(t, lb_add_scalar(t, var, eps))); }
static lb_tensor *norm_shift(lb_tape *t, lb_tensor *beta, lb_tensor *mean, lb_tensor *scale) { return lb_sub(t, beta, lb_mul(t, mean, scale)); }

static lb_tensor *batch_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, double momentum, lb_tensor *add, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = x->rank >= 2 ? x->shape[1] : 0;
    lb_tensor *gamma = lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), *beta = lbi_named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    lb_tensor *mean = lbi_named_buffer(m, name, "running_mean", c, 0), *var = lbi_named_buffer(m, name, "running_var", c, 1);
    if (!lb_tape_training(t)) {
        lb_tensor *scale = norm_scale(t, gamma, var, eps), *y = lb_channel_affine(t, x, scale, norm_shift(t, beta, mean, scale), add ? LB_ACT_NONE : act);
        return add ? lb_activate(t, lb_add(t, y, add), act) : y;
    }
    lb_tensor *batch_mean = NULL, *batch_var = NULL, *y = lb_batch_norm_add(t, x, gamma, beta, add, eps, act, &batch_mean, &batch_var);
    if (lb_tape_ok(t) && lb_tape_get_mode(t) != LB_TAPE_SHAPES && !lb_tape_again(t)) {
        double n = (double)lb_numel(x) / (double)c;
        update_running(mean, batch_mean, momentum, 1);
        update_running(var, batch_var, momentum, n > 1 ? n / (n - 1) : 1);
    }
    return y;
}

lb_tensor *lb_nn_batch_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, double momentum, lb_act act) { return batch_norm(m, x, name, eps, momentum, NULL, act); }

lb_scaled_map lbi_folded_conv(lb_nn *m, const char *conv, const char *norm, int64_t out, int64_t in, int64_t kernel, double eps) {
    lb_tape *t = lb_nn_tape(m);
    lb_tensor *w = lbi_named(m, conv, "weight", 4, (int64_t[]){out, in, kernel, kernel}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *gamma = lbi_named(m, norm, "weight", 1, &out, LB_INIT_ONES, 0), *beta = lbi_named(m, norm, "bias", 1, &out, LB_INIT_ZEROS, 0);
    lb_tensor *mean = lbi_named_buffer(m, norm, "running_mean", out, 0), *var = lbi_named_buffer(m, norm, "running_var", out, 1);
    lb_tensor *scale = norm_scale(t, gamma, var, eps);
    return (lb_scaled_map){w, norm_shift(t, beta, mean, scale), scale};
}

lb_tensor *lb_nn_conv_bn_add(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, double momentum, lb_tensor *add, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    if (lb_tape_training(t) || lb_tape_get_mode(t) != LB_TAPE_NO_GRAD) return batch_norm(m, lb_nn_conv2d(m, x, conv, out, kernel, spec, false), norm, eps, momentum, add, act);
    lb_scaled_map f = lbi_folded_conv(m, conv, norm, out, lbi_size(x, 2) / (spec.groups ? spec.groups : 1), kernel, eps);
    return lb_conv2d_scaled(t, x, f.w, f.b, f.scale, add, spec, act);
}

lb_tensor *lb_nn_conv_bn(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, double momentum, lb_act act) {
    return lb_nn_conv_bn_add(m, x, conv, norm, out, kernel, spec, eps, momentum, NULL, act);
}

lb_tensor *lb_nn_layer_norm(lb_nn *m, lb_tensor *x, const char *name, double eps) {
    int64_t c = lbi_size(x, 0);
    lb_tensor *gamma = lbi_named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), *beta = lbi_named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    return lb_layer_norm(lb_nn_tape(m), x, gamma, beta, eps);
}

lb_tensor *lb_nn_embedding(lb_nn *m, lb_tensor *ids, const char *name, int64_t count, int64_t width, double std) {
    return lb_embedding(lb_nn_tape(m), lbi_named(m, name, "weight", 2, (int64_t[]){count, width}, LB_INIT_NORMAL, std), ids);
}

lb_tensor *lb_nn_dropout(lb_nn *m, lb_tensor *x, double p) { return p > 0 ? lb_dropout(lb_nn_tape(m), x, p) : x; }

lb_tensor *lb_nn_logit_scale(lb_nn *m, const char *name, double temperature) {
    lb_tape *t = lb_nn_tape(m);
    const double most = log(100.0);
    lb_tensor *x = lb_nn_param(m, name, 0, NULL, LB_INIT_CONSTANT, -log(temperature));
    if (!lb_tape_training(t)) return lb_exp(t, lb_clamp(t, x, -LB_REAL_MAX, most));
    if (x->data && *(lb_real *)x->data > (lb_real)most) *(lb_real *)x->data = (lb_real)most;
    return lb_exp(t, x);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include "nn/nn.h"

static lb_tensor *named(lb_nn *m, const char *name, const char *part, int rank, const int64_t *shape, lb_init init, double arg) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return lb_nn_param(m, full, rank, shape, init, arg);
}

static lb_tensor *named_buffer(lb_nn *m, const char *name, const char *part, int64_t n, double value) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return lb_nn_buffer(m, full, 1, &n, value);
}

/* Size of an axis from the end; 0 on a failed tape, where layers do nothing. */
static int64_t size(const lb_tensor *x, int from_end) { return x->rank > from_end ? x->shape[x->rank - 1 - from_end] : 0; }

static lb_tensor *linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias) {
    int64_t in = size(x, 0);
    lb_tensor *w = named(m, name, "weight", 2, (int64_t[]){out, in}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *b = bias ? named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)in) : NULL;
    return lb_linear(lb_nn_tape(m), x, w, b, act);
}

lb_tensor *lb_nn_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act) { return linear(m, x, name, out, act, true); }
lb_tensor *lb_nn_linear_no_bias(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act) { return linear(m, x, name, out, act, false); }

lb_tensor *lb_nn_conv2d(lb_nn *m, lb_tensor *x, const char *name, int64_t out, int64_t kernel, lb_conv_spec spec, bool bias) {
    int64_t groups = spec.groups ? spec.groups : 1, in = size(x, 2) / groups;
    lb_tensor *w = named(m, name, "weight", 4, (int64_t[]){out, in, kernel, kernel}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *b = bias ? named(m, name, "bias", 1, &out, LB_INIT_KAIMING_UNIFORM, (double)(in * kernel * kernel)) : NULL;
    return lb_conv2d(lb_nn_tape(m), x, w, b, spec, LB_ACT_NONE);
}

/* Running statistics are edited outside the graph: new = (1 - momentum) old + momentum batch, variance unbiased. */
static void update_running(lb_tensor *running, const lb_tensor *batch, double momentum, double factor) {
    if (!batch->data || !running->data) return;
    lb_real *r = running->data;
    const lb_real *b = batch->data;
    for (int64_t i = 0; i < running->shape[0]; i++) r[i] = (lb_real)((1 - momentum) * (double)r[i] + momentum * factor * (double)b[i]);
}

lb_tensor *lb_nn_batch_norm(lb_nn *m, lb_tensor *x, const char *name, double eps, double momentum, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = x->rank >= 2 ? x->shape[1] : 0;
    lb_tensor *gamma = named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), *beta = named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    lb_tensor *mean = named_buffer(m, name, "running_mean", c, 0), *var = named_buffer(m, name, "running_var", c, 1);
    if (!lb_tape_training(t)) {
        lb_tensor *scale = lb_mul(t, gamma, lb_rsqrt(t, lb_add_scalar(t, var, eps)));
        return lb_channel_affine(t, x, scale, lb_sub(t, beta, lb_mul(t, mean, scale)), act);
    }
    lb_tensor *batch_mean = NULL, *batch_var = NULL, *y = lb_batch_norm(t, x, gamma, beta, eps, act, &batch_mean, &batch_var);
    if (lb_tape_ok(t) && lb_tape_get_mode(t) != LB_TAPE_SHAPES) {
        double n = (double)lb_numel(x) / (double)c;
        update_running(mean, batch_mean, momentum, 1);
        update_running(var, batch_var, momentum, n > 1 ? n / (n - 1) : 1);
    }
    return y;
}

lb_tensor *lb_nn_conv_bn(lb_nn *m, lb_tensor *x, const char *conv, const char *norm, int64_t out, int64_t kernel, lb_conv_spec spec, double eps, double momentum, lb_act act) {
    lb_tape *t = lb_nn_tape(m);
    if (lb_tape_training(t) || lb_tape_get_mode(t) != LB_TAPE_NO_GRAD) return lb_nn_batch_norm(m, lb_nn_conv2d(m, x, conv, out, kernel, spec, false), norm, eps, momentum, act);
    int64_t groups = spec.groups ? spec.groups : 1, in = size(x, 2) / groups;
    lb_tensor *w = named(m, conv, "weight", 4, (int64_t[]){out, in, kernel, kernel}, LB_INIT_KAIMING_UNIFORM, 0);
    lb_tensor *gamma = named(m, norm, "weight", 1, &out, LB_INIT_ONES, 0), *beta = named(m, norm, "bias", 1, &out, LB_INIT_ZEROS, 0);
    lb_tensor *mean = named_buffer(m, norm, "running_mean", out, 0), *var = named_buffer(m, norm, "running_var", out, 1);
    lb_tensor *scale = lb_mul(t, gamma, lb_rsqrt(t, lb_add_scalar(t, var, eps)));
    w = lb_mul(t, w, lb_reshape(t, scale, 4, (int64_t[]){out, 1, 1, 1}));
    return lb_conv2d(t, x, w, lb_sub(t, beta, lb_mul(t, mean, scale)), spec, act);
}

lb_tensor *lb_nn_layer_norm(lb_nn *m, lb_tensor *x, const char *name, double eps) {
    int64_t c = size(x, 0);
    lb_tensor *gamma = named(m, name, "weight", 1, &c, LB_INIT_ONES, 0), *beta = named(m, name, "bias", 1, &c, LB_INIT_ZEROS, 0);
    return lb_layer_norm(lb_nn_tape(m), x, gamma, beta, eps);
}

lb_tensor *lb_nn_embedding(lb_nn *m, lb_tensor *ids, const char *name, int64_t count, int64_t width, double std) {
    return lb_embedding(lb_nn_tape(m), named(m, name, "weight", 2, (int64_t[]){count, width}, LB_INIT_NORMAL, std), ids);
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

/* [N,L,C] -> [N,H,L,C/H] */
static lb_tensor *split_heads(lb_tape *t, lb_tensor *x, int64_t heads) {
    if (x->rank != 3) return x;
    x = lb_reshape(t, x, 4, (int64_t[]){x->shape[0], x->shape[1], heads, x->shape[2] / heads});
    return lb_permute(t, x, (int[]){0, 2, 1, 3});
}

lb_tensor *lb_nn_attention(lb_nn *m, lb_tensor *x, lb_tensor *y, lb_tensor *mask, int64_t heads, const lb_attention_names *names) {
    static const lb_attention_names usual = {"q_proj", "k_proj", "v_proj", "out_proj"};
    lb_tape *t = lb_nn_tape(m);
    if (!names) names = &usual;
    if (!y) y = x;
    int64_t c = size(x, 0);
    if (lb_tape_ok(t) && (heads < 1 || c % heads)) return lb_tape_fail(t, LB_E_ARG, "attention: width %lld is no multiple of %lld heads", (long long)c, (long long)heads);
    lb_tensor *q = split_heads(t, lb_nn_linear(m, x, names->q, c, LB_ACT_NONE), heads);
    lb_tensor *k = split_heads(t, lb_nn_linear(m, y, names->k, c, LB_ACT_NONE), heads);
    lb_tensor *v = split_heads(t, lb_nn_linear(m, y, names->v, c, LB_ACT_NONE), heads);
    if (mask) mask = lb_reshape(t, mask, 4, (int64_t[]){mask->shape[0], 1, 1, mask->shape[mask->rank - 1]});
    lb_tensor *z = lb_attention(t, q, k, v, (lb_attention_spec){.mask = mask, .merge = true});
    return lb_nn_linear(m, z, names->out, c, LB_ACT_NONE);
}

lb_tensor *lb_nn_encoder_block(lb_nn *m, lb_tensor *x, lb_tensor *mask, int64_t heads, int64_t mlp, lb_act act, double eps, double dropout) {
    lb_tape *t = lb_nn_tape(m);
    int64_t c = size(x, 0);
    lb_tensor *h = lb_nn_layer_norm(m, x, "norm1", eps);
    lb_nn_in(m, "attn");
    h = lb_nn_out(m, lb_nn_attention(m, h, NULL, mask, heads, NULL));
    x = lb_add(t, x, lb_nn_dropout(m, h, dropout));
    h = lb_nn_layer_norm(m, x, "norm2", eps);
    lb_nn_in(m, "mlp");
    h = lb_nn_out(m, lb_nn_linear(m, lb_nn_linear(m, h, "fc1", mlp, act), "fc2", c, LB_ACT_NONE));
    return lb_add(t, x, lb_nn_dropout(m, h, dropout));
}

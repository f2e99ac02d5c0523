/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

/* In evaluation: scale and shift of a channel from its running statistics. */
static void batch_norm(onnx_call *c) {
    double eps = onnx_real(c, "epsilon", 1e-5);
    for (int i = 0; i < 5; i++) onnx_need(c, i);
    if (onnx_int(c, "training_mode", 0) || (c->opset < 7 && !onnx_int(c, "is_test", 0) && c->nout > 1)) onnx_fail(c, LB_E_UNSUPPORTED, "batch statistics (training)");
    if (!onnx_ok(c)) return;
    lb_tensor *x = c->in[0], *v[4];
    int64_t n = x->rank > 1 ? x->shape[1] : 1;
    for (int i = 0; i < 4; i++) {
        v[i] = onnx_as(c, c->in[1 + i], LB_F32);
        if (lb_numel(v[i]) != n) onnx_fail(c, LB_E_SHAPE, "input %d has %lld numbers for %lld channels", 1 + i, (long long)lb_numel(v[i]), (long long)n);
    }
    lb_tensor *scale = onnx_scratch(c, LB_F32, 1, &n), *shift = onnx_scratch(c, LB_F32, 1, &n);
    if (!onnx_ok(c)) return;
    for (int64_t i = 0; i < n && scale->data && v[3]->data; i++) {
        double s = (double)((float *)v[0]->data)[i] / sqrt((double)((float *)v[3]->data)[i] + eps);
        ((float *)scale->data)[i] = (float)s;
        ((float *)shift->data)[i] = (float)((double)((float *)v[1]->data)[i] - (double)((float *)v[2]->data)[i] * s);
    }
    if (x->rank < 2) x = lb_reshape(c->tape, x, 2, (int64_t[]){lb_numel(x), 1});
    lb_tensor *y = lb_channel_affine(c->tape, x, scale, shift, c->node->act);
    onnx_put(c, 0, c->in[0]->rank < 2 ? lb_reshape(c->tape, y, c->in[0]->rank, c->in[0]->shape) : y);
}

static void instance_norm(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *gamma = onnx_need(c, 1), *beta = onnx_need(c, 2);
    if (onnx_ok(c)) onnx_put(c, 0, lb_instance_norm(c->tape, x, gamma, beta, onnx_real(c, "epsilon", 1e-5)));
}

/* Gain and shift belong to groups before set 21, to channels since. */
static void group_norm(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *gamma = onnx_need(c, 1), *beta = onnx_need(c, 2);
    int64_t groups = onnx_int(c, "num_groups", 1);
    if (!onnx_ok(c)) return;
    int64_t channels = x->rank > 1 ? x->shape[1] : 0;
    if (groups < 1 || channels % groups) onnx_fail(c, LB_E_SHAPE, "%lld groups of %lld channels", (long long)groups, (long long)channels);
    if (onnx_ok(c) && c->opset < 21 && lb_numel(gamma) == groups && groups != channels) {
        gamma = lb_repeat_each(c->tape, gamma, 0, channels / groups);
        beta = lb_repeat_each(c->tape, beta, 0, channels / groups);
    }
    if (onnx_ok(c)) onnx_put(c, 0, lb_group_norm(c->tape, x, gamma, beta, groups, onnx_real(c, "epsilon", 1e-5)));
}

/* All axes from `axis` on as one; mean and 1 / deviation are further results. */
static void layer_norm(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *gamma = onnx_need(c, 1), *beta = onnx_in(c, 2);
    lb_tape *t = c->tape;
    double eps = onnx_real(c, "epsilon", 1e-5);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", -1), x->rank);
    if (axis < 0) return;
    int64_t shape[LB_MAX_RANK], small[LB_MAX_RANK], inner = onnx_product(x->shape, axis, x->rank), outer = onnx_product(x->shape, 0, axis);
    memcpy(shape, x->shape, sizeof shape);
    for (int d = 0; d < x->rank; d++) small[d] = d < axis ? shape[d] : 1;
    bool whole = lb_numel(gamma) == inner && (!beta || lb_numel(beta) == inner);
    lb_tensor *rows = lb_reshape(t, x, 2, (int64_t[]){outer, inner});
    lb_tensor *y = lb_layer_norm(t, rows, whole ? lb_reshape(t, gamma, 1, &inner) : NULL, whole && beta ? lb_reshape(t, beta, 1, &inner) : NULL, eps);
    y = lb_reshape(t, y, x->rank, shape);
    if (!whole) y = lb_mul(t, y, gamma);
    if (!whole && beta) y = lb_add(t, y, beta);
    onnx_put(c, 0, y);
    if (c->nout > 1) onnx_put(c, 1, lb_reshape(t, lb_mean(t, rows, 1, true), x->rank, small));
    if (c->nout > 2) onnx_put(c, 2, lb_reshape(t, lb_rsqrt(t, lb_add_scalar(t, lb_var(t, rows, 1, 0, true), eps)), x->rank, small));
}

/* x / (mean of squares + eps)^(1/2) of the last axes, times a gain. */
static void rms_norm(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *gamma = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", -1), x->rank);
    if (axis >= 0 && axis != x->rank - 1) onnx_fail(c, LB_E_UNSUPPORTED, "more than the last axis");
    if (onnx_ok(c)) onnx_put(c, 0, lb_rms_norm(c->tape, x, gamma, onnx_real(c, "epsilon", 1e-5)));
}

/* Window of channels c - (size - 1) / 2 to c + size / 2, which for even sizes is the mirror of the op's. */
static void lrn(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t size = onnx_int(c, "size", 0);
    if (!onnx_ok(c)) return;
    if (size < 1 || x->rank < 3) {
        onnx_fail(c, LB_E_SHAPE, "size %lld, %d axes", (long long)size, x->rank);
        return;
    }
    bool even = size % 2 == 0;
    if (even) x = lb_flip(c->tape, x, 1);
    x = lb_local_response_norm(c->tape, x, size, onnx_real(c, "alpha", 1e-4), onnx_real(c, "beta", 0.75), onnx_real(c, "bias", 1));
    onnx_put(c, 0, even ? lb_flip(c->tape, x, 1) : x);
}

static void mvn(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t axes[LB_MAX_RANK] = {0, 2, 3};
    int n = onnx_list(c, "axes", axes, LB_MAX_RANK);
    lb_axes over = {0};
    lb_tape *t = c->tape;
    if (!onnx_ok(c)) return;
    for (int i = 0; i < (n < 0 ? 3 : n); i++) {
        int a = onnx_axis(c, axes[i], x->rank);
        if (a < 0) return;
        over.at[over.n++] = a;
    }
    lb_tensor *mean = lb_mean_over(t, x, over, true), *square = lb_mean_over(t, lb_square(t, x), over, true);
    lb_tensor *deviation = lb_sqrt(t, lb_sub(t, square, lb_square(t, mean)));
    onnx_put(c, 0, lb_div(t, lb_sub(t, x, mean), lb_add_scalar(t, deviation, 1e-9)));
}

static void lp_norm(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t p = onnx_int(c, "p", 2);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", -1), x->rank);
    if (axis < 0) return;
    lb_tape *t = c->tape;
    lb_tensor *norm = p == 1 ? lb_sum(t, lb_abs(t, x), axis, true) : lb_sqrt(t, lb_sum(t, lb_square(t, x), axis, true));
    onnx_put(c, 0, lb_div(t, x, norm));
}

static const onnx_operator operators[] = {
    {"BatchNormalization", batch_norm, ONNX_FLOAT_ONLY | ONNX_FUSES, "training"},
    {"GroupNormalization", group_norm, ONNX_FLOAT_ONLY},
    {"InstanceNormalization", instance_norm, ONNX_FLOAT_ONLY},
    {"LRN", lrn, ONNX_FLOAT_ONLY},
    {"LayerNormalization", layer_norm, ONNX_FLOAT_ONLY},
    {"LpNormalization", lp_norm, ONNX_FLOAT_ONLY},
    {"MeanVarianceNormalization", mvn, ONNX_FLOAT_ONLY},
    {"RMSNormalization", rms_norm, ONNX_FLOAT_ONLY},
    {0},
};

ONNX_GROUP(norm) = {.id = "norm", .title = "normalisation", .source = "github.com/onnx/onnx docs/Operators.md, Changelog.md", .operators = operators};

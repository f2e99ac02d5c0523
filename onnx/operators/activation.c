/* SPDX-License-Identifier: Apache-2.0 */
/* Activations with settings. f32 by an op where there is one; else in double. */
#include <math.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct activation {
    lb_tensor *(*op)(lb_tape *t, lb_tensor *x, double a, double b); /* NULL: the loop below */
    double (*real)(double x, double a, double b);
    const char *names[2];
    double defaults[2];
} activation;

static lb_tensor *elu_op(lb_tape *t, lb_tensor *x, double a, double b) { return lb_elu(t, x, a); }
static lb_tensor *celu_op(lb_tape *t, lb_tensor *x, double a, double b) { return lb_celu(t, x, a); }
static lb_tensor *leaky_op(lb_tape *t, lb_tensor *x, double a, double b) { return lb_leaky_relu(t, x, a); }
static lb_tensor *hardsigmoid_op(lb_tape *t, lb_tensor *x, double a, double b) { return lb_clamp(t, lb_add_scalar(t, lb_scale(t, x, a), b), 0, 1); }
static double elu(double x, double a, double b) { return x > 0 ? x : a * expm1(x); }
static double celu(double x, double a, double b) { return fmax(0, x) + fmin(0, a * expm1(x / a)); }
static double leaky(double x, double a, double b) { return x >= 0 ? x : a * x; }
static double hardsigmoid(double x, double a, double b) { return fmax(0, fmin(1, a * x + b)); }
static double selu(double x, double a, double b) { return x > 0 ? b * x : b * a * expm1(x); }
static double thresholded(double x, double a, double b) { return x > a ? x : 0; }
static double shrink(double x, double bias, double lambd) { return x < -lambd ? x + bias : x > lambd ? x - bias : 0; }

static void run(onnx_call *c) {
    const activation *how = c->node->def->how;
    lb_tensor *x = onnx_need(c, 0);
    double p[2];
    if (!onnx_ok(c)) return;
    for (int i = 0; i < 2; i++) p[i] = how->names[i] ? onnx_real(c, how->names[i], how->defaults[i]) : 0;
    if (x->dtype == LB_F32 && how->op) {
        onnx_put(c, 0, how->op(c->tape, x, p[0], p[1]));
        return;
    }
    lb_dtype dtype = x->dtype;
    lb_tensor *wide = onnx_as(c, x, LB_F64), *y = onnx_scratch(c, LB_F64, x->rank, x->shape);
    for (int64_t i = 0, n = y->data && wide->data ? lb_numel(y) : 0; i < n; i++) ((double *)y->data)[i] = how->real(((const double *)wide->data)[i], p[0], p[1]);
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

/* Before set 11 limits are attributes. Absent ones do not limit. */
static void clip(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    lb_tensor *low = onnx_in(c, 1), *high = onnx_in(c, 2);
    bool real = onnx_is_float(x->dtype);
    double lo = onnx_number(c, low, onnx_real(c, "min", -INFINITY)), hi = onnx_number(c, high, onnx_real(c, "max", INFINITY));
    if (!onnx_ok(c)) return;
    if (x->dtype == LB_F32) {
        onnx_put(c, 0, lb_clamp(c->tape, x, lo, hi));
        return;
    }
    lb_dtype dtype = x->dtype;
    lb_tensor *wide = onnx_as(c, x, real ? LB_F64 : LB_I64), *y = onnx_scratch(c, real ? LB_F64 : LB_I64, x->rank, x->shape);
    int64_t least = low ? (int64_t)lo : INT64_MIN, most = high ? (int64_t)hi : INT64_MAX;
    for (int64_t i = 0, n = y->data && wide->data ? lb_numel(y) : 0; i < n; i++) {
        if (real) {
            double v = ((const double *)wide->data)[i];
            ((double *)y->data)[i] = v < lo ? lo : v > hi ? hi : v;
        } else {
            int64_t v = ((const int64_t *)wide->data)[i];
            v = v < least ? least : v;
            ((int64_t *)y->data)[i] = v > most ? most : v;
        }
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

static void prelu(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *w = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    lb_dtype dtype = x->dtype;
    bool real = onnx_is_float(dtype), channels = x->rank > 1 && lb_numel(w) == x->shape[1] && (c->opset < 7 || (w->rank == x->rank - 1 && w->shape[0] == x->shape[1]));
    if (dtype == LB_F32 && (channels || lb_numel(w) == 1)) {
        onnx_put(c, 0, lb_prelu(c->tape, x, lb_reshape(c->tape, w, 1, (int64_t[]){lb_numel(w)})));
        return;
    }
    lb_dtype wide = real ? LB_F64 : LB_I64;
    lb_tensor *a = onnx_as(c, x, wide), *b = onnx_spread(c, w, wide, x->rank, x->shape), *y = onnx_scratch(c, wide, x->rank, x->shape);
    for (int64_t i = 0, n = onnx_ok(c) && y->data && a->data && b->data ? lb_numel(y) : 0; i < n; i++) {
        if (real) {
            double v = ((const double *)a->data)[i];
            ((double *)y->data)[i] = v < 0 ? v * ((const double *)b->data)[i] : v;
        } else {
            int64_t v = ((const int64_t *)a->data)[i];
            ((int64_t *)y->data)[i] = v < 0 ? v * ((const int64_t *)b->data)[i] : v;
        }
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

static void gelu(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (onnx_ok(c)) onnx_put(c, 0, onnx_is(onnx_word(c, "approximate", "none"), "tanh") ? lb_gelu_tanh(c->tape, x) : lb_gelu(c->tape, x));
}

/* Ratio and mode do not matter: graphs are run, not trained. The mask is all true. */
static void dropout(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    if (onnx_in(c, 2) && onnx_number(c, c->in[2], 0) != 0 && onnx_number(c, onnx_in(c, 1), 0.5) != 0) onnx_fail(c, LB_E_UNSUPPORTED, "dropout in training");
    onnx_put(c, 0, x);
    if (c->nout < 2 || c->node->out[1] < 0) return;
    lb_tensor *mask = onnx_make(c, 1, c->opset < 10 ? x->dtype : LB_BOOL, x->rank, x->shape);
    static const float one = 1;
    for (int64_t i = 0, n = mask->data ? lb_numel(mask) : 0; i < n; i++) lb_convert((char *)mask->data + i * (int64_t)lb_dtype_size(mask->dtype), mask->dtype, &one, LB_F32, 1);
}

/* Fused: an activation that was written out in small nodes. */
static void fused(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (onnx_ok(c)) onnx_put(c, 0, onnx_act(c, x, c->node->act));
}

static const onnx_operator operators[] = {
    {"Celu", run, 0, NULL, &(const activation){celu_op, celu, {"alpha"}, {1}}},
    {"Clip", clip},
    {"Dropout", dropout, 0, "training"},
    {"Elu", run, 0, NULL, &(const activation){elu_op, elu, {"alpha"}, {1}}},
    {"Gelu", gelu, ONNX_FLOAT_ONLY},
    {"HardSigmoid", run, 0, NULL, &(const activation){hardsigmoid_op, hardsigmoid, {"alpha", "beta"}, {0.2, 0.5}}},
    {"LeakyRelu", run, 0, NULL, &(const activation){leaky_op, leaky, {"alpha"}, {0.01}}},
    {"LimbeckActivation", fused, ONNX_FLOAT_ONLY, "made by fusing"},
    {"PRelu", prelu},
    {"Selu", run, 0, NULL, &(const activation){NULL, selu, {"alpha", "gamma"}, {1.67326319217681884765625, 1.05070102214813232421875}}},
    {"Shrink", run, 0, NULL, &(const activation){NULL, shrink, {"bias", "lambd"}, {0, 0.5}}},
    {"ThresholdedRelu", run, 0, NULL, &(const activation){NULL, thresholded, {"alpha"}, {1}}},
    {0},
};

ONNX_GROUP(activation) = {.id = "activation", .title = "activations with settings", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

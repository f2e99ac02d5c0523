/* SPDX-License-Identifier: Apache-2.0 */
/* Values out of nothing: constants, ranges, windows, random numbers. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

static void constant(onnx_call *c) {
    const onnx_attribute *a = c->node->nattr ? &c->node->attr[0] : NULL;
    lb_tensor *y;
    if (!a || a->kind == ONNX_TEXT || a->kind == ONNX_TEXTS || a->kind == ONNX_NONE) {
        onnx_fail(c, LB_E_UNSUPPORTED, "a value that is no number");
        return;
    }
    if (a->kind == ONNX_TENSOR) {
        onnx_put(c, 0, a->tensor);
        return;
    }
    bool real = a->kind == ONNX_FLOAT || a->kind == ONNX_FLOATS, one = a->kind == ONNX_FLOAT || a->kind == ONNX_INT;
    y = onnx_make(c, 0, real ? LB_F32 : LB_I64, one ? 0 : 1, one ? NULL : &a->count);
    if (!onnx_ok(c) || !y->data) return;
    if (a->kind == ONNX_FLOAT) *(float *)y->data = (float)a->f;
    if (a->kind == ONNX_INT) *(int64_t *)y->data = a->i;
    if (a->kind == ONNX_FLOATS) lb_convert(y->data, LB_F32, a->floats, LB_F64, a->count);
    if (a->kind == ONNX_INTS) memcpy(y->data, a->ints, (size_t)a->count * sizeof(int64_t));
}

static void constant_of_shape(onnx_call *c) {
    int64_t shape[LB_MAX_RANK];
    int rank;
    const onnx_attribute *a = onnx_attribute_find(c->node, "value");
    lb_tensor *value = a ? a->tensor : NULL;
    if (!onnx_ints(c, onnx_need(c, 0), shape, LB_MAX_RANK, &rank)) return;
    if (value && lb_numel(value) != 1) onnx_fail(c, LB_E_FORMAT, "value has %lld numbers, expected 1", (long long)lb_numel(value));
    lb_tensor *y = onnx_make(c, 0, value ? value->dtype : LB_F32, rank, shape);
    size_t size = lb_dtype_size(y->dtype);
    if (!onnx_ok(c) || !y->data) return;
    if (!value) memset(y->data, 0, (size_t)lb_numel(y) * size);
    for (int64_t i = 0, n = value ? lb_numel(y) : 0; i < n; i++) memcpy((char *)y->data + (size_t)i * size, value->data, size);
}

static void range(onnx_call *c) {
    for (int i = 0; i < 3; i++) onnx_need(c, i);
    if (!onnx_ok(c)) return;
    double start = onnx_number(c, c->in[0], 0), limit = onnx_number(c, c->in[1], 0), delta = onnx_number(c, c->in[2], 1);
    lb_dtype dtype = c->in[0]->dtype;
    double count = delta != 0 ? ceil((limit - start) / delta) : -1;
    if (!onnx_ok(c)) return;
    if (delta == 0 || !(count < 2147483648.0)) {
        onnx_fail(c, LB_E_ARG, "from %g to %g by %g", start, limit, delta);
        return;
    }
    int64_t n = count > 0 ? (int64_t)count : 0;
    lb_tensor *y = onnx_make(c, 0, dtype, 1, &n);
    size_t size = lb_dtype_size(dtype);
    for (int64_t i = 0; onnx_ok(c) && y->data && i < n; i++) {
        double v = start + (double)i * delta;
        int64_t whole = (int64_t)start + i * (int64_t)delta;
        if (onnx_is_float(dtype)) lb_convert((char *)y->data + (size_t)i * size, dtype, &v, LB_F64, 1);
        else lb_convert((char *)y->data + (size_t)i * size, dtype, &whole, LB_I64, 1);
    }
}

static lb_dtype type_or(onnx_call *c, const char *name, lb_dtype def) {
    int64_t type = onnx_int(c, name, 0);
    lb_dtype out = def;
    if (type && onnx_type(&out, type) != LB_OK) lb_tape_fail_status(c->tape, LB_E_UNSUPPORTED);
    return out;
}

static void eye_like(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    if (x->rank != 2) onnx_fail(c, LB_E_SHAPE, "%d axes, expected 2", x->rank);
    lb_dtype dtype = type_or(c, "dtype", x->dtype);
    int64_t k = onnx_int(c, "k", 0);
    lb_tensor *y = onnx_make(c, 0, dtype, x->rank, x->shape);
    size_t size = lb_dtype_size(dtype);
    double one = 1;
    if (!onnx_ok(c) || !y->data) return;
    memset(y->data, 0, (size_t)lb_numel(y) * size);
    for (int64_t i = 0; i < x->shape[0]; i++)
        if (i + k >= 0 && i + k < x->shape[1]) lb_convert((char *)y->data + (size_t)(i * x->shape[1] + i + k) * size, dtype, &one, LB_F64, 1);
}

/* ---- windows: period of the length, or one less ---- */

static void window(onnx_call *c) {
    const double *a = c->node->def->how;
    double n = onnx_number(c, onnx_need(c, 0), 0);
    bool periodic = onnx_int(c, "periodic", 1);
    if (!onnx_ok(c)) return;
    if (!(n >= 0 && n < 2147483648.0)) onnx_fail(c, LB_E_ARG, "a length of %g", n);
    int64_t count = onnx_ok(c) ? (int64_t)n : 0;
    lb_tensor *y = onnx_scratch(c, LB_F64, 1, &count);
    double turn = 2 * 3.14159265358979323846 / (periodic ? n : n - 1);
    for (int64_t i = 0; onnx_ok(c) && y->data && i < count; i++) ((double *)y->data)[i] = a[0] - a[1] * cos(turn * (double)i) + a[2] * cos(2 * turn * (double)i);
    onnx_put(c, 0, onnx_as(c, y, type_or(c, "output_datatype", LB_F32)));
}

/* Triangles between `bins` + 2 places that are equally far apart on the mel scale (2595 log10(1 + f / 700)). */
static void mel_matrix(onnx_call *c) {
    double v[5];
    for (int i = 0; i < 5; i++) v[i] = onnx_number(c, onnx_need(c, i), 0);
    if (!onnx_ok(c)) return;
    int64_t bins = (int64_t)v[0], spectrum = (int64_t)v[1] / 2 + 1;
    if (!(v[0] >= 1 && v[0] < 65536 && v[1] >= 1 && v[1] < 1 << 24 && v[2] > 0)) {
        onnx_fail(c, LB_E_ARG, "%g bins of a transform of length %g at rate %g", v[0], v[1], v[2]);
        return;
    }
    lb_tensor *y = onnx_scratch(c, LB_F64, 2, (int64_t[]){spectrum, bins}), *edges = onnx_scratch(c, LB_F64, 1, (int64_t[]){bins + 2});
    if (onnx_ok(c) && y->data && edges->data) {
        double low = 2595 * log10(1 + v[3] / 700), high = 2595 * log10(1 + v[4] / 700), step = (high - low) / (double)(bins + 2);
        double *e = edges->data, *w = y->data;
        for (int64_t i = 0; i < bins + 2; i++) e[i] = floor((v[1] + 1) * (700 * (pow(10, ((double)i * step + low) / 2595) - 1)) / v[2]);
        memset(w, 0, (size_t)(spectrum * bins) * sizeof *w);
        for (int64_t i = 0; i < bins; i++) {
            double a = e[i], m = e[i + 1], z = e[i + 2];
            for (int64_t j = (int64_t)a; j <= (int64_t)m && a < m; j++)
                if (j >= 0 && j < spectrum) w[j * bins + i] = ((double)j - a) / (m - a);
            if (a == m && m >= 0 && m < (double)spectrum) w[(int64_t)m * bins + i] = 1;
            for (int64_t j = (int64_t)m; j < (int64_t)z && m < z; j++)
                if (j >= 0 && j < spectrum) w[j * bins + i] = (z - (double)j) / (z - m);
        }
    }
    onnx_put(c, 0, onnx_as(c, y, type_or(c, "output_datatype", LB_F32)));
}

/* ---- random numbers: a function of the seed and of the result's name ---- */

enum { UNIFORM, NORMAL, BERNOULLI };

static lb_rng seeded(const onnx_call *c) {
    double seed = onnx_real(c, "seed", 0);
    const char *name = c->nout && c->node->out[0] >= 0 ? c->run->model->values[c->node->out[0]].name : "";
    return lb_rng_of((uint64_t)(int64_t)seed, 0, name);
}

static void fill(onnx_call *c, lb_rng *r, int what, lb_tensor *y, const double *chance) {
    double low = onnx_real(c, "low", 0), high = onnx_real(c, "high", 1), mean = onnx_real(c, "mean", 0), scale = onnx_real(c, "scale", 1);
    size_t size = lb_dtype_size(y->dtype);
    for (int64_t i = 0, n = onnx_ok(c) && y->data ? lb_numel(y) : 0; i < n; i++) {
        double v = what == NORMAL ? mean + scale * lb_rng_normal(r) : what == UNIFORM ? low + (high - low) * lb_rng_uniform(r) : (double)(lb_rng_uniform(r) < chance[i]);
        lb_convert((char *)y->data + (size_t)i * size, y->dtype, &v, LB_F64, 1);
    }
}

static void random_of_shape(onnx_call *c) {
    int64_t shape[LB_MAX_RANK];
    int rank = onnx_list(c, "shape", shape, LB_MAX_RANK);
    lb_rng r = seeded(c);
    if (rank < 0 || rank > LB_MAX_RANK) onnx_fail(c, LB_E_FORMAT, "no shape");
    if (onnx_ok(c)) fill(c, &r, *(const int *)c->node->def->how, onnx_make(c, 0, type_or(c, "dtype", LB_F32), rank, shape), NULL);
}

static void random_like(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    lb_rng r = seeded(c);
    int what = *(const int *)c->node->def->how;
    if (!onnx_ok(c)) return;
    lb_tensor *chance = what == BERNOULLI ? onnx_as(c, x, LB_F64) : NULL, *y = onnx_make(c, 0, type_or(c, "dtype", x->dtype), x->rank, x->shape);
    if (!chance || chance->data) fill(c, &r, what, y, chance ? chance->data : NULL);
}

#define WHAT(x) &(const int){x}
static const double blackman[] = {0.42, 0.5, 0.08}, hamming[] = {25.0 / 46, 21.0 / 46, 0}, hann[] = {0.5, 0.5, 0};
static const onnx_operator operators[] = {
    {"Bernoulli", random_like, ONNX_RANDOM, NULL, WHAT(BERNOULLI)},
    {"BlackmanWindow", window, 0, NULL, blackman},
    {"Constant", constant, 0, "texts, sparse values"},
    {"ConstantOfShape", constant_of_shape},
    {"EyeLike", eye_like},
    {"HammingWindow", window, 0, NULL, hamming},
    {"HannWindow", window, 0, NULL, hann},
    {"MelWeightMatrix", mel_matrix},
    {"RandomNormal", random_of_shape, ONNX_RANDOM, NULL, WHAT(NORMAL)},
    {"RandomNormalLike", random_like, ONNX_RANDOM, NULL, WHAT(NORMAL)},
    {"RandomUniform", random_of_shape, ONNX_RANDOM, NULL, WHAT(UNIFORM)},
    {"RandomUniformLike", random_like, ONNX_RANDOM, NULL, WHAT(UNIFORM)},
    {"Range", range},
    {0},
};

ONNX_GROUP(generate) = {.id = "generate", .title = "constants, ranges, windows, random numbers", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

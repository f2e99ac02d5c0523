/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of 8 bits with scale and zero point. */
#include <math.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

/* Scales of a tensor: one, or one for each place along an axis. */
typedef struct grid {
    const double *scale, *zero; /* zero NULL: 0 */
    int64_t count, inner, n;
} grid;

static bool grid_of(onnx_call *c, grid *g, const lb_tensor *x, lb_tensor *scale, lb_tensor *zero) {
    lb_tensor *s = onnx_as(c, scale, LB_F64), *z = zero ? onnx_as(c, zero, LB_F64) : NULL;
    if (!onnx_ok(c)) return false;
    *g = (grid){s->data, z ? z->data : NULL, lb_numel(s), 1, 1};
    if (g->count != 1) {
        int axis = onnx_axis(c, onnx_int(c, "axis", 1), x->rank);
        if (axis < 0) return false;
        g->n = x->shape[axis];
        g->inner = onnx_product(x->shape, axis + 1, x->rank);
        if (g->n != g->count) onnx_fail(c, LB_E_SHAPE, "%lld scales for %lld places", (long long)g->count, (long long)g->n);
    }
    if (z && lb_numel(z) != g->count) onnx_fail(c, LB_E_SHAPE, "%lld zero points for %lld scales", (long long)lb_numel(z), (long long)g->count);
    return onnx_ok(c) && s->data && (!z || z->data);
}

static int64_t at(const grid *g, int64_t i) { return g->count == 1 ? 0 : i / g->inner % g->n; }

static void limits(lb_dtype d, double *low, double *high) {
    *low = d == LB_I8 ? -128 : d == LB_I16 ? -32768 : 0;
    *high = d == LB_I8 ? 127 : d == LB_I16 ? 32767 : d == LB_U16 ? 65535 : 255;
}

static void quantise(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *scale = onnx_need(c, 1), *zero = onnx_in(c, 2);
    if (!onnx_ok(c)) return;
    lb_dtype dtype = zero ? zero->dtype : LB_U8;
    grid g;
    double low, high;
    lb_tensor *y = onnx_make(c, 0, dtype, x->rank, x->shape), *from = onnx_as(c, x, LB_F32);
    limits(dtype, &low, &high);
    if (!onnx_ok(c) || !grid_of(c, &g, x, scale, zero) || !y->data || !from->data) return;
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) {
        int64_t k = at(&g, i);
        double v = rint((double)(((const float *)from->data)[i] / (float)g.scale[k])) + (g.zero ? g.zero[k] : 0);
        v = v < low ? low : v > high ? high : v;
        lb_convert((char *)y->data + (size_t)i * lb_dtype_size(dtype), dtype, &v, LB_F64, 1);
    }
}

static void dequantise(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *scale = onnx_need(c, 1), *zero = onnx_in(c, 2);
    if (!onnx_ok(c)) return;
    grid g;
    lb_dtype dtype = scale->dtype;
    lb_tensor *y = onnx_scratch(c, LB_F64, x->rank, x->shape), *from = onnx_as(c, x, LB_F64);
    bool known = onnx_ok(c) && grid_of(c, &g, x, scale, zero) && y->data && from->data;
    for (int64_t i = 0, n = known ? lb_numel(y) : 0; i < n; i++) {
        int64_t k = at(&g, i);
        ((double *)y->data)[i] = (((const double *)from->data)[i] - (g.zero ? g.zero[k] : 0)) * g.scale[k];
    }
    onnx_put(c, 0, onnx_as(c, y, dtype));
}

/* The range with 0 in it over 255; the zero point where 0 falls. */
static void range_of(const float *x, int64_t n, float *scale, float *zero) {
    float low = 0, high = 0;
#pragma omp parallel for simd reduction(min : low) reduction(max : high) if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = (high - low) / 255;
    float z = *scale > 0 ? rintf(-low / *scale) : 0;
    *zero = z < 0 ? 0 : z > 255 ? 255 : z;
}

static void dynamic(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    lb_tensor *y = onnx_make(c, 0, LB_U8, x->rank, x->shape), *s = onnx_make(c, 1, LB_F32, 0, NULL), *z = onnx_make(c, 2, LB_U8, 0, NULL), *from = onnx_as(c, x, LB_F32);
    float scale, zero;
    if (!onnx_ok(c) || !y->data || !from->data) return;
    range_of(from->data, lb_numel(from), &scale, &zero);
    if (s->data) *(float *)s->data = scale;
    if (z->data) *(uint8_t *)z->data = (uint8_t)zero;
    const float *v = from->data;
    uint8_t *to = y->data;
    int64_t n = lb_numel(y);
#pragma omp parallel for simd if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        float q = rintf(scale > 0 ? v[i] / scale : 0) + zero;
        to[i] = (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
    }
}

/* Fused: what DynamicQuantizeLinear makes, less its zero point, as f32; and the scale. */
static void centred(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    lb_tensor *y = onnx_make(c, 0, LB_F32, x->rank, x->shape), *s = onnx_make(c, 1, LB_F32, 0, NULL), *from = onnx_as(c, x, LB_F32);
    float scale, zero;
    if (!onnx_ok(c) || !y->data || !from->data) return;
    range_of(from->data, lb_numel(from), &scale, &zero);
    const float *v = from->data;
    float *to = y->data, low = -zero, high = 255 - zero;
    int64_t n = lb_numel(y);
    *(float *)s->data = scale;
    if (scale <= 0) scale = 1;
#pragma omp parallel for simd if (n > 65536)
    for (int64_t i = 0; i < n; i++) {
        float q = rintf(v[i] / scale);
        q = q < low ? low : q;
        to[i] = q > high ? high : q;
    }
}

/* a scale zero b scale zero scale zero */
static void qlinear_matmul(onnx_call *c) {
    for (int i = 0; i < 8; i++) onnx_need(c, i);
    if (!onnx_ok(c)) return;
    lb_tensor *a = lb_sub(c->tape, onnx_as(c, c->in[0], LB_F32), onnx_as(c, c->in[2], LB_F32)), *b = lb_sub(c->tape, onnx_as(c, c->in[3], LB_F32), onnx_as(c, c->in[5], LB_F32));
    double scale = onnx_number(c, c->in[1], 1) * onnx_number(c, c->in[4], 1) / onnx_number(c, c->in[6], 1), zero = onnx_number(c, c->in[7], 0), low, high;
    lb_tensor *sum = lb_matmul(c->tape, a, b, false, false), *y = onnx_make(c, 0, c->in[7]->dtype, sum->rank, sum->shape);
    if (!onnx_ok(c) || !y->data || !sum->data) return;
    limits(y->dtype, &low, &high);
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) {
        double v = rint((double)((const float *)sum->data)[i] * scale) + zero;
        v = v < low ? low : v > high ? high : v;
        lb_convert((char *)y->data + i, y->dtype, &v, LB_F64, 1);
    }
}

static const onnx_operator operators[] = {
    {"DequantizeLinear", dequantise},
    {"DynamicQuantizeLinear", dynamic},
    {"LimbeckCentred", centred, 0, "made by fusing"},
    {"QLinearMatMul", qlinear_matmul, 0, "scales for rows or columns"},
    {"QuantizeLinear", quantise},
    {0},
};

ONNX_GROUP(quantise) = {.id = "quantise", .title = "numbers of 8 bits with scale and zero point", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

/* SPDX-License-Identifier: Apache-2.0 */
/* What operators are written with. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "onnx/operator.h"

lb_tensor *onnx_in(const onnx_call *c, int i) { return i < c->nin ? c->in[i] : NULL; }

lb_tensor *onnx_fail(onnx_call *c, lb_status code, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return lb_tape_fail(c->tape, code, "%s", text);
}

lb_tensor *onnx_need(onnx_call *c, int i) {
    lb_tensor *x = onnx_in(c, i);
    return x ? x : onnx_fail(c, LB_E_FORMAT, "input %d is missing", i);
}

static bool has_data(onnx_call *c, const lb_tensor *x) {
    if (!onnx_ok(c)) return false;
    if (x->data || lb_numel(x) == 0) return true;
    onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
    return false;
}

bool onnx_ints(onnx_call *c, const lb_tensor *x, int64_t *dst, int cap, int *n) {
    int64_t count = lb_numel(x);
    if (!has_data(c, x)) return false;
    if (count > cap) onnx_fail(c, LB_E_SHAPE, "%lld numbers, at most %d expected", (long long)count, cap);
    if (count > cap) return false;
    for (int64_t i = 0; i < count; i++) {
        lb_tensor *one = (lb_tensor *)(uintptr_t)x;
        if (x->dtype == LB_I64 && lb_is_contiguous(x)) dst[i] = ((const int64_t *)x->data)[i];
        else dst[i] = (int64_t)lb_get_at(one, i);
    }
    *n = (int)count;
    return true;
}

bool onnx_ints_or(onnx_call *c, int i, const char *attribute, int64_t *dst, int cap, int *n) {
    if (onnx_in(c, i)) return onnx_ints(c, c->in[i], dst, cap, n);
    *n = onnx_list(c, attribute, dst, cap);
    if (*n > cap) onnx_fail(c, LB_E_SHAPE, "%s has %d numbers, at most %d expected", attribute, *n, cap);
    return *n <= cap && onnx_ok(c);
}

double onnx_number(onnx_call *c, const lb_tensor *x, double def) {
    if (!x) return def;
    if (!has_data(c, x)) return def;
    if (lb_numel(x) == 0) return def;
    return lb_get_at(x, 0);
}

int onnx_axis(onnx_call *c, int64_t axis, int rank) {
    if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
    onnx_fail(c, LB_E_SHAPE, "axis %lld of a tensor with %d", (long long)axis, rank);
    return -1;
}

lb_tensor *onnx_as(onnx_call *c, lb_tensor *x, lb_dtype dtype) {
    if (!onnx_ok(c)) return lb_inert(c->tape);
    if (!lb_is_contiguous(x)) x = lb_contiguous(c->tape, x);
    if (x->dtype == dtype || !onnx_ok(c)) return x;
    lb_tensor *y = lb_hold(c->tape, dtype, x->rank, x->shape);
    if (y->data && x->data) lb_convert(y->data, dtype, x->data, x->dtype, lb_numel(x));
    return y;
}

/* ---- attributes ---- */

int64_t onnx_int(const onnx_call *c, const char *name, int64_t def) {
    const onnx_attribute *a = onnx_attribute_find(c->node, name);
    return a && a->kind == ONNX_INT ? a->i : def;
}

double onnx_real(const onnx_call *c, const char *name, double def) {
    const onnx_attribute *a = onnx_attribute_find(c->node, name);
    return a && a->kind == ONNX_FLOAT ? a->f : def;
}

const char *onnx_word(const onnx_call *c, const char *name, const char *def) {
    const onnx_attribute *a = onnx_attribute_find(c->node, name);
    return a && a->kind == ONNX_TEXT ? a->text : def;
}

int onnx_list(const onnx_call *c, const char *name, int64_t *dst, int cap) {
    const onnx_attribute *a = onnx_attribute_find(c->node, name);
    if (!a || a->kind != ONNX_INTS) return -1;
    for (int64_t i = 0; i < a->count && i < cap; i++) dst[i] = a->ints[i];
    return a->count > cap ? cap + 1 : (int)a->count;
}

/* ---- results ---- */

lb_tensor *onnx_scratch(onnx_call *c, lb_dtype dtype, int rank, const int64_t *shape) {
    int64_t limit = c->run->model ? c->run->model->options.limit_bytes : 0, bytes = (int64_t)lb_dtype_size(dtype);
    if (rank > LB_MAX_RANK) return onnx_fail(c, LB_E_UNSUPPORTED, "%d axes, at most %d", rank, LB_MAX_RANK);
    for (int d = 0; d < rank; d++)
        if (limit && shape[d] > limit) return onnx_fail(c, LB_E_LIMIT, "a size of %lld", (long long)shape[d]); /* empty ones too: they are walked */
    for (int d = 0; d < rank; d++)
        if (shape[d] < 0 || !lb_mul_i64(&bytes, bytes, shape[d])) return onnx_fail(c, LB_E_SHAPE, "a size of %lld", (long long)shape[d]);
    if (limit && bytes > limit) return onnx_fail(c, LB_E_LIMIT, "a value of %lld bytes, at most %lld are allowed", (long long)bytes, (long long)limit);
    return lb_hold(c->tape, dtype, rank, shape);
}

lb_tensor *onnx_make(onnx_call *c, int k, lb_dtype dtype, int rank, const int64_t *shape) {
    lb_tensor *y = onnx_scratch(c, dtype, rank, shape);
    onnx_put(c, k, y);
    return y;
}

void onnx_put(onnx_call *c, int k, lb_tensor *x) {
    if (k < c->nout) c->out[k] = x;
}

bool onnx_broadcast(onnx_call *c, const lb_tensor *a, const lb_tensor *b, int *rank, int64_t *shape) {
    char ta[96], tb[96];
    int r = a->rank > b->rank ? a->rank : b->rank;
    *rank = r;
    for (int e = 1; e <= r; e++) {
        int64_t x = e <= a->rank ? a->shape[a->rank - e] : 1, y = e <= b->rank ? b->shape[b->rank - e] : 1;
        if (x != y && x != 1 && y != 1) {
            onnx_fail(c, LB_E_SHAPE, "shapes %s and %s do not go together", lb_shape_text(ta, sizeof ta, a->rank, a->shape), lb_shape_text(tb, sizeof tb, b->rank, b->shape));
            return false;
        }
        shape[r - e] = x == 1 ? y : x;
    }
    return true;
}

lb_tensor *onnx_spread(onnx_call *c, lb_tensor *x, lb_dtype dtype, int rank, const int64_t *shape) {
    bool same = x->rank == rank && memcmp(x->shape, shape, (size_t)rank * sizeof *shape) == 0;
    if (!same) {
        x = onnx_as(c, x, dtype);
        x = lb_expand(c->tape, x, rank, shape);
    }
    return onnx_as(c, x, dtype);
}

int64_t onnx_product(const int64_t *shape, int from, int to) {
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= shape[d];
    return n;
}

lb_tensor *onnx_act(onnx_call *c, lb_tensor *x, lb_act act) {
    lb_tape *t = c->tape;
    switch (act) {
    case LB_ACT_NONE: return x;
    case LB_ACT_RELU: return lb_relu(t, x);
    case LB_ACT_RELU6: return lb_relu6(t, x);
    case LB_ACT_GELU: return lb_gelu(t, x);
    case LB_ACT_GELU_TANH: return lb_gelu_tanh(t, x);
    case LB_ACT_GELU_QUICK: return lb_gelu_quick(t, x);
    case LB_ACT_SILU: return lb_silu(t, x);
    case LB_ACT_SIGMOID: return lb_sigmoid(t, x);
    case LB_ACT_TANH: return lb_tanh(t, x);
    case LB_ACT_HARDSWISH: return lb_hardswish(t, x);
    case LB_ACT_HARDSIGMOID: return lb_hardsigmoid(t, x);
    }
    return x;
}

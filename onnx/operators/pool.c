/* SPDX-License-Identifier: Apache-2.0 */
/* Windows that move over pictures: largest, mean, norm. Whole numbers of 8 bits are exact in f32. */
#include <string.h>
#include "onnx/window.h"

/* Where the largest stood, in all of x; storage_order 1 counts a plane by columns. */
static void indices(onnx_call *c, const lb_tensor *x, lb_tensor *at) {
    int n = x->rank - 2;
    lb_tensor *y = onnx_make(c, 1, LB_I64, at->rank, at->shape);
    int64_t area = onnx_product(x->shape, 2, x->rank), inner = onnx_product(at->shape, 2, at->rank);
    bool columns = onnx_int(c, "storage_order", 0);
    if (!onnx_ok(c) || !y->data || !at->data) return;
    for (int64_t i = 0, count = lb_numel(at); i < count; i++) {
        int64_t k = ((const int64_t *)at->data)[i];
        if (columns && n == 2) k = k % x->shape[3] * x->shape[2] + k / x->shape[3];
        ((int64_t *)y->data)[i] = i / inner * area + k;
    }
}

static void max_pool(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    onnx_window w;
    if (!onnx_ok(c) || !onnx_window_of(c, &w, x, NULL)) return;
    lb_dtype dtype = x->dtype;
    x = onnx_as(c, x, LB_F32);
    onnx_put(c, 0, onnx_as(c, lb_max_pool(c->tape, x, onnx_window_op(&w)), dtype));
    if (c->nout > 1 && c->node->out[1] >= 0 && onnx_ok(c)) indices(c, x, lb_argmax_pool(c->tape, x, onnx_window_op(&w)));
}

static void average_pool(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    onnx_window w;
    if (!onnx_ok(c) || !onnx_window_of(c, &w, x, NULL)) return;
    onnx_put(c, 0, lb_avg_pool(c->tape, x, onnx_window_op(&w), onnx_int(c, "count_include_pad", 0) ? LB_AVG_COUNT_PAD : LB_AVG_INSIDE, 0));
}

/* (sum |x|^p)^(1/p) over the window, what lies outside being 0. */
static void lp_pool(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    double p = onnx_attribute_find(c->node, "p") ? onnx_real(c, "p", (double)onnx_int(c, "p", 2)) : 2;
    onnx_window w;
    if (!onnx_ok(c) || !onnx_window_of(c, &w, x, NULL)) return;
    lb_tensor *mean = lb_avg_pool(c->tape, lb_pow_scalar(c->tape, lb_abs(c->tape, x), p), onnx_window_op(&w), LB_AVG_COUNT_PAD, 1);
    onnx_put(c, 0, lb_pow_scalar(c->tape, mean, 1 / p));
}

enum { MEAN, MOST, NORM };

static void global(onnx_call *c) {
    int what = *(const int *)c->node->def->how;
    lb_tensor *x = onnx_need(c, 0), *y;
    lb_axes over = {0};
    if (!onnx_ok(c)) return;
    if (x->rank < 3) onnx_fail(c, LB_E_SHAPE, "%d axes, expected 3 or more", x->rank);
    for (int d = 2; d < x->rank; d++) over.at[over.n++] = d;
    double p = (double)onnx_int(c, "p", 2);
    if (!onnx_ok(c)) return;
    if (what == MEAN) y = lb_mean_over(c->tape, x, over, true);
    else if (what == MOST) y = lb_amax(c->tape, x, over, true);
    else y = lb_pow_scalar(c->tape, lb_sum_over(c->tape, lb_pow_scalar(c->tape, lb_abs(c->tape, x), p), over, true), 1 / p);
    onnx_put(c, 0, y);
}

/* Indices are places in all of the result, whose size follows from the window or is given. */
static void max_unpool(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *at = onnx_need(c, 1);
    int64_t shape[LB_MAX_RANK], size[LB_MAX_RANK];
    int n = 0;
    onnx_window w;
    if (!onnx_ok(c) || !onnx_window_of(c, &w, x, NULL)) return;
    memcpy(size, x->shape, sizeof size);
    for (int i = 0; i < w.n; i++) size[2 + i] = (x->shape[2 + i] - 1) * w.stride[i] - w.before[i] - w.after[i] + w.size[i];
    int64_t area = onnx_product(size, 2, x->rank);
    memcpy(shape, size, sizeof shape);
    if (onnx_in(c, 2) && (!onnx_ints(c, c->in[2], shape, LB_MAX_RANK, &n) || n != x->rank)) {
        onnx_fail(c, LB_E_SHAPE, "output_shape has %d numbers", n);
        return;
    }
    lb_tensor *y = onnx_make(c, 0, LB_F32, x->rank, shape), *from = onnx_as(c, x, LB_F32), *place = onnx_as(c, at, LB_I64);
    if (!onnx_ok(c) || !y->data || !from->data || !place->data) return;
    memset(y->data, 0, (size_t)lb_numel(y) * sizeof(float));
    for (int64_t i = 0, count = lb_numel(x); i < count; i++) {
        int64_t k = ((const int64_t *)place->data)[i], to = k / (area ? area : 1), step = onnx_product(shape, 2, x->rank);
        int64_t left = area ? k % area : 0, inside = 0, stride = 1;
        for (int d = x->rank - 1; d >= 2; d--) { /* the place counts in the smaller size; the result may be larger */
            inside += left % size[d] * stride;
            left /= size[d];
            stride *= shape[d];
        }
        if (k < 0 || to >= shape[0] * shape[1] || inside >= step) onnx_fail(c, LB_E_ARG, "index %lld of %lld elements", (long long)k, (long long)lb_numel(y));
        else ((float *)y->data)[to * step + inside] = ((const float *)from->data)[i];
        if (!onnx_ok(c)) return;
    }
}

#define WHAT(x) &(const int){x}
static const onnx_operator operators[] = {
    {"AveragePool", average_pool, ONNX_FLOAT_ONLY},
    {"GlobalAveragePool", global, ONNX_FLOAT_ONLY, NULL, WHAT(MEAN)},
    {"GlobalLpPool", global, ONNX_FLOAT_ONLY, NULL, WHAT(NORM)},
    {"GlobalMaxPool", global, ONNX_FLOAT_ONLY, NULL, WHAT(MOST)},
    {"LpPool", lp_pool, ONNX_FLOAT_ONLY},
    {"MaxPool", max_pool},
    {"MaxUnpool", max_unpool, ONNX_FLOAT_ONLY},
    {0},
};

ONNX_GROUP(pool) = {.id = "pool", .title = "windows over pictures: largest, mean, norm", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

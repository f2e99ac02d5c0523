/* SPDX-License-Identifier: Apache-2.0 */
/* y = x / max(n, eps) along one axis, n = (sum |x|^p)^(1/p) with p = 1 or 2. With n > eps: dx = (g - s (g . y)) / n, s = y for p = 2, sign(x) for
 * p = 1; else dx = g / eps. Sums in double. */
#include <math.h>
#include "tensor/calls.h"
#include "tensor/kernels/lanes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef lb_normalize_params options;

enum { WIDTH = 64 }; /* columns side by side */

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    int axis = lbi_axis(c, o->axis, x->rank);
    if (axis < 0) return false;
    if (o->p != 1 && o->p != 2) {
        lb_tape_fail(c->tape, LB_E_ARG, "the norm's power is %d, expected 1 or 2", o->p);
        return false;
    }
    for (int k = 0; k < 2; k++) {
        c->out[k]->rank = x->rank;
        for (int d = 0; d < x->rank; d++) c->out[k]->shape[d] = k == 1 && d == axis ? 1 : x->shape[d];
    }
    return true;
}

static lbi_axes axes_of(const lb_call *c) {
    const options *o = c->params;
    return lbi_axes_of(c->in[0], o->axis < 0 ? o->axis + c->in[0]->rank : o->axis);
}

LBI_ALWAYS lb_real absolute(lb_real x) { return x < 0 ? -x : x; }
LBI_ALWAYS lb_real sign(lb_real x) { return (lb_real)((x > 0) - (x < 0)); }

/* Sum of |a|, or of a b. */
LBI_LEVELS static double row_sum(const lb_real *restrict a, const lb_real *restrict b, int64_t k, int p) {
    return p == 1 ? lbi_lanes_sum(a, a, k, 0, lbi_term_size) : lbi_lanes_sum(a, b, k, 0, lbi_term_product);
}

LBI_LEVELS static void row_scale(lb_real *restrict y, const lb_real *restrict x, int64_t k, lb_real by) {
    for (int64_t j = 0; j < k; j++) y[j] = x[j] * by;
}

LBI_LEVELS static void row_back(lb_real *restrict gx, const lb_real *restrict g, const lb_real *restrict s, int64_t k, lb_real by, lb_real dot, bool signs, bool fresh) {
    for (int64_t j = 0; j < k; j++) {
        lb_real v = by * (g[j] - (signs ? sign(s[j]) : s[j]) * dot);
        gx[j] = fresh ? v : gx[j] + v;
    }
}

LBI_LEVELS static void columns_forward(lb_real *y, lb_real *norm, const lb_real *x, int64_t k, int64_t ld, int64_t width, int p, double eps) {
    double sum[WIDTH];
    lb_real by[WIDTH];
    for (int64_t j = 0; j < width; j++) sum[j] = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < width; j++) sum[j] += (double)(p == 1 ? absolute(x[i * ld + j]) : x[i * ld + j] * x[i * ld + j]);
    for (int64_t j = 0; j < width; j++) {
        double n = p == 1 ? sum[j] : sqrt(sum[j]);
        norm[j] = (lb_real)n;
        by[j] = (lb_real)(1 / (n > eps ? n : eps));
    }
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < width; j++) y[i * ld + j] = x[i * ld + j] * by[j];
}

/* s: y, or x for p = 1. */
LBI_LEVELS static void columns_backward(lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *s, const lb_real *norm, int64_t k, int64_t ld, int64_t width, int p, double eps, bool fresh) {
    double sum[WIDTH];
    lb_real by[WIDTH], dot[WIDTH];
    for (int64_t j = 0; j < width; j++) sum[j] = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < width; j++) sum[j] += (double)(g[i * ld + j] * y[i * ld + j]);
    for (int64_t j = 0; j < width; j++) {
        bool small = (double)norm[j] <= eps;
        by[j] = (lb_real)(1 / (small ? eps : (double)norm[j]));
        dot[j] = small ? 0 : (lb_real)sum[j];
    }
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < width; j++) {
            lb_real v = by[j] * (g[i * ld + j] - (p == 1 ? sign(s[i * ld + j]) : s[i * ld + j]) * dot[j]);
            gx[i * ld + j] = fresh ? v : gx[i * ld + j] + v;
        }
}

static lb_real factor(double square, int64_t k, double eps, lb_real *kept) {
    double n = sqrt(square);
    *kept = (lb_real)n;
    return (lb_real)(1 / (n > eps ? n : eps));
}

static void forward_rows(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    int64_t k = axes_of(c).n;
    lbi_rows r = {lb_r(c->in[0]) + first * k, NULL, last - first, k, NULL, lb_r(c->out[1]) + first};
    lbi_rows_scale(&r, lb_r(c->out[0]) + first * k, factor, ((const options *)c->params)->eps);
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_axes a = axes_of(c);
    int64_t blocks = (a.inner + WIDTH - 1) / WIDTH;
    if (a.inner == 1 && o->p == 2) {
        lbi_split(a.outer, 2 * a.n, forward_rows, c);
        return;
    }
#pragma omp parallel for if (lb_numel(c->in[0]) > LBI_GRAIN)
    for (int64_t i = 0; i < a.outer * blocks; i++) {
        int64_t at = i % blocks * WIDTH, width = a.inner - at < WIDTH ? a.inner - at : WIDTH, from = i / blocks * a.n * a.inner + at;
        const lb_real *x = lb_r(c->in[0]) + from;
        lb_real *y = lb_r(c->out[0]) + from, *norm = lb_r(c->out[1]) + i / blocks * a.inner + at;
        if (a.inner > 1) {
            columns_forward(y, norm, x, a.n, a.inner, width, o->p, o->eps);
            continue;
        }
        double n = row_sum(x, x, a.n, 1);
        *norm = (lb_real)n;
        row_scale(y, x, a.n, (lb_real)(1 / (n > o->eps ? n : o->eps)));
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_axes a = axes_of(c);
    int64_t blocks = (a.inner + WIDTH - 1) / WIDTH;
    if (!c->gin[0] || !c->gout[0]) return;
#pragma omp parallel for if (lb_numel(c->in[0]) > LBI_GRAIN)
    for (int64_t i = 0; i < a.outer * blocks; i++) {
        int64_t at = i % blocks * WIDTH, width = a.inner - at < WIDTH ? a.inner - at : WIDTH, from = i / blocks * a.n * a.inner + at;
        const lb_real *y = lb_r(c->out[0]) + from, *g = lb_r(c->gout[0]) + from, *s = o->p == 1 ? lb_r(c->in[0]) + from : y, *norm = lb_r(c->out[1]) + i / blocks * a.inner + at;
        lb_real *gx = lb_r(c->gin[0]) + from;
        if (a.inner > 1) {
            columns_backward(gx, g, y, s, norm, a.n, a.inner, width, o->p, o->eps, c->fresh[0]);
            continue;
        }
        bool small = (double)*norm <= o->eps;
        row_back(gx, g, s, a.n, (lb_real)(1 / (small ? o->eps : (double)*norm)), small ? 0 : (lb_real)row_sum(g, y, a.n, 2), o->p == 1, c->fresh[0]);
    }
}

static void reference(lb_call *c) {
    const options *o = c->params;
    lbi_axes a = axes_of(c);
    for (int64_t i = 0; i < a.outer * a.inner; i++) {
        int64_t from = i / a.inner * a.n * a.inner + i % a.inner;
        double sum = 0;
        for (int64_t k = 0; k < a.n; k++) sum += pow(fabs((double)lb_r(c->in[0])[from + k * a.inner]), o->p);
        double n = pow(sum, 1.0 / o->p);
        lb_r(c->out[1])[i] = (lb_real)n;
        for (int64_t k = 0; k < a.n; k++) lb_r(c->out[0])[from + k * a.inner] = (lb_real)((double)lb_r(c->in[0])[from + k * a.inner] / fmax(n, o->eps));
    }
}

static const options usual = {1e-12, -1, 2}, channels = {1e-12, 1, 2}, one = {1e-12, -1, 1}, first = {1e-6, 0, 1};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2}, .shape = {{3, 5}}, .params = &usual},
    {.name = "three axes", .rank = {3}, .shape = {{2, 2, 4}}, .params = &usual},
    {.name = "no rows", .rank = {2}, .shape = {{0, 5}}, .params = &usual},
    {.name = "channels", .rank = {4}, .shape = {{2, 3, 2, 3}}, .params = &channels},
    {.name = "absolute values", .rank = {2}, .shape = {{3, 5}}, .lo = 0.3, .hi = 2, .params = &one},
    {.name = "absolute values of columns", .rank = {2}, .shape = {{4, 3}}, .lo = 0.3, .hi = 2, .params = &first},
    {.name = "large", .rank = {4}, .shape = {{2, 37, 19, 17}}, .params = &channels},
    {.name = "wide rows", .rank = {2}, .shape = {{7, 203}}, .params = &usual},
    {.name = "long rows", .rank = {2}, .shape = {{2, 4099}}, .params = &usual},
    {.name = "absolute values of long rows", .rank = {2}, .shape = {{1, 4099}}, .lo = 0.3, .hi = 2, .params = &one},
};

LB_OP(normalize) = {.id = "normalize",
                    .title = "L1 or L2 normalisation along an axis, safe at 0",
                    .source = "torch.nn.functional.normalize",
                    .sig = "x -> y norm",
                    .results = 1,
                    .math = "y = x / max(||x||, eps)",
                    .flags = LB_OP_SETS,
                    .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1),
                    .shape = shape,
                    .params_size = sizeof(options),
                    .forward = forward,
                    .backward = backward,
                    .reference = reference,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_normalize(lb_tape *t, lb_tensor *x, double eps) { return lb_apply(t, &lb_op_normalize, &(options){eps, -1, 2}, sizeof(options), 1, &x); }
lb_tensor *lb_normalize_along(lb_tape *t, lb_tensor *x, int p, int axis, double eps) { return lb_apply(t, &lb_op_normalize, &(options){eps, axis, p}, sizeof(options), 1, &x); }

/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c,i,j] = max of x[n,c, i sh + u dh - pt, j sw + v dw - pl] over u < kh, v < kw; what lies outside does not count; NaN wins.
 * dx: g goes to the first element (row by row) that is the maximum, found again from x and y, so nothing else is kept. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/conv.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"

typedef struct options {
    lb_conv_spec spec;
    int64_t kernel_h, kernel_w;
} options;

static int64_t one(int64_t x) { return x ? x : 1; }

static lbi_conv plan_of(const lb_call *c) {
    const options *o = c->params;
    const lb_conv_spec *s = &o->spec;
    const lb_tensor *x = c->in[0];
    lbi_conv p = {.c = x->shape[1], .h = x->shape[2], .w = x->shape[3], .o = x->shape[1], .kh = o->kernel_h, .kw = o->kernel_w, .sh = one(s->stride_h), .sw = one(s->stride_w),
                  .dh = one(s->dilation_h), .dw = one(s->dilation_w), .pt = s->pad_t, .pl = s->pad_l, .groups = x->shape[1]};
    p.y = lbi_conv_size(p.h, p.kh, p.sh, s->pad_t, s->pad_b, p.dh);
    p.x = lbi_conv_size(p.w, p.kw, p.sw, s->pad_l, s->pad_r, p.dw);
    return p;
}

static bool shape(lb_call *c) {
    const lb_conv_spec *s = &((const options *)c->params)->spec;
    lbi_conv p = plan_of(c);
    bool inside = s->pad_t < p.kh && s->pad_b < p.kh && s->pad_l < p.kw && s->pad_r < p.kw; /* else a window may hold nothing */
    if (p.kh < 1 || p.kw < 1 || p.y < 1 || p.x < 1 || !inside) {
        char text[96];
        lb_tape_fail(c->tape, LB_E_SHAPE, "max_pool2d: x %s, window %lld x %lld, output %lld x %lld: windows want at least one element, paddings less than the window", lb_shape_text(text, sizeof text, 4, c->in[0]->shape),
                     (long long)p.kh, (long long)p.kw, (long long)p.y, (long long)p.x);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 4;
    memcpy(c->out[0]->shape, (int64_t[]){c->in[0]->shape[0], p.c, p.y, p.x}, 4 * sizeof(int64_t));
    return true;
}

/* Indices u with 0 <= at + u * step < size: [*first, *last). */
static inline void window(int64_t at, int64_t step, int64_t size, int64_t kernel, int64_t *first, int64_t *last) {
    *first = at < 0 ? (-at + step - 1) / step : 0;
    *last = at >= size ? 0 : (size - 1 - at) / step + 1;
    if (*last > kernel) *last = kernel;
}

LBI_ALWAYS lb_real larger(lb_real a, lb_real most) { return a > most || a != a ? a : most; }

/* Rows of a window first, element by element; then columns. */
LBI_LEVELS static void forward_plane(const lbi_conv *p, const lb_real *restrict x, lb_real *restrict y, lb_real *restrict line) {
    for (int64_t r = 0; r < p->y; r++, y += p->x) {
        int64_t u0, u1, top = r * p->sh - p->pt;
        window(top, p->dh, p->h, p->kh, &u0, &u1);
        for (int64_t q = 0; q < p->w; q++) line[q] = -INFINITY;
        for (int64_t u = u0; u < u1; u++)
            for (int64_t q = 0; q < p->w; q++) line[q] = larger(x[(top + u * p->dh) * p->w + q], line[q]);
        for (int64_t q = 0; q < p->x; q++) y[q] = -INFINITY;
        for (int64_t v = 0; v < p->kw; v++) {
            int64_t shift = v * p->dw - p->pl, q0, q1;
            window(shift, p->sw, p->w, p->x, &q0, &q1);
            if (p->sw == 2)
                for (int64_t q = q0; q < q1; q++) y[q] = larger(line[2 * q + shift], y[q]);
            else
                for (int64_t q = q0; q < q1; q++) y[q] = larger(line[q * p->sw + shift], y[q]);
        }
    }
}

static void forward(lb_call *c) {
    lbi_conv p = plan_of(c);
    int64_t planes = c->in[0]->shape[0] * c->in[0]->shape[1];
    int threads = omp_get_max_threads();
    lb_real *lines = lb_scratch(c, (size_t)(p.w * threads + 1) * sizeof *lines);
    if (!lines) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->in[0]) > LBI_GRAIN)
    for (int64_t i = 0; i < planes; i++) forward_plane(&p, lb_r(c->in[0]) + i * p.h * p.w, lb_r(c->out[0]) + i * p.y * p.x, lines + p.w * omp_get_thread_num());
}

/* The place of the window's first maximum. Every element is looked at, backwards, and the last match stays: a search that ends early would
 * cost more, since the processor cannot foresee its end. */
static inline int64_t place_of(const lbi_conv *p, const lb_real *x, lb_real most, int64_t top, int64_t left, const int64_t u[2], const int64_t v[2]) {
    int64_t at = -1;
    for (int64_t i = u[1] - 1; i >= u[0]; i--)
        for (int64_t j = v[1] - 1; j >= v[0]; j--) {
            int64_t here = (top + i * p->dh) * p->w + left + j * p->dw;
            at = x[here] == most ? here : at;
        }
    if (most == most) return at;
    for (int64_t i = u[1] - 1; i >= u[0]; i--)
        for (int64_t j = v[1] - 1; j >= v[0]; j--) {
            int64_t here = (top + i * p->dh) * p->w + left + j * p->dw;
            at = x[here] != x[here] ? here : at;
        }
    return at;
}

static void backward_planes(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_conv p = plan_of(c);
    for (int64_t i = first; i < last; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * p.h * p.w, *y = lb_r(c->out[0]) + i * p.y * p.x, *g = lb_r(c->gout[0]) + i * p.y * p.x;
        lb_real *gx = lb_r(c->gin[0]) + i * p.h * p.w;
        if (c->fresh[0]) memset(gx, 0, (size_t)(p.h * p.w) * sizeof *gx);
        for (int64_t r = 0; r < p.y; r++) {
            int64_t u[2], v[2], top = r * p.sh - p.pt;
            window(top, p.dh, p.h, p.kh, &u[0], &u[1]);
            for (int64_t q = 0; q < p.x; q++) {
                int64_t left = q * p.sw - p.pl;
                window(left, p.dw, p.w, p.kw, &v[0], &v[1]);
                int64_t at = place_of(&p, x, y[r * p.x + q], top, left, u, v);
                if (at >= 0) gx[at] += g[r * p.x + q];
            }
        }
    }
}

static int64_t cost(const lb_call *c) { return lb_numel(c->in[0]) / (c->in[0]->shape[0] * c->in[0]->shape[1] + 1); }

static void backward(lb_call *c) {
    if (c->gin[0] && c->gout[0]) lbi_split(c->in[0]->shape[0] * c->in[0]->shape[1], 4 * cost(c), backward_planes, c);
}

/* Values apart from each other, so that a small step changes no maximum. */
static void distinct(void *const *data, const int64_t *numel) {
    lb_real *x = data[0];
    for (int64_t i = 0; i < numel[0]; i++) x[i] = (lb_real)((i * 37) % (numel[0] + 1)) / 8 - 2 + x[i] / 64;
}

static const options usual = {{2, 2, 1, 1, 1, 1, 1, 1, 1}, 3, 3}, uneven = {{1, 2, 0, 1, 1, 0, 2, 1, 1}, 2, 3}, plain = {{2, 2, 0, 0, 0, 0, 1, 1, 1}, 2, 2};
static const lb_op_case cases[] = {
    {.name = "3x3 stride 2", .rank = {4}, .shape = {{2, 3, 7, 6}}, .params = &usual, .fill = distinct},
    {.name = "2x3 dilated, uneven", .rank = {4}, .shape = {{1, 2, 6, 9}}, .params = &uneven, .fill = distinct},
    {.name = "2x2", .rank = {4}, .shape = {{2, 1, 4, 5}}, .params = &plain, .fill = distinct},
    {.name = "no images", .rank = {4}, .shape = {{0, 2, 4, 4}}, .params = &plain},
};

LB_OP(max_pool2d) = {.id = "max_pool2d", .title = "largest element of each window of a picture", .source = "torch.nn.functional.max_pool2d", .sig = "x[N,C,H,W] -> y", .math = "y = max over the window",
                     .flags = LB_OP_NONSMOOTH | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_max_pool2d(lb_tape *t, lb_tensor *x, int64_t kernel_h, int64_t kernel_w, lb_conv_spec spec) {
    return lb_apply(t, &lb_op_max_pool2d, &(options){spec, kernel_h, kernel_w}, sizeof(options), 1, &x);
}

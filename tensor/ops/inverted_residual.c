/* SPDX-License-Identifier: Apache-2.0 */
/* A whole inverted residual block without gradient, so that its many inner channels need not be kept (Sandler et al., arXiv:1801.04381; Howard et al., arXiv:1905.02244):
 *   d = act(depthwise(act(expand(x))))    each map a convolution, times scale[o], plus b[o]; no expand: of x itself
 *   d = d gate(widen(inner_act(narrow(mean of d over places))))    where there is narrow
 *   y = project(d) + (x, where it is to be added) */
#include <math.h>
#include <string.h>
#include <omp.h>
#include "base/cpu.h"
#include "tensor/forms.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_inverted.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/last.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/packed.h"

typedef struct options {
    lb_conv_spec depth;
    lb_act act, inner_act, gate;
    bool add;
} options;

enum { X, EXPAND, EXPAND_B, EXPAND_SCALE, DEPTH, DEPTH_B, DEPTH_SCALE, NARROW, NARROW_B, WIDEN, WIDEN_B, PROJECT, PROJECT_B, PROJECT_SCALE, INPUTS };

static int64_t one(int64_t x) { return x ? x : 1; }

/* Of the depthwise convolution. */
static lbi_conv plan_of(const lb_call *c) {
    const lb_conv_spec *s = &((const options *)c->params)->depth;
    const lb_tensor *x = c->in[X], *w = c->in[DEPTH];
    lbi_conv p = {.c = w->shape[0], .o = w->shape[0], .groups = w->shape[0], .h = x->shape[2], .w = x->shape[3], .kh = w->shape[2], .kw = w->shape[3], .sh = one(s->stride_h), .sw = one(s->stride_w),
                  .dh = one(s->dilation_h), .dw = one(s->dilation_w), .pt = s->pad_t, .pl = s->pad_l};
    p.y = lbi_conv_size(p.h, p.kh, p.sh, s->pad_t, s->pad_b, p.dh);
    p.x = lbi_conv_size(p.w, p.kw, p.sw, s->pad_l, s->pad_r, p.dw);
    return p;
}

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[X], *project = c->in[PROJECT];
    lbi_conv p = plan_of(c);
    char tx[96], tw[96];
    bool fits = p.y >= 1 && p.x >= 1 && (c->in[EXPAND] || x->shape[1] == p.c) && !c->in[NARROW] == !c->in[WIDEN];
    if (o->add) fits = fits && project->shape[0] == x->shape[1] && p.y == p.h && p.x == p.w;
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "inverted_residual: x %s, depthwise kernel %s, %lld channels out, added %d, do not go together", lb_shape_text(tx, sizeof tx, 4, x->shape),
                     lb_shape_text(tw, sizeof tw, 4, c->in[DEPTH]->shape), (long long)project->shape[0], o->add);
        return false;
    }
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 4;
    memcpy(c->out[0]->shape, (int64_t[]){x->shape[0], project->shape[0], p.y, p.x}, 4 * sizeof(int64_t));
    return true;
}

/* ---- as it is defined ---- */

static double value(const lb_call *c, int input, int64_t i, double without) { return c->in[input] ? (double)lb_r(c->in[input])[i] : without; }

static double activated(lb_act act, double x) {
    lb_real y = (lb_real)x;
    lbi_act_rows(act, &y, 1, 1, NULL, false);
    return (double)y;
}

/* y [O,n] = act(scale (w x) + b) for x [C,n]. */
static void map_reference(const lb_call *c, int w, int scale, lb_act act, const double *x, int64_t in, int64_t n, double *y) {
    for (int64_t o = 0; o < c->in[w]->shape[0]; o++) {
        double *row = y + o * n;
        for (int64_t i = 0; i < n; i++) row[i] = 0;
        for (int64_t k = 0; k < in; k++) {
            double by = value(c, w, o * in + k, 0);
            for (int64_t i = 0; i < n; i++) row[i] += by * x[k * n + i];
        }
        for (int64_t i = 0; i < n; i++) row[i] = activated(act, row[i] * (scale ? value(c, scale, o, 1) : 1) + value(c, w + 1, o, 0));
    }
}

static void depth_reference(const lb_call *c, const lbi_conv *p, lb_act act, const double *x, double *y) {
    for (int64_t q = 0; q < p->c; q++)
        for (int64_t i = 0; i < p->y * p->x; i++) {
            double sum = 0;
            for (int64_t u = 0; u < p->kh; u++)
                for (int64_t v = 0; v < p->kw; v++) {
                    int64_t row = i / p->x * p->sh + u * p->dh - p->pt, at = i % p->x * p->sw + v * p->dw - p->pl;
                    if (row >= 0 && row < p->h && at >= 0 && at < p->w) sum += x[(q * p->h + row) * p->w + at] * value(c, DEPTH, (q * p->kh + u) * p->kw + v, 0);
                }
            y[q * p->y * p->x + i] = activated(act, sum * value(c, DEPTH_SCALE, q, 1) + value(c, DEPTH_B, q, 0));
        }
}

/* d [E,n] times its gates. work: [2 E + inner]. */
static void gate_reference(const lb_call *c, double *d, int64_t e, int64_t n, double *work) {
    const options *o = c->params;
    double *mean = work, *gate = work + e, *inner = work + 2 * e;
    for (int64_t q = 0; q < e; q++) {
        mean[q] = 0;
        for (int64_t i = 0; i < n; i++) mean[q] += d[q * n + i] / (double)n;
    }
    map_reference(c, NARROW, 0, o->inner_act, mean, e, 1, inner);
    map_reference(c, WIDEN, 0, o->gate, inner, c->in[NARROW]->shape[0], 1, gate);
    for (int64_t i = 0; i < e * n; i++) d[i] *= gate[i / n];
}

static void reference(lb_call *c) {
    const options *o = c->params;
    lbi_conv p = plan_of(c);
    const lb_tensor *x = c->in[X], *y = c->out[0];
    int64_t in = x->shape[1], out = y->shape[1], n = p.h * p.w, m = p.y * p.x, inner = c->in[NARROW] ? c->in[NARROW]->shape[0] : 0;
    double *from = lb_scratch(c, (size_t)(in * n + p.c * n + p.c * m + out * m + 2 * p.c + inner) * sizeof *from);
    if (!from) return;
    double *deep = from + in * n, *d = deep + p.c * n, *to = d + p.c * m;
    for (int64_t image = 0; image < x->shape[0]; image++) {
        for (int64_t i = 0; i < in * n; i++) from[i] = (double)lb_r(x)[image * x->stride[0] + i / n * x->stride[1] + i % n / p.w * x->stride[2] + i % n % p.w * x->stride[3]];
        if (c->in[EXPAND]) map_reference(c, EXPAND, EXPAND_SCALE, o->act, from, in, n, deep);
        depth_reference(c, &p, o->act, c->in[EXPAND] ? deep : from, d);
        if (inner) gate_reference(c, d, p.c, m, to + out * m);
        map_reference(c, PROJECT, PROJECT_SCALE, LB_ACT_NONE, d, p.c, m, to);
        for (int64_t i = 0; i < out * m; i++)
            lb_r(y)[image * y->stride[0] + i / m * y->stride[1] + i % m / p.x * y->stride[2] + i % m % p.x * y->stride[3]] = (lb_real)(to[i] + (o->add ? from[i] : 0));
    }
}

/* ---- fast ---- */

static bool last(const lb_call *c) {
#ifndef LB_DOUBLE
    return lbi_last_can() && c->in[DEPTH]->shape[2] <= LBI_LAST_DEEP;
#else
    (void)c;
    return false;
#endif
}

#ifndef LB_DOUBLE
static const float *numbers(const lb_tensor *x) { return x ? lb_r(x) : NULL; }

enum { FEW = 256 }; /* numbers of kernels below which rounding costs more than products gain */

/* Packed once where the kernels stay, else for this call; rounded where they stay and the products may be. */
static lbi_last_map map_of(lb_call *c, int w, const lb_tensor *scale, lb_act act, bool bf16) {
    const lb_tensor *x = c->in[w];
    lbi_last_map m = {.scale = numbers(scale), .bias = numbers(c->in[w + 1]), .o = x ? x->shape[0] : 0, .act = act};
    if (!x) return (lbi_last_map){0};
    if (bf16 && x->shape[0] * x->shape[1] >= FEW) m.w_bf16 = lbi_packed(x, 0, x->shape[0], x->shape[1], LB_PRECISION_BF16);
    if (m.w_bf16) return m;
    float *packed = lbi_form_find(x, LBI_FORM_LAST, 1);
    size_t bytes = (size_t)lbi_last_packed_size(x->shape[0], x->shape[1]) * sizeof *packed;
    if (!packed) {
        float *to = x->fixed ? lb_alloc_aligned(bytes) : lb_scratch(c, bytes);
        if (to) lbi_last_pack(to, lb_r(x), x->shape[0], x->shape[1]);
        else lb_tape_fail_status(c->tape, LB_E_NOMEM);
        packed = x->fixed ? lbi_form_keep(x, LBI_FORM_LAST, 1, to) : to;
        if (to && !packed) lb_tape_fail(c->tape, LB_E_NOMEM, "inverted_residual: no memory for packed kernels");
    }
    m.w = packed;
    return m;
}

static void forward_last(lb_call *c) {
    const options *o = c->params;
    const lb_real *x = lbi_channels_last(c, c->in[X]);
    lbi_last_block b = {.p = plan_of(c), .in = c->in[X]->shape[1], .w = numbers(c->in[DEPTH]), .scale = numbers(c->in[DEPTH_SCALE]), .bias = numbers(c->in[DEPTH_B]), .act = o->act, .add = o->add};
    bool bf16 = lb_tape_bf16(c->tape) && lbi_cpu() >= LBI_CPU_BF16;
    b.expand = map_of(c, EXPAND, c->in[EXPAND_SCALE], o->act, bf16);
    b.narrow = map_of(c, NARROW, NULL, o->inner_act, bf16);
    b.widen = map_of(c, WIDEN, NULL, o->gate, bf16);
    b.project = map_of(c, PROJECT, c->in[PROJECT_SCALE], LB_ACT_NONE, bf16);
    if (lb_tape_ok(c->tape) && !lbi_last_inverted(&b, c->in[X]->shape[0], x, lb_r(c->out[0]))) lb_tape_fail(c->tape, LB_E_NOMEM, "inverted_residual: no memory for its rows");
}
#endif

static void forward(lb_call *c) {
#ifndef LB_DOUBLE
    if (c->last) {
        forward_last(c);
        return;
    }
#endif
    reference(c);
}

static double flops(const lb_call *c) {
    lbi_conv p = plan_of(c);
    double deep = (double)p.c, images = (double)c->in[X]->shape[0], places = (double)(p.y * p.x), sum = deep * places * (double)(p.kh * p.kw + c->in[PROJECT]->shape[0]);
    if (c->in[EXPAND]) sum += deep * (double)(p.h * p.w * c->in[X]->shape[1]);
    if (c->in[NARROW]) sum += 2 * deep * (double)c->in[NARROW]->shape[0];
    return 2 * images * sum;
}

static const options plain = {.depth = {.pad_t = 1, .pad_b = 1, .pad_l = 1, .pad_r = 1}, .act = LB_ACT_RELU, .add = true},
                     strided = {.depth = {.stride_h = 2, .stride_w = 2, .pad_t = 1, .pad_b = 2, .pad_l = 1, .pad_r = 2}, .act = LB_ACT_HARDSWISH, .inner_act = LB_ACT_RELU, .gate = LB_ACT_HARDSIGMOID},
                     silu = {.depth = {.pad_t = 1, .pad_b = 1, .pad_l = 1, .pad_r = 1}, .act = LB_ACT_SILU, .inner_act = LB_ACT_SILU, .gate = LB_ACT_SIGMOID, .add = true};
static const lb_op_case cases[] = {
    {.name = "expanded, added", .rank = {4, 4, 1, 1, 4, 1, 1, -1, -1, -1, -1, 4, 1, 1}, .shape = {{2, 5, 9, 7}, {20, 5, 1, 1}, {20}, {20}, {20, 1, 3, 3}, {20}, {20}, {0}, {0}, {0}, {0}, {5, 20, 1, 1}, {5}, {5}}, .params = &plain},
    {.name = "stride 2, squeezed", .rank = {4, 4, 1, 1, 4, 1, 1, 4, 1, 4, 1, 4, 1, 1}, .shape = {{3, 4, 11, 13}, {40, 4, 1, 1}, {40}, {40}, {40, 1, 5, 5}, {40}, {40}, {6, 40, 1, 1}, {6}, {40, 6, 1, 1}, {40}, {35, 40, 1, 1}, {35}, {35}}, .params = &strided},
    {.name = "no expansion, no ends", .rank = {4, -1, -1, -1, 4, -1, -1, -1, -1, -1, -1, 4, -1, -1}, .shape = {{1, 6, 8, 8}, {0}, {0}, {0}, {6, 1, 3, 3}, {0}, {0}, {0}, {0}, {0}, {0}, {6, 6, 1, 1}}, .params = &plain},
    {.name = "other activations", .rank = {4, 4, 1, 1, 4, 1, 1, 4, 1, 4, 1, 4, 1, 1}, .shape = {{1, 8, 5, 6}, {33, 8, 1, 1}, {33}, {33}, {33, 1, 3, 3}, {33}, {33}, {2, 33, 1, 1}, {2}, {33, 2, 1, 1}, {33}, {8, 33, 1, 1}, {8}, {8}}, .params = &silu},
    {.name = "many bands", .rank = {4, 4, 1, 1, 4, 1, 1, -1, -1, -1, -1, 4, 1, 1}, .shape = {{1, 16, 40, 120}, {96, 16, 1, 1}, {96}, {96}, {96, 1, 3, 3}, {96}, {96}, {0}, {0}, {0}, {0}, {16, 96, 1, 1}, {16}, {16}}, .params = &plain, .lo = -0.3, .hi = 0.3},
    {.name = "no images", .rank = {4, 4, -1, -1, 4, -1, -1, -1, -1, -1, -1, 4, -1, -1}, .shape = {{0, 5, 9, 7}, {20, 5, 1, 1}, {0}, {0}, {20, 1, 3, 3}, {0}, {0}, {0}, {0}, {0}, {0}, {5, 20, 1, 1}}, .params = &plain},
};

LB_OP(inverted_residual) = {.id = "inverted_residual",
                            .title = "an inverted residual block: 1x1, depthwise, squeeze and excite, 1x1",
                            .source = "arXiv:1801.04381, arXiv:1905.02244",
                            .sig = "x[N,C,H,W] expand[E,C,1,1]? expand_b[E]? expand_scale[E]? depth[E,1,kh,kw] depth_b[E]? depth_scale[E]? narrow[S,E,1,1]? "
                                   "narrow_b[S]? widen[E,S,1,1]? widen_b[E]? "
                                   "project[O,E,1,1] project_b[O]? project_scale[O]? -> y",
                            .math = "y = project(gate(d) d) + x, d = act(depthwise(act(expand(x))))",
                            .shape = shape,
                            .last = last,
                            .params_size = sizeof(options),
                            .forward = forward,
                            .reference = reference,
                            .flops = flops,
                            .no_grad = "where gradients are wanted the block is made of its parts",
                            .cases = cases,
                            .case_count = LB_COUNT(cases)};

/* Where the inner channels of a picture would not stay near, and there is a picture for every thread or no gates to wait for. */
bool lb_inverted_residual_pays(const lb_tape *t, const lb_tensor *x, int64_t inner, bool gates) {
#ifndef LB_DOUBLE
    enum { PLACES = 196 };
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    return lb_tape_ok(t) && lb_tape_get_mode(t) == LB_TAPE_NO_GRAD && lbi_last_can() && x->rank == 4 && x->shape[2] * x->shape[3] >= PLACES && inner > 0 && (!gates || x->shape[0] >= threads);
#else
    (void)t, (void)x, (void)inner, (void)gates;
    return false;
#endif
}

lb_tensor *lb_inverted_residual(lb_tape *t, lb_tensor *x, const lb_inverted_spec *s) {
    options o = {s->depth, s->act, s->inner_act, s->gate, s->add};
    o.depth.groups = 0;
    return lb_apply(t, &lb_op_inverted_residual, &o, sizeof o, INPUTS,
                    (lb_tensor *[]){x, s->expand.w, s->expand.b, s->expand.scale, s->depthwise.w, s->depthwise.b, s->depthwise.scale, s->narrow.w, s->narrow.b,
                                    s->widen.w, s->widen.b, s->project.w, s->project.b, s->project.scale});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For box r = (n, x0, y0, x1, y1): corners times scale, minus 1/2 when aligned (else width and height are at least 1), cut into cells; y[r,c,i,j] =
 * mean over the s x s points of cell (i,j) of x[n,c] read between its elements. s = samples, or ceil(size of a cell) where 0. A point further
 * than 1 outside reads 0, else it is moved onto the border. Reading and mean are products over the axes, so a cell is a weighted sum of
 * rows, then of columns. dx: g times the weights, added where they read; boxes have no gradient; corners beyond 10^6 pixels, infinite or NaN are refused. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t h, w, samples;
    double scale;
    bool aligned;
} options;

/* What the cells of one box read along one axis: taps of cell i are each * i .. each * (i + 1) - 1. */
typedef struct side {
    int64_t each, low, high; /* all lie in low .. high - 1 */
    int64_t *at;
    double *weight;
} side;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *boxes = c->in[1];
    if (o->h < 1 || o->w < 1 || o->samples < 0 || boxes->shape[1] != 5 || x->shape[2] < 1 || x->shape[3] < 1) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "cells %lld x %lld, %lld samples, %lld numbers a box: expected positive sizes and boxes of picture, x0, y0, x1, y1", (long long)o->h, (long long)o->w,
                     (long long)o->samples, (long long)boxes->shape[1]);
        return false;
    }
    c->out[0]->rank = 4;
    c->out[0]->shape[0] = boxes->shape[0];
    c->out[0]->shape[1] = x->shape[1];
    c->out[0]->shape[2] = o->h;
    c->out[0]->shape[3] = o->w;
    return true;
}

/* Corners far away would ask for any number of samples. */
static bool corners_near(lb_call *c, int64_t r) {
    static const double far = 1e6;
    double scale = ((const options *)c->params)->scale;
    for (int i = 1; i < 5; i++) {
        double at = (double)lb_r(c->in[1])[5 * r + i] * scale;
        if (at >= -far && at <= far) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "box %lld has a corner at %g, expected within %g", (long long)r, at, far);
        return false;
    }
    return true;
}

static bool boxes_fit(lb_call *c) {
    for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
        double n = (double)lb_r(c->in[1])[5 * r];
        if (n >= 0 && n < (double)c->in[0]->shape[0]) {
            if (!corners_near(c, r)) return false;
            continue;
        }
        lb_tape_fail(c->tape, LB_E_ARG, "box %lld is of picture %g, expected 0 to %lld", (long long)r, n, (long long)c->in[0]->shape[0] - 1);
        return false;
    }
    return true;
}

/* Start and length of a box along an axis (0 = x, 1 = y), and samples of a cell. */
static int64_t extent(const options *o, const lb_real *box, int axis, int64_t cells, double *start, double *length) {
    double shift = o->aligned ? 0.5 : 0;
    *start = (double)box[1 + axis] * o->scale - shift;
    *length = (double)box[3 + axis] * o->scale - shift - *start;
    if (!o->aligned && *length < 1) *length = 1;
    if (o->samples > 0) return o->samples;
    double each = ceil(*length / (double)cells);
    return each > 0 ? (int64_t)each : 0;
}

static void fill_side(side *s, const options *o, const lb_real *box, int axis, int64_t cells, int64_t size) {
    double start, length;
    int64_t samples = extent(o, box, axis, cells, &start, &length);
    s->each = 2 * samples;
    s->low = size;
    s->high = 0;
    for (int64_t k = 0; k < cells * samples; k++) {
        double cell = length / (double)cells, u = start + (double)(k / samples) * cell + ((double)(k % samples) + 0.5) * cell / (double)samples;
        double weight = u < -1 || u > (double)size ? 0 : 1 / (double)samples;
        if (u < 0) u = 0;
        int64_t low = (int64_t)u, high = low + 1;
        if (low >= size - 1) {
            low = high = size - 1;
            u = (double)low;
        }
        s->at[2 * k] = low;
        s->at[2 * k + 1] = high;
        s->weight[2 * k] = weight * (1 - (u - (double)low));
        s->weight[2 * k + 1] = weight * (u - (double)low);
        if (weight == 0) continue;
        if (low < s->low) s->low = low;
        if (high + 1 > s->high) s->high = high + 1;
    }
}

/* Room for the sides of any box and a row, for each thread. */
typedef struct room {
    int64_t taps[2], each; /* bytes for a thread */
    char *memory;
} room;

static bool make_room(lb_call *c, room *m, int threads) {
    const options *o = c->params;
    int64_t most[2] = {1, 1}, cells[2] = {o->w, o->h};
    for (int64_t r = 0; r < c->in[1]->shape[0]; r++)
        for (int axis = 0; axis < 2; axis++) {
            double start, length;
            int64_t n = extent(o, lb_r(c->in[1]) + 5 * r, axis, cells[axis], &start, &length);
            if (n > most[axis]) most[axis] = n;
        }
    for (int axis = 0; axis < 2; axis++) m->taps[axis] = 2 * most[axis] * cells[axis];
    m->each = (m->taps[0] + m->taps[1]) * (int64_t)(sizeof(int64_t) + sizeof(double)) + c->in[0]->shape[3] * (int64_t)sizeof(lb_real);
    m->each = (m->each + 63) / 64 * 64;
    m->memory = lb_scratch(c, (size_t)(m->each * threads));
    return m->memory != NULL;
}

static lb_real *sides_in(const room *m, int thread, side s[2]) {
    char *at = m->memory + m->each * thread;
    for (int axis = 0; axis < 2; axis++) {
        s[axis].at = (int64_t *)at;
        s[axis].weight = (double *)(at + m->taps[axis] * (int64_t)sizeof(int64_t));
        at += m->taps[axis] * (int64_t)(sizeof(int64_t) + sizeof(double));
    }
    return (lb_real *)at;
}

LBI_LEVELS static void add_row(lb_real *restrict to, const lb_real *restrict from, int64_t n, lb_real w) {
    for (int64_t i = 0; i < n; i++) to[i] += w * from[i];
}

/* One channel of one box. row: work of a picture's width. */
static void read_box(const side s[2], const options *o, const lb_real *x, int64_t width, lb_real *y, lb_real *row) {
    int64_t low = s[0].low, n = s[0].high > low ? s[0].high - low : 0;
    for (int64_t i = 0; i < o->h; i++) {
        memset(row, 0, (size_t)n * sizeof *row);
        for (int64_t k = s[1].each * i; k < s[1].each * (i + 1); k++)
            if (s[1].weight[k] != 0) add_row(row, x + s[1].at[k] * width + low, n, (lb_real)s[1].weight[k]);
        for (int64_t j = 0; j < o->w; j++) {
            lb_real sum = 0;
            for (int64_t k = s[0].each * j; k < s[0].each * (j + 1); k++)
                if (s[0].weight[k] != 0) sum += (lb_real)s[0].weight[k] * row[s[0].at[k] - low];
            y[i * o->w + j] = sum;
        }
    }
}

static void add_box(const side s[2], const options *o, lb_real *gx, int64_t width, const lb_real *g, lb_real *row) {
    int64_t low = s[0].low, n = s[0].high > low ? s[0].high - low : 0;
    for (int64_t i = 0; i < o->h; i++) {
        memset(row, 0, (size_t)n * sizeof *row);
        for (int64_t j = 0; j < o->w; j++)
            for (int64_t k = s[0].each * j; k < s[0].each * (j + 1); k++)
                if (s[0].weight[k] != 0) row[s[0].at[k] - low] += (lb_real)s[0].weight[k] * g[i * o->w + j];
        for (int64_t k = s[1].each * i; k < s[1].each * (i + 1); k++)
            if (s[1].weight[k] != 0) add_row(gx + s[1].at[k] * width + low, row, n, (lb_real)s[1].weight[k]);
    }
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], h = c->in[0]->shape[2], w = c->in[0]->shape[3], cells = o->h * o->w;
    int threads = omp_get_max_threads();
    room m;
    if (!boxes_fit(c) || !make_room(c, &m, threads)) return;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
        const lb_real *box = lb_r(c->in[1]) + 5 * r, *x = lb_r(c->in[0]) + (int64_t)box[0] * channels * h * w;
        side s[2];
        lb_real *row = sides_in(&m, omp_get_thread_num(), s);
        fill_side(&s[0], o, box, 0, o->w, w);
        fill_side(&s[1], o, box, 1, o->h, h);
        for (int64_t q = 0; q < channels; q++) read_box(s, o, x + q * h * w, w, lb_r(c->out[0]) + (r * channels + q) * cells, row);
    }
}

/* Every thread does its own channels of all boxes, so that sums are made in one order. */
static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], h = c->in[0]->shape[2], w = c->in[0]->shape[3], cells = o->h * o->w;
    int threads = channels < omp_get_max_threads() ? (int)channels : omp_get_max_threads();
    room m;
    if (!c->gin[0] || !c->gout[0]) return;
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
    if (threads < 1 || !make_room(c, &m, threads)) return;
#pragma omp parallel for if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int t = 0; t < threads; t++)
        for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
            const lb_real *box = lb_r(c->in[1]) + 5 * r;
            side s[2];
            lb_real *row = sides_in(&m, t, s), *gx = lb_r(c->gin[0]) + (int64_t)box[0] * channels * h * w;
            fill_side(&s[0], o, box, 0, o->w, w);
            fill_side(&s[1], o, box, 1, o->h, h);
            for (int64_t q = channels * t / threads; q < channels * (t + 1) / threads; q++) add_box(s, o, gx + q * h * w, w, lb_r(c->gout[0]) + (r * channels + q) * cells, row);
        }
}

/* Point by point. */
static double point(const lb_real *x, int64_t h, int64_t w, double v, double u) {
    if (v < -1 || v > (double)h || u < -1 || u > (double)w) return 0;
    v = fmin(fmax(v, 0), (double)(h - 1));
    u = fmin(fmax(u, 0), (double)(w - 1));
    int64_t a = (int64_t)v, b = (int64_t)u, below = a + 1 < h ? a + 1 : a, right = b + 1 < w ? b + 1 : b;
    double p = v - (double)a, q = u - (double)b;
    return (1 - p) * ((1 - q) * (double)x[a * w + b] + q * (double)x[a * w + right]) + p * ((1 - q) * (double)x[below * w + b] + q * (double)x[below * w + right]);
}

static void reference(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], h = c->in[0]->shape[2], w = c->in[0]->shape[3];
    if (!boxes_fit(c)) return;
    for (int64_t i = 0, n = lb_numel(c->out[0]); i < n; i++) {
        int64_t column = i % o->w, line = i / o->w % o->h, q = i / (o->w * o->h) % channels, r = i / (o->w * o->h * channels);
        const lb_real *box = lb_r(c->in[1]) + 5 * r, *x = lb_r(c->in[0]) + ((int64_t)box[0] * channels + q) * h * w;
        double left, width, top, height, sum = 0;
        int64_t across = extent(o, box, 0, o->w, &left, &width), down = extent(o, box, 1, o->h, &top, &height);
        for (int64_t k = 0; k < across * down; k++) {
            double v = top + height / (double)o->h * ((double)line + ((double)(k / across) + 0.5) / (double)down);
            double u = left + width / (double)o->w * ((double)column + ((double)(k % across) + 0.5) / (double)across);
            sum += point(x, h, w, v, u);
        }
        lb_r(c->out[0])[i] = (lb_real)(across * down > 0 ? sum / (double)(across * down) : 0);
    }
}

/* Boxes of two pictures, one partly outside. */
static void draw_boxes(void *const *data, const int64_t *numel) {
    static const double all[] = {0, 0.7, 1.2, 5.3, 4.1, 1, -1.3, 2.2, 8.9, 9.7, 0, 3.1, 0.4, 3.6, 5.9};
    for (int64_t i = 0; i < numel[1]; i++) ((lb_real *)data[1])[i] = (lb_real)all[i % 15];
}

static const options plain = {2, 3, 2, 1, false}, half = {3, 2, 0, 0.5, true}, adaptive = {2, 2, 0, 1.3, false};
static const lb_op_case cases[] = {
    {.name = "two samples", .rank = {4, 2}, .shape = {{2, 2, 6, 7}, {3, 5}}, .params = &plain, .fill = draw_boxes},
    {.name = "aligned", .rank = {4, 2}, .shape = {{2, 3, 5, 5}, {3, 5}}, .params = &half, .fill = draw_boxes},
    {.name = "samples by size", .rank = {4, 2}, .shape = {{2, 1, 8, 6}, {3, 5}}, .params = &adaptive, .fill = draw_boxes},
    {.name = "no boxes", .rank = {4, 2}, .shape = {{2, 1, 8, 6}, {0, 5}}, .params = &plain},
    {.name = "large", .rank = {4, 2}, .shape = {{2, 19, 13, 12}, {24, 5}}, .params = &adaptive, .fill = draw_boxes},
};

LB_OP(roi_align) = {.id = "roi_align",
                    .title = "cells of boxes, read between the elements of pictures",
                    .source = "He et al., arXiv:1703.06870; torchvision.ops.roi_align",
                    .sig = "x[N,C,H,W] boxes[R,B] -> y",
                    .math = "y = mean over the sample points of a cell",
                    .flags = LB_OP_SETS,
                    .reads = LB_READS_IN(1),
                    .constant = LB_READS_IN(1),
                    .shape = shape,
                    .params_size = sizeof(options),
                    .forward = forward,
                    .backward = backward,
                    .reference = reference,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_roi_align(lb_tape *t, lb_tensor *x, lb_tensor *boxes, int64_t h, int64_t w, double scale, int64_t samples, bool aligned) {
    return lb_apply(t, &lb_op_roi_align, &(options){h, w, samples, scale, aligned}, sizeof(options), 2, (lb_tensor *[]){x, boxes});
}

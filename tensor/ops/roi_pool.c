/* SPDX-License-Identifier: Apache-2.0 */
/* For box r = (n, x0, y0, x1, y1): corners times scale, rounded half away from zero, the far ones included; cut into cells, cell i being
 * floor(i size) .. ceil((i + 1) size) - 1 within the picture. y[r,c,i,j] = max of x[n,c] over the cell, 0 where it is empty. dx: g goes to the first
 * maximum; boxes have no gradient. */
#include <math.h>
#include <omp.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t h, w;
    double scale;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *boxes = c->in[1];
    if (o->h < 1 || o->w < 1 || boxes->shape[1] != 5) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "cells %lld x %lld, %lld numbers a box: expected positive sizes and boxes of picture, x0, y0, x1, y1", (long long)o->h, (long long)o->w,
                     (long long)boxes->shape[1]);
        return false;
    }
    c->out[0]->rank = 4;
    c->out[0]->shape[0] = boxes->shape[0];
    c->out[0]->shape[1] = x->shape[1];
    c->out[0]->shape[2] = o->h;
    c->out[0]->shape[3] = o->w;
    return true;
}

/* Elements [low, high) of each cell of a box along its axes: rows first, then columns. */
typedef struct range {
    int64_t low, high;
} range;

/* Cell i of `cells` along an axis (0 = x, 1 = y). */
static range cell_of(const options *o, const lb_real *box, int axis, int64_t i, int64_t cells, int64_t size) {
    int64_t start = (int64_t)round((double)box[1 + axis] * o->scale), end = (int64_t)round((double)box[3 + axis] * o->scale);
    double each = (double)(end - start + 1 > 1 ? end - start + 1 : 1) / (double)cells;
    range r = {(int64_t)floor((double)i * each) + start, (int64_t)ceil((double)(i + 1) * each) + start};
    r.low = r.low < 0 ? 0 : r.low > size ? size : r.low;
    r.high = r.high < r.low ? r.low : r.high > size ? size : r.high;
    return r;
}

typedef struct job {
    const lb_call *c;
    const options *o;
    int64_t channels, h, w;
    const range *cells; /* [boxes, o->h + o->w] */
} job;

static bool job_of(lb_call *c, job *j) {
    const options *o = c->params;
    *j = (job){c, o, c->in[0]->shape[1], c->in[0]->shape[2], c->in[0]->shape[3], NULL};
    int64_t boxes = c->in[1]->shape[0];
    range *r = lb_scratch(c, (size_t)(boxes * (o->h + o->w) + 1) * sizeof *r);
    if (!r) return false;
    j->cells = r;
    for (int64_t b = 0; b < boxes; b++) {
        const lb_real *box = lb_r(c->in[1]) + b * 5;
        for (int64_t i = 0; i < o->h; i++) *r++ = cell_of(o, box, 1, i, o->h, j->h);
        for (int64_t i = 0; i < o->w; i++) *r++ = cell_of(o, box, 0, i, o->w, j->w);
    }
    return true;
}

LBI_ALWAYS lb_real larger(lb_real a, lb_real most) { return a > most || a != a ? a : most; }

/* One row of cells of a channel: rows of the picture are joined, then columns of that line. */
LBI_LEVELS static void row_of_cells(const lb_real *x, int64_t w, range rows, const range *columns, int64_t cells, lb_real *restrict line, lb_real *restrict y) {
    int64_t low = w, high = 0;
    for (int64_t q = 0; q < cells; q++) {
        low = columns[q].low < low ? columns[q].low : low;
        high = columns[q].high > high ? columns[q].high : high;
    }
    for (int64_t b = low; b < high; b++) line[b] = -(lb_real)INFINITY;
    for (int64_t a = rows.low; a < rows.high; a++)
        for (int64_t b = low; b < high; b++) line[b] = larger(x[a * w + b], line[b]);
    for (int64_t q = 0; q < cells; q++) {
        lb_real most = -(lb_real)INFINITY;
        for (int64_t b = columns[q].low; b < columns[q].high; b++) most = larger(line[b], most);
        y[q] = rows.high > rows.low && columns[q].high > columns[q].low ? most : 0;
    }
}

static void forward(lb_call *c) {
    int64_t boxes = c->in[1]->shape[0], width = c->in[0]->shape[3];
    int threads = omp_get_max_threads();
    job j;
    for (int64_t r = 0; r < boxes; r++) {
        double n = (double)lb_r(c->in[1])[5 * r];
        if (n >= 0 && n < (double)c->in[0]->shape[0]) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "box %lld is of picture %g, expected 0 to %lld", (long long)r, n, (long long)c->in[0]->shape[0] - 1);
        return;
    }
    lb_real *lines = lb_scratch(c, (size_t)(threads * width + 1) * sizeof *lines);
    if (!lines || !job_of(c, &j)) return;
    int64_t h = j.o->h, w = j.o->w;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t k = 0; k < boxes * j.channels; k++) {
        int64_t r = k / j.channels, picture = (int64_t)lb_r(c->in[1])[5 * r];
        const lb_real *x = lb_r(c->in[0]) + (picture * j.channels + k % j.channels) * j.h * j.w;
        const range *cells = j.cells + r * (h + w);
        for (int64_t i = 0; i < h; i++) row_of_cells(x, j.w, cells[i], cells + h, w, lines + omp_get_thread_num() * width, lb_r(c->out[0]) + (k * h + i) * w);
    }
}

/* The first element of a cell that is its maximum; -1 for an empty cell. */
static int64_t place_of(const lb_real *x, int64_t w, range rows, range columns, lb_real most) {
    for (int64_t a = rows.low; a < rows.high; a++)
        for (int64_t b = columns.low; b < columns.high; b++)
            if (x[a * w + b] == most || (most != most && x[a * w + b] != x[a * w + b])) return a * w + b;
    return -1;
}

static void back_channel(const job *j, int64_t q) {
    int64_t h = j->o->h, w = j->o->w;
    for (int64_t r = 0; r < j->c->in[1]->shape[0]; r++) {
        int64_t plane = ((int64_t)lb_r(j->c->in[1])[5 * r] * j->channels + q) * j->h * j->w, first = (r * j->channels + q) * h * w;
        const lb_real *x = lb_r(j->c->in[0]) + plane, *y = lb_r(j->c->out[0]) + first, *g = lb_r(j->c->gout[0]) + first;
        lb_real *gx = lb_r(j->c->gin[0]) + plane;
        const range *cells = j->cells + r * (h + w);
        for (int64_t k = 0; k < h * w; k++) {
            int64_t at = place_of(x, j->w, cells[k / w], cells[h + k % w], y[k]);
            if (at >= 0) gx[at] += g[k];
        }
    }
}

/* Every thread does its own channels of all boxes, so that sums are made in one order. */
static void backward(lb_call *c) {
    job j;
    if (!c->gin[0] || !c->gout[0] || !job_of(c, &j)) return;
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
#pragma omp parallel for if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t q = 0; q < j.channels; q++) back_channel(&j, q);
}

/* Values apart from each other; boxes of two pictures, one partly outside. */
static void boxes_and_values(void *const *data, const int64_t *numel) {
    static const double all[] = {0, 0.7, 1.2, 5.3, 4.1, 1, -1.3, 2.2, 8.9, 9.7, 0, 3.1, 0.4, 3.6, 5.9};
    for (int64_t i = 0; i < numel[1]; i++) ((lb_real *)data[1])[i] = (lb_real)all[i % 15];
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] = (lb_real)((i * 37) % (numel[0] + 1)) / 8 - 2;
}

static const options plain = {2, 3, 1}, half = {3, 2, 0.5};
static const lb_op_case cases[] = {
    {.name = "2x3", .rank = {4, 2}, .shape = {{2, 2, 6, 7}, {3, 5}}, .params = &plain, .fill = boxes_and_values},
    {.name = "half the size", .rank = {4, 2}, .shape = {{2, 3, 5, 5}, {3, 5}}, .params = &half, .fill = boxes_and_values},
    {.name = "no boxes", .rank = {4, 2}, .shape = {{2, 1, 8, 6}, {0, 5}}, .params = &plain},
};

LB_OP(roi_pool) = {.id = "roi_pool", .title = "largest elements of the cells of boxes", .source = "Girshick, arXiv:1504.08083; torchvision.ops.roi_pool", .sig = "x[N,C,H,W] boxes[R,B] -> y",
                   .math = "y = max over the cell", .flags = LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0), .constant = LB_READS_IN(1), .shape = shape,
                   .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_roi_pool(lb_tape *t, lb_tensor *x, lb_tensor *boxes, int64_t h, int64_t w, double scale) {
    return lb_apply(t, &lb_op_roi_pool, &(options){h, w, scale}, sizeof(options), 2, (lb_tensor *[]){x, boxes});
}

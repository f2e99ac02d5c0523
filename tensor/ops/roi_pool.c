/* SPDX-License-Identifier: Apache-2.0 */
/* For box r = (n, x0, y0, x1, y1): corners times scale, rounded half away from zero, the far ones included; cut into cells, cell i being
 * floor(i size) .. ceil((i + 1) size) - 1 within the picture. y[r,c,i,j] = max of x[n,c] over the cell, 0 where it is empty; NaN is passed over. dx: g goes to the first
 * maximum; boxes have no gradient. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/groups.h"
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

/* 0 for NaN. */
static int64_t within(double x, int64_t size) { return x > 0 ? (x < (double)size ? (int64_t)x : size) : 0; }

/* Cell i of `cells` along an axis (0 = x, 1 = y). */
static range cell_of(const options *o, const lb_real *box, int axis, int64_t i, int64_t cells, int64_t size) {
    double start = round((double)box[1 + axis] * o->scale), end = round((double)box[3 + axis] * o->scale), each = fmax(end - start + 1, 1) / (double)cells;
    range r = {within(floor((double)i * each) + start, size), within(ceil((double)(i + 1) * each) + start, size)};
    if (r.high < r.low) r.high = r.low;
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

/* Two choices without a branch, so that lanes go together. */
LBI_ALWAYS lb_real larger(lb_real a, lb_real most) {
    most = a > most ? a : most;
    return a != a ? a : most;
}

/* Largest of a cell for 16 channels side by side; 0 where it is empty. */
LBI_LEVELS static void largest(const lb_real *x, int64_t w, range rows, range columns, lb_real *restrict y) {
    lb_real most[LBI_GROUP];
    bool empty = rows.high <= rows.low || columns.high <= columns.low;
    for (int i = 0; i < LBI_GROUP; i++) most[i] = empty ? 0 : -(lb_real)INFINITY;
    for (int64_t a = rows.low; a < rows.high; a++)
        for (int64_t b = columns.low; b < columns.high; b++)
#pragma omp simd
            for (int i = 0; i < LBI_GROUP; i++) most[i] = larger(x[(a * w + b) * LBI_GROUP + i], most[i]);
    for (int i = 0; i < LBI_GROUP; i++) y[i] = most[i];
}

/* Where each of them first stands in the cell; -1 in an empty one. */
LBI_LEVELS static void places_of(const lb_real *x, int64_t w, range rows, range columns, const lb_real *restrict most, int32_t *restrict at) {
    for (int i = 0; i < LBI_GROUP; i++) at[i] = -1;
    for (int64_t a = rows.high - 1; a >= rows.low; a--)
        for (int64_t b = columns.high - 1; b >= columns.low; b--)
#pragma omp simd
            for (int i = 0; i < LBI_GROUP; i++) {
                lb_real v = x[(a * w + b) * LBI_GROUP + i];
                int32_t here = (int32_t)(a * w + b), was = at[i];
                was = v == most[i] ? here : was;
                at[i] = (v != v) & (most[i] != most[i]) ? here : was;
            }
}

/* Room of a thread, channels side by side: a picture, its gradient, the cells of a box and theirs. */
typedef struct room {
    lb_real *x, *gx, *y, *gy;
} room;

static int64_t room_size(int64_t plane, int64_t cells) { return 2 * (plane + cells) * LBI_GROUP + 4 * LBI_GROUP_SLACK; }

static room room_of(lb_real *at, int64_t plane, int64_t cells) {
    room r = {.x = at, .gx = at + plane * LBI_GROUP + LBI_GROUP_SLACK};
    r.y = r.gx + plane * LBI_GROUP + LBI_GROUP_SLACK;
    r.gy = r.y + cells * LBI_GROUP + LBI_GROUP_SLACK;
    return r;
}

static void box_forward(const job *j, const range *rows, const range *columns, const room *m) {
    for (int64_t i = 0; i < j->o->h; i++)
        for (int64_t k = 0; k < j->o->w; k++) largest(m->x, j->w, rows[i], columns[k], m->y + (i * j->o->w + k) * LBI_GROUP);
}

/* The gradient of each cell to where its largest stands. */
static void box_backward(const job *j, const range *rows, const range *columns, const room *m) {
    int32_t place[LBI_GROUP];
    for (int64_t i = 0; i < j->o->h; i++)
        for (int64_t k = 0; k < j->o->w; k++) {
            int64_t cell = (i * j->o->w + k) * LBI_GROUP;
            places_of(m->x, j->w, rows[i], columns[k], m->y + cell, place);
            for (int q = 0; q < LBI_GROUP; q++)
                if (place[q] >= 0) m->gx[(int64_t)place[q] * LBI_GROUP + q] += m->gy[cell + q];
        }
}

/* A group of channels of a picture: its rows that boxes reach are turned, so that channels lie side by side; then all its boxes. */
static void do_group(const job *j, int64_t picture, int64_t first, const room *m, bool back) {
    int64_t h = j->o->h, w = j->o->w, cells = h * w, plane = j->h * j->w, low = j->h, high = 0, at = (picture * j->channels + first) * plane;
    int count = j->channels - first < LBI_GROUP ? (int)(j->channels - first) : LBI_GROUP;
    int64_t boxes = j->c->in[1]->shape[0];
    for (int64_t r = 0; r < boxes; r++)
        for (int64_t i = 0; (int64_t)lb_r(j->c->in[1])[5 * r] == picture && i < h; i++) {
            range rows = j->cells[r * (h + w) + i];
            low = rows.low < low ? rows.low : low;
            high = rows.high > high ? rows.high : high;
        }
    if (high <= low) high = low = 0;
    lbi_group_of(m->x + low * j->w * LBI_GROUP, lb_r(j->c->in[0]) + at + low * j->w, plane, count, (high - low) * j->w);
    if (back) memset(m->gx + low * j->w * LBI_GROUP, 0, (size_t)((high - low) * j->w * LBI_GROUP) * sizeof(lb_real));
    for (int64_t r = 0; r < boxes; r++) {
        const range *rows = j->cells + r * (h + w);
        int64_t to = (r * j->channels + first) * cells;
        if ((int64_t)lb_r(j->c->in[1])[5 * r] != picture) continue;
        if (!back) {
            box_forward(j, rows, rows + h, m);
            lbi_group_back(lb_r(j->c->out[0]) + to, cells, m->y, count, cells, false);
            continue;
        }
        lbi_group_of(m->y, lb_r(j->c->out[0]) + to, cells, count, cells);
        lbi_group_of(m->gy, lb_r(j->c->gout[0]) + to, cells, count, cells);
        box_backward(j, rows, rows + h, m);
    }
    if (back) lbi_group_back(lb_r(j->c->gin[0]) + at + low * j->w, plane, m->gx + low * j->w * LBI_GROUP, count, (high - low) * j->w, true);
}

/* Every thread does its own channels, so that sums are made in one order. */
static void do_groups(lb_call *c, bool back) {
    const options *o = c->params;
    int64_t pictures = c->in[0]->shape[0], groups = (c->in[0]->shape[1] + LBI_GROUP - 1) / LBI_GROUP, plane = c->in[0]->shape[2] * c->in[0]->shape[3], each = room_size(plane, o->h * o->w);
    int threads = omp_get_max_threads();
    lb_real *all = lb_scratch(c, (size_t)(threads * each) * sizeof *all);
    job j;
    if (!all || !job_of(c, &j)) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t i = 0; i < pictures * groups; i++) {
        const room m = room_of(all + omp_get_thread_num() * each, plane, o->h * o->w);
        do_group(&j, i / groups, i % groups * LBI_GROUP, &m, back);
    }
}

static void forward(lb_call *c) {
    for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
        double n = (double)lb_r(c->in[1])[5 * r];
        if (n >= 0 && n < (double)c->in[0]->shape[0]) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "box %lld is of picture %g, expected 0 to %lld", (long long)r, n, (long long)c->in[0]->shape[0] - 1);
        return;
    }
    do_groups(c, false);
}

static void backward(lb_call *c) {
    if (!c->gin[0] || !c->gout[0]) return;
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
    do_groups(c, true);
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
    {.name = "many channels", .rank = {4, 2}, .shape = {{2, 21, 6, 7}, {3, 5}}, .params = &plain, .fill = boxes_and_values},
    {.name = "no boxes", .rank = {4, 2}, .shape = {{2, 1, 8, 6}, {0, 5}}, .params = &plain},
};

LB_OP(roi_pool) = {.id = "roi_pool", .title = "largest elements of the cells of boxes", .source = "Girshick, arXiv:1504.08083; torchvision.ops.roi_pool", .sig = "x[N,C,H,W] boxes[R,B] -> y",
                   .math = "y = max over the cell", .flags = LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0), .constant = LB_READS_IN(1), .shape = shape,
                   .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_roi_pool(lb_tape *t, lb_tensor *x, lb_tensor *boxes, int64_t h, int64_t w, double scale) {
    return lb_apply(t, &lb_op_roi_pool, &(options){h, w, scale}, sizeof(options), 2, (lb_tensor *[]){x, boxes});
}

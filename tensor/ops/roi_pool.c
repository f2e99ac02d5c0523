/* SPDX-License-Identifier: Apache-2.0 */
/* For box r = (n, x0, y0, x1, y1): corners times scale, rounded half away from zero, the far ones included; cut into cells, cell i being
 * floor(i size) .. ceil((i + 1) size) - 1 within the picture. y[r,c,i,j] = max of x[n,c] over the cell, 0 where it is empty. dx: g goes to the first
 * maximum; boxes have no gradient. */
#include <math.h>
#include <omp.h>
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
    for (int k = 0; k < 2; k++) {
        c->out[k]->rank = 4;
        c->out[k]->shape[0] = boxes->shape[0];
        c->out[k]->shape[1] = x->shape[1];
        c->out[k]->shape[2] = o->h;
        c->out[k]->shape[3] = o->w;
    }
    return true;
}

/* Elements of cell i of cells along an axis (0 = x, 1 = y). */
static void cell_of(const options *o, const lb_real *box, int axis, int64_t i, int64_t cells, int64_t size, int64_t *low, int64_t *high) {
    int64_t start = (int64_t)round((double)box[1 + axis] * o->scale), end = (int64_t)round((double)box[3 + axis] * o->scale);
    double each = (double)(end - start + 1 > 1 ? end - start + 1 : 1) / (double)cells;
    *low = (int64_t)floor((double)i * each) + start;
    *high = (int64_t)ceil((double)(i + 1) * each) + start;
    *low = *low < 0 ? 0 : *low > size ? size : *low;
    *high = *high < 0 ? 0 : *high > size ? size : *high;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], h = c->in[0]->shape[2], w = c->in[0]->shape[3], rows = c->in[1]->shape[0] * channels;
    for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
        double n = (double)lb_r(c->in[1])[5 * r];
        if (n >= 0 && n < (double)c->in[0]->shape[0]) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "box %lld is of picture %g, expected 0 to %lld", (long long)r, n, (long long)c->in[0]->shape[0] - 1);
        return;
    }
#pragma omp parallel for if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t k = 0; k < rows; k++) {
        const lb_real *box = lb_r(c->in[1]) + k / channels * 5, *x = lb_r(c->in[0]) + ((int64_t)box[0] * channels + k % channels) * h * w;
        for (int64_t cell = 0; cell < o->h * o->w; cell++) {
            int64_t y0, y1, x0, x1, best = -1;
            cell_of(o, box, 1, cell / o->w, o->h, h, &y0, &y1);
            cell_of(o, box, 0, cell % o->w, o->w, w, &x0, &x1);
            for (int64_t a = y0; a < y1; a++)
                for (int64_t b = x0; b < x1; b++)
                    if (best < 0 || x[a * w + b] > x[best]) best = a * w + b;
            lb_r(c->out[0])[k * o->h * o->w + cell] = best < 0 ? 0 : x[best];
            lb_i(c->out[1])[k * o->h * o->w + cell] = best;
        }
    }
}

/* Every thread does its own channels of all boxes, so that sums are made in one order. */
static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], plane = c->in[0]->shape[2] * c->in[0]->shape[3], cells = o->h * o->w;
    if (!c->gin[0] || !c->gout[0]) return;
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
#pragma omp parallel for if (lb_numel(c->out[0]) > LBI_GRAIN / 8)
    for (int64_t q = 0; q < channels; q++)
        for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
            lb_real *gx = lb_r(c->gin[0]) + ((int64_t)lb_r(c->in[1])[5 * r] * channels + q) * plane;
            const lb_real *g = lb_r(c->gout[0]) + (r * channels + q) * cells;
            const int64_t *at = lb_i(c->out[1]) + (r * channels + q) * cells;
            for (int64_t k = 0; k < cells; k++)
                if (at[k] >= 0) gx[at[k]] += g[k];
        }
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

LB_OP(roi_pool) = {.id = "roi_pool", .title = "largest elements of the cells of boxes", .source = "Girshick, arXiv:1504.08083; torchvision.ops.roi_pool", .sig = "x[N,C,H,W] boxes[R,B] -> y at:i64",
                   .math = "y = max over the cell", .flags = LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(1) | LB_READS_OUT(1), .constant = LB_READS_IN(1), .shape = shape,
                   .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_roi_pool(lb_tape *t, lb_tensor *x, lb_tensor *boxes, int64_t h, int64_t w, double scale) {
    return lb_apply(t, &lb_op_roi_pool, &(options){h, w, scale}, sizeof(options), 2, (lb_tensor *[]){x, boxes});
}

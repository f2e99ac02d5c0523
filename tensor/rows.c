/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/rows.h"
#include <string.h>
#include "base/threads.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

enum { LEAST = 64 }; /* elements of a row that are worth a thread of their own */

static int axis_of(const lb_call *c) {
    int axis = c->params ? *(const int *)c->params : 0;
    return axis < 0 ? axis + c->in[0]->rank : axis;
}

bool lbi_rows_shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *id = c->in[1];
    lb_tensor *y = c->out[0];
    if (id->dtype != LB_I64 || x->rank < 1 || id->rank + x->rank - 1 > LB_MAX_RANK) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected rows [N,...] and i64 indices, together of rank %d at most", LB_MAX_RANK + 1);
        return false;
    }
    if (lbi_axis(c, c->params ? *(const int *)c->params : 0, x->rank) < 0) return false;
    int axis = axis_of(c);
    y->dtype = x->dtype;
    y->rank = id->rank + x->rank - 1;
    memcpy(y->shape, x->shape, sizeof(int64_t) * (size_t)axis);
    memcpy(y->shape + axis, id->shape, sizeof(int64_t) * (size_t)id->rank);
    memcpy(y->shape + axis + id->rank, x->shape + axis + 1, sizeof(int64_t) * (size_t)(x->rank - 1 - axis));
    return true;
}

LBI_LEVELS static int64_t outside(const int64_t *index, int64_t n, int64_t count) {
    int64_t any = 0;
    for (int64_t i = 0; i < n; i++) any |= index[i] < 0 || index[i] >= count;
    return any;
}

static bool all_in_range(const int64_t *index, int64_t n, int64_t count) {
    int64_t any = 0, pieces = (n + LBI_GRAIN - 1) / LBI_GRAIN;
#pragma omp parallel for reduction(| : any) if (pieces > 1)
    for (int64_t p = 0; p < pieces; p++) any |= outside(index + p * LBI_GRAIN, n - p * LBI_GRAIN < LBI_GRAIN ? n - p * LBI_GRAIN : LBI_GRAIN, count);
    return !any;
}

bool lbi_in_range(lb_call *c, const lb_tensor *id, int64_t count) {
    if (all_in_range(lb_i(id), lb_numel(id), count)) return true;
    for (int64_t i = 0, n = lb_numel(id); i < n; i++) {
        int64_t k = lb_i(id)[i];
        if (k >= 0 && k < count) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "index %lld at position %lld is outside 0..%lld", (long long)k, (long long)i,
                     (long long)count - 1);
        return false;
    }
    return true;
}

lbi_rowset lbi_rowset_of(const lb_tensor *x, const lb_tensor *index, int axis) {
    lbi_axes a = lbi_axes_of(x, axis);
    return (lbi_rowset){a.outer, a.n, lb_numel(index), a.inner, lb_i(index)};
}

typedef struct copying {
    const lbi_rowset *r;
    char *to;
    const char *from;
    size_t bytes;
} copying;

static void copy_rows(const void *ctx, int64_t first, int64_t last) {
    const copying *j = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t row = i / j->r->m * j->r->n + j->r->index[i % j->r->m];
        memcpy(j->to + (size_t)i * j->bytes, j->from + (size_t)row * j->bytes, j->bytes);
    }
}

/* Rows of one number: as many as there are under outer positions first..last-1. */
LBI_LEVELS static void copy_numbers(const void *ctx, int64_t first, int64_t last) {
    const copying *j = ctx;
    const int64_t *restrict index = j->r->index;
    for (int64_t o = first; o < last; o++) {
        if (j->bytes == 4) {
            uint32_t *restrict to = (uint32_t *)(void *)j->to + o * j->r->m;
            const uint32_t *from = (const uint32_t *)(const void *)j->from + o * j->r->n;
            for (int64_t i = 0; i < j->r->m; i++) to[i] = from[index[i]];
        } else {
            uint64_t *restrict to = (uint64_t *)(void *)j->to + o * j->r->m;
            const uint64_t *from = (const uint64_t *)(const void *)j->from + o * j->r->n;
            for (int64_t i = 0; i < j->r->m; i++) to[i] = from[index[i]];
        }
    }
}

void lbi_rows_copy(const lbi_rowset *r, void *to, const void *from, size_t size) {
    copying j = {r, to, from, (size_t)r->width * size};
    if (r->width == 0) return;
    if (r->width == 1 && (size == 4 || size == 8) && r->outer > 1) lbi_split(r->outer, r->m, copy_numbers, &j);
    else lbi_split(r->outer * r->m, r->width, copy_rows, &j);
}

typedef struct adding {
    const lbi_rowset *r;
    lb_real *to;
    const lb_real *from;
    int64_t block; /* elements of a row that one thread adds */
} adding;

/* Blocks of columns are split over threads, rows are added in order. */
LBI_LEVELS static void add_blocks(const void *ctx, int64_t first, int64_t last) {
    const adding *j = ctx;
    const lbi_rowset *r = j->r;
    int64_t blocks = (r->width + j->block - 1) / j->block;
    for (int64_t b = first; b < last; b++) {
        int64_t o = b / blocks, at = b % blocks * j->block, width = r->width - at < j->block ? r->width - at : j->block;
        if (r->width == 1) {
            for (int64_t i = 0; i < r->m; i++) j->to[o * r->n + r->index[i]] += j->from[o * r->m + i];
            continue;
        }
        for (int64_t i = 0; i < r->m; i++) {
            lb_real *restrict to = j->to + (o * r->n + r->index[i]) * r->width + at;
            const lb_real *from = j->from + (o * r->m + i) * r->width + at;
            for (int64_t k = 0; k < width; k++) to[k] += from[k];
        }
    }
}

void lbi_rows_add(const lbi_rowset *r, lb_real *to, const lb_real *from) {
    int64_t parts = r->outer < lb_threads() ? lb_threads() : 1, each = (r->width + parts - 1) / parts;
    adding j = {r, to, from, each < LEAST ? LEAST : (each + 15) / 16 * 16};
    lbi_split(r->outer * ((r->width + j.block - 1) / j.block), r->m * (r->width < j.block ? r->width : j.block), add_blocks, &j);
}

void lbi_rows_forward(lb_call *c) {
    int axis = axis_of(c);
    if (lb_numel(c->out[0]) == 0 || !lbi_in_range(c, c->in[1], c->in[0]->shape[axis])) return;
    lbi_rowset r = lbi_rowset_of(c->in[0], c->in[1], axis);
    lbi_rows_copy(&r, c->out[0]->data, c->in[0]->data, lb_dtype_size(c->in[0]->dtype));
}

void lbi_rows_backward(lb_call *c) {
    lbi_rowset r = lbi_rowset_of(c->gin[0], c->in[1], axis_of(c));
    if (lb_numel(c->gout[0]) > 0) lbi_rows_add(&r, lb_r(c->gin[0]), lb_r(c->gout[0]));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Constants that fusing makes of others, number for number as many: made before the first run that computes, so that opening costs what reading costs. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "onnx/fast.h"

struct onnx_rest {
    pthread_mutex_t lock;
    atomic_bool done;
    lb_onnx *model;
    onnx_late *list; /* in the order in which they are made: one may be of another */
    int count, capacity;
};

static void turned(float *to, const lb_tensor *from, const onnx_late *l) {
    enum { BLOCK = 16 };
    (void)l;
    int64_t rows = from->shape[0], columns = from->shape[1];
    const float *w = from->data;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < columns; j += BLOCK)
        for (int64_t i = 0; i < rows; i += BLOCK)
            for (int64_t k = j; k < columns && k < j + BLOCK; k++)
                for (int64_t r = i; r < rows && r < i + BLOCK; r++) to[k * rows + r] = w[r * columns + k];
}

static void centred(float *to, const lb_tensor *from, const onnx_late *l) {
    int64_t n = lb_numel(from);
    float zero = (float)l->zero;
    const uint8_t *u = from->data;
    const int8_t *s = from->data;
    if (from->dtype == LB_U8) {
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++) to[i] = (float)u[i] - zero;
        return;
    }
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++) to[i] = (float)s[i] - zero;
}

static void scaled(float *to, const lb_tensor *from, const onnx_late *l) {
    int64_t n = from->shape[0], each = n ? lb_numel(from) / n : 0;
    const float *w = from->data;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = k * each; i < (k + 1) * each; i++) to[i] = (float)((double)w[i] * l->scale[k]);
}

static void (*const fills[])(float *to, const lb_tensor *from, const onnx_late *l) = {[ONNX_LATE_TURNED] = turned, [ONNX_LATE_CENTRED] = centred, [ONNX_LATE_SCALED] = scaled};

static lb_status make(lb_onnx *m, const onnx_late *l) {
    lb_tensor *x = NULL, *bare = m->values[l->v].constant;
    lb_status st = lb_tensor_new(&x, LB_F32, bare->rank, bare->shape);
    if (st != LB_OK) return st;
    st = onnx_own(m, x);
    if (st != LB_OK) return st;
    if (lb_numel(x)) fills[l->how](x->data, m->values[l->from].constant, l);
    lb_tensor_fix(x, true);
    m->values[l->v].constant = x;
    return LB_OK;
}

lb_status onnx_make_late(const lb_onnx *m) {
    onnx_rest *r = m->rest;
    lb_status st = LB_OK;
    if (!r || atomic_load(&r->done)) return LB_OK;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->count && st == LB_OK && !atomic_load(&r->done); i++)
        if (!r->model->values[r->list[i].v].constant->data) st = make(r->model, &r->list[i]);
    if (st == LB_OK && !atomic_exchange(&r->done, true) && m->made > (int64_t)m->map.size / 2) lb_mmap_rest(&r->model->map); /* most of it is no longer read */
    pthread_mutex_unlock(&r->lock);
    return st;
}

static lb_status add(lb_onnx *m, const onnx_late *l) {
    onnx_rest *r = m->rest;
    if (!r) {
        r = m->rest = lb_calloc(1, sizeof *r);
        if (!r) return LB_E_NOMEM;
        pthread_mutex_init(&r->lock, NULL);
        r->model = m;
    }
    if (r->count == r->capacity) {
        int more = r->capacity ? 2 * r->capacity : 32;
        onnx_late *list = lb_realloc(r->list, (size_t)more, sizeof *list);
        if (!list) return LB_E_NOMEM;
        r->list = list;
        r->capacity = more;
    }
    r->list[r->count++] = *l;
    return LB_OK;
}

int onnx_late_constant(onnx_fast *f, int rank, const int64_t *shape, const onnx_late *how) {
    lb_tensor *bare = NULL;
    onnx_late l = *how;
    if (f->st == LB_OK) f->st = lb_tensor_borrow(&bare, LB_F32, rank, shape, NULL);
    if (f->st == LB_OK) f->st = onnx_own(f->m, bare);
    l.v = f->st == LB_OK ? onnx_value_new(f->m, f->m->plain, "") : -1;
    if (l.v < 0 && f->st == LB_OK) f->st = LB_E_NOMEM;
    if (f->st == LB_OK) f->st = add(f->m, &l);
    if (f->st != LB_OK) return -1;
    f->m->made += lb_numel(bare) * (int64_t)sizeof(float);
    f->m->values[l.v].constant = bare;
    return l.v;
}

void onnx_rest_free(onnx_rest *r) {
    if (!r) return;
    pthread_mutex_destroy(&r->lock);
    lb_free(r->list);
    lb_free(r);
}

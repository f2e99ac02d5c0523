/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "nn/attention.h"

struct lb_kv_cache {
    int64_t capacity, length;
    lb_tensor *all[2]; /* [N,G,capacity,width]: keys, values; NULL before the first append */
    lb_tensor view[2];
};

lb_status lb_kv_cache_new(lb_kv_cache **out, int64_t capacity) {
    if (capacity < 1) return lb_fail(LB_E_ARG, "cache of keys and values: capacity %lld, expected 1 or more", (long long)capacity);
    lb_kv_cache *c = lb_calloc(1, sizeof *c);
    if (!c) return LB_E_NOMEM;
    c->capacity = capacity;
    *out = c;
    return LB_OK;
}

void lb_kv_cache_free(lb_kv_cache *c) {
    if (!c) return;
    for (int i = 0; i < 2; i++) lb_tensor_free(c->all[i]);
    lb_free(c);
}

int64_t lb_kv_cache_length(const lb_kv_cache *c) { return c->length; }

void lb_kv_cache_cut(lb_kv_cache *c, int64_t length) {
    if (length >= 0 && length < c->length) c->length = length;
}

static lb_status fits(const lb_kv_cache *c, const lb_tensor *const in[2]) {
    char a[96], b[96];
    for (int i = 0; i < 2; i++) {
        const lb_tensor *x = in[i], *all = c->all[i];
        bool same = x->rank == 4 && x->dtype == LB_REAL && x->shape[2] == in[0]->shape[2] && (x->data || lb_numel(x) == 0);
        for (int d = 0; same && all && d < 4; d++) same = d == 2 || x->shape[d] == all->shape[d];
        if (!same)
            return lb_fail(LB_E_SHAPE, "cache of keys and values: %s %s does not go with %s", i ? "values" : "keys",
                           lb_shape_text(a, sizeof a, x->rank, x->shape), all ? lb_shape_text(b, sizeof b, 4, all->shape) : "four axes of numbers");
    }
    if (c->length + in[0]->shape[2] > c->capacity)
        return lb_fail(LB_E_LIMIT, "cache of keys and values: %lld tokens and %lld more, room for %lld", (long long)c->length, (long long)in[0]->shape[2],
                       (long long)c->capacity);
    return LB_OK;
}

static void copy_rows(lb_tensor *to, int64_t at, const lb_tensor *from) {
    const int64_t *n = from->shape, *fs = from->stride, *ts = to->stride;
    for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
        int64_t a = i / (n[1] * n[2]), b = i / n[2] % n[1], c = i % n[2];
        lb_real *y = (lb_real *)to->data + a * ts[0] + b * ts[1] + (at + c) * ts[2];
        const lb_real *x = (const lb_real *)from->data + a * fs[0] + b * fs[1] + c * fs[2];
        for (int64_t k = 0; k < n[3]; k++) y[k] = x[k * fs[3]];
    }
}

lb_status lb_kv_cache_append(lb_kv_cache *c, const lb_tensor *k, const lb_tensor *v) {
    const lb_tensor *const in[2] = {k, v};
    lb_status st = fits(c, in);
    for (int i = 0; i < 2 && st == LB_OK; i++)
        if (!c->all[i]) st = lb_tensor_new(&c->all[i], LB_REAL, 4, (int64_t[]){in[i]->shape[0], in[i]->shape[1], c->capacity, in[i]->shape[3]});
    for (int i = 0; i < 2 && st == LB_OK; i++) copy_rows(c->all[i], c->length, in[i]);
    if (st == LB_OK) c->length += k->shape[2];
    return st;
}

static lb_tensor *view(lb_kv_cache *c, int i) {
    if (!c->all[i]) return NULL;
    c->view[i] = *c->all[i];
    c->view[i].store = NULL;
    c->view[i].shape[2] = c->length;
    return &c->view[i];
}

lb_tensor *lb_kv_cache_keys(lb_kv_cache *c) { return view(c, 0); }
lb_tensor *lb_kv_cache_values(lb_kv_cache *c) { return view(c, 1); }

lb_status lb_kv_cache_pick(lb_kv_cache *c, int64_t count, const int64_t *from) {
    if (!c->all[0]) return LB_OK;
    int64_t n = c->all[0]->shape[0];
    for (int64_t i = 0; i < count; i++)
        if (from[i] < 0 || from[i] >= n) return lb_fail(LB_E_ARG, "cache of keys and values: sample %lld of %lld", (long long)from[i], (long long)n);
    for (int i = 0; i < 2; i++) {
        lb_tensor *next = NULL;
        const int64_t *was = c->all[i]->shape;
        lb_status st = lb_tensor_new(&next, LB_REAL, 4, (int64_t[]){count, was[1], was[2], was[3]});
        if (st != LB_OK) return st;
        size_t bytes = (size_t)(was[1] * was[2] * was[3]) * sizeof(lb_real);
        for (int64_t k = 0; k < count; k++) memcpy((char *)next->data + (size_t)k * bytes, (const char *)c->all[i]->data + (size_t)from[k] * bytes, bytes);
        lb_tensor_free(c->all[i]);
        c->all[i] = next;
    }
    return LB_OK;
}

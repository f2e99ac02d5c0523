/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/flat.h"
#include <string.h>
#include "base/rng.h"
#include "nn/parts.h"

/* The i-th parameter of the store if it belongs to the vector. */
static lb_tensor *member(const lb_store *s, const char *prefix, int64_t i) {
    const lb_param_tensor *p = lb_store_at((lb_store *)(uintptr_t)s, i);
    if (p->buffer || !p->x->requires_grad || (prefix && strncmp(p->name, prefix, strlen(prefix)) != 0)) return NULL;
    return p->x;
}

int64_t lb_flat_size(const lb_store *s, const char *prefix) {
    int64_t n = 0;
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        const lb_tensor *x = member(s, prefix, i);
        n += x ? lb_numel(x) : 0;
    }
    return n;
}

static lb_status same_size(const lb_store *s, const char *prefix, int64_t n) {
    int64_t have = lb_flat_size(s, prefix);
    return n == have ? LB_OK : lb_fail(LB_E_ARG, "a vector of %lld numbers for %lld of the parameters below '%s'", (long long)n, (long long)have, prefix ? prefix : "");
}

lb_status lb_flat_get(const lb_store *s, const char *prefix, lb_flat_part part, double *x, int64_t n) {
    lb_status st = same_size(s, prefix, n);
    for (int64_t i = 0; st == LB_OK && i < lb_store_count(s); i++) {
        const lb_tensor *p = member(s, prefix, i), *from = p && part == LB_FLAT_GRADS ? p->grad : p;
        if (!p) continue;
        for (int64_t k = 0; k < lb_numel(p); k++) *x++ = from ? (double)((const lb_real *)from->data)[k] : 0;
    }
    return st;
}

/* to = a x, or to + a x */
static lb_status put(lb_store *s, const char *prefix, lb_flat_part part, bool keep, double a, const double *x, int64_t n) {
    lb_status st = same_size(s, prefix, n);
    for (int64_t i = 0; st == LB_OK && i < lb_store_count(s); i++) {
        lb_tensor *p = member(s, prefix, i), *to = p;
        if (!p) continue;
        if (part == LB_FLAT_GRADS && !p->grad) st = lb_tensor_new(&p->grad, LB_REAL, p->rank, p->shape);
        if (st != LB_OK) return st;
        if (part == LB_FLAT_GRADS) to = p->grad;
        for (int64_t k = 0; k < lb_numel(p); k++) {
            lb_real *y = (lb_real *)to->data + k;
            *y = (lb_real)((keep ? (double)*y : 0) + a * *x++);
        }
    }
    return st;
}

lb_status lb_flat_set(lb_store *s, const char *prefix, lb_flat_part part, const double *x, int64_t n) { return put(s, prefix, part, false, 1, x, n); }
lb_status lb_flat_axpy(lb_store *s, const char *prefix, lb_flat_part part, double a, const double *x, int64_t n) { return put(s, prefix, part, true, a, x, n); }

double lb_flat_dot(const double *x, const double *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* ---- changes outside graphs ---- */

/* What both shapes have goes from `from` to `to`. */
static void copy_common(lb_tensor *to, const lb_tensor *from) {
    for (int64_t i = 0, n = lb_numel(to); i < n; i++) {
        int64_t rest = i, at = 0;
        bool inside = true;
        for (int d = to->rank - 1; d >= 0; d--) {
            int64_t k = rest % to->shape[d];
            rest /= to->shape[d];
            inside = inside && k < from->shape[d];
            at += k * from->stride[d];
        }
        if (inside) ((lb_real *)to->data)[i] = ((const lb_real *)from->data)[at];
    }
}

lb_status lb_store_resize(lb_store *s, const char *name, const int64_t *shape, uint64_t seed) {
    lb_param_tensor *p = lb_store_find(s, name);
    lb_tensor *next = NULL;
    if (!p) return lb_fail(LB_E_NOTFOUND, "parameter '%s' is missing", name);
    lb_status st = lb_tensor_new(&next, LB_REAL, p->x->rank, shape);
    if (st != LB_OK) return st;
    lb_tensor *before = p->x;
    next->requires_grad = before->requires_grad;
    p->x = next;
    lbi_store_fill(p, seed);
    copy_common(next, before);
    lb_tensor_free(before);
    return LB_OK;
}

int64_t lb_store_copy(lb_store *s, lb_store *from) {
    int64_t count = 0;
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        const lb_param_tensor *q = lb_store_find(from, p->name);
        if (!q || !lb_same_shape(p->x, q->x)) continue;
        if (lb_numel(p->x) > 0) memcpy(p->x->data, q->x->data, (size_t)lb_numel(p->x) * sizeof(lb_real));
        count++;
    }
    return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Training by several processes, each with its share of every batch. Terms are computed by each on the rows of all, so whatever a term does with
 * a batch (contrast, relations, masked means) is what one process would do; the gradient of the rows of others is theirs to follow. A row's own
 * gradient counts `count` times here, so that the mean over processes is the gradient, of weights in the terms as of the students'. */
#include <string.h>
#include "distill/train_private.h"

static bool alone(const lbi_train *r) { return !r->spec->crew || r->spec->crew->count <= 1; }

int lbi_rank(const lbi_train *r) { return alone(r) ? 0 : r->spec->crew->rank; }
int lbi_ranks(const lbi_train *r) { return alone(r) ? 1 : r->spec->crew->count; }

/* The rows of all in front of, and behind, those of this process as constants, its own with their gradient times `count`; the value is exact. */
static lb_tensor *joined(lbi_train *r, lb_tensor *x, const char *all) {
    const lb_crew *k = r->spec->crew;
    lb_tape *t = r->tape;
    lb_tensor *still = lb_detach(t, x), *parts[3];
    int64_t shape[LB_MAX_RANK];
    size_t bytes = (size_t)lb_numel(x) * sizeof(lb_real);
    int n = 0;
    memcpy(shape, x->shape, sizeof shape);
    if (k->rank > 0) {
        shape[0] = x->shape[0] * k->rank;
        parts[n++] = lb_input(t, LB_REAL, x->rank, shape, all, LB_REAL);
    }
    parts[n++] = lb_add(t, lb_scale(t, lb_sub(t, x, still), k->count), still);
    if (k->rank + 1 < k->count) {
        shape[0] = x->shape[0] * (k->count - 1 - k->rank);
        parts[n++] = lb_input(t, LB_REAL, x->rank, shape, all + bytes * (size_t)(k->rank + 1), LB_REAL);
    }
    return lb_concat(t, n, parts, 0);
}

lb_tensor *lbi_rows_of_all(lbi_train *r, lb_tensor *x) {
    lb_tape *t = r->tape;
    int64_t shape[LB_MAX_RANK];
    if (alone(r) || !lb_tape_ok(t)) return x;
    const lb_crew *k = r->spec->crew;
    memcpy(shape, x->shape, sizeof shape);
    shape[0] *= k->count;
    if (lb_tape_get_mode(t) == LB_TAPE_SHAPES) return lb_input(t, x->dtype, x->rank, shape, NULL, x->dtype);
    x = lb_contiguous(t, x);
    size_t bytes = (size_t)lb_numel(x) * lb_dtype_size(x->dtype);
    char *all = lb_alloc(bytes + 1, (size_t)k->count);
    if (!all) return lb_tape_fail_status(t, LB_E_NOMEM);
    lb_status st = k->gather(k->ctx, x->data, bytes, all);
    lb_tensor *y = st != LB_OK ? lb_tape_fail_status(t, st) : x->requires_grad && lb_tape_get_mode(t) == LB_TAPE_GRAD ? joined(r, x, all) : lb_input(t, x->dtype, x->rank, shape, all, x->dtype);
    lb_free(all);
    return y;
}

/* ---- sums over processes ---- */

/* Gradients, or running statistics, of a store: how many numbers, and to and from one array. */
static int64_t numbers(lb_store *s, bool buffers, lb_real *to, const lb_real *from) {
    int64_t n = 0;
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        lb_tensor *x = !buffers ? p->x->grad : p->buffer && p->x->dtype == LB_REAL ? p->x : NULL;
        if (!x) continue;
        size_t bytes = (size_t)lb_numel(x) * sizeof(lb_real);
        if (to) memcpy(to + n, x->data, bytes);
        if (from) memcpy(x->data, from + n, bytes);
        n += lb_numel(x);
    }
    return n;
}

static lb_status sum_store(const lbi_train *r, lb_store *s, bool buffers) {
    int64_t n = numbers(s, buffers, NULL, NULL);
    if (n == 0) return LB_OK;
    lb_real *x = lb_alloc((size_t)n, sizeof *x);
    if (!x) return LB_E_NOMEM;
    numbers(s, buffers, x, NULL);
    lb_status st = r->spec->crew->sum(r->spec->crew->ctx, x, n);
    for (int64_t i = 0; buffers && i < n; i++) x[i] /= (lb_real)r->spec->crew->count;
    if (st == LB_OK) numbers(s, buffers, NULL, x);
    lb_free(x);
    return st;
}

lb_status lbi_sum_gradients(lbi_train *r) {
    lb_status st = alone(r) ? LB_OK : sum_store(r, r->projectors, false);
    for (int i = 0; !alone(r) && i < r->nlearners && st == LB_OK; i++) {
        st = sum_store(r, r->learners[i].model->store, false);
        if (st == LB_OK) st = sum_store(r, r->learners[i].model->store, true);
    }
    return st;
}

lb_status lbi_any(lbi_train *r, bool *flag) {
    if (alone(r)) return LB_OK;
    const lb_crew *k = r->spec->crew;
    char mine = *flag, *all = lb_calloc((size_t)k->count, 1);
    if (!all) return LB_E_NOMEM;
    lb_status st = k->gather(k->ctx, &mine, 1, all);
    for (int i = 0; i < k->count && st == LB_OK; i++) *flag = *flag || all[i];
    lb_free(all);
    return st;
}

lb_status lbi_from_first(lbi_train *r, double *x) {
    if (alone(r)) return LB_OK;
    const lb_crew *k = r->spec->crew;
    double *all = lb_calloc((size_t)k->count, sizeof *all);
    if (!all) return LB_E_NOMEM;
    lb_status st = k->gather(k->ctx, x, sizeof *x, all);
    if (st == LB_OK) *x = all[0];
    lb_free(all);
    return st;
}

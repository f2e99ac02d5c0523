/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/rows.h"
#include <string.h>
#include "tensor/loops.h"

bool lbi_rows_shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *id = c->in[1];
    lb_tensor *y = c->out[0];
    if (id->dtype != LB_I64 || x->rank < 1 || id->rank + x->rank - 1 > LB_MAX_RANK) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected rows [N,...] and i64 indices, together of rank %d at most", LB_MAX_RANK + 1);
        return false;
    }
    y->dtype = x->dtype;
    y->rank = id->rank + x->rank - 1;
    memcpy(y->shape, id->shape, sizeof(int64_t) * (size_t)id->rank);
    memcpy(y->shape + id->rank, x->shape + 1, sizeof(int64_t) * (size_t)(x->rank - 1));
    return true;
}

bool lbi_in_range(lb_call *c, const lb_tensor *id, int64_t count) {
    for (int64_t i = 0, n = lb_numel(id); i < n; i++) {
        int64_t k = lb_i(id)[i];
        if (k >= 0 && k < count) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "index %lld at position %lld is outside 0..%lld", (long long)k, (long long)i,
                     (long long)count - 1);
        return false;
    }
    return true;
}

static int64_t width_of(const lb_call *c) {
    int64_t w = 1;
    for (int i = 1; i < c->in[0]->rank; i++) w *= c->in[0]->shape[i];
    return w;
}

static void copy_rows(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    size_t bytes = (size_t)width_of(c) * lb_dtype_size(c->in[0]->dtype);
    for (int64_t i = first; i < last; i++)
        memcpy((char *)c->out[0]->data + (size_t)i * bytes, (const char *)c->in[0]->data + (size_t)lb_i(c->in[1])[i] * bytes,
               bytes);
}

void lbi_rows_forward(lb_call *c) {
    if (lb_numel(c->out[0]) == 0 || !lbi_in_range(c, c->in[1], c->in[0]->shape[0])) return;
    lbi_split(lb_numel(c->in[1]), width_of(c), copy_rows, c);
}

/* Columns are split over threads, rows are added in order, so the sum does not depend on the threads. */
static void add_columns(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    int64_t width = width_of(c), n = lb_numel(c->in[1]);
    for (int64_t i = 0; i < n; i++) {
        lb_real *to = lb_r(c->gin[0]) + lb_i(c->in[1])[i] * width;
        const lb_real *g = lb_r(c->gout[0]) + i * width;
        for (int64_t k = first; k < last; k++) to[k] += g[k];
    }
}

void lbi_rows_backward(lb_call *c) {
    if (c->gin[0] && lb_numel(c->gout[0]) > 0) lbi_split(width_of(c), lb_numel(c->in[1]), add_columns, c);
}

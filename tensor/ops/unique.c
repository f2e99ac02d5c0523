/* SPDX-License-Identifier: Apache-2.0 */
/* y = the different values of x, ascending; inverse (the shape of x) = the place in y of each element; counts = how often each stands
 * there. Numbers of the maths type or i64; NaN is one value, behind all. How many depends on the values; on a SHAPES tape: the most it
 * can be. inverse and counts may be NULL. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/sorting.h"

static uint64_t key_of(const lb_tensor *x, int64_t i) {
    return x->dtype == LB_I64 ? (uint64_t)lb_i(x)[i] ^ (uint64_t)1 << 63 : lbi_sort_key(lb_r(x)[i]);
}

/* What shape finds for forward: the different keys in order, and which of them each element has. */
typedef struct found {
    int64_t count, *id, *first; /* id: of each element; first: where each value stands first */
    lbi_keyed *key;             /* place: the id before they were put in order */
} found;

/* Few different values: a table of keys, which stays in the cache. @return false when there are more than it takes, or no memory */
static bool by_table(lb_call *c, int64_t n, found *f) {
    enum { SLOTS = 1 << 15, MOST = SLOTS / 4 };
    lbi_keyed *slot = lb_scratch(c, SLOTS * sizeof *slot);
    f->key = lb_scratch(c, 2 * MOST * sizeof *f->key);
    f->first = lb_scratch(c, MOST * sizeof *f->first);
    if (!slot || !f->key || !f->first) return false;
    for (int i = 0; i < SLOTS; i++) slot[i].place = -1;
    f->count = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = key_of(c->in[0], i), at = key * 0x9E3779B97F4A7C15u >> 49;
        while (slot[at].place >= 0 && slot[at].key != key) at = (at + 1) % SLOTS;
        if (slot[at].place < 0) {
            if (f->count == MOST) return false;
            slot[at] = (lbi_keyed){key, f->count};
            f->key[f->count] = slot[at];
            f->first[f->count++] = i;
        }
        f->id[i] = slot[at].place;
    }
    f->key = lbi_sort_keyed(f->key, f->key + MOST, f->count, (int)lb_dtype_size(c->in[0]->dtype));
    return true;
}

/* Any number of them: all elements are put in order. */
static bool by_order(lb_call *c, int64_t n, found *f) {
    lbi_keyed *a = lb_scratch(c, (size_t)(2 * n + 1) * sizeof *a);
    f->first = lb_scratch(c, (size_t)(n + 1) * sizeof *f->first);
    if (!a || !f->first) return false;
    for (int64_t i = 0; i < n; i++) a[i] = (lbi_keyed){key_of(c->in[0], i), i};
    f->key = lbi_sort_keyed(a, a + n, n, (int)lb_dtype_size(c->in[0]->dtype));
    f->count = 0;
    for (int64_t i = 0; i < n; i++) {
        lbi_keyed e = f->key[i];
        if (i == 0 || e.key != f->key[f->count - 1].key) {
            f->first[f->count] = e.place;
            f->key[f->count] = (lbi_keyed){e.key, f->count};
            f->count++;
        }
        f->id[e.place] = f->count - 1;
    }
    return true;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t n = lb_numel(x), different = n;
    if (x->dtype != LB_I64 && x->dtype != LB_REAL) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected %s or i64", lb_dtype_name(LB_REAL));
        return false;
    }
    if (x->data) {
        found *f = c->note = lb_scratch(c, sizeof *f);
        if (!f || !(f->id = lb_scratch(c, (size_t)(n + 1) * sizeof *f->id)) || (!by_table(c, n, f) && !by_order(c, n, f))) return false;
        different = f->count;
    }
    c->out[0]->dtype = x->dtype;
    c->out[0]->rank = c->out[2]->rank = 1;
    c->out[0]->shape[0] = c->out[2]->shape[0] = different;
    c->out[1]->rank = x->rank;
    memcpy(c->out[1]->shape, x->shape, sizeof x->shape);
    return true;
}

static void forward(lb_call *c) {
    const found *f = c->note;
    int64_t n = lb_numel(c->in[0]), *counts = lb_i(c->out[2]);
    int64_t *rank = f ? lb_scratch(c, (size_t)(f->count + 1) * sizeof *rank) : NULL;
    if (!rank) return;
    for (int64_t k = 0; k < f->count; k++) {
        int64_t id = f->key[k].place, at = f->first[id];
        rank[id] = k;
        counts[k] = 0;
        if (c->in[0]->dtype == LB_I64) lb_i(c->out[0])[k] = lb_i(c->in[0])[at];
        else lb_r(c->out[0])[k] = lb_r(c->in[0])[at];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t k = rank[f->id[i]];
        lb_i(c->out[1])[i] = k;
        counts[k]++;
    }
}

/* All different: the shape is then the same when only shapes count. */
static void apart(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] += (lb_real)(5 * (i * 7 % numel[0]));
}

/* More than the table takes. */
static void many(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] = (lb_real)(i * 7919 % numel[0]);
}

static const lb_op_case cases[] = {
    {.name = "apart", .rank = {2}, .shape = {{3, 5}}, .fill = apart},
    {.name = "one", .rank = {0}},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}},
    {.name = "many", .rank = {1}, .shape = {{20011}}, .fill = many},
};

LB_OP(unique) = {.id = "unique", .title = "the different values, ascending", .source = "torch.unique", .sig = "x -> y inverse:i64 counts[N]:i64",
                 .math = "y = {x_i}", .results = 3, .flags = LB_OP_ANY_TYPE, .shape = shape, .forward = forward,
                 .no_grad = "a set does not change smoothly", .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_unique(lb_tape *t, lb_tensor *x, lb_tensor **inverse, lb_tensor **counts) {
    lb_tensor *out[3];
    lb_apply_n(t, &lb_op_unique, NULL, 0, 1, &x, 3, out);
    if (inverse) *inverse = out[1];
    if (counts) *counts = out[2];
    return out[0];
}

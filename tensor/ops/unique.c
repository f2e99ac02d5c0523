/* SPDX-License-Identifier: Apache-2.0 */
/* y = the different values of x, ascending; inverse (the shape of x) = the place in y of each element; counts = how often each stands
 * there. Numbers of the maths type or i64; NaN is one value, behind all. How many depends on the values; on a SHAPES tape: the most it
 * can be. inverse and counts may be NULL. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/op.h"

/* A whole number in the order of the element: the bits of a float, mirrored below 0; -0 is 0. */
static int64_t key_of(const lb_tensor *x, int64_t i) {
    if (x->dtype == LB_I64) return lb_i(x)[i];
    double v = (double)lb_r(x)[i] + 0.0;
    int64_t bits;
    if (v != v) return INT64_MAX;
    memcpy(&bits, &v, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

typedef struct entry {
    int64_t key, place;
} entry;

/* Merge sort by key; equal keys keep their order. @return where the result lies: a or b */
static entry *sort(entry *a, entry *b, int64_t n) {
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t at = 0; at < n; at += 2 * width) {
            int64_t middle = at + width < n ? at + width : n, end = at + 2 * width < n ? at + 2 * width : n, i = at, j = middle;
            for (int64_t k = at; k < end; k++) b[k] = i < middle && (j == end || a[i].key <= a[j].key) ? a[i++] : a[j++];
        }
        entry *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

/* The elements in order; NULL when memory is refused. */
static const entry *sorted(lb_call *c, int64_t n) {
    entry *a = lb_scratch(c, (size_t)(2 * n) * sizeof *a);
    for (int64_t i = 0; a && i < n; i++) a[i] = (entry){key_of(c->in[0], i), i};
    return a ? sort(a, a + n, n) : NULL;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t n = lb_numel(x), different = n;
    if (x->dtype != LB_I64 && x->dtype != LB_REAL) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected %s or i64", lb_dtype_name(LB_REAL));
        return false;
    }
    if (x->data) {
        const entry *e = sorted(c, n);
        if (!e) return false;
        different = n > 0;
        for (int64_t i = 1; i < n; i++) different += e[i].key != e[i - 1].key;
    }
    c->out[0]->dtype = x->dtype;
    c->out[0]->rank = c->out[2]->rank = 1;
    c->out[0]->shape[0] = c->out[2]->shape[0] = different;
    c->out[1]->rank = x->rank;
    memcpy(c->out[1]->shape, x->shape, sizeof x->shape);
    return true;
}

static void forward(lb_call *c) {
    int64_t n = lb_numel(c->in[0]), at = -1;
    const entry *e = sorted(c, n);
    if (!e) return;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || e[i].key != e[i - 1].key) {
            at++;
            lb_i(c->out[2])[at] = 0;
            if (c->in[0]->dtype == LB_I64) lb_i(c->out[0])[at] = e[i].key;
            else lb_r(c->out[0])[at] = lb_r(c->in[0])[e[i].place];
        }
        lb_i(c->out[1])[e[i].place] = at;
        lb_i(c->out[2])[at]++;
    }
}

/* All different: the shape is then the same when only shapes count. */
static void apart(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] += (lb_real)(5 * (i * 7 % numel[0]));
}

static const lb_op_case cases[] = {
    {.name = "apart", .rank = {2}, .shape = {{3, 5}}, .fill = apart},
    {.name = "one", .rank = {0}},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}},
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

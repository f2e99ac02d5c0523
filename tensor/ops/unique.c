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

/* The elements in order; NULL when memory is refused. */
static const lbi_keyed *sorted(lb_call *c, int64_t n) {
    lbi_keyed *a = lb_scratch(c, (size_t)(2 * n) * sizeof *a);
    for (int64_t i = 0; a && i < n; i++) a[i] = (lbi_keyed){key_of(c->in[0], i), i};
    return a ? lbi_sort_keyed(a, a + n, n, (int)lb_dtype_size(c->in[0]->dtype)) : NULL;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t n = lb_numel(x), different = n;
    if (x->dtype != LB_I64 && x->dtype != LB_REAL) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected %s or i64", lb_dtype_name(LB_REAL));
        return false;
    }
    if (x->data) {
        const lbi_keyed *e = sorted(c, n);
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
    const lbi_keyed *e = sorted(c, n);
    if (!e) return;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || e[i].key != e[i - 1].key) {
            at++;
            lb_i(c->out[2])[at] = 0;
            if (c->in[0]->dtype == LB_I64) lb_i(c->out[0])[at] = lb_i(c->in[0])[e[i].place];
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

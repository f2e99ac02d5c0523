/* SPDX-License-Identifier: Apache-2.0 */
/* Order: the largest, the different ones, those that are not zero. Shapes that depend on data. */
#include <stdlib.h>
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

typedef struct entry {
    double key;
    int64_t at;
} entry;

static int rising(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int falling(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void top_k(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    double want = c->opset < 10 ? (double)onnx_int(c, "k", 0) : onnx_number(c, onnx_need(c, 1), 0);
    int axis = onnx_axis(c, onnx_int(c, "axis", -1), x->rank);
    bool largest = onnx_int(c, "largest", 1);
    if (!onnx_ok(c) || axis < 0) return;
    int64_t n = x->shape[axis], shape[LB_MAX_RANK], outer = onnx_product(x->shape, 0, axis), inner = onnx_product(x->shape, axis + 1, x->rank);
    if (!(want >= 0 && want <= (double)n)) {
        onnx_fail(c, LB_E_ARG, "%g largest of %lld", want, (long long)n);
        return;
    }
    int64_t k = (int64_t)want;
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = k;
    lb_dtype dtype = x->dtype;
    lb_tensor *y = onnx_make(c, 0, dtype, x->rank, shape), *index = onnx_scratch(c, LB_I64, x->rank, shape), *wide = onnx_as(c, x, LB_F64), *from = onnx_as(c, x, dtype);
    lb_tensor *work = onnx_scratch(c, LB_F64, 1, (int64_t[]){2 * n});
    onnx_put(c, 1, index);
    if (!onnx_ok(c) || !y->data || !wide->data || !from->data || !work->data || !index->data) return;
    size_t size = lb_dtype_size(dtype);
    entry *e = work->data;
    for (int64_t r = 0; r < outer * inner; r++) {
        int64_t first = r / inner * n * inner + r % inner, to = r / inner * k * inner + r % inner;
        for (int64_t i = 0; i < n; i++) e[i] = (entry){((const double *)wide->data)[first + i * inner], i};
        qsort(e, (size_t)n, sizeof *e, largest ? falling : rising);
        for (int64_t i = 0; i < k; i++) {
            memcpy((char *)y->data + (size_t)(to + i * inner) * size, (const char *)from->data + (size_t)(first + e[i].at * inner) * size, size);
            ((int64_t *)index->data)[to + i * inner] = e[i].at;
        }
    }
}

/* Places of what is not zero, a column each: [rank, count]. */
static void non_zero(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t count = 0, n = lb_numel(x), at = 0;
    if (!onnx_ok(c)) return;
    if (!x->data && n) onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
    for (int64_t i = 0; i < n && onnx_ok(c); i++) count += lb_get_at(x, i) != 0;
    lb_tensor *y = onnx_make(c, 0, LB_I64, 2, (int64_t[]){x->rank, count});
    for (int64_t i = 0; i < n && onnx_ok(c) && y->data; i++) {
        if (lb_get_at(x, i) == 0) continue;
        for (int64_t d = x->rank - 1, left = i; d >= 0; d--) {
            ((int64_t *)y->data)[d * count + at] = left % x->shape[d];
            left /= x->shape[d];
        }
        at++;
    }
}

/* ---- slices along an axis that differ: compared number by number ---- */

typedef struct slices {
    const lb_tensor *x;
    int64_t outer, n, inner;
} slices;

static double number(const slices *s, int64_t slice, int64_t k) { return lb_get_at(s->x, (k / s->inner * s->n + slice) * s->inner + k % s->inner); }

static int compare(const slices *s, int64_t a, int64_t b) {
    for (int64_t k = 0; k < s->outer * s->inner; k++) {
        double x = number(s, a, k), y = number(s, b, k);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

/* Merge sort, stable: order [n], work [n]. */
static void sort(const slices *s, int64_t *order, int64_t *work, int64_t n) {
    if (n < 2) return;
    int64_t half = n / 2, i = 0, j = half, at = 0;
    sort(s, order, work, half);
    sort(s, order + half, work, n - half);
    while (i < half || j < n) work[at++] = j == n || (i < half && compare(s, order[i], order[j]) <= 0) ? order[i++] : order[j++];
    memcpy(order, work, (size_t)n * sizeof *order);
}

/* group[i] = number of the value of slice i in the order asked for; first[g], count[g]. @return how many values */
static int64_t group(const slices *s, bool sorted, int64_t *order, int64_t *of, int64_t *first, int64_t *count) {
    int64_t groups = 0, next = 0;
    for (int64_t i = 0; i < s->n; i++) order[i] = i;
    sort(s, order, of, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        bool fresh = i == 0 || compare(s, order[i - 1], order[i]) != 0;
        if (fresh) first[groups] = order[i], count[groups] = 0, groups++;
        of[order[i]] = groups - 1;
        count[groups - 1]++;
    }
    if (sorted) return groups;
    for (int64_t g = 0; g < groups; g++) order[g] = -1; /* new numbers, as they come */
    for (int64_t i = 0; i < s->n; i++) {
        if (order[of[i]] < 0) order[of[i]] = next++;
        of[i] = order[of[i]];
    }
    memset(count, 0, (size_t)groups * sizeof *count);
    for (int64_t i = s->n - 1; i >= 0; i--) first[of[i]] = i, count[of[i]]++;
    return groups;
}

static void unique(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    bool flat = !onnx_attribute_find(c->node, "axis");
    if (!x->data && lb_numel(x)) onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
    lb_tape_mode mode = lb_tape_get_mode(c->tape);
    lb_tape_set_mode(c->tape, LB_TAPE_NO_GRAD); /* x has data: it is known */
    if (onnx_ok(c) && flat) x = lb_reshape(c->tape, x, 1, (int64_t[]){lb_numel(x)});
    int axis = onnx_ok(c) ? onnx_axis(c, flat ? 0 : onnx_int(c, "axis", 0), x->rank) : -1;
    if (axis < 0) return;
    slices s = {x, onnx_product(x->shape, 0, axis), x->shape[axis], onnx_product(x->shape, axis + 1, x->rank)};
    lb_tensor *work = onnx_scratch(c, LB_I64, 1, (int64_t[]){4 * s.n});
    if (!onnx_ok(c)) return;
    int64_t *w = work->data, groups = s.n ? group(&s, onnx_int(c, "sorted", 1), w, w + s.n, w + 2 * s.n, w + 3 * s.n) : 0, shape[LB_MAX_RANK];
    lb_tape_set_mode(c->tape, mode);
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = groups;
    lb_tensor *y = onnx_make(c, 0, x->dtype, x->rank, shape), *first = onnx_make(c, 1, LB_I64, 1, &groups), *inverse = onnx_make(c, 2, LB_I64, 1, &s.n), *count = onnx_make(c, 3, LB_I64, 1, &groups);
    if (!onnx_ok(c) || !y->data) return;
    size_t size = (size_t)s.inner * lb_dtype_size(x->dtype);
    lb_tensor *from = onnx_as(c, x, x->dtype);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t g = 0; g < groups; g++) memcpy((char *)y->data + (size_t)(o * groups + g) * size, (const char *)from->data + (size_t)(o * s.n + w[2 * s.n + g]) * size, size);
    memcpy(inverse->data, w + s.n, (size_t)s.n * sizeof *w);
    memcpy(first->data, w + 2 * s.n, (size_t)groups * sizeof *w);
    memcpy(count->data, w + 3 * s.n, (size_t)groups * sizeof *w);
}

static const onnx_operator operators[] = {
    {"NonZero", non_zero},
    {"TopK", top_k},
    {"Unique", unique},
    {0},
};

ONNX_GROUP(sort) = {.id = "sort", .title = "order, different values, places", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

/* SPDX-License-Identifier: Apache-2.0 */
/* Elements taken from and put to places that indices name. Any type: bytes are moved. */
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

/* Indices as contiguous i64, each within 0..n-1 after negative ones are counted from the end; NULL with the tape failed or without data. */
static const int64_t *places(onnx_call *c, lb_tensor *x, int64_t n) {
    lb_tensor *y = onnx_scratch(c, LB_I64, x->rank, x->shape), *from = onnx_as(c, x, LB_I64);
    if (!onnx_ok(c) || !y->data || !from->data) return NULL;
    for (int64_t i = 0, count = lb_numel(x); i < count; i++) {
        int64_t at = ((const int64_t *)from->data)[i];
        if (at < -n || at >= n) {
            onnx_fail(c, LB_E_ARG, "index %lld of %lld elements", (long long)at, (long long)n);
            return NULL;
        }
        ((int64_t *)y->data)[i] = at < 0 ? at + n : at;
    }
    return y->data;
}

static void gather(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *index = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", 0), x->rank), rank = x->rank - 1 + index->rank;
    int64_t shape[2 * LB_MAX_RANK];
    if (axis < 0) return;
    memcpy(shape, x->shape, (size_t)axis * sizeof *shape);
    memcpy(shape + axis, index->shape, (size_t)index->rank * sizeof *shape);
    memcpy(shape + axis + index->rank, x->shape + axis + 1, (size_t)(x->rank - axis - 1) * sizeof *shape);
    x = onnx_as(c, x, x->dtype);
    lb_tensor *y = onnx_make(c, 0, x->dtype, rank, shape);
    int64_t outer = onnx_product(x->shape, 0, axis), n = x->shape[axis], count = lb_numel(index);
    size_t inner = (size_t)onnx_product(x->shape, axis + 1, x->rank) * lb_dtype_size(x->dtype);
    const int64_t *at = places(c, index, n);
    if (!at || !y->data || !x->data) return;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++) memcpy((char *)y->data + (size_t)(o * count + i) * inner, (const char *)x->data + (size_t)(o * n + at[i]) * inner, inner);
}

/* Where element i of a tensor of `shape` lies in one of `other`, whose axis `axis` is read at `at` instead. */
static int64_t across(int64_t i, int rank, const int64_t *shape, const int64_t *other, int axis, int64_t at) {
    int64_t to = 0, step = 1;
    for (int d = rank - 1; d >= 0; d--) {
        to += (d == axis ? at : i % shape[d]) * step;
        i /= shape[d];
        step *= other[d];
    }
    return to;
}

static bool inside(onnx_call *c, const lb_tensor *small, const lb_tensor *large, int axis) {
    bool fits = small->rank == large->rank;
    for (int d = 0; d < small->rank && fits; d++) fits = d == axis || small->shape[d] <= large->shape[d];
    if (!fits) onnx_fail(c, LB_E_SHAPE, "the indices reach over the data");
    return fits;
}

static void gather_elements(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *index = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", 0), x->rank);
    if (axis < 0 || !inside(c, index, x, axis)) return;
    x = onnx_as(c, x, x->dtype);
    lb_tensor *y = onnx_make(c, 0, x->dtype, index->rank, index->shape);
    const int64_t *at = places(c, index, x->shape[axis]);
    size_t size = lb_dtype_size(x->dtype);
    if (!at || !y->data || !x->data) return;
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) memcpy((char *)y->data + (size_t)i * size, (const char *)x->data + (size_t)across(i, x->rank, index->shape, x->shape, axis, at[i]) * size, size);
}

/* ---- what is put where something is already ---- */

typedef enum joining { REPLACE = 0, ADD, MULTIPLY, MOST, LEAST } joining;

static joining joining_of(onnx_call *c) {
    const char *word = onnx_word(c, "reduction", "none");
    static const char *const words[] = {"none", "add", "mul", "max", "min"};
    for (int i = 0; i < 5; i++)
        if (onnx_is(word, words[i])) return (joining)i;
    onnx_fail(c, LB_E_UNSUPPORTED, "reduction '%s'", word);
    return REPLACE;
}

/* n elements of one type; sums and the like through double. */
static void join(joining how, lb_dtype dtype, char *to, const char *from, int64_t n) {
    size_t size = lb_dtype_size(dtype);
    if (how == REPLACE) memcpy(to, from, (size_t)n * size);
    for (int64_t i = 0; i < n && how != REPLACE; i++) {
        double a, b;
        lb_convert(&a, LB_F64, to + (size_t)i * size, dtype, 1);
        lb_convert(&b, LB_F64, from + (size_t)i * size, dtype, 1);
        a = how == ADD ? a + b : how == MULTIPLY ? a * b : how == MOST ? (a > b ? a : b) : (a < b ? a : b);
        lb_convert(to + (size_t)i * size, dtype, &a, LB_F64, 1);
    }
}

static lb_tensor *copied(onnx_call *c, lb_tensor *x) {
    lb_tensor *from = onnx_as(c, x, x->dtype), *y = onnx_make(c, 0, x->dtype, x->rank, x->shape);
    if (onnx_ok(c) && y->data && from->data) memcpy(y->data, from->data, (size_t)lb_numel(x) * lb_dtype_size(x->dtype));
    return y;
}

static void scatter_elements(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *index = onnx_need(c, 1), *src = onnx_need(c, 2);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", 0), x->rank);
    joining how = joining_of(c);
    if (axis < 0 || !inside(c, index, x, axis)) return;
    if (!lb_same_shape(index, src)) onnx_fail(c, LB_E_SHAPE, "indices and updates differ in shape");
    if (src->dtype != x->dtype) onnx_fail(c, LB_E_SHAPE, "updates of type %s, data of %s", lb_dtype_name(src->dtype), lb_dtype_name(x->dtype));
    lb_tensor *y = copied(c, x);
    src = onnx_as(c, src, x->dtype);
    const int64_t *at = places(c, index, x->shape[axis]);
    size_t size = lb_dtype_size(x->dtype);
    if (!at || !y->data || !src->data) return;
    for (int64_t i = 0, n = lb_numel(src); i < n; i++)
        join(how, x->dtype, (char *)y->data + (size_t)across(i, x->rank, index->shape, x->shape, axis, at[i]) * size,
             (const char *)src->data + (size_t)i * size, 1);
}

/* The place that k indices name among the axes from `first` on. @return -1 with the tape failed */
static int64_t place_nd(onnx_call *c, const int64_t *index, int64_t k, const int64_t *shape) {
    int64_t at = 0;
    for (int64_t d = 0; d < k; d++) {
        int64_t i = index[d] < 0 ? index[d] + shape[d] : index[d];
        if (i < 0 || i >= shape[d]) {
            onnx_fail(c, LB_E_ARG, "index %lld of %lld elements", (long long)index[d], (long long)shape[d]);
            return -1;
        }
        at = at * shape[d] + i;
    }
    return at;
}

static void gather_nd(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *index = onnx_need(c, 1);
    int64_t batch = onnx_int(c, "batch_dims", 0), shape[2 * LB_MAX_RANK];
    if (!onnx_ok(c)) return;
    int64_t k = index->rank ? index->shape[index->rank - 1] : -1;
    if (batch < 0 || batch >= index->rank || k < 1 || batch + k > x->rank) {
        onnx_fail(c, LB_E_SHAPE, "%lld indices behind %lld batch axes of a tensor with %d axes", (long long)k, (long long)batch, x->rank);
        return;
    }
    int rank = index->rank - 1, b = (int)batch;
    memcpy(shape, index->shape, (size_t)rank * sizeof *shape);
    for (int d = b + (int)k; d < x->rank; d++) shape[rank++] = x->shape[d];
    x = onnx_as(c, x, x->dtype);
    lb_tensor *y = onnx_make(c, 0, x->dtype, rank, shape), *at = onnx_as(c, index, LB_I64);
    size_t inner = (size_t)onnx_product(x->shape, b + (int)k, x->rank) * lb_dtype_size(x->dtype);
    int64_t batches = onnx_product(x->shape, 0, b), each = batches ? onnx_product(index->shape, 0, index->rank - 1) / batches : 0, block = onnx_product(x->shape, b, b + (int)k);
    if (!onnx_ok(c) || !y->data || !x->data || !at->data) return;
    for (int64_t i = 0; i < batches * each; i++) {
        int64_t from = place_nd(c, (const int64_t *)at->data + i * k, k, x->shape + b);
        if (from < 0) return;
        memcpy((char *)y->data + (size_t)i * inner, (const char *)x->data + (size_t)(i / each * block + from) * inner, inner);
    }
}

static void scatter_nd(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *index = onnx_need(c, 1), *src = onnx_need(c, 2);
    if (!onnx_ok(c)) return;
    int64_t k = index->rank ? index->shape[index->rank - 1] : -1;
    joining how = joining_of(c);
    if (k < 1 || k > x->rank) onnx_fail(c, LB_E_SHAPE, "%lld indices into a tensor with %d axes", (long long)k, x->rank);
    if (!onnx_ok(c)) return;
    int64_t inner = onnx_product(x->shape, (int)k, x->rank), count = onnx_product(index->shape, 0, index->rank - 1);
    if (lb_numel(src) != count * inner || src->dtype != x->dtype) onnx_fail(c, LB_E_SHAPE, "the updates do not fit the indices");
    lb_tensor *y = copied(c, x), *at = onnx_as(c, index, LB_I64);
    src = onnx_as(c, src, x->dtype);
    size_t size = lb_dtype_size(x->dtype);
    if (!onnx_ok(c) || !y->data || !src->data || !at->data) return;
    for (int64_t i = 0; i < count; i++) {
        int64_t to = place_nd(c, (const int64_t *)at->data + i * k, k, x->shape);
        if (to < 0) return;
        join(how, x->dtype, (char *)y->data + (size_t)(to * inner) * size, (const char *)src->data + (size_t)(i * inner) * size, inner);
    }
}

static void one_hot(onnx_call *c) {
    lb_tensor *index = onnx_need(c, 0), *depth = onnx_need(c, 1), *values = onnx_need(c, 2);
    if (!onnx_ok(c)) return;
    double d = onnx_number(c, depth, 0);
    int axis = onnx_axis(c, onnx_int(c, "axis", -1), index->rank + 1);
    if (!onnx_ok(c) || axis < 0) return;
    if (!(d >= 0 && d < 2147483647.0) || lb_numel(values) != 2 || index->rank + 1 > LB_MAX_RANK) {
        onnx_fail(c, LB_E_SHAPE, "depth %g, %lld values: expected two", d, (long long)lb_numel(values));
        return;
    }
    int64_t n = (int64_t)d, shape[LB_MAX_RANK], outer = onnx_product(index->shape, 0, axis), inner = onnx_product(index->shape, axis, index->rank);
    memcpy(shape, index->shape, sizeof shape);
    memmove(shape + axis + 1, shape + axis, (size_t)(index->rank - axis) * sizeof *shape);
    shape[axis] = n;
    lb_tensor *y = onnx_make(c, 0, values->dtype, index->rank + 1, shape), *at = onnx_as(c, index, LB_I64);
    values = onnx_as(c, values, values->dtype);
    size_t size = lb_dtype_size(values->dtype);
    if (!onnx_ok(c) || !y->data || !at->data || !values->data) return;
    for (int64_t i = 0, all = outer * n * inner; i < all; i++) {
        int64_t k = i / inner % n, want = ((const int64_t *)at->data)[i / (inner * n) * inner + i % inner];
        memcpy((char *)y->data + (size_t)i * size, (const char *)values->data + (want == k || want + n == k ? size : 0), size);
    }
}

static void compress(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *keep = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    bool flat = !onnx_attribute_find(c->node, "axis");
    if (flat) x = lb_reshape(c->tape, x, 1, (int64_t[]){lb_numel(x)});
    int axis = onnx_axis(c, flat ? 0 : onnx_int(c, "axis", 0), x->rank);
    int64_t count = 0, kept = 0, shape[LB_MAX_RANK], most = lb_numel(keep);
    if (axis < 0 || !onnx_ok(c)) return;
    if (!keep->data && most) onnx_fail(c, LB_E_UNSUPPORTED, "a shape depends on data");
    if (most > x->shape[axis]) most = x->shape[axis];
    for (int64_t i = 0; i < most && onnx_ok(c); i++) count += lb_get_at(keep, i) != 0;
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = count;
    lb_dtype dtype = x->dtype;
    lb_tensor *y = onnx_make(c, 0, dtype, x->rank, shape);
    x = onnx_as(c, x, dtype);
    int64_t outer = onnx_product(x->shape, 0, axis), n = x->shape[axis];
    size_t inner = (size_t)onnx_product(x->shape, axis + 1, x->rank) * lb_dtype_size(dtype);
    for (int64_t i = 0; i < most && onnx_ok(c) && y->data && x->data; i++) {
        if (lb_get_at(keep, i) == 0) continue;
        for (int64_t o = 0; o < outer; o++) memcpy((char *)y->data + (size_t)(o * count + kept) * inner, (const char *)x->data + (size_t)(o * n + i) * inner, inner);
        kept++;
    }
}

/* Steps 0 .. length-1 of each sequence turned round. */
static void reverse_sequence(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *lens = onnx_need(c, 1);
    if (!onnx_ok(c)) return;
    int time = onnx_axis(c, onnx_int(c, "time_axis", 0), x->rank), batch = onnx_axis(c, onnx_int(c, "batch_axis", 1), x->rank);
    if (time < 0 || batch < 0) return;
    if (lb_numel(lens) != x->shape[batch]) onnx_fail(c, LB_E_SHAPE, "%lld lengths for %lld sequences", (long long)lb_numel(lens), (long long)x->shape[batch]);
    lb_tensor *y = copied(c, x), *from = onnx_as(c, x, x->dtype), *n = onnx_as(c, lens, LB_I64);
    size_t size = lb_dtype_size(x->dtype);
    if (!onnx_ok(c) || !y->data || !from->data || !n->data) return;
    int64_t inner_t = onnx_product(x->shape, time + 1, x->rank), inner_b = onnx_product(x->shape, batch + 1, x->rank);
    for (int64_t i = 0, all = lb_numel(x); i < all; i++) {
        int64_t step = i / inner_t % x->shape[time], length = ((const int64_t *)n->data)[i / inner_b % x->shape[batch]];
        if (length > x->shape[time]) length = x->shape[time];
        if (step < length) memcpy((char *)y->data + (size_t)i * size, (const char *)from->data + (size_t)(i + (length - 1 - 2 * step) * inner_t) * size, size);
    }
}

static void trilu(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    double k = onnx_number(c, onnx_in(c, 1), 0);
    bool upper = onnx_int(c, "upper", 1);
    if (x->rank < 2) onnx_fail(c, LB_E_SHAPE, "%d axes, expected 2 or more", x->rank);
    lb_tensor *y = copied(c, x);
    size_t size = lb_dtype_size(x->dtype);
    if (!onnx_ok(c) || !y->data) return;
    int64_t rows = x->shape[x->rank - 2], columns = x->shape[x->rank - 1];
    for (int64_t i = 0, n = lb_numel(y); i < n; i++) {
        double off = (double)(i % columns - i / columns % rows);
        if (upper ? off < k : off > k) memset((char *)y->data + (size_t)i * size, 0, size);
    }
}

/* Where element i, counted from the first one of x, comes from. */
static int64_t mirrored(char mode, int64_t i, int64_t n) {
    if (mode == 'e') return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (mode == 'w') return (i % n + n) % n;
    int64_t period = n > 1 ? 2 * (n - 1) : 1, k = (i % period + period) % period;
    return k < n ? k : period - k;
}

/* Along one axis n elements, from `before` in front of the first on, as the mode has it. */
static lb_tensor *taken(onnx_call *c, lb_tensor *x, int axis, int64_t n, int64_t before, char mode) {
    int64_t shape[LB_MAX_RANK], outer = onnx_product(x->shape, 0, axis), old = x->shape[axis];
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = n;
    lb_tensor *from = onnx_as(c, x, x->dtype), *y = onnx_scratch(c, x->dtype, x->rank, shape);
    size_t inner = (size_t)onnx_product(x->shape, axis + 1, x->rank) * lb_dtype_size(x->dtype);
    if (!onnx_ok(c) || !y->data || !from->data) return y;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) memcpy((char *)y->data + (size_t)(o * n + i) * inner, (const char *)from->data + (size_t)(o * old + mirrored(mode, i - before, old)) * inner, inner);
    return y;
}

static lb_tensor *padded(onnx_call *c, lb_tensor *x, const int64_t *before, const int64_t *after, const char *mode) {
    double value = c->opset < 11 ? onnx_real(c, "value", 0) : onnx_number(c, onnx_in(c, 2), 0);
    if (onnx_is(mode, "constant")) return lb_pad(c->tape, x, before, after, value);
    if (!onnx_is(mode, "reflect") && !onnx_is(mode, "edge") && !onnx_is(mode, "wrap")) return onnx_fail(c, LB_E_UNSUPPORTED, "mode '%s'", mode);
    if (x->dtype == LB_F32) return lb_pad_with(c->tape, x, before, after, *mode == 'r' ? LB_PAD_REFLECT : *mode == 'e' ? LB_PAD_REPLICATE : LB_PAD_CIRCULAR);
    for (int d = 0; d < x->rank && onnx_ok(c); d++) {
        int64_t n = x->shape[d] + before[d] + after[d];
        if (before[d] == 0 && after[d] == 0) continue;
        if (x->shape[d] < 1) return onnx_fail(c, LB_E_SHAPE, "axis %d is empty", d);
        x = taken(c, x, d, n, before[d], *mode);
    }
    return x;
}

static void pad(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t pads[2 * LB_MAX_RANK], axes[LB_MAX_RANK], before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0};
    int n, na = -1;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, c->opset < 2 ? "paddings" : "pads", pads, 2 * LB_MAX_RANK, &n)) return;
    if (onnx_in(c, 3) && !onnx_ints(c, c->in[3], axes, LB_MAX_RANK, &na)) return;
    if (n != 2 * (na < 0 ? x->rank : na)) onnx_fail(c, LB_E_SHAPE, "%d paddings for %d axes", n, na < 0 ? x->rank : na);
    for (int i = 0; i < n / 2 && onnx_ok(c); i++) {
        int a = onnx_axis(c, na < 0 ? i : axes[i], x->rank);
        if (a < 0) return;
        before[a] = pads[i];
        after[a] = pads[n / 2 + i];
        if (before[a] + after[a] + x->shape[a] < 0) onnx_fail(c, LB_E_SHAPE, "axis %d is left with a negative size", a);
    }
    if (onnx_ok(c)) onnx_put(c, 0, padded(c, x, before, after, onnx_word(c, "mode", "constant")));
}

/* The middle of x, with zeros around it where it is too small; of an odd number that goes or comes, one more at the end. */
static void center_crop_pad(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t size[LB_MAX_RANK], axes[LB_MAX_RANK], before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0};
    int n, na = onnx_list(c, "axes", axes, LB_MAX_RANK);
    if (!onnx_ok(c) || !onnx_ints(c, onnx_need(c, 1), size, LB_MAX_RANK, &n)) return;
    if (n != (na < 0 ? x->rank : na)) onnx_fail(c, LB_E_SHAPE, "%d sizes for %d axes", n, na < 0 ? x->rank : na);
    for (int i = 0; i < n && onnx_ok(c); i++) {
        int a = onnx_axis(c, na < 0 ? i : axes[i], x->rank);
        if (a < 0) return;
        if (size[i] < 0) onnx_fail(c, LB_E_SHAPE, "axis %d gets a negative size", a);
        int64_t more = size[i] - x->shape[a];
        before[a] = more / 2;
        after[a] = more - before[a];
    }
    if (onnx_ok(c)) onnx_put(c, 0, lb_pad(c->tape, x, before, after, 0));
}

static const onnx_operator operators[] = {
    {"CenterCropPad", center_crop_pad},
    {"Compress", compress},
    {"Gather", gather, 0, "texts"},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd, 0, "texts"},
    {"OneHot", one_hot},
    {"Pad", pad},
    {"ReverseSequence", reverse_sequence},
    {"Scatter", scatter_elements},
    {"ScatterElements", scatter_elements},
    {"ScatterND", scatter_nd},
    {"Trilu", trilu},
    {0},
};

ONNX_GROUP(select) = {.id = "select", .title = "elements by index, padding and cropping", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

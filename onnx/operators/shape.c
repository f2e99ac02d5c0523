/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and views: nothing is computed, and memory is shared where the order allows it. Any type. */
#include <string.h>
#include "onnx/operator.h"
#include "tensor/ops.h"

enum { MANY = 4096 };

/* ---- what a tensor is ---- */

static void shape(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int64_t rank = x->rank, start = onnx_int(c, "start", 0), end = onnx_int(c, "end", rank);
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < 0 ? 0 : end > rank ? rank : end;
    int64_t n = end > start ? end - start : 0;
    lb_tensor *y = onnx_make(c, 0, LB_I64, 1, &n);
    if (y->data) memcpy(y->data, x->shape + start, (size_t)n * sizeof(int64_t));
}

static void size(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), *y = onnx_make(c, 0, LB_I64, 0, NULL);
    if (y->data) *(int64_t *)y->data = lb_numel(x);
}

/* ---- the same elements in another shape ---- */

static void reshape(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t to[LB_MAX_RANK];
    int n;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "shape", to, LB_MAX_RANK, &n)) return;
    if (n < 0) {
        onnx_fail(c, LB_E_FORMAT, "no shape");
        return;
    }
    bool zero = onnx_int(c, "allowzero", 0);
    for (int d = 0; d < n; d++) {
        if (to[d] != 0 || zero) continue;
        if (d >= x->rank) onnx_fail(c, LB_E_SHAPE, "size 0 at axis %d copies none: the input has %d axes", d, x->rank);
        else to[d] = x->shape[d];
    }
    if (onnx_ok(c)) onnx_put(c, 0, lb_reshape(c->tape, x, n, to));
}

static void flatten(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int64_t axis = onnx_int(c, "axis", 1);
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis > x->rank) {
        onnx_fail(c, LB_E_SHAPE, "axis %lld of a tensor with %d", (long long)axis, x->rank);
        return;
    }
    onnx_put(c, 0, lb_reshape(c->tape, x, 2, (int64_t[]){onnx_product(x->shape, 0, (int)axis), onnx_product(x->shape, (int)axis, x->rank)}));
}

static void squeeze(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t axes[LB_MAX_RANK], to[LB_MAX_RANK];
    bool out[LB_MAX_RANK] = {false};
    int n, rank = 0;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "axes", axes, LB_MAX_RANK, &n)) return;
    for (int i = 0; i < n; i++) {
        int a = onnx_axis(c, axes[i], x->rank);
        if (a < 0) return;
        if (x->shape[a] != 1) onnx_fail(c, LB_E_SHAPE, "axis %d has size %lld, expected 1", a, (long long)x->shape[a]);
        out[a] = true;
    }
    for (int d = 0; d < x->rank; d++)
        if (n < 0 ? x->shape[d] != 1 : !out[d]) to[rank++] = x->shape[d];
    if (onnx_ok(c)) onnx_put(c, 0, lb_reshape(c->tape, x, rank, to));
}

static void unsqueeze(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t axes[LB_MAX_RANK], to[LB_MAX_RANK];
    bool in[LB_MAX_RANK] = {false};
    int n, from = 0;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "axes", axes, LB_MAX_RANK, &n)) return;
    int rank = x->rank + (n < 0 ? 0 : n);
    if (rank > LB_MAX_RANK) {
        onnx_fail(c, LB_E_UNSUPPORTED, "%d axes, at most %d", rank, LB_MAX_RANK);
        return;
    }
    for (int i = 0; i < n; i++) {
        int a = onnx_axis(c, axes[i], rank);
        if (a < 0) return;
        if (in[a]) onnx_fail(c, LB_E_SHAPE, "axis %d twice", a);
        in[a] = true;
    }
    for (int d = 0; d < rank && onnx_ok(c); d++) to[d] = in[d] ? 1 : x->shape[from++];
    if (onnx_ok(c)) onnx_put(c, 0, lb_reshape(c->tape, x, rank, to));
}

static void transpose(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t perm[LB_MAX_RANK];
    int order[LB_MAX_RANK], n = onnx_list(c, "perm", perm, LB_MAX_RANK);
    if (!onnx_ok(c)) return;
    if (n >= 0 && n != x->rank) {
        onnx_fail(c, LB_E_SHAPE, "an order of %d axes for a tensor with %d", n, x->rank);
        return;
    }
    for (int d = 0; d < x->rank; d++) order[d] = n < 0 ? x->rank - 1 - d : (int)perm[d];
    onnx_put(c, 0, x->rank < 2 ? x : lb_permute(c->tape, x, order));
}

static void expand(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0), want = {.rank = 0};
    int rank;
    int64_t to[LB_MAX_RANK];
    if (!onnx_ok(c) || !onnx_ints(c, onnx_need(c, 1), want.shape, LB_MAX_RANK, &want.rank)) return;
    if (onnx_broadcast(c, x, &want, &rank, to)) onnx_put(c, 0, lb_expand(c->tape, x, rank, to));
}

static void tile(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t reps[LB_MAX_RANK], to[LB_MAX_RANK];
    int n;
    if (!onnx_ok(c) || !onnx_ints(c, onnx_need(c, 1), reps, LB_MAX_RANK, &n)) return;
    if (n != x->rank) {
        onnx_fail(c, LB_E_SHAPE, "%d repeats for a tensor with %d axes", n, x->rank);
        return;
    }
    x = onnx_as(c, x, x->dtype);
    size_t bytes = lb_dtype_size(x->dtype);
    for (int d = 0; d < n; d++)
        if (!lb_mul_i64(&to[d], x->shape[d], reps[d] < 0 ? 0 : reps[d])) to[d] = -1;
    lb_tensor *y = onnx_make(c, 0, x->dtype, n, to);
    if (!y->data || !x->data) return;
    int64_t rows = n ? lb_numel(y) / to[n - 1] : 1, width = n ? x->shape[n - 1] : 1, times = n ? reps[n - 1] : 1;
    for (int64_t r = 0; r < rows; r++) { /* rows of the result, each from one of x */
        int64_t at = 0, step = 1, left = r;
        for (int d = n - 2; d >= 0; d--) {
            at += left % to[d] % x->shape[d] * step;
            left /= to[d];
            step *= x->shape[d];
        }
        for (int64_t k = 0; k < times; k++) memcpy((char *)y->data + (size_t)((r * times + k) * width) * bytes, (char *)x->data + (size_t)(at * width) * bytes, (size_t)width * bytes);
    }
}

/* ---- parts ---- */

/* Elements start, start + step, ... before (behind, for a negative step) end. A view; steps back are turned round. */
static lb_tensor *part(onnx_call *c, lb_tensor *x, int axis, int64_t start, int64_t end, int64_t step) {
    int64_t n = x->shape[axis];
    if (step == 0 || step == INT64_MIN) return onnx_fail(c, LB_E_ARG, "a step of %lld", (long long)step);
    if (start < 0) start = start < -n ? -1 : start + n; /* -1: before the first */
    if (end < 0) end = end < -n ? -1 : end + n;
    if (step > 0) {
        start = start < 0 ? 0 : start > n ? n : start;
        end = end < 0 ? 0 : end > n ? n : end;
        return lb_slice(c->tape, x, axis, start, end, step);
    }
    start = start > n - 1 ? n - 1 : start;
    end = end > n - 1 ? n - 1 : end;
    int64_t count = start > end ? (start - end - 1) / -step + 1 : 0, last = count ? start + (count - 1) * step : 0;
    lb_tensor *y = lb_slice(c->tape, x, axis, last, count ? start + 1 : last, -step);
    return lb_numel(y) == 0 || y->shape[axis] == 1 ? y : lb_flip(c->tape, y, axis);
}

/* Before set 10 bounds are attributes. */
static void slice(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t starts[LB_MAX_RANK], ends[LB_MAX_RANK], axes[LB_MAX_RANK], steps[LB_MAX_RANK];
    int n, m, na = -1, ns = -1;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "starts", starts, LB_MAX_RANK, &n) || !onnx_ints_or(c, 2, "ends", ends, LB_MAX_RANK, &m)) return;
    if (!onnx_ints_or(c, 3, "axes", axes, LB_MAX_RANK, &na) || !onnx_ints_or(c, 4, "steps", steps, LB_MAX_RANK, &ns)) return;
    if (n != m || (na >= 0 && na != n) || (ns >= 0 && ns != n)) {
        onnx_fail(c, LB_E_SHAPE, "%d starts, %d ends, %d axes, %d steps", n, m, na, ns);
        return;
    }
    for (int i = 0; i < n && onnx_ok(c); i++) {
        int axis = onnx_axis(c, na < 0 ? i : axes[i], x->rank);
        if (axis >= 0) x = part(c, x, axis, starts[i], ends[i], ns < 0 ? 1 : steps[i]);
    }
    onnx_put(c, 0, x);
}

static void concat(onnx_call *c) {
    lb_tensor *first = onnx_need(c, 0);
    if (!onnx_ok(c)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", c->opset < 4 ? 1 : 0), first->rank);
    for (int i = 0; i < c->nin && onnx_ok(c); i++) onnx_need(c, i);
    if (axis >= 0 && onnx_ok(c)) onnx_put(c, 0, c->nin == 1 ? first : lb_concat(c->tape, c->nin, c->in, axis));
}

/* Sizes as given, or as equal as can be, the last one smaller (set 18). */
static void split(onnx_call *c) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t sizes[MANY], at = 0;
    int n;
    if (!onnx_ok(c) || !onnx_ints_or(c, 1, "split", sizes, MANY, &n)) return;
    int axis = onnx_axis(c, onnx_int(c, "axis", 0), x->rank);
    if (axis < 0) return;
    int64_t whole = x->shape[axis], each = c->nout ? (whole + c->nout - 1) / c->nout : whole;
    if (n >= 0 && n != c->nout) onnx_fail(c, LB_E_SHAPE, "%d sizes for %d results", n, c->nout);
    for (int k = 0; k < c->nout && onnx_ok(c); k++) {
        int64_t size = n >= 0 ? sizes[k] : at + each > whole ? whole - at : each;
        if (size < 0 || size > whole - at) onnx_fail(c, LB_E_SHAPE, "part %d has size %lld of the %lld that are left", k, (long long)size, (long long)(whole - at));
        else onnx_put(c, k, lb_slice(c->tape, x, axis, at, at + size, 1));
        at += size;
    }
    if (onnx_ok(c) && at != whole) onnx_fail(c, LB_E_SHAPE, "parts of %lld in all, the axis has %lld", (long long)at, (long long)whole);
}

static void blocks(onnx_call *c, bool deep) {
    lb_tensor *x = onnx_need(c, 0);
    int64_t b = onnx_int(c, "blocksize", 0);
    if (!onnx_ok(c)) return;
    if (x->rank != 4 || b < 1 || b > 4096) {
        onnx_fail(c, LB_E_SHAPE, "%d axes and blocks of %lld: expected 4 axes", x->rank, (long long)b);
        return;
    }
    bool inner = onnx_is(onnx_word(c, "mode", "DCR"), "CRD");
    int64_t n = x->shape[0], ch = x->shape[1], h = x->shape[2], w = x->shape[3];
    if (deep ? h % b || w % b : ch % (b * b)) {
        onnx_fail(c, LB_E_SHAPE, "sizes %lld x %lld x %lld do not divide by blocks of %lld", (long long)ch, (long long)h, (long long)w, (long long)b);
        return;
    }
    if (deep) {
        x = lb_permute(c->tape, lb_reshape(c->tape, x, 6, (int64_t[]){n, ch, h / b, b, w / b, b}), (int[]){0, 3, 5, 1, 2, 4});
        onnx_put(c, 0, lb_reshape(c->tape, x, 4, (int64_t[]){n, ch * b * b, h / b, w / b}));
        return;
    }
    int64_t left = ch / (b * b);
    if (inner) x = lb_permute(c->tape, lb_reshape(c->tape, x, 6, (int64_t[]){n, left, b, b, h, w}), (int[]){0, 1, 4, 2, 5, 3});
    else x = lb_permute(c->tape, lb_reshape(c->tape, x, 6, (int64_t[]){n, b, b, left, h, w}), (int[]){0, 3, 4, 1, 5, 2});
    onnx_put(c, 0, lb_reshape(c->tape, x, 4, (int64_t[]){n, left, h * b, w * b}));
}

static void depth_to_space(onnx_call *c) { blocks(c, false); }
static void space_to_depth(onnx_call *c) { blocks(c, true); }

static const onnx_operator operators[] = {
    {"Concat", concat},
    {"DepthToSpace", depth_to_space},
    {"Expand", expand},
    {"Flatten", flatten},
    {"Reshape", reshape},
    {"Shape", shape, ONNX_SHAPE_ONLY},
    {"Size", size, ONNX_SHAPE_ONLY},
    {"Slice", slice},
    {"SpaceToDepth", space_to_depth},
    {"Split", split},
    {"Squeeze", squeeze},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
    {0},
};

ONNX_GROUP(shape) = {.id = "shape", .title = "shapes, views and parts", .source = "github.com/onnx/onnx docs/Operators.md", .operators = operators};

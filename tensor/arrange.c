/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/arrange.h"
#include <string.h>
#include "tensor/op.h"

/* Can x be looked at? */
static bool alive(lb_tape *t, const lb_tensor *x, const char *what) {
    if (lb_tape_ok(t) && !x) lb_tape_fail(t, LB_E_ARG, "%s of no tensor", what);
    return lb_tape_ok(t);
}

/* Axis in 0..limit-1, or the tape fails. */
static int axis_of(lb_tape *t, const char *what, int axis, int limit) {
    int at = axis < 0 ? axis + limit : axis;
    if (at >= 0 && at < limit) return at;
    lb_tape_fail(t, LB_E_SHAPE, "%s: axis %d of %d", what, axis, limit);
    return -1;
}

static void all_inert(lb_tape *t, int64_t n, lb_tensor **out) {
    for (int64_t i = 0; i < n; i++) out[i] = lb_inert(t);
}

lb_tensor *lb_unsqueeze(lb_tape *t, lb_tensor *x, int axis) {
    int64_t shape[LB_MAX_RANK + 1];
    int at = alive(t, x, "unsqueeze") ? axis_of(t, "unsqueeze", axis, x->rank + 1) : -1;
    if (at < 0) return lb_inert(t);
    memcpy(shape, x->shape, sizeof x->shape);
    memmove(shape + at + 1, shape + at, sizeof *shape * (size_t)(x->rank - at));
    shape[at] = 1;
    return lb_reshape(t, x, x->rank + 1, shape);
}

lb_tensor *lb_squeeze(lb_tape *t, lb_tensor *x, int axis) {
    int64_t shape[LB_MAX_RANK];
    int at = alive(t, x, "squeeze") ? axis_of(t, "squeeze", axis, x->rank) : -1;
    if (at < 0) return lb_inert(t);
    if (x->shape[at] != 1) return lb_tape_fail(t, LB_E_SHAPE, "squeeze: axis %d has size %lld, expected 1", axis, (long long)x->shape[at]);
    memcpy(shape, x->shape, sizeof shape);
    memmove(shape + at, shape + at + 1, sizeof *shape * (size_t)(x->rank - 1 - at));
    return lb_reshape(t, x, x->rank - 1, shape);
}

lb_tensor *lb_flatten(lb_tape *t, lb_tensor *x, int first, int last) {
    int64_t shape[LB_MAX_RANK];
    if (!alive(t, x, "flatten")) return lb_inert(t);
    if (x->rank == 0) return lb_unsqueeze(t, x, 0);
    int from = axis_of(t, "flatten", first, x->rank), to = axis_of(t, "flatten", last, x->rank), rank = 0;
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (to < from) return lb_tape_fail(t, LB_E_SHAPE, "flatten: axes %d to %d", first, last);
    for (int i = 0; i < x->rank; i++) {
        if (i > from && i <= to) shape[rank - 1] *= x->shape[i];
        else shape[rank++] = x->shape[i];
    }
    return lb_reshape(t, x, rank, shape);
}

enum { GROUP = LB_OP_MAX_IN };

/* Groups of as many as an op takes are joined, then the groups: what is joined already has the new axis. */
static lb_tensor *join(lb_tape *t, int n, lb_tensor *const *x, int axis, bool fresh) {
    lb_tensor *part[GROUP];
    int size = (n + GROUP - 1) / GROUP, count = 0;
    for (int i = 0; i < n; i += size) {
        int m = n - i < size ? n - i : size;
        part[count++] = m > 1 ? join(t, m, x + i, axis, fresh) : fresh ? lb_unsqueeze(t, x[i], axis) : x[i];
    }
    return count == 1 ? part[0] : lb_concat(t, count, part, axis);
}

lb_tensor *lb_stack(lb_tape *t, int n, lb_tensor *const *x, int axis) {
    if (lb_tape_ok(t) && n < 1) return lb_tape_fail(t, LB_E_ARG, "stack of no tensors");
    if (!alive(t, n > 0 ? x[0] : NULL, "stack")) return lb_inert(t);
    int at = axis_of(t, "stack", axis, x[0]->rank + 1);
    return at < 0 ? lb_inert(t) : join(t, n, x, at, true);
}

void lb_unbind(lb_tape *t, lb_tensor *x, int axis, lb_tensor **out) {
    int at = alive(t, x, "unbind") ? axis_of(t, "unbind", axis, x->rank) : -1;
    for (int64_t i = 0; at >= 0 && i < x->shape[at]; i++) out[i] = lb_squeeze(t, lb_slice(t, x, at, i, i + 1, 1), at);
}

void lb_split(lb_tape *t, lb_tensor *x, int axis, int n, const int64_t *sizes, lb_tensor **out) {
    int64_t sum = 0, from = 0;
    all_inert(t, n, out);
    int at = alive(t, x, "split") ? axis_of(t, "split", axis, x->rank) : -1;
    if (at < 0) return;
    for (int i = 0; i < n; i++) sum += sizes[i] < 0 ? INT64_MIN / 64 : sizes[i];
    if (sum != x->shape[at]) {
        lb_tape_fail(t, LB_E_SHAPE, "split: %d sizes do not add up to the %lld of axis %d", n, (long long)x->shape[at], axis);
        return;
    }
    for (int i = 0; i < n; i++) {
        out[i] = lb_slice(t, x, at, from, from + sizes[i], 1);
        from += sizes[i];
    }
}

int lb_chunk(lb_tape *t, lb_tensor *x, int axis, int n, lb_tensor **out) {
    all_inert(t, n, out);
    int at = alive(t, x, "chunk") ? axis_of(t, "chunk", axis, x->rank) : -1;
    if (at >= 0 && n < 1) lb_tape_fail(t, LB_E_ARG, "chunk: %d parts", n);
    if (!lb_tape_ok(t)) return n;
    int64_t size = (x->shape[at] + n - 1) / n, count = size > 0 ? (x->shape[at] + size - 1) / size : n;
    for (int64_t i = 0; i < count; i++) out[i] = lb_slice(t, x, at, i * size, (i + 1) * size, 1);
    return (int)count;
}

/* Seen as [outer, inner], each outer part `times` times. */
static lb_tensor *repeat_parts(lb_tape *t, lb_tensor *x, int64_t outer, int64_t inner, int64_t times) {
    lb_tensor *parts = lb_reshape(t, x, 3, (int64_t[]){outer, 1, inner});
    return lb_expand(t, parts, 3, (int64_t[]){outer, times, inner});
}

static int64_t product(const int64_t *shape, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= shape[i];
    return n;
}

lb_tensor *lb_tile(lb_tape *t, lb_tensor *x, int rank, const int64_t *reps) {
    int64_t shape[LB_MAX_RANK];
    if (!alive(t, x, "tile")) return lb_inert(t);
    if (rank < x->rank || rank > LB_MAX_RANK) return lb_tape_fail(t, LB_E_SHAPE, "tile: %d numbers for a tensor of rank %d", rank, x->rank);
    for (int i = 0; i < rank; i++) shape[i] = i < rank - x->rank ? 1 : x->shape[i - (rank - x->rank)];
    for (int i = 0; i < rank; i++) {
        if (reps[i] < 0) return lb_tape_fail(t, LB_E_ARG, "tile: %lld times", (long long)reps[i]);
        if (reps[i] != 1) x = repeat_parts(t, x, product(shape, 0, i), product(shape, i, rank), reps[i]);
        shape[i] *= reps[i];
    }
    return lb_reshape(t, x, rank, shape);
}

lb_tensor *lb_repeat_each(lb_tape *t, lb_tensor *x, int axis, int64_t times) {
    int64_t shape[LB_MAX_RANK];
    int at = alive(t, x, "repeat_each") ? axis_of(t, "repeat_each", axis, x->rank) : -1;
    if (at < 0) return lb_inert(t);
    if (times < 0) return lb_tape_fail(t, LB_E_ARG, "repeat_each: %lld times", (long long)times);
    memcpy(shape, x->shape, sizeof shape);
    shape[at] *= times;
    return lb_reshape(t, repeat_parts(t, x, product(x->shape, 0, at + 1), product(x->shape, at + 1, x->rank), times), x->rank, shape);
}

lb_tensor *lb_repeat_counts(lb_tape *t, lb_tensor *x, int axis, const int64_t *counts) {
    int64_t n = 0, k = 0;
    int at = alive(t, x, "repeat_counts") ? axis_of(t, "repeat_counts", axis, x->rank) : -1;
    if (at < 0) return lb_inert(t);
    for (int64_t i = 0; i < x->shape[at]; i++) {
        if (counts[i] < 0) return lb_tape_fail(t, LB_E_ARG, "repeat_counts: %lld times", (long long)counts[i]);
        n += counts[i];
    }
    lb_tensor *index = lb_arange(t, n);
    for (int64_t i = 0; index->data && i < x->shape[at]; i++)
        for (int64_t c = 0; c < counts[i]; c++) lb_i(index)[k++] = i;
    return lb_take(t, x, index, at);
}

lb_tensor *lb_roll(lb_tape *t, lb_tensor *x, int axis, int64_t shift) {
    int at = alive(t, x, "roll") ? axis_of(t, "roll", axis, x->rank) : -1;
    if (at < 0) return lb_inert(t);
    int64_t n = x->shape[at], from = n > 0 ? ((-shift) % n + n) % n : 0;
    if (from == 0) return x;
    return lb_concat(t, 2, (lb_tensor *[]){lb_slice(t, x, at, from, n, 1), lb_slice(t, x, at, 0, from, 1)}, at);
}

/* Split into `inner` axes, brought into another order, joined again. */
static lb_tensor *shuffle(lb_tape *t, lb_tensor *x, const int64_t *inner, const int *order, const int64_t *shape) {
    return lb_reshape(t, lb_permute(t, lb_reshape(t, x, 6, inner), order), 4, shape);
}

static bool divides(lb_tape *t, const lb_tensor *x, const char *what, int axis, int64_t by) {
    if (!alive(t, x, what)) return false;
    bool fits = x->rank == 4 && by > 0 && x->shape[axis] % by == 0;
    if (!fits) lb_tape_fail(t, LB_E_SHAPE, "%s: expected rank 4 with axis %d a multiple of %lld", what, axis, (long long)by);
    return fits;
}

lb_tensor *lb_windows(lb_tape *t, lb_tensor *x, int64_t h, int64_t w) {
    if (!divides(t, x, "windows", 1, h) || !divides(t, x, "windows", 2, w)) return lb_inert(t);
    int64_t n = x->shape[0], rows = x->shape[1] / h, columns = x->shape[2] / w, c = x->shape[3];
    return shuffle(t, x, (int64_t[]){n, rows, h, columns, w, c}, (int[]){0, 1, 3, 2, 4, 5}, (int64_t[]){n * rows * columns, h, w, c});
}

lb_tensor *lb_from_windows(lb_tape *t, lb_tensor *x, int64_t height, int64_t width) {
    if (!alive(t, x, "from_windows")) return lb_inert(t);
    bool fits = x->rank == 4 && x->shape[1] > 0 && x->shape[2] > 0 && height % x->shape[1] == 0 && width % x->shape[2] == 0;
    int64_t h = fits ? x->shape[1] : 1, w = fits ? x->shape[2] : 1, rows = height / h, columns = width / w;
    if (!fits || rows * columns == 0 || x->shape[0] % (rows * columns) != 0)
        return lb_tape_fail(t, LB_E_SHAPE, "from_windows: the windows do not fill %lld x %lld", (long long)height, (long long)width);
    int64_t n = x->shape[0] / (rows * columns), c = x->shape[3];
    return shuffle(t, x, (int64_t[]){n, rows, columns, h, w, c}, (int[]){0, 1, 3, 2, 4, 5}, (int64_t[]){n, height, width, c});
}

lb_tensor *lb_pixel_shuffle(lb_tape *t, lb_tensor *x, int64_t r) {
    if (!divides(t, x, "pixel_shuffle", 1, r * r)) return lb_inert(t);
    int64_t n = x->shape[0], c = x->shape[1] / (r * r), h = x->shape[2], w = x->shape[3];
    return shuffle(t, x, (int64_t[]){n, c, r, r, h, w}, (int[]){0, 1, 4, 2, 5, 3}, (int64_t[]){n, c, h * r, w * r});
}

lb_tensor *lb_pixel_unshuffle(lb_tape *t, lb_tensor *x, int64_t r) {
    if (!divides(t, x, "pixel_unshuffle", 2, r) || !divides(t, x, "pixel_unshuffle", 3, r)) return lb_inert(t);
    int64_t n = x->shape[0], c = x->shape[1], h = x->shape[2] / r, w = x->shape[3] / r;
    return shuffle(t, x, (int64_t[]){n, c, h, r, w, r}, (int[]){0, 1, 3, 5, 2, 4}, (int64_t[]){n, c * r * r, h, w});
}

/* From the nearer end, so that both come out as given. */
lb_tensor *lb_linspace(lb_tape *t, double lo, double hi, int64_t n) {
    lb_tensor *x = lb_zeros(t, 1, &n);
    double step = n > 1 ? (hi - lo) / (double)(n - 1) : 0;
    for (int64_t i = 0; x->data && i < n; i++)
        lb_r(x)[i] = (lb_real)(2 * i < n ? lo + step * (double)i : hi - step * (double)(n - 1 - i));
    return x;
}

lb_tensor *lb_range(lb_tape *t, double start, double step, int64_t n) {
    lb_tensor *x = lb_zeros(t, 1, &n);
    for (int64_t i = 0; x->data && i < n; i++) lb_r(x)[i] = (lb_real)(start + step * (double)i);
    return x;
}

void lb_meshgrid(lb_tape *t, int n, lb_tensor *const *x, lb_tensor **out) {
    int64_t shape[LB_MAX_RANK], one[LB_MAX_RANK];
    all_inert(t, n, out);
    if (lb_tape_ok(t) && n > LB_MAX_RANK) lb_tape_fail(t, LB_E_SHAPE, "meshgrid of %d tensors", n);
    for (int k = 0; k < n; k++) {
        if (!alive(t, x[k], "meshgrid")) return;
        if (x[k]->rank != 1) lb_tape_fail(t, LB_E_SHAPE, "meshgrid: tensor %d has rank %d, expected 1", k, x[k]->rank);
        shape[k] = x[k]->shape[0];
    }
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < n; i++) one[i] = i == k ? shape[k] : 1;
        out[k] = lb_expand(t, lb_reshape(t, x[k], n, one), n, shape);
    }
}

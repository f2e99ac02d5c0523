/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/derived.h"
#include <math.h>
#include "tensor/arrange.h"
#include "tensor/kernels/act.h"

lb_tensor *lb_outer(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_mul(t, lb_unsqueeze(t, a, -1), b);
}

lb_tensor *lb_trace(lb_tape *t, lb_tensor *x) {
    return lb_sum(t, lb_diagonal(t, x), -1, false);
}

lb_tensor *lb_activate(lb_tape *t, lb_tensor *x, lb_act act) {
    return lbi_act_op(t, x, act);
}

lb_tensor *lb_glu(lb_tape *t, lb_tensor *x, int axis, lb_act act) {
    lb_tensor *half[2];
    int at = x && axis < 0 ? axis + x->rank : axis;
    if (lb_tape_ok(t) && x && at >= 0 && at < x->rank && x->shape[at] % 2 != 0)
        return lb_tape_fail(t, LB_E_SHAPE, "glu: axis %d has size %lld, expected an even one", axis, (long long)x->shape[at]);
    lb_chunk(t, x, axis, 2, half);
    return lb_mul(t, half[0], lbi_act_op(t, half[1], act));
}

/* ---- masks and labels ---- */

/* 1 where the mask is not 0, in the shape of x. */
static lb_tensor *ones_of(lb_tape *t, const lb_tensor *x, lb_tensor *mask) {
    lb_tensor *ones = lb_select(t, mask, lb_scalar(t, 1), lb_scalar(t, 0));
    return lb_tape_ok(t) ? lb_expand(t, ones, x->rank, x->shape) : lb_inert(t);
}

lb_tensor *lb_masked_sum(lb_tape *t, lb_tensor *x, lb_tensor *mask, lb_axes axes, bool keep) {
    return lb_sum_over(t, lb_select(t, mask, x, lb_scalar(t, 0)), axes, keep);
}

lb_tensor *lb_masked_mean(lb_tape *t, lb_tensor *x, lb_tensor *mask, lb_axes axes, bool keep) {
    lb_tensor *sum = lb_masked_sum(t, x, mask, axes, keep), *count = lb_sum_over(t, ones_of(t, x, mask), axes, keep);
    return lb_div(t, sum, lb_clamp(t, count, 1, INFINITY));
}

lb_tensor *lb_masked_rows(lb_tape *t, lb_tensor *x, lb_tensor *mask) {
    if (lb_tape_ok(t) && (!x || !mask || mask->rank != 1 || x->rank < 1 || mask->shape[0] != x->shape[0]))
        return lb_tape_fail(t, LB_E_SHAPE, "masked_rows: expected x [N,...] and a mask [N]");
    return lb_take(t, x, lb_squeeze(t, lb_nonzero(t, mask), 1), 0);
}

lb_tensor *lb_masked_select(lb_tape *t, lb_tensor *x, lb_tensor *mask) {
    if (lb_tape_ok(t) && (!x || !mask || !lb_same_shape(x, mask))) return lb_tape_fail(t, LB_E_SHAPE, "masked_select: x and mask differ in shape");
    return lb_masked_rows(t, lb_flatten(t, x, 0, -1), lb_flatten(t, mask, 0, -1));
}

lb_tensor *lb_segment_sum(lb_tape *t, lb_tensor *x, lb_tensor *label, int64_t count) {
    int64_t shape[LB_MAX_RANK] = {count};
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (!x || x->rank < 1) return lb_tape_fail(t, LB_E_SHAPE, "segment_sum: expected x [N,...]");
    for (int i = 1; i < x->rank; i++) shape[i] = x->shape[i];
    return lb_index_add(t, lb_zeros(t, x->rank, shape), label, x, 0);
}

lb_tensor *lb_segment_mean(lb_tape *t, lb_tensor *x, lb_tensor *label, int64_t count) {
    int64_t shape[LB_MAX_RANK] = {count, 1, 1, 1, 1, 1, 1, 1};
    lb_tensor *sum = lb_segment_sum(t, x, label, count), *counts = lb_clamp(t, lb_bincount(t, label, count), 1, INFINITY);
    if (!lb_tape_ok(t)) return lb_inert(t);
    return lb_div(t, sum, lb_reshape(t, counts, sum->rank, shape));
}

/* ---- order ---- */

/* What an op that chooses along the last axis does along another one: values and places come back there. */
static lb_tensor *back(lb_tape *t, lb_tensor *y, lb_tensor *at, int axis, lb_tensor **index) {
    if (index) *index = axis == -1 ? at : lb_transpose(t, at, axis, -1);
    return axis == -1 ? y : lb_transpose(t, y, axis, -1);
}

lb_tensor *lb_sort_along(lb_tape *t, lb_tensor *x, int axis, bool descending, lb_tensor **index) {
    lb_tensor *moved = axis == -1 ? x : lb_transpose(t, x, axis, -1), *at = lb_argsort(t, moved, descending);
    return back(t, lb_gather(t, moved, at, -1), at, axis, index);
}

lb_tensor *lb_topk_along(lb_tape *t, lb_tensor *x, int64_t k, int axis, bool largest, lb_tensor **index) {
    lb_tensor *at = NULL, *moved = axis == -1 ? x : lb_transpose(t, x, axis, -1);
    lb_tensor *y = largest ? lb_topk(t, moved, k, &at) : lb_smallest(t, moved, k, &at);
    return back(t, y, at, axis, index);
}

lb_tensor *lb_kth_value(lb_tape *t, lb_tensor *x, int64_t k, int axis, bool keep, lb_tensor **index) {
    lb_tensor *at = NULL, *y = lb_topk_along(t, x, k, axis, false, &at);
    if (lb_tape_ok(t) && k < 1) return lb_tape_fail(t, LB_E_SHAPE, "kth_value: k is %lld, expected 1 or more", (long long)k);
    y = lb_slice(t, y, axis, k - 1, k, 1);
    at = lb_slice(t, at, axis, k - 1, k, 1);
    if (index) *index = keep ? at : lb_squeeze(t, at, axis);
    return keep ? y : lb_squeeze(t, y, axis);
}

static int64_t size_of(lb_tape *t, const lb_tensor *x, int axis, const char *what) {
    int at = x && axis < 0 ? axis + x->rank : axis;
    if (lb_tape_ok(t) && x && at >= 0 && at < x->rank && x->shape[at] > 0) return x->shape[at];
    lb_tape_fail(t, LB_E_SHAPE, "%s: nothing along axis %d", what, axis);
    return 1;
}

/* y, but NaN in the lines of x that hold one: sorted, it is their last. */
static lb_tensor *or_nan(lb_tape *t, lb_tensor *y, lb_tensor *sorted, int axis, int64_t n) {
    return lb_masked_fill(t, y, lb_isnan(t, lb_slice(t, sorted, axis, n - 1, n, 1)), NAN);
}

lb_tensor *lb_median(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    int64_t n = size_of(t, x, axis, "median"), k = (n - 1) / 2;
    lb_tensor *sorted = lb_sort_along(t, x, axis, false, NULL), *y = or_nan(t, lb_slice(t, sorted, axis, k, k + 1, 1), sorted, axis, n);
    return keep ? y : lb_squeeze(t, y, axis);
}

lb_tensor *lb_quantile(lb_tape *t, lb_tensor *x, double q, int axis, bool keep) {
    int64_t n = size_of(t, x, axis, "quantile");
    if (lb_tape_ok(t) && !(q >= 0 && q <= 1)) return lb_tape_fail(t, LB_E_ARG, "quantile: %g, expected 0 to 1", q);
    double at = q * (double)(n - 1);
    int64_t low = (int64_t)at, high = low + 1 < n ? low + 1 : low;
    lb_tensor *sorted = lb_sort_along(t, x, axis, false, NULL);
    lb_tensor *y = lb_lerp(t, lb_slice(t, sorted, axis, low, low + 1, 1), lb_slice(t, sorted, axis, high, high + 1, 1), at - (double)low);
    y = or_nan(t, y, sorted, axis, n);
    return keep ? y : lb_squeeze(t, y, axis);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = elements start, start + step, ... before stop along one axis, as NumPy's x[start:stop:step] with step > 0: negative bounds
 * count from the end, both are cut to the size; INT64_MAX = to the end. dx = g at those places, 0 elsewhere. Shares memory. */
#include <math.h>
#include <string.h>
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static int64_t bound(int64_t at, int64_t n) {
    if (at < 0) at += n;
    return at < 0 ? 0 : at > n ? n : at;
}

/* The part of `whole` (x, or the gradient of x) that the slice is. */
static void part_of(lb_tensor *part, const lb_tensor *whole, const lb_slice_params *p) {
    int axis = p->axis < 0 ? p->axis + whole->rank : p->axis;
    int64_t n = whole->shape[axis], first = bound(p->start, n), last = bound(p->stop, n);
    part->dtype = whole->dtype;
    part->rank = whole->rank;
    memcpy(part->shape, whole->shape, sizeof whole->shape);
    memcpy(part->stride, whole->stride, sizeof whole->stride);
    part->shape[axis] = last > first ? (last - first - 1) / p->step + 1 : 0;
    part->stride[axis] *= p->step;
    part->data = whole->data;
    if (whole->data && part->shape[axis] > 0)
        part->data = (char *)whole->data + first * whole->stride[axis] * (int64_t)lb_dtype_size(whole->dtype);
}

static bool shape(lb_call *c) {
    const lb_slice_params *p = c->params;
    if (lbi_axis(c, p->axis, c->in[0]->rank) < 0) return false;
    if (p->step < 1) {
        lb_tape_fail(c->tape, LB_E_ARG, "step %lld, expected 1 or more", (long long)p->step);
        return false;
    }
    part_of(c->out[0], c->in[0], p);
    return true;
}

static void backward(lb_call *c) {
    lb_tensor part = {.rank = 0};
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
    part_of(&part, c->gin[0], c->params);
    lbi_add_view(&part, c->gout[0], 1, false);
}

static const lb_slice_params tail = {-1, -2, INT64_MAX, 1}, every = {0, 1, 100, 2}, nothing = {1, 4, 2, 1}, all = {0, 0, INT64_MAX, 1};
static const lb_op_case cases[] = {
    {.name = "tail", .rank = {2}, .shape = {{3, 5}}, .params = &tail},
    {.name = "every", .rank = {3}, .shape = {{6, 2, 3}}, .params = &every},
    {.name = "nothing", .rank = {2}, .shape = {{3, 5}}, .params = &nothing},
    {.name = "all", .rank = {1}, .shape = {{5}}, .params = &all},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &all},
    {.name = "large", .rank = {2}, .shape = {{300, 250}}, .params = &every},
    {.name = "large, last", .rank = {2}, .shape = {{300, 250}}, .params = &tail},
};

LB_OP(slice) = {.id = "slice",
                .title = "a range of one axis",
                .source = "NumPy basic indexing",
                .sig = "x -> y",
                .math = "y = x[start:stop:step]",
                .params_size = sizeof(lb_slice_params),
                .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
                .shape = shape,
                .backward = backward,
                .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_slice(lb_tape *t, lb_tensor *x, int axis, int64_t start, int64_t stop, int64_t step) {
    lb_slice_params p = {axis, start, stop, step};
    return lb_apply(t, &lb_op_slice, &p, sizeof p, 1, &x);
}

lb_tensor *lb_crop(lb_tape *t, lb_tensor *x, int64_t top, int64_t left, int64_t h, int64_t w) {
    int64_t rows = x->rank > 1 ? x->shape[x->rank - 2] : 0, columns = x->rank > 1 ? x->shape[x->rank - 1] : 0;
    if (lb_tape_ok(t) && (top < 0 || left < 0 || h < 0 || w < 0 || top + h > rows || left + w > columns))
        return lb_tape_fail(t, LB_E_SHAPE, "crop: %lld x %lld from %lld, %lld on is not within %lld x %lld", (long long)h, (long long)w, (long long)top,
                            (long long)left, (long long)rows, (long long)columns);
    return lb_slice(t, lb_slice(t, x, -2, top, top + h, 1), -1, left, left + w, 1);
}

/* As torchvision: half a margin is rounded to even, and what is missing is 0. */
lb_tensor *lb_center_crop(lb_tape *t, lb_tensor *x, int64_t h, int64_t w) {
    int64_t before[LB_MAX_RANK] = {0}, after[LB_MAX_RANK] = {0}, size[2] = {h, w}, at[2] = {0};
    bool pads = false;
    for (int a = 0; a < 2 && x->rank > 1; a++) {
        int d = x->rank - 2 + a;
        int64_t lacks = size[a] > x->shape[d] ? size[a] - x->shape[d] : 0;
        before[d] = lacks / 2;
        after[d] = lacks - lacks / 2;
        pads = pads || lacks > 0;
        at[a] = (int64_t)rint((double)(x->shape[d] + lacks - size[a]) / 2);
    }
    if (pads) x = lb_pad(t, x, before, after, 0);
    return lb_crop(t, x, at[0], at[1], h, w);
}

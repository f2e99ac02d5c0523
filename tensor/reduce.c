/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/reduce.h"
#include <string.h>
#include "tensor/parts.h"
#include "tensor/last.h"

static int count_of(const lbi_over *o, int rank) {
    return o->count > 0 ? o->count : rank;
}

static int first_of(const lbi_over *o, int rank) {
    return o->count == 0 ? 0 : o->first < 0 ? o->first + rank : o->first;
}

/* Bits of the axes that go. */
static uint32_t going(const lbi_over *o, int rank) {
    return o->apart ? o->apart : ((1u << count_of(o, rank)) - 1) << first_of(o, rank);
}

lbi_axes lbi_over_axes(const lb_call *c) {
    const lb_tensor *x = c->in[0];
    const lbi_over *o = c->params;
    int first = first_of(o, x->rank), end = first + count_of(o, x->rank);
    lbi_axes a = {first, 1, 1, 1};
    for (int i = 0; i < first; i++) a.outer *= x->shape[i];
    for (int i = first; i < end; i++) a.n *= x->shape[i];
    for (int i = end; i < x->rank; i++) a.inner *= x->shape[i];
    return a;
}

int64_t lbi_over_count(const lb_call *c) {
    const lb_tensor *x = c->in[0];
    uint32_t gone = going(c->params, x->rank);
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++)
        if (gone >> i & 1) n *= x->shape[i];
    return n;
}

bool lbi_reduce_shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    const lbi_over *o = c->params;
    if (o->count > 0 && lbi_axis(c, o->first, x->rank) < 0) return false;
    if (o->count > 0 && !o->apart && lbi_axis(c, first_of(o, x->rank) + o->count - 1, x->rank) < 0) return false;
    uint32_t gone = going(o, x->rank);
    for (int k = 0; k < c->nout; k++) {
        lb_tensor *y = c->out[k];
        y->rank = 0;
        for (int i = 0; i < x->rank; i++) {
            if (!(gone >> i & 1)) y->shape[y->rank++] = x->shape[i];
            else if (o->keep) y->shape[y->rank++] = 1;
        }
    }
    return true;
}

bool lbi_choose_shape(lb_call *c) {
    if (!lbi_reduce_shape(c)) return false;
    lbi_axes a = lbi_over_axes(c);
    if (a.n > 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "nothing to choose from along axis %d", a.axis);
    return false;
}

lb_tensor lbi_over_view(const lb_call *c, const lb_tensor *y) {
    const lb_tensor *x = c->in[0];
    uint32_t gone = going(c->params, x->rank);
    lb_tensor v = *y;
    int64_t step = 1;
    v.rank = x->rank;
    for (int i = x->rank - 1; i >= 0; i--) {
        v.shape[i] = gone >> i & 1 ? 1 : x->shape[i];
        v.stride[i] = step;
        step *= v.shape[i];
    }
    return v;
}

bool lbi_flat(lb_call *c, lb_tensor *x) {
    if (lb_is_contiguous(x)) return true;
    lb_tensor copy = {.dtype = x->dtype};
    lbi_like(&copy, x);
    lb_status st = lbi_layout(&copy);
    if (st != LB_OK) lb_tape_fail_status(c->tape, st);
    copy.data = st == LB_OK ? lb_scratch(c, (size_t)lb_numel(x) * sizeof(lb_real)) : NULL;
    if (!copy.data) return false;
    lbi_gather_strided(copy.data, x);
    *x = copy;
    return true;
}

bool lbi_pieces_of(lb_call *c, lbi_pieces *p) {
    enum { WORTH = 64 };
    const lb_tensor *x = c->in[0];
    const lbi_over *o = c->params;
    int first = first_of(o, x->rank), end = first + count_of(o, x->rank), run = end;
    *p = (lbi_pieces){.length = 1, .x = lb_r(x), .kept = first};
    if (lb_is_contiguous(x)) return true;
    while (run > first && x->stride[run - 1] == p->length) p->length *= x->shape[--run];
    if (end == x->rank && p->length >= WORTH) {
        p->runs = 1;
        p->gone = run - first;
        for (int i = first; i < run; i++) p->runs *= x->shape[i];
        memcpy(p->shape, x->shape, sizeof x->shape);
        memcpy(p->stride, x->stride, sizeof x->stride);
        return true;
    }
    lb_tensor flat = *x;
    if (!lbi_flat(c, &flat)) return false;
    p->x = lb_r(&flat);
    return true;
}

/* Elements from the first: flat position `at` over axes first .. first + n - 1. */
static int64_t offset(const lbi_pieces *p, int first, int n, int64_t at) {
    int64_t sum = 0;
    for (int i = first + n - 1; i >= first; i--) {
        sum += at % p->shape[i] * p->stride[i];
        at /= p->shape[i];
    }
    return sum;
}

const lb_real *lbi_piece_of(const lbi_pieces *p, int64_t line, int64_t run) { return p->x + offset(p, 0, p->kept, line) + offset(p, p->kept, p->gone, run); }

bool lbi_reduce_last(const lb_call *c) {
    const lbi_over *o = c->params;
    return lbi_is_last(c->in[0]) && !o->apart && (o->count == 0 || (o->first == 2 && o->count == 2));
}

void lbi_sum_forward(lb_call *c, lb_real factor) {
    lb_tensor y = lbi_over_view(c, c->out[0]);
    lbi_reduce_to(&y, c->in[0], factor, true);
}

void lbi_sum_backward(lb_call *c, lb_real factor) {
    lb_tensor g = lbi_over_view(c, c->gout[0]), to = *c->gin[0];
    if (c->last) g = lbi_pixels_of(&g), to = lbi_pixels_of(&to);
    lbi_add_view(&to, &g, factor, c->fresh[0]);
}

/* Bits of the axes, counted from the front; 0 with the tape failed when one is out of range or named twice. */
static uint32_t set_of(lb_tape *t, const lb_op *op, const lb_tensor *x, lb_axes axes) {
    uint32_t set = 0;
    for (int i = 0; i < axes.n; i++) {
        int axis = axes.at[i] < 0 ? axes.at[i] + x->rank : axes.at[i];
        bool inside = axis >= 0 && axis < x->rank;
        if (inside && !(set & 1u << axis)) {
            set |= 1u << axis;
            continue;
        }
        lb_tape_fail(t, LB_E_SHAPE, inside ? "%s: axis %d of a tensor of rank %d is named twice" : "%s: axis %d of a tensor of rank %d",
                     op->id, axes.at[i], x->rank);
        return 0;
    }
    return set;
}

/* The axes of the set to the end, reduced there, and put back with size 1 when they are to stay. */
static lb_tensor *reduce_apart(lb_tape *t, const lb_op *op, lb_tensor *x, uint32_t set, lbi_over *p, size_t params_size) {
    int order[LB_MAX_RANK], n = 0;
    int64_t shape[LB_MAX_RANK];
    bool keep = p->keep;
    for (int i = 0; i < x->rank; i++) {
        shape[i] = set & 1u << i ? 1 : x->shape[i];
        if (!(set & 1u << i)) order[n++] = i;
    }
    p->first = n;
    p->count = x->rank - n;
    p->keep = false;
    for (int i = 0; i < x->rank; i++)
        if (set & 1u << i) order[n++] = i;
    lb_tensor *moved = lb_permute(t, x, order), *y = lb_apply(t, op, p, params_size, 1, &moved);
    return keep ? lb_reshape(t, y, x->rank, shape) : y;
}

static lb_tensor *reduce(lb_tape *t, const lb_op *op, lb_tensor *x, lb_axes axes, lbi_over *params, size_t params_size, bool takes_apart) {
    params->first = axes.n == 1 ? axes.at[0] : 0;
    params->count = axes.n;
    if (axes.n <= 1 || !x || !lb_tape_ok(t)) return lb_apply(t, op, params, params_size, 1, &x);
    uint32_t set = set_of(t, op, x, axes);
    if (!set) return lb_inert(t);
    params->first = __builtin_ctz(set);
    uint32_t run = set >> params->first;
    bool apart = run & (run + 1);
    if (apart && !takes_apart) return reduce_apart(t, op, x, set, params, params_size);
    params->apart = apart ? set : 0;
    return lb_apply(t, op, params, params_size, 1, &x);
}

lb_tensor *lbi_reduce(lb_tape *t, const lb_op *op, lb_tensor *x, lb_axes axes, lbi_over *params, size_t params_size) {
    return reduce(t, op, x, axes, params, params_size, false);
}

lb_tensor *lbi_reduce_sum(lb_tape *t, const lb_op *op, lb_tensor *x, lb_axes axes, bool keep) {
    return reduce(t, op, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over), true);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/places.h"
#include <string.h>
#include "base/threads.h"
#include "tensor/kernels/levels.h"
#include "tensor/ops.h"

bool lbi_places_fit(lb_call *c) {
    const lb_tensor *x = c->in[0], *id = c->in[1];
    int axis = lbi_axis(c, *(const int *)c->params, x->rank);
    if (axis < 0) return false;
    bool fits = id->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++) fits = i == axis || id->shape[i] <= x->shape[i];
    if (!fits) lb_tape_fail(c->tape, LB_E_SHAPE, "expected indices that reach no farther than x beside axis %d", axis);
    return fits;
}

bool lbi_places_into_shape(lb_call *c) {
    if (!lbi_places_fit(c)) return false;
    if (!lb_same_shape(c->in[1], c->in[2])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "index and src differ in shape");
        return false;
    }
    c->out[0]->rank = c->in[0]->rank;
    memcpy(c->out[0]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    return true;
}

/* Positions over axes first..last-1 of the indices, as positions over those of x. */
static const int64_t *positions(lb_call *c, const lb_tensor *x, const lb_tensor *index, int first, int last) {
    int64_t n = 1;
    for (int i = first; i < last; i++) n *= index->shape[i];
    int64_t *at = lb_scratch(c, (size_t)(n + 1) * sizeof *at);
    for (int64_t k = 0; at && k < n; k++) {
        int64_t rest = k, step = 1;
        at[k] = 0;
        for (int i = last - 1; i >= first; i--) {
            at[k] += rest % index->shape[i] * step;
            rest /= index->shape[i];
            step *= x->shape[i];
        }
    }
    return at;
}

bool lbi_places_of(lb_call *c, const lb_tensor *x, lbi_places *p) {
    const lb_tensor *index = c->in[1];
    int axis = *(const int *)c->params, rank = x->rank;
    if (axis < 0) axis += rank;
    *p = (lbi_places){lbi_axes_of(x, axis), lbi_axes_of(index, axis), lb_i(index), NULL, NULL};
    bool outer = false, inner = false;
    for (int i = 0; i < rank; i++)
        if (i != axis && index->shape[i] != x->shape[i]) *(i < axis ? &outer : &inner) = true;
    if (outer && !(p->outer = positions(c, x, index, 0, axis))) return false;
    return !inner || (p->inner = positions(c, x, index, axis + 1, rank)) != NULL;
}

typedef struct job {
    const lbi_places *p;
    lb_real *to;
    const lb_real *from;
    lb_real *rest; /* of LAST: what is still there */
    int64_t block; /* neighbouring lines that are gone along together */
    bool *bad;     /* of TAKE: set when an index is outside, and its row is left out; NULL: all are inside */
    bool add;
    enum { TAKE, ADD, PUT, ZERO, LAST } what;
} job;

/* What is done with one place, known where this is inlined. */
static inline __attribute__((always_inline)) void touch(const job *j, int64_t here, int64_t there, int what, bool add) {
    lb_real *restrict to = j->to;
    const lb_real *from = j->from;
    if (what == TAKE) to[here] = (add ? to[here] : 0) + from[there];
    if (what == ADD) to[there] += from[here];
    if (what == PUT) to[there] = from[here];
    if (what == ZERO) to[there] = 0;
    if (what == LAST) {
        to[here] = (add ? to[here] : 0) + j->rest[there];
        j->rest[there] = 0;
    }
}

LBI_LEVELS static bool all_inside(const int64_t *index, int64_t n, int64_t count) {
    uint64_t outside = 0;
    for (int64_t i = 0; i < n; i++) outside |= (uint64_t)index[i] >= (uint64_t)count;
    return !outside;
}

/* While the indices are near. */
static bool passes(const job *j, const int64_t *index, int64_t n) {
    if (!j->bad || all_inside(index, n, j->p->x.n)) return true;
#pragma omp atomic write
    *j->bad = true;
    return false;
}

/* Row k of the indices under outer position o, lines at..end-1. */
static inline __attribute__((always_inline)) void row(const job *j, int64_t o, int64_t k, int64_t at, int64_t end, int what, bool add) {
    lbi_axes x = j->p->x, y = j->p->index;
    const int64_t *inner = j->p->inner, *restrict index = j->p->at + (o * y.n + k) * y.inner;
    int64_t here = (o * y.n + k) * y.inner, base = (j->p->outer ? j->p->outer[o] : o) * x.n;
    if (what == TAKE && !passes(j, index + at, end - at)) return;
    if (inner)
        for (int64_t i = at; i < end; i++) touch(j, here + i, (base + index[i]) * x.inner + inner[i], what, add);
    else
        for (int64_t i = at; i < end; i++) touch(j, here + i, (base + index[i]) * x.inner + i, what, add);
}

/* One line of x, its elements side by side. */
static inline __attribute__((always_inline)) void line(const job *j, int64_t o, int what, bool add) {
    int64_t n = j->p->index.n, here = o * n, base = (j->p->outer ? j->p->outer[o] : o) * j->p->x.n;
    const int64_t *restrict index = j->p->at + here;
    if (what == TAKE && !passes(j, index, n)) return;
    if (what == LAST)
        for (int64_t k = n - 1; k >= 0; k--) touch(j, here + k, base + index[k], what, add);
    else
        for (int64_t k = 0; k < n; k++) touch(j, here + k, base + index[k], what, add);
}

static inline __attribute__((always_inline)) void go(const job *j, int64_t first, int64_t last, int what, bool add) {
    lbi_axes x = j->p->x, y = j->p->index;
    if (what == TAKE && x.inner > 1) {
        for (int64_t r = first; r < last; r++) row(j, r / y.n, r % y.n, 0, y.inner, what, add);
        return;
    }
    int64_t blocks = (y.inner + j->block - 1) / j->block;
    for (int64_t b = first; b < last; b++) {
        int64_t o = b / blocks, at = b % blocks * j->block, end = y.inner - at < j->block ? y.inner : at + j->block;
        if (x.inner == 1) line(j, o, what, add);
        else if (what == LAST)
            for (int64_t k = y.n - 1; k >= 0; k--) row(j, o, k, at, end, what, add);
        else
            for (int64_t k = 0; k < y.n; k++) row(j, o, k, at, end, what, add);
    }
}

/* Not made for several levels: compilers would take the vectors' gathers, which processors do one number at a time and slower than plain loads (Zen 5: 2.8 cycles a number). */
static __attribute__((noinline)) void take(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    if (j->add) go(j, first, last, TAKE, true);
    else go(j, first, last, TAKE, false);
}

LBI_LEVELS static void part(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    switch (j->what) {
    case TAKE: take(ctx, first, last); break;
    case ADD: go(j, first, last, ADD, false); break;
    case PUT: go(j, first, last, PUT, false); break;
    case ZERO: go(j, first, last, ZERO, false); break;
    case LAST:
        if (j->add) go(j, first, last, LAST, true);
        else go(j, first, last, LAST, false);
        break;
    }
}

/* Each place in x is touched by one thread alone: threads share the outer positions, or the lines where those are few. */
static void run(job j) {
    enum { LEAST = 64 };
    lbi_axes y = j.p->index;
    int64_t threads = lb_threads(), parts = y.outer < threads ? threads : 1, each = (y.inner + parts - 1) / parts;
    if (y.outer * y.n * y.inner == 0) return;
    j.block = each < LEAST ? LEAST : (each + 15) / 16 * 16;
    if (j.what == TAKE && j.p->x.inner > 1) lbi_split(y.outer * y.n, y.inner, part, &j);
    else lbi_split(y.outer * ((y.inner + j.block - 1) / j.block), y.n * (y.inner < j.block ? y.inner : j.block), part, &j);
}

void lbi_places_take(const lbi_places *p, lb_real *to, const lb_real *from, bool add) { run((job){.p = p, .to = to, .from = from, .what = TAKE, .add = add}); }

bool lbi_places_take_inside(lb_call *c, const lbi_places *p, lb_real *to, const lb_real *from) {
    enum { SHORT = 64 }; /* rows that are looked through faster all together */
    bool bad = false;
    if ((p->x.inner > 1 ? p->index.inner : p->index.n) < SHORT) {
        if (!lbi_in_range(c, c->in[1], p->x.n)) return false;
        lbi_places_take(p, to, from, false);
        return true;
    }
    run((job){.p = p, .to = to, .from = from, .what = TAKE, .bad = &bad});
    return !bad || lbi_in_range(c, c->in[1], p->x.n); /* which says where */
}

void lbi_places_add(const lbi_places *p, lb_real *to, const lb_real *from) { run((job){.p = p, .to = to, .from = from, .what = ADD}); }

void lbi_places_put(const lbi_places *p, lb_real *to, const lb_real *from) { run((job){.p = p, .to = to, .from = from, .what = PUT}); }

void lbi_places_clear(const lbi_places *p, lb_real *to) { run((job){.p = p, .to = to, .what = ZERO}); }

void lbi_places_take_last(const lbi_places *p, lb_real *to, lb_real *rest, bool add) { run((job){.p = p, .to = to, .rest = rest, .what = LAST, .add = add}); }

lb_tensor *lbi_places_cut(lb_tape *t, lb_tensor *src, const lb_tensor *index) {
    if (!src || !index || src->rank != index->rank) return src;
    for (int i = 0; i < index->rank; i++)
        if (src->shape[i] > index->shape[i]) src = lb_slice(t, src, i, 0, index->shape[i], 1);
    return src;
}

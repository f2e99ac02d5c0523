/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/places.h"
#include <string.h>

enum { BLOCK = 64 }; /* neighbouring lines that one thread goes along together */

bool lbi_places_fit(lb_call *c) {
    const lb_tensor *x = c->in[0], *id = c->in[1];
    int axis = lbi_axis(c, *(const int *)c->params, x->rank);
    if (axis < 0) return false;
    bool fits = id->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++) fits = i == axis || id->shape[i] == x->shape[i];
    if (!fits) lb_tape_fail(c->tape, LB_E_SHAPE, "expected the same shape beside axis %d", axis);
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

lbi_places lbi_places_of(const lb_tensor *x, const lb_tensor *index, const lb_call *c) {
    int axis = *(const int *)c->params;
    if (axis < 0) axis += x->rank;
    return (lbi_places){lbi_axes_of(x, axis), lbi_axes_of(index, axis), lb_i(index)};
}

typedef struct job {
    const lbi_places *p;
    lb_real *to;
    const lb_real *from;
    int64_t *owner;
    enum { TAKE, TAKE_ADD, ADD, PUT, ZERO, OWN, TAKE_OWN } what;
} job;

/* `what` is known where this is inlined: a loop for each. */
static inline __attribute__((always_inline)) void go(const job *j, int64_t first, int64_t last, int what) {
    lbi_axes x = j->p->x, y = j->p->index;
    const int64_t *index = j->p->at;
    lb_real *to = j->to;
    const lb_real *from = j->from;
    int64_t blocks = (x.inner + BLOCK - 1) / BLOCK;
    for (int64_t b = first; b < last; b++) {
        int64_t o = b / blocks, at = b % blocks * BLOCK, end = x.inner - at < BLOCK ? x.inner : at + BLOCK;
        for (int64_t k = 0; k < y.n; k++)
            for (int64_t i = at; i < end; i++) {
                int64_t here = (o * y.n + k) * y.inner + i, there = (o * x.n + index[here]) * x.inner + i;
                if (what == TAKE) to[here] = from[there];
                if (what == TAKE_ADD) to[here] += from[there];
                if (what == ADD) to[there] += from[here];
                if (what == PUT) to[there] = from[here];
                if (what == ZERO) to[there] = 0;
                if (what == OWN) j->owner[there] = k;
                if (what == TAKE_OWN && j->owner[there] == k) to[here] += from[there];
            }
    }
}

static void part(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    switch (j->what) {
    case TAKE: go(j, first, last, TAKE); break;
    case TAKE_ADD: go(j, first, last, TAKE_ADD); break;
    case ADD: go(j, first, last, ADD); break;
    case PUT: go(j, first, last, PUT); break;
    case ZERO: go(j, first, last, ZERO); break;
    case OWN: go(j, first, last, OWN); break;
    case TAKE_OWN: go(j, first, last, TAKE_OWN); break;
    }
}

static void run(job j) {
    lbi_axes x = j.p->x;
    int64_t blocks = (x.inner + BLOCK - 1) / BLOCK;
    lbi_split(x.outer * blocks, j.p->index.n * (x.inner < BLOCK ? x.inner : BLOCK), part, &j);
}

void lbi_places_take(const lbi_places *p, lb_real *to, const lb_real *from, bool add) {
    run((job){.p = p, .to = to, .from = from, .what = add ? TAKE_ADD : TAKE});
}

void lbi_places_add(const lbi_places *p, lb_real *to, const lb_real *from) {
    run((job){.p = p, .to = to, .from = from, .what = ADD});
}

void lbi_places_put(const lbi_places *p, lb_real *to, const lb_real *from) {
    run((job){.p = p, .to = to, .from = from, .what = PUT});
}

void lbi_places_clear(const lbi_places *p, lb_real *to) {
    run((job){.p = p, .to = to, .what = ZERO});
}

void lbi_places_take_last(const lbi_places *p, lb_real *to, const lb_real *from, int64_t *owner) {
    run((job){.p = p, .owner = owner, .what = OWN});
    run((job){.p = p, .to = to, .from = from, .owner = owner, .what = TAKE_OWN});
}

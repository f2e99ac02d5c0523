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
    enum { TAKE, TAKE_ADD, ADD, OWN } what;
} job;

static void go(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    lbi_axes x = j->p->x, y = j->p->index;
    int64_t blocks = (x.inner + BLOCK - 1) / BLOCK;
    for (int64_t b = first; b < last; b++) {
        int64_t o = b / blocks, at = b % blocks * BLOCK, end = x.inner - at < BLOCK ? x.inner : at + BLOCK;
        for (int64_t k = 0; k < y.n; k++)
            for (int64_t i = at; i < end; i++) {
                int64_t here = (o * y.n + k) * y.inner + i, there = (o * x.n + j->p->at[here]) * x.inner + i;
                switch (j->what) {
                case TAKE: j->to[here] = j->from[there]; break;
                case TAKE_ADD: j->to[here] += j->from[there]; break;
                case ADD: j->to[there] += j->from[here]; break;
                case OWN: j->owner[there] = k; break;
                }
            }
    }
}

static void run(const job *j) {
    lbi_axes x = j->p->x;
    int64_t blocks = (x.inner + BLOCK - 1) / BLOCK;
    lbi_split(x.outer * blocks, j->p->index.n * (x.inner < BLOCK ? x.inner : BLOCK), go, j);
}

void lbi_places_take(const lbi_places *p, lb_real *to, const lb_real *from, bool add) {
    job j = {.p = p, .to = to, .from = from, .what = add ? TAKE_ADD : TAKE};
    run(&j);
}

void lbi_places_add(const lbi_places *p, lb_real *to, const lb_real *from) {
    job j = {.p = p, .to = to, .from = from, .what = ADD};
    run(&j);
}

void lbi_places_owner(const lbi_places *p, int64_t *owner) {
    job j = {.p = p, .owner = owner, .what = OWN};
    for (int64_t i = 0, n = p->x.outer * p->x.n * p->x.inner; i < n; i++) owner[i] = -1;
    run(&j);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/running.h"
#include <string.h>

bool lbi_running_shape(lb_call *c) {
    const lbi_running *r = c->params;
    if (lbi_axis(c, r->axis, c->in[0]->rank) < 0) return false;
    for (int k = 0; k < c->nout; k++) {
        c->out[k]->rank = c->in[0]->rank;
        memcpy(c->out[k]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    }
    return true;
}

typedef struct job {
    const lb_call *c;
    lbi_line line;
    lbi_axes a;
    bool reverse;
} job;

static void run(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t at = i / j->a.inner * j->a.n * j->a.inner + i % j->a.inner;
        if (j->reverse) j->line(j->c, at + (j->a.n - 1) * j->a.inner, -j->a.inner, j->a.n);
        else j->line(j->c, at, j->a.inner, j->a.n);
    }
}

void lbi_running_lines(const lb_call *c, lbi_line line) {
    const lbi_running *r = c->params;
    job j = {c, line, lbi_axes_of(c->in[0], r->axis < 0 ? r->axis + c->in[0]->rank : r->axis), r->reverse};
    if (j.a.n > 0) lbi_split(j.a.outer * j.a.inner, 4 * j.a.n, run, &j);
}

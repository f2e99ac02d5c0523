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

static int64_t blocks_of(lbi_axes a) { return (a.inner + LBI_RUNNING_WIDTH - 1) / LBI_RUNNING_WIDTH; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void run(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t blocks = blocks_of(j->a);
    for (int64_t i = first; i < last; i++) {
        int64_t column = i % blocks * LBI_RUNNING_WIDTH;
        lbi_lines l = {i / blocks * j->a.n * j->a.inner + column, j->a.inner, j->a.n, least(j->a.inner - column, LBI_RUNNING_WIDTH), 1};
        if (j->a.inner == 1) l = (lbi_lines){i * LBI_RUNNING_FEW * j->a.n, 1, j->a.n, least(j->a.outer - i * LBI_RUNNING_FEW, LBI_RUNNING_FEW), j->a.n};
        if (j->reverse) {
            l.at += (l.n - 1) * l.step;
            l.step = -l.step;
        }
        j->line(j->c, l);
    }
}

void lbi_running_lines(const lb_call *c, lbi_line lines) {
    const lbi_running *r = c->params;
    job j = {c, lines, lbi_axes_of(c->in[0], r->axis < 0 ? r->axis + c->in[0]->rank : r->axis), r->reverse};
    bool rows = j.a.inner == 1;
    if (j.a.n == 0 || j.a.inner == 0) return;
    int64_t items = rows ? (j.a.outer + LBI_RUNNING_FEW - 1) / LBI_RUNNING_FEW : j.a.outer * blocks_of(j.a);
    lbi_split(items, 4 * j.a.n * (rows ? LBI_RUNNING_FEW : least(j.a.inner, LBI_RUNNING_WIDTH)), run, &j);
}

/* One line: places come in stretches, each of which is summed before it is added. */
static void chosen_line(lb_real *gx, const lb_real *g, const int64_t *index, int64_t step, int64_t n) {
    double sum = 0;
    int64_t place = index[0];
    for (int64_t k = 0; k < n; k++) {
        if (index[k * step] != place) {
            gx[place * step] += (lb_real)sum;
            place = index[k * step];
            sum = 0;
        }
        sum += (double)g[k * step];
    }
    gx[place * step] += (lb_real)sum;
}

void lbi_running_chosen(const lb_call *c, lbi_lines l) {
    const lb_real *g = lb_r(c->gout[0]);
    const int64_t *index = lb_i(c->out[1]);
    lb_real *restrict gx = lb_r(c->gin[0]);
    if (l.width == 1 || l.apart > 1) {
        for (int64_t i = 0, at = l.at; i < l.width; i++, at += l.apart) {
            for (int64_t k = 0; c->fresh[0] && k < l.n; k++) gx[at + k * l.step] = 0;
            chosen_line(gx + at, g + at, index + at, l.step, l.n);
        }
        return;
    }
    for (int64_t k = 0; c->fresh[0] && k < l.n; k++) memset(gx + l.at + k * l.step, 0, (size_t)l.width * sizeof *gx);
    for (int64_t k = 0, at = l.at; k < l.n; k++, at += l.step)
        for (int64_t i = 0; i < l.width; i++) gx[l.at + i + index[at + i] * l.step] += g[at + i];
}

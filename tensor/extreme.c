/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/extreme.h"
#include <string.h>
#include "tensor/extreme_line.h"
#include "tensor/ops/elementwise.h"

enum { COLUMNS = 64 };

typedef struct job {
    const lb_real *x;
    lbi_axes a;
    lbi_pieces in;
    lb_real *value;
    int64_t *index;
    bool smallest;
} job;

/* Does v come before `best`? NaN before all, of two NaN the first. */
LBI_INLINE bool wins(lb_real v, lb_real best, bool smallest) {
    return (smallest ? v < best : v > best) || (v != v && best == best);
}

LBI_INLINE void columns(const job *j, int64_t o, int64_t at, int64_t width, bool smallest) {
    const lb_real *x = j->x + o * j->a.n * j->a.inner + at;
    lb_real best[COLUMNS];
    int32_t row[COLUMNS] = {0};
    for (int64_t i = 0; i < width; i++) best[i] = x[i];
    for (int64_t k = 1; k < j->a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            lb_real v = x[k * j->a.inner + i];
            bool take = wins(v, best[i], smallest);
            best[i] = take ? v : best[i];
            row[i] = take ? (int32_t)k : row[i];
        }
    for (int64_t i = 0; i < width; i++) {
        if (j->value) j->value[o * j->a.inner + at + i] = best[i];
        if (j->index) j->index[o * j->a.inner + at + i] = row[i];
    }
}

LBI_INLINE void items(const job *j, int64_t first, int64_t last, bool smallest) {
    int64_t blocks = (j->a.inner + COLUMNS - 1) / COLUMNS;
    for (int64_t i = first; i < last; i++) {
        int64_t o = i / blocks, at = i % blocks * COLUMNS;
        if (j->in.runs > 0) { /* value: of each run */
            j->value[i] = lbi_best_of_line(lbi_piece_of(&j->in, i / j->in.runs, i % j->in.runs), j->in.length, smallest);
            continue;
        }
        if (j->a.inner > 1) {
            columns(j, o, at, j->a.inner - at < COLUMNS ? j->a.inner - at : COLUMNS, smallest);
            continue;
        }
        const lb_real *x = j->x + o * j->a.n;
        lb_real best = lbi_best_of_line(x, j->a.n, smallest);
        if (j->value) j->value[o] = best;
        if (j->index) j->index[o] = lbi_first_place(x, j->a.n, best);
    }
}

LBI_LEVELS static void run(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    if (j->smallest) items(j, first, last, true);
    else items(j, first, last, false);
}

static int64_t blocks_of(lbi_axes a) { return (a.inner + COLUMNS - 1) / COLUMNS; }

void lbi_extreme(lb_call *c, bool smallest, lb_tensor *value, lb_tensor *index) {
    job j = {.a = lbi_over_axes(c), .value = value ? lb_r(value) : NULL, .index = index ? lb_i(index) : NULL, .smallest = smallest};
    if (j.a.n > INT32_MAX && j.a.inner > 1) {
        lb_tape_fail(c->tape, LB_E_LIMIT, "more than %d rows to choose from", INT32_MAX);
        return;
    }
    if (!lbi_pieces_of(c, &j.in)) return;
    j.x = j.in.x;
    if (j.in.runs == 0) {
        lbi_split(j.a.outer * blocks_of(j.a), j.a.n * (j.a.inner < COLUMNS ? j.a.inner : COLUMNS), run, &j);
        return;
    }
    job joined = {.a = {0, j.a.outer, j.in.runs, 1}, .value = j.value, .smallest = smallest};
    joined.x = j.value = lb_scratch(c, (size_t)(j.a.outer * j.in.runs) * sizeof *j.value);
    if (!j.value) return;
    lbi_split(j.a.outer * j.in.runs, j.in.length, run, &j);
    lbi_split(joined.a.outer, joined.a.n, run, &joined);
}

void lbi_max_forward(lb_call *c) {
    lbi_extreme(c, false, c->out[0], c->out[1]);
}

void lbi_min_forward(lb_call *c) {
    lbi_extreme(c, true, c->out[0], c->out[1]);
}

static void back_lines(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    for (int64_t o = first; o < last; o++) {
        lb_real *gx = lb_r(c->gin[0]) + o * a.n * a.inner;
        if (c->fresh[0] && a.n * a.inner > 0) memset(gx, 0, (size_t)(a.n * a.inner) * sizeof *gx);
        for (int64_t i = 0; i < a.inner; i++) gx[lb_i(c->out[1])[o * a.inner + i] * a.inner + i] += lb_r(c->gout[0])[o * a.inner + i];
    }
}

void lbi_extreme_backward(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    lbi_split(a.outer, (c->fresh[0] ? a.n : 1) * a.inner, back_lines, c);
}

/* gx (+)= g [x = y] / how many, for `width` lines side by side. */
LBI_INLINE void share_columns(const lb_call *c, lbi_axes a, int64_t o, int64_t at, int64_t width) {
    const lb_real *x = lb_r(c->in[0]) + o * a.n * a.inner + at, *y = lb_r(c->out[0]) + o * a.inner + at, *g = lb_r(c->gout[0]) + o * a.inner + at;
    lb_real *gx = lb_r(c->gin[0]) + o * a.n * a.inner + at, count[COLUMNS] = {0};
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) count[i] += x[k * a.inner + i] == y[i];
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            gx[e] = (c->fresh[0] ? 0 : gx[e]) + (x[e] == y[i]) * g[i] / count[i];
        }
}

LBI_INLINE void share_line(const lb_call *c, lbi_axes a, int64_t o) {
    const lb_real *x = lb_r(c->in[0]) + o * a.n;
    lb_real y = lb_r(c->out[0])[o], *gx = lb_r(c->gin[0]) + o * a.n;
    int64_t count = 0;
    for (int64_t k = 0; k < a.n; k++) count += x[k] == y;
    lb_real part = lb_r(c->gout[0])[o] / (lb_real)count, other = 0 * part;
    for (int64_t k = 0; k < a.n; k++) gx[k] = (c->fresh[0] ? 0 : gx[k]) + (x[k] == y ? part : other);
}

LBI_LEVELS static void share(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    int64_t blocks = (a.inner + COLUMNS - 1) / COLUMNS;
    for (int64_t i = first; i < last; i++) {
        int64_t at = i % blocks * COLUMNS;
        if (a.inner == 1) share_line(c, a, i);
        else share_columns(c, a, i / blocks, at, a.inner - at < COLUMNS ? a.inner - at : COLUMNS);
    }
}

void lbi_extreme_shared(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    lb_tensor flat = *c->in[0];
    if (!lbi_flat(c, &flat)) return;
    c->in[0] = &flat;
    int64_t blocks = (a.inner + COLUMNS - 1) / COLUMNS;
    lbi_split(a.outer * blocks, 2 * a.n * (a.inner < COLUMNS ? a.inner : COLUMNS), share, c);
}

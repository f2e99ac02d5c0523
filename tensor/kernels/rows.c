/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/rows.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = 32, COLUMNS = 64 }; /* fewer lanes are taken apart by the compiler before it makes vectors of them */

/* NaN is passed over: it comes out through the sum. */
LBI_ALWAYS lb_real largest(const lb_real *x, int64_t n) {
    lb_real lane[LANES], top = -INFINITY;
    int64_t k = 0;
    for (int i = 0; i < LANES; i++) lane[i] = -INFINITY;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++) lane[i] = x[k + i] > lane[i] ? x[k + i] : lane[i];
    for (; k < n; k++) top = x[k] > top ? x[k] : top;
    for (int i = 0; i < LANES; i++) top = lane[i] > top ? lane[i] : top;
    return top;
}

/* sum a[i] (times b[i] when there is one), in double */
LBI_ALWAYS double sum_of(const lb_real *a, const lb_real *b, int64_t n) {
    double lane[LANES] = {0}, sum = 0;
    int64_t k = 0;
    if (b)
        for (; k + LANES <= n; k += LANES)
            for (int i = 0; i < LANES; i++) lane[i] += (double)a[k + i] * (double)b[k + i];
    else
        for (; k + LANES <= n; k += LANES)
            for (int i = 0; i < LANES; i++) lane[i] += (double)a[k + i];
    for (; k < n; k++) sum += (double)a[k] * (b ? (double)b[k] : 1);
    for (int i = 0; i < LANES; i++) sum += lane[i];
    return sum;
}

/* y = exp(x - top). @return top; *sum = sum of y */
LBI_ALWAYS lb_real exponentials(lb_real *y, const lb_real *x, int64_t k, double *sum) {
    lb_real top = largest(x, k);
    for (int64_t i = 0; i < k; i++) y[i] = lbi_exp(x[i] - top);
    *sum = sum_of(y, NULL, k);
    return top;
}

LBI_LEVELS_FUSED double lbi_softmax_row(lb_real *y, const lb_real *x, int64_t k) {
    double sum = 0;
    lb_real top = exponentials(y, x, k, &sum), by = (lb_real)(1 / sum);
    for (int64_t i = 0; i < k; i++) y[i] *= by;
    return (double)top + log(sum);
}

LBI_LEVELS_FUSED static void log_row(lb_real *y, const lb_real *x, int64_t k) {
    double sum = 0;
    lb_real top = exponentials(y, x, k, &sum), rest = (lb_real)log(sum);
    for (int64_t i = 0; i < k; i++) y[i] = x[i] - top - rest;
}

/* ---- lines that lie side by side ---- */

LBI_LEVELS_FUSED static void columns(lb_real *restrict y, const lb_real *x, lbi_axes a, int64_t width, bool logarithm) {
    lb_real top[COLUMNS], by[COLUMNS];
    double sum[COLUMNS] = {0};
    for (int64_t i = 0; i < width; i++) top[i] = -INFINITY;
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) top[i] = x[k * a.inner + i] > top[i] ? x[k * a.inner + i] : top[i];
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            lb_real e = lbi_exp(x[k * a.inner + i] - top[i]);
            y[k * a.inner + i] = e;
            sum[i] += (double)e;
        }
    for (int64_t i = 0; i < width; i++) by[i] = logarithm ? lbi_log((lb_real)sum[i]) : (lb_real)(1 / sum[i]);
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            y[e] = logarithm ? x[e] - top[i] - by[i] : y[e] * by[i];
        }
}

/* log sum exp of up to 64 lines side by side, without keeping the exponentials. */
LBI_LEVELS_FUSED static void log_sums(lb_real *y, const lb_real *x, lbi_axes a, int64_t width) {
    lb_real top[COLUMNS];
    double sum[COLUMNS] = {0};
    for (int64_t i = 0; i < width; i++) top[i] = -INFINITY;
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) top[i] = x[k * a.inner + i] > top[i] ? x[k * a.inner + i] : top[i];
    for (int64_t i = 0; i < width; i++) top[i] = top[i] <= LB_REAL_MAX && top[i] >= -LB_REAL_MAX ? top[i] : 0;
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) sum[i] += (double)lbi_exp(x[k * a.inner + i] - top[i]);
    for (int64_t i = 0; i < width; i++) y[i] = top[i] + lbi_log((lb_real)sum[i]);
}

LBI_LEVELS_FUSED static lb_real log_sum(const lb_real *x, int64_t n) {
    enum { PIECE = 256 };
    lb_real e[PIECE], top = largest(x, n), shift = top <= LB_REAL_MAX && top >= -LB_REAL_MAX ? top : 0;
    double sum = 0;
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t m = n - at < PIECE ? n - at : PIECE;
        for (int64_t k = 0; k < m; k++) e[k] = lbi_exp(x[at + k] - shift);
        sum += sum_of(e, NULL, m);
    }
    return shift + (lb_real)log(sum);
}

typedef struct slopes {
    const lb_real *y, *g;
    lb_real *gx;
    bool logarithm, fresh;
} slopes;

/* What kind it is is known where this is inlined. */
LBI_ALWAYS void back_of(slopes s, lbi_axes a, int64_t width, bool logarithm, bool fresh) {
    double sum[COLUMNS] = {0};
    lb_real all[COLUMNS], *restrict gx = s.gx;
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            sum[i] += logarithm ? (double)s.g[e] : (double)s.g[e] * (double)s.y[e];
        }
    for (int64_t i = 0; i < width; i++) all[i] = (lb_real)sum[i];
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            lb_real d = logarithm ? s.g[e] - lbi_exp(s.y[e]) * all[i] : s.y[e] * (s.g[e] - all[i]);
            gx[e] = (fresh ? 0 : gx[e]) + d;
        }
}

LBI_LEVELS_FUSED static void columns_back(slopes s, lbi_axes a, int64_t width) {
    if (s.logarithm && s.fresh) back_of(s, a, width, true, true);
    else if (s.logarithm) back_of(s, a, width, true, false);
    else if (s.fresh) back_of(s, a, width, false, true);
    else back_of(s, a, width, false, false);
}

LBI_LEVELS_FUSED static void row_back(slopes s, int64_t n) {
    lb_real all = (lb_real)sum_of(s.g, s.logarithm ? NULL : s.y, n), *restrict gx = s.gx;
    if (s.logarithm && s.fresh)
        for (int64_t i = 0; i < n; i++) gx[i] = s.g[i] - lbi_exp(s.y[i]) * all;
    else if (s.logarithm)
        for (int64_t i = 0; i < n; i++) gx[i] += s.g[i] - lbi_exp(s.y[i]) * all;
    else if (s.fresh)
        for (int64_t i = 0; i < n; i++) gx[i] = s.y[i] * (s.g[i] - all);
    else
        for (int64_t i = 0; i < n; i++) gx[i] += s.y[i] * (s.g[i] - all);
}

/* ---- a call ---- */

typedef struct job {
    const lb_call *c;
    lbi_axes a;
    bool logarithm;
} job;

static int axis_of(const lb_call *c) {
    int axis = *(const int *)c->params;
    return axis < 0 ? axis + c->in[0]->rank : axis;
}

bool lbi_softmax_shape(lb_call *c) {
    if (lbi_axis(c, *(const int *)c->params, c->in[0]->rank) < 0) return false;
    c->out[0]->rank = c->in[0]->rank;
    for (int i = 0; i < c->in[0]->rank; i++) c->out[0]->shape[i] = c->in[0]->shape[i];
    return true;
}

/* Item i: a line, or up to 64 of them side by side. @return where it begins; *width lines */
static int64_t item(const job *j, int64_t i, int64_t *width) {
    int64_t blocks = (j->a.inner + COLUMNS - 1) / COLUMNS, at = i % blocks * COLUMNS;
    *width = j->a.inner - at < COLUMNS ? j->a.inner - at : COLUMNS;
    return i / blocks * j->a.n * j->a.inner + at;
}

static void forward_items(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t width, at = item(j, i, &width);
        const lb_real *x = lb_r(j->c->in[0]) + at;
        lb_real *y = lb_r(j->c->out[0]) + at;
        if (j->a.inner > 1) columns(y, x, j->a, width, j->logarithm);
        else if (j->logarithm) log_row(y, x, j->a.n);
        else (void)lbi_softmax_row(y, x, j->a.n);
    }
}

static void backward_items(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t width, at = item(j, i, &width);
        slopes s = {lb_r(j->c->out[0]) + at, lb_r(j->c->gout[0]) + at, lb_r(j->c->gin[0]) + at, j->logarithm, j->c->fresh[0]};
        if (j->a.inner > 1) columns_back(s, j->a, width);
        else row_back(s, j->a.n);
    }
}

static void split(lb_call *c, bool logarithm, void (*run)(const void *ctx, int64_t first, int64_t last)) {
    job j = {c, lbi_axes_of(c->in[0], axis_of(c)), logarithm};
    int64_t blocks = (j.a.inner + COLUMNS - 1) / COLUMNS;
    if (j.a.n > 0) lbi_split(j.a.outer * blocks, j.a.n * 4 * (j.a.inner < COLUMNS ? j.a.inner : COLUMNS), run, &j);
}

void lbi_softmax_forward(lb_call *c) {
    split(c, false, forward_items);
}

void lbi_log_softmax_forward(lb_call *c) {
    split(c, true, forward_items);
}

void lbi_softmax_backward(lb_call *c) {
    split(c, false, backward_items);
}

void lbi_log_softmax_backward(lb_call *c) {
    split(c, true, backward_items);
}

typedef struct lines {
    lb_real *y;
    const lb_real *x;
    lbi_axes a;
} lines;

static void log_sum_items(const void *ctx, int64_t first, int64_t last) {
    const lines *l = ctx;
    int64_t blocks = (l->a.inner + COLUMNS - 1) / COLUMNS;
    for (int64_t i = first; i < last; i++) {
        int64_t o = i / blocks, at = i % blocks * COLUMNS;
        const lb_real *x = l->x + o * l->a.n * l->a.inner + at;
        lb_real *y = l->y + o * l->a.inner + at;
        if (l->a.inner == 1) *y = log_sum(x, l->a.n);
        else log_sums(y, x, l->a, l->a.inner - at < COLUMNS ? l->a.inner - at : COLUMNS);
    }
}

void lbi_logsumexp(lb_real *y, const lb_real *x, lbi_axes a) {
    lines l = {y, x, a};
    lbi_split(a.outer * ((a.inner + COLUMNS - 1) / COLUMNS), a.n * 4 * (a.inner < COLUMNS ? a.inner : COLUMNS), log_sum_items, &l);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/rows.h"
#include "base/cpu.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows_wide.h"

#if !defined LB_DOUBLE && defined __x86_64__
#define LBI_ROWS_WIDE 1
#else
#define LBI_ROWS_WIDE 0
#endif

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

/* high: x may lie far above 0. */
LBI_ALWAYS lb_real exp_of(lb_real x, bool high) { return high ? lbi_exp(x) : lbi_exp_low(x); }

/* y = exp(x - top), kept where they are wanted. ahead: where the numbers begin that are asked for. @return their sum: four are added as they are, then in double */
LBI_ALWAYS double exponentials(lb_real *restrict y, const lb_real *restrict x, int64_t n, lb_real top, int64_t ahead, bool keep, bool high) {
    enum { SIDE = 16, STEP = 4 * SIDE };
    double lane[SIDE] = {0}, sum = 0;
    lb_real e[STEP];
    int64_t k = 0;
    for (; k + STEP <= n; k += STEP) {
        for (int i = 0; i < STEP; i++) e[i] = exp_of(x[k + i] - top, high);
        for (int i = 0; keep && i < STEP; i++) y[k + i] = e[i];
        for (int i = 0; i < SIDE; i++) lane[i] += (double)((e[i] + e[i + SIDE]) + (e[i + 2 * SIDE] + e[i + 3 * SIDE]));
        lbi_fetch(x + k + ahead, STEP);
        if (y) lbi_fetch_to(y + k + ahead, STEP);
    }
    for (int64_t i = 0; i < n - k; i++) e[i] = exp_of(x[k + i] - top, high);
    for (int64_t i = 0; keep && i < n - k; i++) y[k + i] = e[i];
    for (int64_t i = 0; i < n - k; i++) sum += (double)e[i];
    for (int i = 0; i < SIDE; i++) sum += lane[i];
    return sum;
}

LBI_LEVELS_FUSED static void softmax_rows(lb_real *restrict y, const lb_real *restrict x, int64_t rows, int64_t n) {
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        lb_real by = (lb_real)(1 / exponentials(y, x, n, largest(x, n), r < rows - 1 ? n : 0, true, false));
        for (int64_t i = 0; i < n; i++) y[i] *= by;
    }
}

LBI_LEVELS_FUSED static void log_rows(lb_real *restrict y, const lb_real *restrict x, int64_t rows, int64_t n) {
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        lb_real top = largest(x, n), rest = (lb_real)log(exponentials(y, x, n, top, r < rows - 1 ? n : 0, false, false));
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - top - rest;
    }
}

/* ---- lines that lie side by side: number k of line i is x[k * inner + i] ---- */

/* Four numbers of a line at a time, since what it has so far goes through memory. */
LBI_ALWAYS void column_tops(lb_real *restrict top, const lb_real *restrict x, lbi_axes a, int64_t width) {
    int64_t k = 0;
    for (int64_t i = 0; i < width; i++) top[i] = -INFINITY;
    for (; k + 4 <= a.n; k += 4)
        for (int64_t i = 0; i < width; i++) {
            const lb_real *at = x + k * a.inner + i;
            lb_real t = top[i], x0 = at[0], x1 = at[a.inner], x2 = at[2 * a.inner], x3 = at[3 * a.inner];
            t = x0 > t ? x0 : t;
            t = x1 > t ? x1 : t;
            t = x2 > t ? x2 : t;
            top[i] = x3 > t ? x3 : t;
        }
    for (; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) top[i] = x[k * a.inner + i] > top[i] ? x[k * a.inner + i] : top[i];
}

/* sum[i] = sum of exp(x - top[i]), which are put into y where they are kept. ahead: as above */
LBI_ALWAYS void column_sums(double *restrict sum, lb_real *restrict y, const lb_real *restrict x, const lb_real *top, lbi_axes a, int64_t width, int64_t ahead, bool keep, bool high) {
    int64_t k = 0;
    for (int64_t i = 0; i < width; i++) sum[i] = 0;
    for (; k + 4 <= a.n; k += 4) {
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            lb_real e0 = exp_of(x[e] - top[i], high), e1 = exp_of(x[e + a.inner] - top[i], high);
            lb_real e2 = exp_of(x[e + 2 * a.inner] - top[i], high), e3 = exp_of(x[e + 3 * a.inner] - top[i], high);
            if (keep) y[e] = e0, y[e + a.inner] = e1, y[e + 2 * a.inner] = e2, y[e + 3 * a.inner] = e3;
            sum[i] += (double)((e0 + e1) + (e2 + e3));
        }
        for (int64_t j = k; ahead && j < k + 4; j++) {
            lbi_fetch(x + j * a.inner + ahead, width);
            lbi_fetch_to(y + j * a.inner + ahead, width);
        }
    }
    for (; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            lb_real e = exp_of(x[k * a.inner + i] - top[i], high);
            if (keep) y[k * a.inner + i] = e;
            sum[i] += (double)e;
        }
}

LBI_ALWAYS void columns_of(lb_real *restrict y, const lb_real *restrict x, lbi_axes a, int64_t width, int64_t ahead, bool logarithm) {
    lb_real top[COLUMNS], by[COLUMNS];
    double sum[COLUMNS];
    column_tops(top, x, a, width);
    column_sums(sum, y, x, top, a, width, ahead, !logarithm, false);
    for (int64_t i = 0; i < width; i++) by[i] = logarithm ? lbi_log((lb_real)sum[i]) : (lb_real)(1 / sum[i]);
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            y[e] = logarithm ? x[e] - top[i] - by[i] : y[e] * by[i];
        }
}

/* The usual width is one that the compiler knows. */
LBI_LEVELS_FUSED static void columns(lb_real *restrict y, const lb_real *restrict x, lbi_axes a, int64_t width, int64_t ahead, bool logarithm) {
    if (width == COLUMNS && logarithm) columns_of(y, x, a, COLUMNS, ahead, true);
    else if (width == COLUMNS) columns_of(y, x, a, COLUMNS, ahead, false);
    else columns_of(y, x, a, width, ahead, logarithm);
}

/* log sum exp, without keeping the exponentials. */
LBI_LEVELS_FUSED static void log_sums(lb_real *restrict y, const lb_real *restrict x, lbi_axes a, int64_t width) {
    lb_real top[COLUMNS];
    double sum[COLUMNS];
    column_tops(top, x, a, width);
    for (int64_t i = 0; i < width; i++) top[i] = top[i] <= LB_REAL_MAX && top[i] >= -LB_REAL_MAX ? top[i] : 0;
    if (width == COLUMNS) column_sums(sum, NULL, x, top, a, COLUMNS, 0, false, true);
    else column_sums(sum, NULL, x, top, a, width, 0, false, true);
    for (int64_t i = 0; i < width; i++) y[i] = top[i] + lbi_log((lb_real)sum[i]);
}

LBI_LEVELS_FUSED static lb_real log_sum(const lb_real *x, int64_t n) {
    lb_real top = largest(x, n), shift = top <= LB_REAL_MAX && top >= -LB_REAL_MAX ? top : 0;
    return shift + (lb_real)log(exponentials(NULL, x, n, shift, 0, false, true));
}

LBI_LEVELS_FUSED static double log_sum_low(const lb_real *x, int64_t n) {
    lb_real top = largest(x, n), shift = top == -INFINITY ? 0 : top;
    return (double)shift + log(exponentials(NULL, x, n, shift, n, false, false));
}

void lbi_log_sums(lb_real *y, const lb_real *x, int64_t n, int64_t inner, int64_t count) {
#if LBI_ROWS_WIDE
    if (lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_log_sums_avx512(y, x, n, inner, count);
        return;
    }
#endif
    log_sums(y, x, (lbi_axes){.n = n, .inner = inner}, count);
}

double lbi_log_sum_row(const lb_real *x, int64_t n) {
#if LBI_ROWS_WIDE
    if (lbi_cpu() >= LBI_CPU_AVX512) return lbi_log_sum_avx512(x, n);
#endif
    return log_sum_low(x, n);
}

LBI_LEVELS_FUSED static void soft_row(lb_real *restrict y, const lb_real *restrict x, int64_t n, lb_real logsum, lb_real a, lb_real b) {
    for (int64_t i = 0; i < n; i++) y[i] = a * lbi_exp_low(x[i] - logsum) + b;
}

void lbi_soft_row(lb_real *y, const lb_real *x, int64_t n, lb_real logsum, lb_real a, lb_real b) {
#if LBI_ROWS_WIDE
    if (lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_soft_avx512(y, x, n, logsum, a, b);
        return;
    }
#endif
    soft_row(y, x, n, logsum, a, b);
}

typedef struct slopes {
    const lb_real *y, *g;
    lb_real *gx;
    bool logarithm, fresh;
    int64_t ahead; /* where what is asked for begins, from here */
} slopes;

/* What kind it is is known where this is inlined. */
LBI_ALWAYS void back_of(slopes s, lbi_axes a, int64_t width, bool logarithm, bool fresh) {
    double sum[COLUMNS] = {0};
    lb_real all[COLUMNS], *restrict gx = s.gx;
    int64_t k = 0;
    for (; k + 4 <= a.n; k += 4) {
        for (int64_t i = 0; i < width; i++) {
            const lb_real *g = s.g + k * a.inner + i, *y = s.y + k * a.inner + i;
            lb_real first = logarithm ? g[0] + g[a.inner] : g[0] * y[0] + g[a.inner] * y[a.inner];
            lb_real second = logarithm ? g[2 * a.inner] + g[3 * a.inner] : g[2 * a.inner] * y[2 * a.inner] + g[3 * a.inner] * y[3 * a.inner];
            sum[i] += (double)(first + second);
        }
        for (int64_t j = k; s.ahead && j < k + 4; j++) {
            lbi_fetch(s.g + j * a.inner + s.ahead, width);
            lbi_fetch(s.y + j * a.inner + s.ahead, width);
            lbi_fetch_to(gx + j * a.inner + s.ahead, width);
        }
    }
    for (; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            sum[i] += logarithm ? (double)s.g[e] : (double)s.g[e] * (double)s.y[e];
        }
    for (int64_t i = 0; i < width; i++) all[i] = (lb_real)sum[i];
    for (k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) {
            int64_t e = k * a.inner + i;
            lb_real d = logarithm ? s.g[e] - lbi_exp_low(s.y[e]) * all[i] : s.y[e] * (s.g[e] - all[i]);
            gx[e] = (fresh ? 0 : gx[e]) + d;
        }
}

LBI_LEVELS_FUSED static void columns_back(slopes s, lbi_axes a, int64_t width) {
    if (s.logarithm && s.fresh && width == COLUMNS) back_of(s, a, COLUMNS, true, true);
    else if (s.logarithm) back_of(s, a, width, true, s.fresh);
    else if (s.fresh && width == COLUMNS) back_of(s, a, COLUMNS, false, true);
    else back_of(s, a, width, false, s.fresh);
}

/* sum of g y, or of g, of a row: four are added as they are, then in double */
LBI_ALWAYS double row_sum(slopes s, int64_t n) {
    enum { SIDE = 16, STEP = 4 * SIDE };
    double lane[SIDE] = {0}, sum = 0;
    int64_t k = 0;
    for (; k + STEP <= n; k += STEP) {
        const lb_real *g = s.g + k, *y = s.y + k;
        for (int i = 0; i < SIDE; i++)
            lane[i] += s.logarithm ? (double)((g[i] + g[i + SIDE]) + (g[i + 2 * SIDE] + g[i + 3 * SIDE]))
                                   : (double)((g[i] * y[i] + g[i + SIDE] * y[i + SIDE]) + (g[i + 2 * SIDE] * y[i + 2 * SIDE] + g[i + 3 * SIDE] * y[i + 3 * SIDE]));
        lbi_fetch(g + s.ahead, STEP);
        lbi_fetch(y + s.ahead, STEP);
        lbi_fetch_to(s.gx + k + s.ahead, STEP);
    }
    for (; k < n; k++) sum += (double)s.g[k] * (s.logarithm ? 1 : (double)s.y[k]);
    for (int i = 0; i < SIDE; i++) sum += lane[i];
    return sum;
}

LBI_ALWAYS void row_back(slopes s, int64_t n) {
    lb_real all = (lb_real)row_sum(s, n), *restrict gx = s.gx;
    for (int64_t i = 0; i < n; i++) gx[i] = (s.fresh ? 0 : gx[i]) + (s.logarithm ? s.g[i] - lbi_exp_low(s.y[i]) * all : s.y[i] * (s.g[i] - all));
}

LBI_ALWAYS void rows_back_of(slopes s, int64_t rows, int64_t n, bool logarithm, bool fresh) {
    for (int64_t r = 0; r < rows; r++) row_back((slopes){s.y + r * n, s.g + r * n, s.gx + r * n, logarithm, fresh, r < rows - 1 ? n : 0}, n);
}

LBI_LEVELS_FUSED static void rows_back(slopes s, int64_t rows, int64_t n) {
    if (s.logarithm && s.fresh) rows_back_of(s, rows, n, true, true);
    else if (s.logarithm) rows_back_of(s, rows, n, true, false);
    else if (s.fresh) rows_back_of(s, rows, n, false, true);
    else rows_back_of(s, rows, n, false, false);
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

/* Item i: up to 64 lines side by side, *width of them. @return where it begins */
static int64_t item(const lbi_axes *a, int64_t i, int64_t *width) {
    int64_t blocks = (a->inner + COLUMNS - 1) / COLUMNS, at = i % blocks * COLUMNS;
    *width = a->inner - at < COLUMNS ? a->inner - at : COLUMNS;
    return i / blocks * a->n * a->inner + at;
}

/* From item i to the next, of those before `last`; 0 at the last. */
static int64_t ahead_of(const lbi_axes *a, int64_t i, int64_t last) {
    int64_t width;
    return i + 1 < last ? item(a, i + 1, &width) - item(a, i, &width) : 0;
}

static void forward_items(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    const lb_real *x = lb_r(j->c->in[0]);
    lb_real *y = lb_r(j->c->out[0]);
    for (int64_t i = first; i < last; i++) {
        int64_t width, at = item(&j->a, i, &width);
        columns(y + at, x + at, j->a, width, ahead_of(&j->a, i, last), j->logarithm);
    }
}

static void forward_rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t n = j->a.n;
    const lb_real *x = lb_r(j->c->in[0]) + first * n;
    lb_real *y = lb_r(j->c->out[0]) + first * n;
#if LBI_ROWS_WIDE
    if (lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_softmax_rows_avx512(y, x, last - first, n, j->logarithm);
        return;
    }
#endif
    if (j->logarithm) log_rows(y, x, last - first, n);
    else softmax_rows(y, x, last - first, n);
}

static slopes slopes_at(const job *j, int64_t at, int64_t ahead) {
    const lb_call *c = j->c;
    return (slopes){lb_r(c->out[0]) + at, lb_r(c->gout[0]) + at, lb_r(c->gin[0]) + at, j->logarithm, c->fresh[0], ahead};
}

static void backward_items(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) {
        int64_t width, at = item(&j->a, i, &width);
        columns_back(slopes_at(j, at, ahead_of(&j->a, i, last)), j->a, width);
    }
}

static void backward_rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    slopes s = slopes_at(j, first * j->a.n, 0);
#if LBI_ROWS_WIDE
    if (lbi_cpu() >= LBI_CPU_AVX512) {
        lbi_softmax_rows_back_avx512(s.gx, s.y, s.g, last - first, j->a.n, s.logarithm, s.fresh);
        return;
    }
#endif
    rows_back(s, last - first, j->a.n);
}

typedef void (*work)(const void *ctx, int64_t first, int64_t last);

static void split(lb_call *c, bool logarithm, work of_rows, work of_items) {
    job j = {c, lbi_axes_of(c->in[0], axis_of(c)), logarithm};
    int64_t blocks = (j.a.inner + COLUMNS - 1) / COLUMNS;
    if (j.a.n > 0) lbi_split(j.a.outer * blocks, j.a.n * 4 * (j.a.inner < COLUMNS ? j.a.inner : COLUMNS), j.a.inner == 1 ? of_rows : of_items, &j);
}

void lbi_softmax_forward(lb_call *c) {
    split(c, false, forward_rows, forward_items);
}

void lbi_log_softmax_forward(lb_call *c) {
    split(c, true, forward_rows, forward_items);
}

void lbi_softmax_backward(lb_call *c) {
    split(c, false, backward_rows, backward_items);
}

void lbi_log_softmax_backward(lb_call *c) {
    split(c, true, backward_rows, backward_items);
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
        else lbi_log_sums(y, x, l->a.n, l->a.inner, l->a.inner - at < COLUMNS ? l->a.inner - at : COLUMNS);
    }
}

void lbi_logsumexp(lb_real *y, const lb_real *x, lbi_axes a) {
    lines l = {y, x, a};
    lbi_split(a.outer * ((a.inner + COLUMNS - 1) / COLUMNS), a.n * 4 * (a.inner < COLUMNS ? a.inner : COLUMNS), log_sum_items, &l);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/classes.h"
#include <math.h>
#include <string.h>
#include "base/threads.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows.h"

enum { TILE = 16 }; /* neighbouring rows that are turned together when classes do not lie side by side */

typedef struct job {
    const lbi_class_walk *w;
    lb_real *work; /* TILE * k numbers for each operand and result, for each piece */
    int64_t pieces;
} job;

static int operands(const lbi_class_walk *w) {
    int n = 0;
    for (int i = 0; i < LBI_CLASS_X; i++) n += (w->x[i] != NULL) + (w->y[i] != NULL);
    return n;
}

/* m rows of k from places `inner` apart, and back. */
static void turn(lb_real *to, const lb_real *from, int64_t k, int64_t inner, int64_t m) {
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < m; i++) to[i * k + j] = from[j * inner + i];
}

static void turn_back(lb_real *to, const lb_real *from, int64_t k, int64_t inner, int64_t m, bool fresh) {
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < m; i++) to[j * inner + i] = (fresh ? 0 : to[j * inner + i]) + from[i * k + j];
}

/* Rows first..last-1 of one outer index, at most TILE of them. */
static void run_tile(const lbi_class_walk *w, lb_real *work, int64_t first, int64_t m) {
    int64_t k = w->r.n, inner = w->r.inner, at = first / inner * k * inner + first % inner;
    const lb_real *x[LBI_CLASS_X] = {NULL};
    lb_real *y[LBI_CLASS_X] = {NULL};
    for (int i = 0; i < LBI_CLASS_X; i++) {
        if (!w->x[i]) continue;
        x[i] = lb_r(w->x[i]) + at;
        if (inner == 1) continue;
        turn(work, x[i], k, inner, m);
        x[i] = work;
        work += TILE * k;
    }
    for (int i = 0; i < LBI_CLASS_X; i++) {
        if (!w->y[i]) continue;
        y[i] = lb_r(w->y[i]) + at;
        if (inner == 1 && w->fresh[i]) continue;
        y[i] = work;
        work += TILE * k;
    }
    for (int64_t j = 0; j < m; j++) {
        w->run(w->ctx, first + j, (const lb_real *[]){x[0] ? x[0] + j * k : NULL, x[1] ? x[1] + j * k : NULL}, (lb_real *[]){y[0] ? y[0] + j * k : NULL, y[1] ? y[1] + j * k : NULL});
    }
    for (int i = 0; i < LBI_CLASS_X; i++) {
        if (!w->y[i] || (inner == 1 && w->fresh[i])) continue;
        lb_real *to = lb_r(w->y[i]) + at;
        if (inner > 1) turn_back(to, y[i], k, inner, m, w->fresh[i]);
        else
            for (int64_t j = 0; j < m * k; j++) to[j] += y[i][j];
    }
}

static void run_pieces(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t rows = lbi_class_count(&j->w->r), inner = j->w->r.inner;
    for (int64_t p = first; p < last; p++) {
        int64_t stop = rows * (p + 1) / j->pieces;
        lb_real *work = j->work + p * operands(j->w) * TILE * j->w->r.n;
        for (int64_t row = rows * p / j->pieces; row < stop;) {
            int64_t m = stop - row < TILE ? stop - row : TILE;
            if (inner > 1 && row % inner + m > inner) m = inner - row % inner;
            run_tile(j->w, work, row, m);
            row += m;
        }
    }
}

void lbi_class_rows(lb_call *c, const lbi_class_walk *w) {
    int64_t rows = lbi_class_count(&w->r), k = w->r.n;
    job j = {w, NULL, lb_threads()};
    if (rows == 0 || k == 0) return;
    if (rows * k < 2 * LBI_GRAIN || rows < j.pieces) j.pieces = 1;
    j.work = lb_scratch(c, (size_t)(j.pieces * operands(w) * TILE * k) * sizeof(lb_real));
    if (j.work) lbi_split(j.pieces, rows * k, run_pieces, &j);
}

bool lbi_class_shape(lb_call *c, const lb_tensor *x, int *axis, lb_tensor *rows) {
    *axis = lbi_axis(c, *axis, x->rank);
    if (*axis < 0) return false;
    if (x->shape[*axis] == 0) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "axis %d, that of the classes, is empty", *axis);
        return false;
    }
    rows->dtype = LB_REAL;
    rows->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != *axis) rows->shape[rows->rank++] = x->shape[i];
    return true;
}

void lbi_class_loss_shape(lb_tensor *loss, const lb_tensor *rows, lb_reduction reduction) {
    loss->dtype = LB_REAL;
    loss->rank = reduction == LB_NONE ? rows->rank : 0;
    memcpy(loss->shape, rows->shape, sizeof rows->shape);
}

double lbi_class_factor(const lb_tensor *rows, lb_reduction reduction) {
    int64_t n = lb_numel(rows);
    if (n == 0) return 0;
    if (reduction == LB_MEAN) return 1 / (double)n;
    return reduction == LB_BATCH_MEAN && rows->rank > 0 ? 1 / (double)rows->shape[0] : 1;
}

/* Side by side: of planes there are many. */
LBI_LEVELS static double total_of(const double *x, int64_t n) {
    enum { LANES = 32 };
    double lane[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    for (; i < n; i++) sum += x[i];
    for (int k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

void lbi_class_finish(lb_tensor *loss, const double *each, int64_t n, lb_reduction reduction, double factor) {
    if (reduction != LB_NONE) lb_r(loss)[0] = (lb_real)(total_of(each, n) * factor);
    else
        for (int64_t i = 0; i < n; i++) lb_r(loss)[i] = (lb_real)each[i];
}

/* ---- rows ---- */

/* by x is rounded as it is wherever else it is used: at large x the logarithm must belong to the same numbers. So products do not go into sums here. */
LBI_LEVELS static double logsum_of_scaled(const lb_real *x, int64_t k, lb_real by) {
    lb_real top = -INFINITY;
    double sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < k; i++) top = by * x[i] > top ? by * x[i] : top;
    if (top == -INFINITY) return -INFINITY;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < k; i++) sum += (double)lbi_exp(by * x[i] - top);
    return (double)top + log(sum);
}

double lbi_logsum_row(const lb_real *x, int64_t k, lb_real by) { return by == 1 ? lbi_log_sum_row(x, k) : logsum_of_scaled(x, k, by); }

LBI_LEVELS_FUSED double lbi_dot_row(const lb_real *x, const lb_real *y, int64_t k) {
    enum { LANES = 32 };
    double lane[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= k; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += (double)x[i + j] * (double)y[i + j];
    for (; i < k; i++) sum += (double)x[i] * (double)y[i];
    for (int j = 0; j < LANES; j++) sum += lane[j];
    return sum;
}

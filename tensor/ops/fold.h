/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions from plain functions of numbers: y = finish(step(... step(start, x_0) ..., x_n-1)) over the axes that go, in double, in
 * an order that does not depend on the threads. A file holds step, merge (of two partial results; start is neutral for it), finish
 * and slope as LBI_INLINE functions; LBI_FOLD makes the function that its forward names. See norm.c. Private to tensor/ops. */
#ifndef LB_TENSOR_OPS_FOLD_H
#define LB_TENSOR_OPS_FOLD_H
#include "tensor/ops/elementwise.h"
#include "tensor/reduce.h"
LB_BEGIN

enum { LBI_LANES = 32, LBI_COLUMNS = 64 };

typedef double (*lbi_step)(double so_far, double x, const void *params);
typedef double (*lbi_merge)(double a, double b);
typedef double (*lbi_finish)(double all, const void *params);

/* Work of one forward call. An item is a piece of a line (inner = 1), or of up to 64 columns side by side. */
typedef struct lbi_fold {
    const lb_call *c;
    lbi_axes a;
    lbi_pieces in; /* x, and where the pieces of its lines begin when it is not contiguous */
    int64_t blocks, piece, pieces; /* blocks of columns; rows of a piece; pieces of a line */
    double *part;                  /* [pieces, outer, inner] when there are several, else NULL */
    bool joining;
} lbi_fold;

typedef void (*lbi_fold_run)(const void *fold, int64_t first, int64_t last);
/* Shares the items over threads and joins the pieces. */
void lbi_fold_forward(lb_call *c, lbi_fold_run run);
/* dx (+)= g slope(x, y, params) with g and y of the shape of a result; row: LBI_FOLD_BACK of the slope. */
void lbi_fold_backward(lb_call *c, const lb_tensor *g, const lb_tensor *y, lb_row row);

/* sums[0..width-1] of `rows` rows that lie `stride` apart. */
LBI_INLINE void lbi_fold_rows(double *sums, const lb_real *x, int64_t rows, int64_t stride, int64_t width, const void *params, lbi_step step) {
    for (int64_t k = 0; k < rows; k++)
        for (int64_t i = 0; i < width; i++) sums[i] = step(sums[i], (double)x[k * stride + i], params);
}

/* Each call with a constant: loops over sizes go through memory, and what is unrolled becomes numbers before vectors are made. */
LBI_INLINE void lbi_fold_halves(double *lane, const int half, lbi_merge merge) {
#pragma GCC unroll 1
    for (int i = 0; i < half; i++) lane[i] = merge(lane[i], lane[i + half]);
}

LBI_INLINE double lbi_fold_line(const lb_real *x, int64_t n, const void *params, double start, lbi_step step, lbi_merge merge) {
    double lane[LBI_LANES], all = start;
    int64_t whole = n / LBI_LANES;
    for (int i = 0; i < LBI_LANES; i++) lane[i] = start;
    for (int64_t k = 0; k < whole; k++) {
        lbi_fetch(x + k * LBI_LANES + LBI_FAR, LBI_LANES);
        lbi_fold_rows(lane, x + k * LBI_LANES, 1, LBI_LANES, LBI_LANES, params, step);
    }
    for (int64_t k = whole * LBI_LANES; k < n; k++) all = step(all, (double)x[k], params);
    lbi_fold_halves(lane, 16, merge);
    lbi_fold_halves(lane, 8, merge);
    lbi_fold_halves(lane, 4, merge);
    lbi_fold_halves(lane, 2, merge);
    lbi_fold_halves(lane, 1, merge);
    return merge(all, lane[0]);
}

LBI_INLINE void lbi_fold_item(const lbi_fold *f, int64_t item, double start, lbi_step step, lbi_merge merge, lbi_finish finish) {
    const void *params = f->c->params;
    int64_t inner = f->a.inner, piece = item % f->pieces, block = item / f->pieces % f->blocks, o = item / f->pieces / f->blocks;
    int64_t from = piece * f->piece, rows = f->a.n - from < f->piece ? f->a.n - from : f->piece, at = block * LBI_COLUMNS;
    int64_t width = inner - at < LBI_COLUMNS ? inner - at : LBI_COLUMNS;
    const lb_real *x = f->in.runs > 0 ? lbi_piece_of(&f->in, o, piece) : f->in.x + (o * f->a.n + from) * inner + at;
    double sums[LBI_COLUMNS];
    for (int64_t i = 0; i < width; i++) sums[i] = start;
    if (inner == 1) sums[0] = lbi_fold_line(x, rows, params, start, step, merge);
    else lbi_fold_rows(sums, x, rows, inner, width, params, step);
    if (f->part)
        for (int64_t i = 0; i < width; i++) f->part[(piece * f->a.outer + o) * inner + at + i] = sums[i];
    else
        for (int64_t i = 0; i < width; i++) lb_r(f->c->out[0])[o * inner + at + i] = (lb_real)finish(sums[i], params);
}

LBI_INLINE void lbi_fold_part(const void *fold, int64_t first, int64_t last, double start, lbi_step step, lbi_merge merge, lbi_finish finish) {
    const lbi_fold *f = fold;
    int64_t count = f->a.outer * f->a.inner;
    bool lines = f->a.inner == 1 && f->pieces == 1 && f->in.runs == 0 && !f->joining; /* whole ones: an item's place costs as much as a short line */
    for (int64_t i = first; i < last; i++) {
        if (lines) {
            lb_r(f->c->out[0])[i] = (lb_real)finish(lbi_fold_line(f->in.x + i * f->a.n, f->a.n, f->c->params, start, step, merge), f->c->params);
            continue;
        }
        if (!f->joining) {
            lbi_fold_item(f, i, start, step, merge, finish);
            continue;
        }
        double all = start;
        for (int64_t p = 0; p < f->pieces; p++) all = merge(all, f->part[p * count + i]);
        lb_r(f->c->out[0])[i] = (lb_real)finish(all, f->c->params);
    }
}

/* p: gradient of x, gradient of y, x, y; x and its gradient are contiguous, the others stand still or go along. `fresh` is known where
 * this is inlined, so that the loops are made of vectors. */
LBI_INLINE void lbi_fold_back_part(const void *params, int64_t n, char *const *p, const int64_t *s, lbi_slope1 slope, bool fresh) {
    lb_real *restrict gx = (lb_real *)p[0];
    const lb_real *g = (const lb_real *)p[1], *x = (const lb_real *)p[2], *y = (const lb_real *)p[3];
    if (s[1] == 0 && s[3] == 0) {
        lb_real one = *g, top = *y;
        for (int64_t i = 0; i < n; i++) gx[i] = (fresh ? 0 : gx[i]) + one * slope(x[i], top, params);
    } else if (s[1] == LBI_STEP && s[3] == LBI_STEP) {
        for (int64_t i = 0; i < n; i++) gx[i] = (fresh ? 0 : gx[i]) + g[i] * slope(x[i], y[i], params);
    } else {
        for (int64_t i = 0; i < n; i++)
            gx[i] = (fresh ? 0 : gx[i]) + *(const lb_real *)(p[1] + i * s[1]) * slope(x[i], *(const lb_real *)(p[3] + i * s[3]), params);
    }
}

LBI_INLINE void lbi_fold_back_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_slope1 slope) {
    const lbi_back *b = ctx;
    if (b->fresh) lbi_fold_back_part(b->params, n, p, s, slope, true);
    else lbi_fold_back_part(b->params, n, p, s, slope, false);
}

#define LBI_FOLD(name, start, step, merge, finish)                                                                     \
    LBI_LEVELS_FUSED static void name(const void *fold, int64_t first, int64_t last) {                                       \
        lbi_fold_part(fold, first, last, start, step, merge, finish);                                                  \
    }
#define LBI_FOLD_BACK(name, slope) LBI_ROW(name, lbi_fold_back_row, slope)

/* Cases of ops that ask what is 0: lines of zeros, lines without, and mixed ones. */
void lbi_some_zeros(void *const *data, const int64_t *numel);
#define LBI_TRUTH_CASES(last_, first_, pair_, all_)                                                                    \
    {.name = "last", .rank = {2}, .shape = {{6, 5}}, .params = last_, .fill = lbi_some_zeros},                         \
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = first_, .fill = lbi_some_zeros},                    \
    {.name = "pair", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = pair_, .fill = lbi_some_zeros},                   \
    {.name = "nothing", .rank = {2}, .shape = {{3, 0}}, .params = last_},                                              \
    {.name = "large", .rank = {3}, .shape = {{5, 201, 203}}, .params = all_, .fill = lbi_some_zeros}

LBI_INLINE double lbi_merge_sum(double a, double b) { return a + b; }
LBI_INLINE double lbi_finish_same(double all, const void *params) { return all; }

LB_END
#endif

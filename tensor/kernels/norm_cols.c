/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/norm_cols.h"
#include <string.h>
#include "tensor/kernels/act_slope.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"

#define INLINE static inline __attribute__((always_inline))
enum { ROWS = 64 }; /* summed in the maths type, those sums in double */

static int64_t rows_of(const lbi_cols *b, int64_t i) { return b->n - i < ROWS ? b->n - i : ROWS; }

/* As many rows ahead as LBI_AHEAD numbers are. */
static int64_t ahead_of(const lbi_cols *b) { return (1 + LBI_AHEAD / (b->cols > 0 ? b->cols : 1)) * b->ld; }

INLINE void add_up(double *to, const lb_real *from, int64_t n) {
    for (int64_t j = 0; j < n; j++) to[j] += (double)from[j];
}

LBI_LEVELS_FUSED void lbi_cols_sum(const lbi_cols *b, const lb_real *restrict x, double *restrict sum) {
    lb_real s[LBI_COLS];
    memset(sum, 0, (size_t)b->cols * sizeof *sum);
    for (int64_t first = 0; first < b->n; first += ROWS) {
        memset(s, 0, sizeof s);
        for (int64_t i = first; i < first + rows_of(b, first); i++)
            for (int64_t j = 0; j < b->cols; j++) s[j] += x[i * b->ld + j];
        add_up(sum, s, b->cols);
    }
}

LBI_LEVELS_FUSED void lbi_cols_square(const lbi_cols *b, const lb_real *restrict x, const lb_real *restrict shift, double *restrict square) {
    lb_real s[LBI_COLS];
    memset(square, 0, (size_t)b->cols * sizeof *square);
    for (int64_t first = 0; first < b->n; first += ROWS) {
        memset(s, 0, sizeof s);
        for (int64_t i = first; i < first + rows_of(b, first); i++)
            for (int64_t j = 0; j < b->cols; j++) s[j] += (x[i * b->ld + j] - shift[j]) * (x[i * b->ld + j] - shift[j]);
        add_up(square, s, b->cols);
    }
}

LBI_LEVELS_FUSED void lbi_cols_moments(const lbi_cols *b, const lb_real *restrict x, const lb_real *restrict shift, double *restrict sum, double *restrict square) {
    lb_real s[LBI_COLS], q[LBI_COLS];
    int64_t ahead = ahead_of(b);
    memset(sum, 0, (size_t)b->cols * sizeof *sum);
    memset(square, 0, (size_t)b->cols * sizeof *square);
    for (int64_t first = 0; first < b->n; first += ROWS) {
        memset(s, 0, (size_t)b->cols * sizeof *s);
        memset(q, 0, (size_t)b->cols * sizeof *q);
        for (int64_t i = first; i < first + rows_of(b, first); i++) {
            lbi_fetch(x + i * b->ld + ahead, b->cols);
            for (int64_t j = 0; j < b->cols; j++) {
                lb_real d = x[i * b->ld + j] - shift[j];
                s[j] += d;
                q[j] += d * d;
            }
        }
        add_up(sum, s, b->cols);
        add_up(square, q, b->cols);
    }
}

INLINE void affine(lb_act act, const lbi_cols *b, lb_real *restrict y, const lb_real *restrict x, const lb_real *restrict add, const lb_real *restrict scale, const lb_real *restrict shift) {
    int64_t ahead = ahead_of(b);
    for (int64_t i = 0; i < b->n; i++) {
        int64_t at = i * b->ld;
        lbi_fetch(x + at + ahead, b->cols);
        if (add) lbi_fetch(add + at + ahead, b->cols);
        for (int64_t j = 0; j < b->cols; j++) {
            lb_real v = scale[j] * x[at + j] + shift[j];
            if (add) v += add[at + j];
            if (act != LB_ACT_NONE) v = v < 0 ? 0 : v;
            if (act == LB_ACT_RELU6) v = v > 6 ? 6 : v;
            y[at + j] = v;
        }
    }
}

LBI_LEVELS_FUSED void lbi_cols_affine(const lbi_cols *b, lb_act act, lb_real *y, const lb_real *x, const lb_real *add, const lb_real *scale, const lb_real *shift) {
    bool clamps = act == LB_ACT_RELU || act == LB_ACT_RELU6;
    if (act == LB_ACT_RELU && add) affine(LB_ACT_RELU, b, y, x, add, scale, shift);
    else if (act == LB_ACT_RELU) affine(LB_ACT_RELU, b, y, x, NULL, scale, shift);
    else if (clamps) affine(LB_ACT_RELU6, b, y, x, add, scale, shift);
    else affine(LB_ACT_NONE, b, y, x, add, scale, shift);
}

INLINE void back_sums(lb_act act, const lbi_cols *b, const lb_real *restrict g, const lb_real *restrict y, const lb_real *restrict x,
                      const lb_real *restrict mean, const lb_real *restrict rstd, double *restrict sum, double *restrict dot) {
    lb_real s[LBI_COLS], d[LBI_COLS];
    int64_t ahead = ahead_of(b);
    memset(sum, 0, (size_t)b->cols * sizeof *sum);
    memset(dot, 0, (size_t)b->cols * sizeof *dot);
    for (int64_t first = 0; first < b->n; first += ROWS) {
        memset(s, 0, sizeof s);
        memset(d, 0, sizeof d);
        for (int64_t i = first; i < first + rows_of(b, first); i++) {
            lbi_fetch(g + i * b->ld + ahead, b->cols);
            if (act != LB_ACT_NONE) lbi_fetch(y + i * b->ld + ahead, b->cols);
            lbi_fetch(x + i * b->ld + ahead, b->cols);
            for (int64_t j = 0; j < b->cols; j++) {
                lb_real through = lbi_act_slope(act, g[i * b->ld + j], y[i * b->ld + j]);
                s[j] += through;
                d[j] += through * ((x[i * b->ld + j] - mean[j]) * rstd[j]);
            }
        }
        add_up(sum, s, b->cols);
        add_up(dot, d, b->cols);
    }
}

LBI_LEVELS_FUSED void lbi_cols_back_sums(const lbi_cols *b, lb_act act, const lb_real *g, const lb_real *y, const lb_real *x, const lb_real *mean, const lb_real *rstd, double *sum, double *dot) {
    if (act == LB_ACT_RELU) back_sums(LB_ACT_RELU, b, g, y, x, mean, rstd, sum, dot);
    else if (act == LB_ACT_RELU6) back_sums(LB_ACT_RELU6, b, g, y, x, mean, rstd, sum, dot);
    else if (act == LB_ACT_NONE) back_sums(LB_ACT_NONE, b, g, y, x, mean, rstd, sum, dot);
    else back_sums(act, b, g, y, x, mean, rstd, sum, dot);
}

INLINE void back(lb_act act, const lbi_cols *b, lb_real *restrict gx, const lb_real *restrict g, const lb_real *restrict y, const lb_real *restrict x,
                 const lb_real *restrict by_g, const lb_real *restrict by_x, const lb_real *restrict more, bool fresh) {
    int64_t ahead = ahead_of(b);
    for (int64_t i = 0; i < b->n; i++) {
        int64_t at = i * b->ld;
        lbi_fetch(g + at + ahead, b->cols);
        if (act != LB_ACT_NONE) lbi_fetch(y + at + ahead, b->cols);
        lbi_fetch(x + at + ahead, b->cols);
        if (fresh)
            for (int64_t j = 0; j < b->cols; j++) gx[at + j] = by_g[j] * lbi_act_slope(act, g[at + j], y[at + j]) + by_x[j] * x[at + j] + more[j];
        else
            for (int64_t j = 0; j < b->cols; j++) gx[at + j] += by_g[j] * lbi_act_slope(act, g[at + j], y[at + j]) + by_x[j] * x[at + j] + more[j];
    }
}

LBI_LEVELS_FUSED void lbi_cols_back(const lbi_cols *b, lb_act act, lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *x, const lb_real *by_g,
                                    const lb_real *by_x, const lb_real *more, bool fresh) {
    if (act == LB_ACT_RELU) back(LB_ACT_RELU, b, gx, g, y, x, by_g, by_x, more, fresh);
    else if (act == LB_ACT_RELU6) back(LB_ACT_RELU6, b, gx, g, y, x, by_g, by_x, more, fresh);
    else if (act == LB_ACT_NONE) back(LB_ACT_NONE, b, gx, g, y, x, by_g, by_x, more, fresh);
    else back(act, b, gx, g, y, x, by_g, by_x, more, fresh);
}

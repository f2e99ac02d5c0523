/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of a row end in a chain of a hundred cycles and more (lanes, quotient, root), as long as a pass over the row. So one loop does all passes, each over another row: it writes row r,
 * and takes the sums of rows further on, which have a whole row's time to end. What one pass leaves in L1 the next ones find there; rows behind the last are the last one again. */
#include "tensor/kernels/norm_wide.h"
#include "tensor/kernels/exp_avx512.h"
#if LBI_NORM_WIDE
#include <math.h>

#define WIDE LBI_WIDE
#define INLINE LBI_WIDE_INLINE

enum { LANES = 16, SUMS = 4, STEP = SUMS * LANES, SQUARES_AHEAD = 2, MEANS_AHEAD = 4 }; /* rows between a sum and what needs it */

typedef struct sums {
    __m512 part[SUMS];
} sums;

INLINE double total(const sums *s) { return (double)_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s->part[0], s->part[1]), _mm512_add_ps(s->part[2], s->part[3]))); }

INLINE sums none(void) {
    sums s;
    for (int i = 0; i < SUMS; i++) s.part[i] = _mm512_setzero_ps();
    return s;
}

INLINE __m512 load(const float *x, __mmask16 some) { return _mm512_maskz_loadu_ps(some, x); }

/* (x - m)^2, 0 for numbers that are not there */
INLINE __m512 add_square(__m512 sum, const float *x, __m512 m, __mmask16 some) {
    __m512 d = _mm512_maskz_sub_ps(some, load(x, some), m);
    return _mm512_fmadd_ps(d, d, sum);
}

INLINE int64_t row_at(const lbi_rows *r, int64_t i) { return (i < r->rows ? i : r->rows - 1) * r->k; }

/* ---- layer norm ---- */

typedef struct layer {
    float *y; /* NULL: nothing is written */
    const float *x, *gamma, *beta, *square, *sum; /* rows: normalised, squared, summed */
    __m512 mean, rstd, next; /* of x; of square */
    sums squares, all;
} layer;

INLINE void layer_step(layer *l, int64_t j, int k, __mmask16 some) {
    if (l->y) {
        __m512 v = _mm512_mul_ps(_mm512_sub_ps(load(l->x + j, some), l->mean), l->rstd);
        if (l->gamma) v = _mm512_mul_ps(v, load(l->gamma + j, some));
        if (l->beta) v = _mm512_add_ps(v, load(l->beta + j, some));
        _mm512_mask_storeu_ps(l->y + j, some, v);
    }
    l->squares.part[k] = add_square(l->squares.part[k], l->square + j, l->next, some);
    l->all.part[k] = _mm512_add_ps(l->all.part[k], load(l->sum + j, some));
}

/* With constants for what is there the compiler keeps one branch. */
INLINE void layer_row(layer l, int64_t n, double *squares, double *all) {
    int64_t j = 0;
    l.squares = l.all = none();
    for (; j + STEP <= n; j += STEP)
#pragma GCC unroll 4
        for (int k = 0; k < SUMS; k++) layer_step(&l, j + k * LANES, k, 0xffff);
    for (; j < n; j += LANES) layer_step(&l, j, 0, lbi_wide_first(n - j));
    *squares = total(&l.squares);
    *all = total(&l.all);
}

INLINE void layer_rows(const lbi_rows *r, float *y, const float *gamma, const float *beta, double eps, lbi_row_done done, const void *ctx) {
    double k = (double)r->k, squares, all;
    for (int64_t i = -MEANS_AHEAD; i < r->rows; i++) {
        int64_t at = i < 0 ? 0 : i, next = i + SQUARES_AHEAD, last = i + MEANS_AHEAD;
        bool counts = next >= 0 && next < r->rows;
        layer l = {.y = done ? y : y + at * r->k, .x = r->x + at * r->k, .gamma = gamma, .beta = beta, .square = r->x + row_at(r, counts ? next : 0), .sum = r->x + row_at(r, last)};
        l.next = _mm512_set1_ps(counts ? r->mean[next] : 0);
        if (i < 0) {
            l.y = NULL;
            layer_row(l, r->k, &squares, &all);
        } else {
            l.mean = _mm512_set1_ps(r->mean[i]);
            l.rstd = _mm512_set1_ps(r->rstd[i]);
            layer_row(l, r->k, &squares, &all);
            if (done) done(ctx, i, y);
        }
        if (counts) r->rstd[next] = (float)(1 / sqrt(squares / k + eps));
        if (last < r->rows) r->mean[last] = (float)(all / k);
    }
}

WIDE void lbi_rows_norm_avx512(const lbi_rows *r, float *y, const float *beta, double eps, lbi_row_done done, const void *ctx) {
    if (r->gamma && beta) layer_rows(r, y, r->gamma, beta, eps, done, ctx);
    else if (r->gamma) layer_rows(r, y, r->gamma, NULL, eps, done, ctx);
    else if (beta) layer_rows(r, y, NULL, beta, eps, done, ctx);
    else layer_rows(r, y, NULL, NULL, eps, done, ctx);
}

/* ---- rows that are scaled ---- */

INLINE __m512 scaled(const float *x, const float *gamma, int64_t j, __m512 by, __mmask16 some) {
    __m512 v = _mm512_mul_ps(load(x + j, some), by);
    return gamma ? _mm512_mul_ps(v, load(gamma + j, some)) : v;
}

/* y = gamma x by; the squares of `square` are summed. */
INLINE double scale_row(float *y, const float *x, const float *gamma, const float *square, int64_t n, float factor) {
    const __m512 by = _mm512_set1_ps(factor), zero = _mm512_setzero_ps();
    sums s = none();
    int64_t j = 0;
    for (; j + STEP <= n; j += STEP)
#pragma GCC unroll 4
        for (int k = 0; k < SUMS; k++) {
            int64_t at = j + k * LANES;
            if (y) _mm512_storeu_ps(y + at, scaled(x, gamma, at, by, 0xffff));
            s.part[k] = add_square(s.part[k], square + at, zero, 0xffff);
        }
    for (; j < n; j += LANES) {
        __mmask16 some = lbi_wide_first(n - j);
        if (y) _mm512_mask_storeu_ps(y + j, some, scaled(x, gamma, j, by, some));
        s.part[0] = add_square(s.part[0], square + j, zero, some);
    }
    return total(&s);
}

INLINE void scale_rows(const lbi_rows *r, float *y, const float *gamma, lbi_row_factor factor, double eps) {
    float by[SQUARES_AHEAD] = {0};
    for (int64_t i = -SQUARES_AHEAD; i < r->rows; i++) {
        int64_t next = i + SQUARES_AHEAD;
        const float *square = r->x + row_at(r, next);
        double sum = i < 0 ? scale_row(NULL, NULL, NULL, square, r->k, 0) : scale_row(y + i * r->k, r->x + i * r->k, gamma, square, r->k, by[i % SQUARES_AHEAD]);
        if (next < r->rows) by[next % SQUARES_AHEAD] = factor(sum, r->k, eps, r->rstd + next);
    }
}

WIDE void lbi_rows_scale_avx512(const lbi_rows *r, float *y, lbi_row_factor factor, double eps) {
    if (r->gamma) scale_rows(r, y, r->gamma, factor, eps);
    else scale_rows(r, y, NULL, factor, eps);
}

/* ---- gradients of layer norm ---- */

typedef struct back {
    float *gx, *dgamma, *dbeta; /* NULL: not wanted */
    const float *g, *x, *gamma; /* the row that gets its gradient */
    const float *next_g, *next_x; /* the row whose sums are taken */
    __m512 mean, rstd, by_sum, by_dot, next_mean, next_rstd; /* means of h and of h xh */
    sums sum, dot;
    bool fresh;
} back;

INLINE __m512 weighed(const back *b, const float *g, int64_t j, __mmask16 some) { return b->gamma ? _mm512_mul_ps(load(g + j, some), load(b->gamma + j, some)) : load(g + j, some); }

INLINE void give(const back *b, int64_t j, __mmask16 some) {
    __m512 g = load(b->g + j, some), xh = _mm512_mul_ps(_mm512_sub_ps(load(b->x + j, some), b->mean), b->rstd);
    if (b->gx) {
        __m512 d = _mm512_mul_ps(b->rstd, _mm512_fnmadd_ps(xh, b->by_dot, _mm512_sub_ps(weighed(b, b->g, j, some), b->by_sum)));
        _mm512_mask_storeu_ps(b->gx + j, some, b->fresh ? d : _mm512_add_ps(d, load(b->gx + j, some)));
    }
    if (b->dgamma) _mm512_mask_storeu_ps(b->dgamma + j, some, _mm512_fmadd_ps(g, xh, load(b->dgamma + j, some)));
    if (b->dbeta) _mm512_mask_storeu_ps(b->dbeta + j, some, _mm512_add_ps(g, load(b->dbeta + j, some)));
}

INLINE void take(back *b, int64_t j, int k, __mmask16 some) {
    __m512 h = weighed(b, b->next_g, j, some), xh = _mm512_mul_ps(_mm512_sub_ps(load(b->next_x + j, some), b->next_mean), b->next_rstd);
    b->sum.part[k] = _mm512_add_ps(b->sum.part[k], h);
    b->dot.part[k] = _mm512_fmadd_ps(h, xh, b->dot.part[k]);
}

INLINE void back_row(back b, int64_t n, bool gives, double *sum, double *dot) {
    int64_t j = 0;
    b.sum = b.dot = none();
    for (; j + STEP <= n; j += STEP)
#pragma GCC unroll 4
        for (int k = 0; k < SUMS; k++) {
            if (gives) give(&b, j + k * LANES, 0xffff);
            take(&b, j + k * LANES, k, 0xffff);
        }
    for (; j < n; j += LANES) {
        if (gives) give(&b, j, lbi_wide_first(n - j));
        take(&b, j, 0, lbi_wide_first(n - j));
    }
    *sum = total(&b.sum);
    *dot = total(&b.dot);
}

INLINE void back_rows(const lbi_rows *r, back b, const float *g, float *gx) {
    double k = (double)r->k, sum, dot;
    float sums_of[SQUARES_AHEAD] = {0}, dots_of[SQUARES_AHEAD] = {0};
    for (int64_t i = -SQUARES_AHEAD; i < r->rows; i++) {
        int64_t next = i + SQUARES_AHEAD, at = row_at(r, next), slot = next % SQUARES_AHEAD;
        b.next_g = g + at;
        b.next_x = r->x + at;
        b.next_mean = _mm512_set1_ps(r->mean[at / r->k]);
        b.next_rstd = _mm512_set1_ps(r->rstd[at / r->k]);
        if (i < 0) back_row(b, r->k, false, &sum, &dot);
        else {
            b.gx = gx ? gx + i * r->k : NULL;
            b.g = g + i * r->k;
            b.x = r->x + i * r->k;
            b.mean = _mm512_set1_ps(r->mean[i]);
            b.rstd = _mm512_set1_ps(r->rstd[i]);
            b.by_sum = _mm512_set1_ps(sums_of[slot]);
            b.by_dot = _mm512_set1_ps(dots_of[slot]);
            back_row(b, r->k, true, &sum, &dot);
        }
        sums_of[slot] = (float)(sum / k);
        dots_of[slot] = (float)(dot / k);
    }
}

WIDE void lbi_rows_norm_back_avx512(const lbi_rows *r, float *gx, const float *g, float *dgamma, float *dbeta, bool fresh) {
    back b = {.gamma = r->gamma, .dgamma = dgamma, .dbeta = dbeta, .fresh = fresh};
    if (gx && r->gamma && dgamma && dbeta && fresh) back_rows(r, (back){.gamma = r->gamma, .dgamma = dgamma, .dbeta = dbeta, .fresh = true}, g, gx);
    else back_rows(r, b, g, gx);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/gram.h"
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

/* A squared distance below this share of the two rows' squares has lost six bits or more in the Gram matrix. */
#define NEAR ((lb_real)(sizeof(lb_real) == 4 ? 1.0 / 64 : 1e-6))

typedef struct columns {
    lb_real *to;
    const lb_real *x;
    int64_t n, d;
    double *mean;
} columns;

/* Some columns about their means. */
LBI_LEVELS static void centre_columns(const void *ctx, int64_t first, int64_t last) {
    const columns *g = ctx;
    int64_t n = g->n, d = g->d;
    const lb_real *x = g->x;
    lb_real *restrict to = g->to;
    double *restrict mean = g->mean;
    for (int64_t k = first; k < last; k++) mean[k] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = first; k < last; k++) mean[k] += (double)x[i * d + k];
    for (int64_t k = first; k < last; k++) mean[k] /= (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = first; k < last; k++) to[i * d + k] = (lb_real)((double)x[i * d + k] - mean[k]);
}

static void centre(lb_real *to, const lb_real *x, int64_t n, int64_t d, double *mean) { lbi_split(d, 4 * n, centre_columns, &(columns){to, x, n, d, mean}); }

LBI_LEVELS double lbi_square_distance(const lb_real *a, const lb_real *b, int64_t d) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < d; k++) sum += (double)(a[k] - b[k]) * (double)(a[k] - b[k]);
    return sum;
}

bool lbi_gram_near(const lbi_gram *g, int64_t i, int64_t j) {
    const lb_real *p = g->product;
    return i != j && g->square[i * g->n + j] < NEAR * (p[i * g->n + i] + p[j * g->n + j]);
}

LBI_LEVELS static void squares(const void *ctx, int64_t first, int64_t last) {
    const lbi_gram *g = ctx;
    int64_t n = g->n;
    const lb_real *p = g->product;
    for (int64_t i = first; i < last; i++) {
        lb_real *to = g->square + i * n, own = p[i * n + i];
        for (int64_t j = 0; j < n; j++) to[j] = own + p[j * n + j] - (p[i * n + j] + p[j * n + i]);
        for (int64_t j = 0; j < n; j++)
            if (to[j] < NEAR * (own + p[j * n + j])) to[j] = i == j ? 0 : (lb_real)lbi_square_distance(g->x + i * g->d, g->x + j * g->d, g->d);
    }
}

bool lbi_gram_make(lb_call *c, lbi_gram *g, const lb_tensor *x) {
    int64_t n = x->shape[0], d = x->shape[1];
    *g = (lbi_gram){n, d, NULL, NULL, NULL};
    double *mean = lb_scratch(c, (size_t)(d + 1) * sizeof *mean);
    g->x = lb_scratch(c, (size_t)(n * d + 1) * sizeof(lb_real));
    g->product = lb_scratch(c, (size_t)(n * n + 1) * sizeof(lb_real));
    g->square = lb_scratch(c, (size_t)(n * n + 1) * sizeof(lb_real));
    if (!mean || !g->x || !g->product || !g->square) return false;
    if (n == 0) return true;
    centre(g->x, lb_r(x), n, d, mean);
    if (d > 0) lbi_gemm(false, true, n, n, d, g->x, d, g->x, d, 0, g->product, n);
    else memset(g->product, 0, (size_t)(n * n) * sizeof(lb_real));
    lbi_split(n, n * 4, squares, g);
    return true;
}

typedef struct rows {
    lb_real *to;
    const lb_real *s;
    int64_t n;
    lb_real f;
} rows;

/* Rows of f (diag(row sums) - s). */
LBI_LEVELS static void laplacian(const void *ctx, int64_t first, int64_t last) {
    const rows *r = ctx;
    for (int64_t i = first; i < last; i++) {
        const lb_real *restrict s = r->s + i * r->n;
        lb_real *restrict to = r->to + i * r->n;
        double row = 0;
#pragma omp simd reduction(+ : row)
        for (int64_t j = 0; j < r->n; j++) {
            to[j] = -r->f * s[j];
            row += j != i ? (double)s[j] : 0;
        }
        to[i] = (lb_real)((double)r->f * row);
    }
}

/* The product of that matrix with x is the gradient; about the mean of x nothing changes, as its rows sum to 0. */
void lbi_gram_back(lb_call *c, lb_tensor *gx, const lb_tensor *x, const lb_real *s, lb_real f, bool fresh) {
    int64_t n = x->shape[0], d = x->shape[1];
    lb_real *m = lb_scratch(c, (size_t)(n * n + 1) * sizeof *m), *about = lb_scratch(c, (size_t)(n * d + 1) * sizeof *about);
    double *mean = lb_scratch(c, (size_t)(d + 1) * sizeof *mean);
    if (!m || !about || !mean || n * d == 0) return;
    lbi_split(n, 2 * n, laplacian, &(rows){m, s, n, f});
    centre(about, lb_r(x), n, d, mean);
    lbi_gemm(false, false, n, d, n, m, n, about, d, fresh ? 0 : 1, lb_r(gx), d);
}

bool lbi_relation_shape(lb_call *c) {
    c->out[0]->dtype = c->out[1]->dtype = LB_REAL;
    c->out[0]->rank = 0;
    c->out[1]->rank = 2;
    c->out[1]->shape[0] = c->out[1]->shape[1] = c->in[0]->shape[0];
    return true;
}

void lbi_relation_backward(lb_call *c) {
    if (c->gin[0] && c->gout[0]) lbi_gram_back(c, c->gin[0], c->in[0], lb_r(c->out[1]), lb_r(c->gout[0])[0], c->fresh[0]);
}

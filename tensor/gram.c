/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/gram.h"
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

/* A squared distance below this share of the two rows' squares has lost six bits or more in the Gram matrix. */
#define NEAR ((lb_real)(sizeof(lb_real) == 4 ? 1.0 / 64 : 1e-6))

LBI_LEVELS static void centre(lb_real *restrict to, const lb_real *restrict x, int64_t n, int64_t d, double *restrict sum) {
    for (int64_t k = 0; k < d; k++) sum[k] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) sum[k] += (double)x[i * d + k];
    for (int64_t k = 0; k < d; k++) sum[k] /= (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) to[i * d + k] = (lb_real)((double)x[i * d + k] - sum[k]);
}

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

static void squares(const void *ctx, int64_t first, int64_t last) {
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
    double *sum = lb_scratch(c, (size_t)(d + 1) * sizeof *sum);
    g->x = lb_scratch(c, (size_t)(n * d + 1) * sizeof(lb_real));
    g->product = lb_scratch(c, (size_t)(n * n + 1) * sizeof(lb_real));
    g->square = lb_scratch(c, (size_t)(n * n + 1) * sizeof(lb_real));
    if (!sum || !g->x || !g->product || !g->square) return false;
    if (n == 0) return true;
    centre(g->x, lb_r(x), n, d, sum);
    if (d > 0) lbi_gemm(false, true, n, n, d, g->x, d, g->x, d, 0, g->product, n);
    else memset(g->product, 0, (size_t)(n * n) * sizeof(lb_real));
    lbi_split(n, n * 4, squares, g);
    return true;
}

/* The matrix f (diag(row sums) - s), whose product with x is the gradient; about the mean of x nothing changes, as its rows sum to 0. */
void lbi_gram_back(lb_call *c, lb_tensor *gx, const lb_tensor *x, const lb_real *s, lb_real f, bool fresh) {
    int64_t n = x->shape[0], d = x->shape[1];
    lb_real *m = lb_scratch(c, (size_t)(n * n + 1) * sizeof *m), *about = lb_scratch(c, (size_t)(n * d + 1) * sizeof *about);
    double *sum = lb_scratch(c, (size_t)(d + 1) * sizeof *sum);
    if (!m || !about || !sum || n * d == 0) return;
    for (int64_t i = 0; i < n; i++) {
        double row = 0;
        for (int64_t j = 0; j < n; j++) {
            m[i * n + j] = -f * s[i * n + j];
            if (j != i) row += (double)s[i * n + j];
        }
        m[i * n + i] = (lb_real)((double)f * row);
    }
    centre(about, lb_r(x), n, d, sum);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-inverse y [...,N,M] of x [...,M,N] from its singular values; those up to rcond times the largest count as 0.
 * dx = -y^T g y^T + (I - x y) g^T y y^T + y^T y g^T (I - y x) (Golub and Pereyra, 1973, eq. (4.12)), for a rank that does not change. */
#include "tensor/linalg.h"

typedef struct options {
    double rcond;
} options;

static bool shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){a.n, a.m});
    return lbi_fits_lapack(c, c->in[0]);
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t k = a.m < a.n ? a.m : a.n;
    lb_real *u = lbi_numbers(c, a.m * k), *s = lbi_numbers(c, k), *vt = lbi_numbers(c, k * a.n);
    void *work = lb_scratch(c, lbi_linalg_work(a.m, a.n));
    for (int64_t i = 0; u && s && vt && work && i < a.count; i++) {
        if (!lbi_svd(a.m, a.n, lbi_matrix(c->in[0], i), u, s, vt, work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "no singular values of matrix %lld: it holds NaN or infinity", (long long)i);
            return;
        }
        for (int64_t j = 0; j < k; j++)
            for (int64_t e = 0; e < a.n; e++) vt[j * a.n + e] = (double)s[j] > o->rcond * (double)s[0] ? vt[j * a.n + e] / s[j] : 0;
        lbi_multiply(true, true, a.n, a.m, k, vt, u, 0, lbi_matrix(c->out[0], i));
    }
}

/* to [p,q] += (I - a b) c, a [p,r], b [r,p], c [p,q]; t [r,q]. */
static void add_beside(lb_real *to, int64_t p, int64_t q, int64_t r, const lb_real *a, const lb_real *b, const lb_real *c, lb_real *t) {
    lbi_multiply(false, false, r, q, p, b, c, 0, t);
    for (int64_t i = 0; i < r * q; i++) t[i] = -t[i];
    lbi_multiply(false, false, p, q, r, a, t, 1, to);
    for (int64_t i = 0; i < p * q; i++) to[i] += c[i];
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t m = a.m, n = a.n, most = m > n ? m : n;
    lb_real *gram = lbi_numbers(c, most * most), *t = lbi_numbers(c, m * n), *back = lbi_numbers(c, m * n), *turn = lbi_numbers(c, most * most);
    if (!c->gin[0] || !c->gout[0] || !gram || !t || !back || !turn) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *x = lbi_matrix(c->in[0], i), *y = lbi_matrix(c->out[0], i), *g = lbi_matrix(c->gout[0], i);
        lb_real *gx = lbi_matrix(c->gin[0], i);
        lbi_multiply(true, false, m, m, n, y, g, 0, gram); /* y^T g */
        lbi_multiply(false, true, m, n, m, gram, y, 0, t);
        for (int64_t k = 0; k < m * n; k++) gx[k] -= t[k];
        lbi_multiply(false, true, n, n, m, y, y, 0, gram); /* y y^T */
        lbi_multiply(true, false, m, n, n, g, gram, 0, t);
        add_beside(gx, m, n, n, x, y, t, turn);
        lbi_multiply(true, false, m, m, n, y, y, 0, gram); /* y^T y */
        lbi_multiply(false, false, n, m, m, g, gram, 0, t); /* (y^T y g^T)^T, as y^T y is symmetric */
        for (int64_t k = 0; k < m * n; k++) back[k] = 0;
        for (int64_t r = 0; r < m; r++) /* x^T and y^T for (I - y x)^T = I - x^T y^T */
            for (int64_t k = 0; k < n; k++) turn[k * m + r] = x[r * n + k];
        lbi_multiply(true, false, m, m, n, y, t, 0, gram); /* y^T t */
        for (int64_t k = 0; k < m * m; k++) gram[k] = -gram[k];
        lbi_multiply(false, false, n, m, m, turn, gram, 0, back);
        for (int64_t r = 0; r < n; r++)
            for (int64_t k = 0; k < m; k++) gx[k * n + r] += t[r * m + k] + back[r * m + k];
    }
}

static const options usual = {1e-6};
static const lb_op_case cases[] = {
    {.name = "square", .rank = {2}, .shape = {{4, 4}}, .params = &usual, .fill = lbi_fill_apart},
    {.name = "tall batch", .rank = {3}, .shape = {{2, 8, 4}}, .params = &usual, .fill = lbi_fill_apart},
    {.name = "wide", .rank = {2}, .shape = {{2, 4}}, .params = &usual, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}, .params = &usual},
};

LB_OP(pinv) = {.id = "pinv",
               .title = "pseudo-inverse",
               .source = "torch.linalg.pinv",
               .sig = "x[...,M,N] -> y[...,N,M]",
               .math = "y = v diag(1 / s) u^T",
               .reads = LB_READS_IN(0) | LB_READS_OUT(0),
               .params_size = sizeof(options),
               .shape = shape,
               .forward = forward,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_pinv(lb_tape *t, lb_tensor *x, double rcond) { return lb_apply(t, &lb_op_pinv, &(options){rcond}, sizeof(options), 1, &x); }

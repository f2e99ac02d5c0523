/* SPDX-License-Identifier: Apache-2.0 */
/* x [...,M,N] = q r, M >= N: orthonormal columns and an upper triangle whose diagonal is not negative. Fails for NaN and infinity.
 * With P = r gr^T - gq^T q and copy(P) its lower triangle, diagonal and the lower one mirrored: dx = (gq + q copy(P)) r^-T
 * (Walter and Lehmann, arXiv:1001.1654; Roberts and Roberts, arXiv:2009.10071). */
#include "tensor/linalg.h"

static bool shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    if (a.m < a.n) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "a matrix of %lld x %lld: at least as many rows as columns are wanted", (long long)a.m, (long long)a.n);
        return false;
    }
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){a.m, a.n});
    lbi_batch_shape(c->out[1], c->in[0], 2, (int64_t[]){a.n, a.n});
    return lbi_fits_lapack(c, c->in[0]);
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    void *work = lb_scratch(c, lbi_linalg_work(a.m, a.n));
    if (!lbi_finite_matrices(c, c->in[0])) return;
    for (int64_t i = 0; work && i < a.count; i++) lbi_qr(a.m, a.n, lbi_matrix(c->in[0], i), lbi_matrix(c->out[0], i), lbi_matrix(c->out[1], i), work);
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t m = a.m, n = a.n;
    lb_real *p = lbi_numbers(c, n * n), *t = lbi_numbers(c, m * n), *up = lbi_numbers(c, n * n);
    if (!c->gin[0] || !p || !t || !up) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *q = lbi_matrix(c->out[0], i), *r = lbi_matrix(c->out[1], i), *gq = c->gout[0] ? lbi_matrix(c->gout[0], i) : NULL, *gr = c->gout[1] ? lbi_matrix(c->gout[1], i) : NULL;
        for (int64_t k = 0; k < n * n; k++) p[k] = 0;
        for (int64_t k = 0; k < n * n; k++) up[k] = gr && k % n >= k / n ? -gr[k] : 0; /* r is 0 below, whatever its gradient */
        if (gq) lbi_multiply(true, false, n, n, m, gq, q, 0, p);
        lbi_multiply(false, true, n, n, n, r, up, 1, p); /* now -P */
        for (int64_t k = 0; k < n * n; k++) up[k] = k % n <= k / n ? -p[k] : -p[k % n * n + k / n];
        for (int64_t k = 0; k < m * n; k++) t[k] = gq ? gq[k] : 0;
        lbi_multiply(false, false, m, n, n, q, up, 1, t);
        lb_real *gx = lbi_matrix(c->gin[0], i);
        for (int64_t row = 0; row < m; row++) { /* y r^T = t by rows: r y^T = t^T from the last column on */
            lb_real *y = t + row * n;
            for (int64_t k = n - 1; k >= 0; k--) {
                double sum = (double)y[k];
                for (int64_t e = k + 1; e < n; e++) sum -= (double)r[k * n + e] * (double)y[e];
                y[k] = (lb_real)(sum / (double)r[k * n + k]);
                gx[row * n + k] += y[k];
            }
        }
    }
}

static const lb_op_case cases[] = {
    {.name = "square", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "tall batch", .rank = {3}, .shape = {{2, 8, 4}}, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(qr) = {.id = "qr",
             .title = "orthonormal columns times a triangle",
             .source = "torch.linalg.qr; LAPACK geqrf, orgqr",
             .sig = "x[...,M,N] -> q r",
             .results = 2,
             .math = "x = q r",
             .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1),
             .shape = shape,
             .forward = forward,
             .backward = backward,
             .cases = cases,
             .case_count = LB_COUNT(cases)};

lb_tensor *lb_qr(lb_tape *t, lb_tensor *x, lb_tensor **r) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_qr, NULL, 0, 1, &x, 2, out);
    if (r) *r = out[1];
    return out[0];
}

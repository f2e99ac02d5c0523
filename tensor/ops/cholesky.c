/* SPDX-License-Identifier: Apache-2.0 */
/* Lower l with l l^T = x for symmetric positive definite x; of x the mean of it and its transpose counts. Fails for NaN and infinity.
 * dx = sym(l^-T P(l^T g) l^-1), P the lower triangle with half the diagonal (Murray, arXiv:1602.07527, eq. (10)). */
#include "tensor/linalg.h"

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    if (!lbi_finite_matrices(c, c->in[0])) return;
    for (int64_t i = 0; i < a.count; i++)
        if (!lbi_cholesky(a.n, lbi_matrix(c->in[0], i), lbi_matrix(c->out[0], i))) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld is not positive definite", (long long)i);
            return;
        }
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t n = a.n;
    lb_real *m = lbi_numbers(c, n * n), *t = lbi_numbers(c, n * n);
    if (!c->gin[0] || !c->gout[0] || !m || !t) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *l = lbi_matrix(c->out[0], i), *g = lbi_matrix(c->gout[0], i);
        for (int64_t k = 0; k < n * n; k++) t[k] = k % n <= k / n ? g[k] : 0; /* l is 0 above the diagonal, whatever its gradient */
        lbi_multiply(true, false, n, n, n, l, t, 0, m);
        for (int64_t k = 0; k < n * n; k++) m[k] = k % n < k / n ? m[k] : k % n == k / n ? (lb_real)0.5 * m[k] : 0;
        lbi_triangular(n, n, l, false, true, m); /* l^-T P */
        for (int64_t r = 0; r < n; r++)
            for (int64_t k = 0; k < n; k++) t[k * n + r] = m[r * n + k];
        lbi_triangular(n, n, l, false, true, t); /* (P' l^-1)^T = l^-T P'^T */
        lbi_add_symmetric(lbi_matrix(c->gin[0], i), t, n);
    }
}

static const lb_op_case cases[] = {
    {.name = "one", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "batch", .rank = {3}, .shape = {{3, 4, 4}}, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(cholesky) = {.id = "cholesky", .title = "Cholesky factor of positive definite matrices", .source = "torch.linalg.cholesky; LAPACK potrf", .sig = "x[...,N,N] -> l[...,N,N]", .math = "l l^T = x",
                   .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = lbi_square_shape, .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_cholesky(lb_tape *t, lb_tensor *x) { return lb_apply(t, &lb_op_cholesky, NULL, 0, 1, &x); }

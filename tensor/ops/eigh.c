/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvalues w (ascending) and vectors (columns of v) of symmetric matrices: x = v diag(w) v^T. Of x the mean of it and its transpose counts. The largest
 * component of a vector is positive. dx = sym(v (diag(gw) + F o (v^T gv)) v^T), F_ij = 1 / (w_j - w_i), 0 where eigenvalues are equal: a gradient
 * through vectors of equal eigenvalues has no meaning. */
#include "tensor/linalg.h"

static bool shape(lb_call *c) {
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1];
    lbi_batch_shape(c->out[0], c->in[0], 1, &n);
    lbi_batch_shape(c->out[1], c->in[0], 2, (int64_t[]){n, n});
    return lbi_fits_lapack(c, c->in[0]);
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    void *work = lb_scratch(c, lbi_linalg_work(a.n, a.n));
    for (int64_t i = 0; work && i < a.count; i++)
        if (!lbi_eigh(a.n, lbi_matrix(c->in[0], i), lb_r(c->out[0]) + i * a.n, lbi_matrix(c->out[1], i), work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "no eigenvalues of matrix %lld: it holds NaN or infinity", (long long)i);
            return;
        }
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t n = a.n;
    lb_real *m = lbi_numbers(c, n * n), *t = lbi_numbers(c, n * n);
    if (!c->gin[0] || !m || !t) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *w = lb_r(c->out[0]) + i * n, *v = lbi_matrix(c->out[1], i);
        for (int64_t k = 0; k < n * n; k++) m[k] = 0;
        if (c->gout[1]) lbi_multiply(true, false, n, n, n, v, lbi_matrix(c->gout[1], i), 0, m);
        for (int64_t r = 0; r < n; r++)
            for (int64_t k = 0; k < n; k++) {
                lb_real gap = w[k] - w[r];
                m[r * n + k] = r == k ? (c->gout[0] ? lb_r(c->gout[0])[i * n + r] : 0) : gap != 0 ? m[r * n + k] / gap : 0;
            }
        lbi_multiply(false, false, n, n, n, v, m, 0, t);
        lbi_multiply(false, true, n, n, n, t, v, 0, m);
        lbi_add_symmetric(lbi_matrix(c->gin[0], i), m, n);
    }
}

static const lb_op_case cases[] = {
    {.name = "one", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "batch", .rank = {4}, .shape = {{2, 1, 4, 4}}, .fill = lbi_fill_apart},
    {.name = "number", .rank = {2}, .shape = {{1, 1}}},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(eigh) = {.id = "eigh",
               .title = "eigenvalues and vectors of symmetric matrices",
               .source = "torch.linalg.eigh; LAPACK syevd",
               .sig = "x[...,N,N] -> w v",
               .results = 2,
               .math = "x = v diag(w) v^T",
               .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1),
               .shape = shape,
               .forward = forward,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_eigh(lb_tape *t, lb_tensor *x, lb_tensor **vectors) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_eigh, NULL, 0, 1, &x, 2, out);
    if (vectors) *vectors = out[1];
    return out[0];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x^-1; dx = -y^T g y^T. Fails for a singular x, NaN and infinity; lb_solve is the better way to y = a^-1 b. */
#include "tensor/linalg.h"

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    void *work = lb_scratch(c, lbi_linalg_work(a.n, a.n));
    if (!lbi_finite_matrices(c, c->in[0])) return;
    for (int64_t i = 0; work && i < a.count; i++)
        if (!lbi_inverse(a.n, lbi_matrix(c->in[0], i), lbi_matrix(c->out[0], i), work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld is singular", (long long)i);
            return;
        }
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lb_real *m = lbi_numbers(c, a.n * a.n), *t = lbi_numbers(c, a.n * a.n);
    for (int64_t i = 0; c->gin[0] && c->gout[0] && m && t && i < a.count; i++) {
        const lb_real *y = lbi_matrix(c->out[0], i);
        lbi_multiply(true, false, a.n, a.n, a.n, y, lbi_matrix(c->gout[0], i), 0, m);
        lbi_multiply(false, true, a.n, a.n, a.n, m, y, 0, t);
        for (int64_t k = 0; k < a.n * a.n; k++) lbi_matrix(c->gin[0], i)[k] -= t[k];
    }
}

static const lb_op_case cases[] = {
    {.name = "one", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "batch", .rank = {4}, .shape = {{2, 1, 4, 4}}, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(inverse) = {.id = "inverse",
                  .title = "inverse of square matrices",
                  .source = "torch.linalg.inv; LAPACK getrf, getri",
                  .sig = "x[...,N,N] -> y[...,N,N]",
                  .math = "y = x^-1",
                  .reads = LB_READS_OUT(0) | LB_READS_IN(0),
                  .shape = lbi_square_shape,
                  .forward = forward,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_inverse(lb_tape *t, lb_tensor *x) { return lb_apply(t, &lb_op_inverse, NULL, 0, 1, &x); }

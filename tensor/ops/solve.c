/* SPDX-License-Identifier: Apache-2.0 */
/* y with a y = x. dx = a^-T g, da = -dx y^T. Fails for a singular a, and one with NaN or infinity. */
#include <string.h>
#include "tensor/linalg.h"

static bool shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    lbi_batch_shape(c->out[0], c->in[1], 2, (int64_t[]){a.m, a.n});
    return lbi_fits_lapack(c, c->in[0]) && lbi_fits_lapack(c, c->in[1]);
}

/* y = a^-1 x or a^-T x for matrix i. */
static bool solve_one(lb_call *c, int64_t i, const lbi_matrices *a, const lb_real *x, lb_real *y, bool transposed, lb_real *lu, int *pivot, void *work) {
    memcpy(lu, lbi_matrix(c->in[0], i), (size_t)(a->m * a->m) * sizeof *lu);
    if (!lbi_lu(a->m, lu, pivot)) {
        lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld is singular", (long long)i);
        return false;
    }
    lbi_lu_solve(a->m, a->n, lu, pivot, x, y, transposed, work);
    return true;
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    lb_real *lu = lbi_numbers(c, a.m * a.m), *work = lbi_numbers(c, a.m * a.n);
    int *pivot = lb_scratch(c, (size_t)(a.m + 1) * sizeof *pivot);
    if (!lbi_finite_matrices(c, c->in[0])) return;
    for (int64_t i = 0; lu && work && pivot && i < a.count; i++)
        if (!solve_one(c, i, &a, lbi_matrix(c->in[1], i), lbi_matrix(c->out[0], i), false, lu, pivot, work)) return;
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    lb_real *lu = lbi_numbers(c, a.m * a.m), *work = lbi_numbers(c, a.m * a.n), *g = lbi_numbers(c, a.m * a.n);
    int *pivot = lb_scratch(c, (size_t)(a.m + 1) * sizeof *pivot);
    if (!c->gout[0] || !lu || !work || !g || !pivot) return;
    for (int64_t i = 0; i < a.count; i++) {
        if (!solve_one(c, i, &a, lbi_matrix(c->gout[0], i), g, true, lu, pivot, work)) return;
        for (int64_t k = 0; c->gin[1] && k < a.m * a.n; k++) lbi_matrix(c->gin[1], i)[k] += g[k];
        if (!c->gin[0]) continue;
        lbi_multiply(false, true, a.m, a.m, a.n, g, lbi_matrix(c->out[0], i), 0, lu);
        for (int64_t k = 0; k < a.m * a.m; k++) lbi_matrix(c->gin[0], i)[k] -= lu[k];
    }
}

static const lb_op_case cases[] = {
    {.name = "one", .rank = {2, 2}, .shape = {{4, 4}, {4, 3}}, .fill = lbi_fill_apart},
    {.name = "batch", .rank = {3, 3}, .shape = {{2, 4, 4}, {2, 4, 2}}, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {2, 2}, .shape = {{4, 4}, {4, 0}}, .fill = lbi_fill_apart},
};

LB_OP(solve) = {.id = "solve", .title = "solution of linear systems", .source = "torch.linalg.solve; LAPACK getrf, getrs", .sig = "a[...,N,N] x[...,N,K] -> y[...,N,K]", .math = "a y = x",
                .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape, .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_solve(lb_tape *t, lb_tensor *a, lb_tensor *x) { return lb_apply(t, &lb_op_solve, NULL, 0, 2, (lb_tensor *[]){a, x}); }

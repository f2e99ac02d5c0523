/* SPDX-License-Identifier: Apache-2.0 */
/* y with t y = x, t lower or upper triangular (its other half is not read), or t^T y = x. dx = t^-T g; dt = -dx y^T within the triangle (transposed:
 * dx = t^-1 g, dt = -y dx^T). Fails for a 0 on the diagonal, NaN and infinity in t. */
#include <math.h>
#include "tensor/linalg.h"

typedef struct options {
    bool upper, transposed;
} options;

static bool shape(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    lbi_batch_shape(c->out[0], c->in[1], 2, (int64_t[]){a.m, a.n});
    return lbi_fits_lapack(c, c->in[0]) && lbi_fits_lapack(c, c->in[1]);
}

/* No 0 on the diagonal, and within the triangle nothing that is not finite (BLAS may hand it to places that it does not belong to). */
static bool usable(lb_call *c, int64_t number, const lb_real *t, int64_t n, bool upper) {
    for (int64_t i = 0; i < n * n; i++) {
        int64_t row = i / n, column = i % n;
        if (row == column && t[i] == 0) lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld is singular: 0 at %lld on its diagonal", (long long)number, (long long)row);
        else if ((upper ? column >= row : column <= row) && !isfinite(t[i])) lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld holds NaN or infinity", (long long)number);
        else continue;
        return false;
    }
    return true;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    for (int64_t i = 0; i < a.count; i++) {
        lb_real *y = lbi_matrix(c->out[0], i);
        const lb_real *t = lbi_matrix(c->in[0], i), *x = lbi_matrix(c->in[1], i);
        if (!usable(c, i, t, a.m, o->upper)) return;
        for (int64_t k = 0; k < a.m * a.n; k++) y[k] = x[k];
        lbi_triangular(a.m, a.n, t, o->upper, o->transposed, y);
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[1]);
    lb_real *g = lbi_numbers(c, a.m * a.n), *m = lbi_numbers(c, a.m * a.m);
    if (!c->gout[0] || !g || !m) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *from = lbi_matrix(c->gout[0], i), *y = lbi_matrix(c->out[0], i);
        for (int64_t k = 0; k < a.m * a.n; k++) g[k] = from[k];
        lbi_triangular(a.m, a.n, lbi_matrix(c->in[0], i), o->upper, !o->transposed, g);
        for (int64_t k = 0; c->gin[1] && k < a.m * a.n; k++) lbi_matrix(c->gin[1], i)[k] += g[k];
        if (!c->gin[0]) continue;
        lbi_multiply(false, true, a.m, a.m, a.n, o->transposed ? y : g, o->transposed ? g : y, 0, m);
        for (int64_t k = 0; k < a.m * a.m; k++)
            if (o->upper ? k % a.m >= k / a.m : k % a.m <= k / a.m) lbi_matrix(c->gin[0], i)[k] -= m[k];
    }
}

static const options lower = {false, false}, upper = {true, false}, lower_t = {false, true}, upper_t = {true, true};
static const lb_op_case cases[] = {
    {.name = "lower", .rank = {2, 2}, .shape = {{4, 4}, {4, 3}}, .params = &lower, .fill = lbi_fill_apart},
    {.name = "upper batch", .rank = {3, 3}, .shape = {{2, 4, 4}, {2, 4, 2}}, .params = &upper, .fill = lbi_fill_apart},
    {.name = "lower transposed", .rank = {2, 2}, .shape = {{4, 4}, {4, 3}}, .params = &lower_t, .fill = lbi_fill_apart},
    {.name = "upper transposed", .rank = {2, 2}, .shape = {{4, 4}, {4, 1}}, .params = &upper_t, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {2, 2}, .shape = {{4, 4}, {4, 0}}, .params = &lower, .fill = lbi_fill_apart},
};

LB_OP(triangular_solve) = {.id = "triangular_solve",
                           .title = "solution of triangular systems",
                           .source = "torch.linalg.solve_triangular; BLAS trsm",
                           .sig = "t[...,N,N] x[...,N,K] -> y[...,N,K]",
                           .math = "t y = x",
                           .reads = LB_READS_IN(0) | LB_READS_OUT(0),
                           .params_size = sizeof(options),
                           .shape = shape,
                           .forward = forward,
                           .backward = backward,
                           .cases = cases,
                           .case_count = LB_COUNT(cases)};

lb_tensor *lb_triangular_solve(lb_tape *t, lb_tensor *triangle, lb_tensor *x, bool upper_half, bool transposed) {
    return lb_apply(t, &lb_op_triangular_solve, &(options){upper_half, transposed}, sizeof(options), 2, (lb_tensor *[]){triangle, x});
}

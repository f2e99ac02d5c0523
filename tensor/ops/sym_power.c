/* SPDX-License-Identifier: Apache-2.0 */
/* Power of symmetric positive matrices, y = v diag(max(w, least)^p) v^T: square root at p = 1/2, whitening at p = -1/2. Of x the mean of it and its transpose
 * counts. dx = v (D o (v^T sym(g) v)) v^T with D_ij = (f(w_i) - f(w_j)) / (w_i - w_j), f' where they meet (Daleckii and Krein); for the
 * square root that solves y dx + dx y = g. Eigenvalues at `least` have slope 0 among themselves. */
#include <math.h>
#include "tensor/linalg.h"

typedef struct options {
    double power, least;
} options;

static bool shape(lb_call *c) {
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1];
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){n, n});
    lbi_batch_shape(c->out[1], c->in[0], 1, &n);
    lbi_batch_shape(c->out[2], c->in[0], 2, (int64_t[]){n, n});
    return lbi_fits_lapack(c, c->in[0]);
}

static double value(const options *o, double w) { return pow(w > o->least ? w : o->least, o->power); }

static double slope(const options *o, double a, double b) {
    double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    if (a <= o->least && b <= o->least) return 0;
    if (o->power == 0.5 && a > o->least && b > o->least) return 1 / (sqrt(a) + sqrt(b));
    if (fabs(a - b) > 1e-4 * size) return (value(o, a) - value(o, b)) / (a - b);
    return o->power * pow((a + b) / 2, o->power - 1); /* off by the third derivative times (a - b)^2 / 24 */
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t n = a.n;
    lb_real *t = lbi_numbers(c, n * n);
    void *work = lb_scratch(c, lbi_linalg_work(n, n));
    for (int64_t i = 0; t && work && i < a.count; i++) {
        lb_real *w = lb_r(c->out[1]) + i * n, *v = lbi_matrix(c->out[2], i);
        if (!lbi_eigh(n, lbi_matrix(c->in[0], i), w, v, work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "no eigenvalues of matrix %lld: it holds NaN or infinity", (long long)i);
            return;
        }
        for (int64_t k = 0; k < n * n; k++) t[k] = v[k] * (lb_real)value(o, (double)w[k % n]);
        lbi_multiply(false, true, n, n, n, t, v, 0, lbi_matrix(c->out[0], i));
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t n = a.n;
    lb_real *m = lbi_numbers(c, n * n), *t = lbi_numbers(c, n * n);
    for (int64_t i = 0; c->gin[0] && c->gout[0] && m && t && i < a.count; i++) {
        const lb_real *w = lb_r(c->out[1]) + i * n, *v = lbi_matrix(c->out[2], i);
        lbi_multiply(true, false, n, n, n, v, lbi_matrix(c->gout[0], i), 0, t);
        lbi_multiply(false, false, n, n, n, t, v, 0, m);
        for (int64_t r = 0; r < n; r++)
            for (int64_t k = 0; k < n; k++) m[r * n + k] *= (lb_real)slope(o, (double)w[r], (double)w[k]);
        lbi_multiply(false, false, n, n, n, v, m, 0, t);
        lbi_multiply(false, true, n, n, n, t, v, 0, m);
        lbi_add_symmetric(lbi_matrix(c->gin[0], i), m, n);
    }
}

static const options root = {0.5, 0}, white = {-0.5, 0.1}, square = {2, 0};
static const lb_op_case cases[] = {
    {.name = "root", .rank = {2}, .shape = {{4, 4}}, .params = &root, .fill = lbi_fill_apart},
    {.name = "whitening, batch", .rank = {3}, .shape = {{2, 4, 4}}, .params = &white, .fill = lbi_fill_apart},
    {.name = "square", .rank = {2}, .shape = {{4, 4}}, .params = &square, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}, .params = &root},
};

LB_OP(sym_power) = {.id = "sym_power",
                    .title = "power of symmetric positive matrices",
                    .source = "spectral calculus; Daleckii and Krein for the slope",
                    .sig = "x[...,N,N] -> y[...,N,N] w v",
                    .results = 1,
                    .math = "y = v diag(w^p) v^T",
                    .reads = LB_READS_IN(0) | LB_READS_OUT(1) | LB_READS_OUT(2),
                    .params_size = sizeof(options),
                    .shape = shape,
                    .forward = forward,
                    .backward = backward,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_sym_power(lb_tape *t, lb_tensor *x, double power, double least) {
    if (!(least >= 0) || (power < 1 && power != 0.5 && least == 0)) return lb_tape_fail(t, LB_E_ARG, "sym_power: power %g wants a least eigenvalue above 0, not %g", power, least);
    return lb_apply(t, &lb_op_sym_power, &(options){power, least}, sizeof(options), 1, &x);
}

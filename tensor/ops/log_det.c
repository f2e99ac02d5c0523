/* SPDX-License-Identifier: Apache-2.0 */
/* y = log |det x| and the sign of det x (without gradient); dx = g x^-T. A singular x has -inf and sign 0, and no gradient. Fails for NaN and infinity. */
#include <string.h>
#include "tensor/linalg.h"

static bool shape(lb_call *c) {
    lbi_batch_shape(c->out[0], c->in[0], 0, NULL);
    lbi_batch_shape(c->out[1], c->in[0], 0, NULL);
    return lbi_fits_lapack(c, c->in[0]);
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lb_real *lu = lbi_numbers(c, a.n * a.n);
    int *pivot = lb_scratch(c, (size_t)(a.n + 1) * sizeof *pivot);
    if (!lbi_finite_matrices(c, c->in[0])) return;
    for (int64_t i = 0; lu && pivot && i < a.count; i++) {
        double sign;
        memcpy(lu, lbi_matrix(c->in[0], i), (size_t)(a.n * a.n) * sizeof *lu);
        (void)lbi_lu(a.n, lu, pivot); /* a singular one has a 0 on its diagonal */
        lb_r(c->out[0])[i] = (lb_real)lbi_log_det(a.n, lu, pivot, &sign);
        lb_r(c->out[1])[i] = (lb_real)sign;
    }
}

static void backward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lb_real *y = lbi_numbers(c, a.n * a.n);
    void *work = lb_scratch(c, lbi_linalg_work(a.n, a.n));
    for (int64_t i = 0; c->gin[0] && c->gout[0] && y && work && i < a.count; i++) {
        lb_real g = lb_r(c->gout[0])[i];
        if (!lbi_inverse(a.n, lbi_matrix(c->in[0], i), y, work)) {
            lb_tape_fail(c->tape, LB_E_NUMERIC, "matrix %lld is singular: no gradient", (long long)i);
            return;
        }
        for (int64_t r = 0; r < a.n; r++)
            for (int64_t k = 0; k < a.n; k++) lbi_matrix(c->gin[0], i)[r * a.n + k] += g * y[k * a.n + r];
    }
}

static void swapped(void *const *data, const int64_t *numel) {
    lbi_fill_apart(data, numel);
    for (int64_t i = 0; i < 4; i++) {
        lb_real *x = data[0], keep = x[i];
        x[i] = x[4 + i];
        x[4 + i] = keep;
    }
}

static const lb_op_case cases[] = {
    {.name = "one", .rank = {2}, .shape = {{4, 4}}, .fill = lbi_fill_apart},
    {.name = "negative", .rank = {2}, .shape = {{4, 4}}, .fill = swapped},
    {.name = "batch", .rank = {3}, .shape = {{2, 4, 4}}, .fill = lbi_fill_apart},
    {.name = "empty", .rank = {3}, .shape = {{0, 4, 4}}},
};

LB_OP(log_det) = {.id = "log_det",
                  .title = "logarithm of the determinant's size, and its sign",
                  .source = "torch.linalg.slogdet",
                  .sig = "x[...,N,N] -> y[...] sign[...]",
                  .results = 2,
                  .math = "y = log |det x|",
                  .reads = LB_READS_IN(0),
                  .shape = shape,
                  .forward = forward,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_log_det(lb_tape *t, lb_tensor *x, lb_tensor **sign) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_log_det, NULL, 0, 1, &x, 2, out);
    if (sign) *sign = lb_detach(t, out[1]);
    return out[0];
}

lb_tensor *lb_det(lb_tape *t, lb_tensor *x) {
    lb_tensor *sign, *log_size = lb_log_det(t, x, &sign);
    return lb_mul(t, lb_exp(t, log_size), sign);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Orthonormal cosine transform along the last axis, DCT-II, or its inverse (DCT-III); each is the other's transpose, so dx is the other transform of g.
 * Computed in double. Of planes: one axis, lb_transpose, the other. */
#include "base/fft.h"
#include "tensor/op.h"
#include "tensor/ops.h"

typedef struct options {
    bool inverse;
} options;

static void transform(lb_call *c, const lb_tensor *from, lb_tensor *to, bool inverse, bool add) {
    int64_t n = from->shape[from->rank - 1], rows = n ? lb_numel(from) / n : 0;
    lb_fft *plan = NULL;
    if (rows == 0) return;
    lb_status st = lb_fft_new(&plan, n);
    double *x = st == LB_OK ? lb_scratch(c, (size_t)(3 * n + lb_fft_work(plan)) * sizeof *x) : NULL;
    if (st != LB_OK) lb_tape_fail_status(c->tape, st);
    for (int64_t r = 0; x && r < rows; r++) {
        for (int64_t i = 0; i < n; i++) x[i] = (double)lb_r(from)[r * n + i];
        lb_fft_cosine(plan, x, x, inverse, x + n);
        for (int64_t i = 0; i < n; i++) lb_r(to)[r * n + i] = (lb_real)((add ? (double)lb_r(to)[r * n + i] : 0) + x[i]);
    }
    lb_fft_free(plan);
}

static void forward(lb_call *c) { transform(c, c->in[0], c->out[0], ((const options *)c->params)->inverse, false); }

static void backward(lb_call *c) {
    if (c->gin[0] && c->gout[0]) transform(c, c->gout[0], c->gin[0], !((const options *)c->params)->inverse, true);
}

static const options there = {false}, back = {true};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2}, .shape = {{3, 8}}, .params = &there},
    {.name = "odd", .rank = {1}, .shape = {{7}}, .params = &there},
    {.name = "inverse", .rank = {3}, .shape = {{2, 2, 6}}, .params = &back},
    {.name = "inverse of a prime", .rank = {2}, .shape = {{2, 17}}, .params = &back},
    {.name = "one", .rank = {2}, .shape = {{3, 1}}, .params = &there},
    {.name = "empty", .rank = {2}, .shape = {{0, 8}}, .params = &there},
};

LB_OP(dct) = {.id = "dct",
              .title = "orthonormal cosine transform along the last axis",
              .source = "scipy.fft.dct, norm ortho",
              .sig = "x[...,N] -> y[...,N]",
              .math = "y_k = s_k sum x_n cos(pi k (2 n + 1) / (2 N))",
              .params_size = sizeof(options),
              .forward = forward,
              .backward = backward,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_dct(lb_tape *t, lb_tensor *x, bool inverse) { return lb_apply(t, &lb_op_dct, &(options){inverse}, sizeof(options), 1, &x); }

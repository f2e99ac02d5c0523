/* SPDX-License-Identifier: Apache-2.0 */
/* Mean squared error of normalised rows against a target: xhat = (x - mean) rstd along the last axis (population variance, eps inside the root),
 * loss = mean (xhat - t)^2 over all elements. With e = 2 g (xhat - t) / count: dx = rstd (e - mean(e) - xhat mean(e xhat)), dt = -e. One pass each way. */
#include <math.h>
#include "tensor/classes.h"
#include "tensor/kernels/levels.h"

typedef struct options {
    double eps;
} options;

typedef struct job {
    const lb_call *c;
    int64_t k;
    double eps, *loss;
    lb_real f;
} job;

/* Sums are of differences from the first element, which loses no digits where the mean is large. */
LBI_LEVELS static void rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t n = j->k;
    for (int64_t r = first; r < last; r++) {
        const lb_real *restrict x = lb_r(j->c->in[0]) + r * n, *restrict t = lb_r(j->c->in[1]) + r * n;
        double sum = 0, square = 0, loss = 0;
#pragma omp simd reduction(+ : sum, square)
        for (int64_t i = 0; i < n; i++) {
            double d = (double)(x[i] - x[0]);
            sum += d;
            square += d * d;
        }
        double mean = sum / (double)n, var = square / (double)n - mean * mean;
        lb_real rstd = (lb_real)(1 / sqrt((var > 0 ? var : 0) + j->eps)), shift = (lb_real)((double)x[0] + mean);
        lb_r(j->c->out[1])[r] = shift;
        lb_r(j->c->out[2])[r] = rstd;
#pragma omp simd reduction(+ : loss)
        for (int64_t i = 0; i < n; i++) {
            lb_real d = (x[i] - shift) * rstd - t[i];
            loss += (double)(d * d);
        }
        j->loss[r] = loss;
    }
}

static void forward(lb_call *c) {
    int64_t n = lb_numel(c->out[1]), count = lb_numel(c->in[0]);
    job j = {c, c->in[0]->shape[c->in[0]->rank - 1], ((const options *)c->params)->eps, lb_scratch(c, (size_t)(n + 1) * sizeof(double)), 0};
    double total = 0;
    if (!j.loss) return;
    if (count > 0) lbi_split(n, 2 * j.k, rows, &j);
    for (int64_t i = 0; count > 0 && i < n; i++) total += j.loss[i];
    lb_r(c->out[0])[0] = count > 0 ? (lb_real)(total / (double)count) : 0;
}

LBI_LEVELS static void slopes(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t n = j->k;
    for (int64_t r = first; r < last; r++) {
        const lb_real *restrict x = lb_r(j->c->in[0]) + r * n, *restrict t = lb_r(j->c->in[1]) + r * n;
        lb_real mean = lb_r(j->c->out[1])[r], rstd = lb_r(j->c->out[2])[r], f = j->f;
        double sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
        for (int64_t i = 0; i < n; i++) {
            lb_real h = (x[i] - mean) * rstd, e = f * (h - t[i]);
            sum += (double)e;
            dot += (double)(e * h);
        }
        lb_real a = (lb_real)(sum / (double)n), b = (lb_real)(dot / (double)n);
        for (int s = 0; s < 2; s++) {
            if (!j->c->gin[s]) continue;
            lb_real *restrict to = lb_r(j->c->gin[s]) + r * n, keep = j->c->fresh[s] ? 0 : 1;
            if (!j->c->fresh[s])
                for (int64_t i = 0; i < n; i++) {
                    lb_real h = (x[i] - mean) * rstd, e = f * (h - t[i]);
                    to[i] = keep * to[i] + (s == 0 ? rstd * (e - a - h * b) : -e);
                }
            else
                for (int64_t i = 0; i < n; i++) {
                    lb_real h = (x[i] - mean) * rstd, e = f * (h - t[i]);
                    to[i] = s == 0 ? rstd * (e - a - h * b) : -e;
                }
        }
    }
}

static void backward(lb_call *c) {
    int64_t count = lb_numel(c->in[0]);
    if (!c->gout[0] || count == 0) return;
    job j = {c, c->in[0]->shape[c->in[0]->rank - 1], 0, NULL, (lb_real)(2 * (double)lb_r(c->gout[0])[0] / (double)count)};
    lbi_split(lb_numel(c->out[1]), 2 * j.k, slopes, &j);
}

static const options usual = {1e-5}, wide = {0.1};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .params = &usual},
    {.name = "tokens", .rank = {3, 3}, .shape = {{2, 3, 4}, {2, 3, 4}}, .params = &wide},
    {.name = "no rows", .rank = {2, 2}, .shape = {{0, 5}, {0, 5}}, .params = &usual},
    {.name = "large", .rank = {2, 2}, .shape = {{203, 131}, {203, 131}}, .params = &usual},
};

LB_OP(layer_norm_mse) = {.id = "layer_norm_mse",
                         .title = "mean squared error of normalised rows",
                         .source = "torch.nn.functional.layer_norm, mse_loss",
                         .sig = "x[...,K] target[...,K] -> loss[] mean[...] rstd[...]",
                         .results = 1,
                         .math = "mean ((x - mean) rstd - t)^2",
                         .flags = LB_OP_SETS,
                         .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(1) | LB_READS_OUT(2),
                         .params_size = sizeof(options),
                         .forward = forward,
                         .backward = backward,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_layer_norm_mse(lb_tape *t, lb_tensor *x, lb_tensor *target, double eps) { return lb_apply(t, &lb_op_layer_norm_mse, &(options){eps}, sizeof(options), 2, (lb_tensor *[]){x, target}); }

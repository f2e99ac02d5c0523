/* SPDX-License-Identifier: Apache-2.0 */
/* Cosine of pairs of rows along the last axis, y = <a, b> / (max(|a|, eps) max(|b|, eps)), as torch. With p = max(|a|, eps), q = max(|b|, eps):
 * da = g (b / (p q) - y a / p^2 [|a| > eps]), db alike. The embedding loss: 1 - y for alike pairs (label 1), max(0, y - margin) for others. */
#include <math.h>
#include "tensor/classes.h"
#include "tensor/kernels/levels.h"

typedef struct options {
    double eps;
} options;

typedef struct job {
    const lb_call *c;
    int64_t k;
    double eps;
} job;

/* <a, b>, |a|, |b| */
LBI_LEVELS static void sums(const lb_real *a, const lb_real *b, int64_t n, double *dot, double *size_a, double *size_b) {
    double ab = 0, aa = 0, bb = 0;
#pragma omp simd reduction(+ : ab, aa, bb)
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    *dot = ab;
    *size_a = sqrt(aa);
    *size_b = sqrt(bb);
}

static void values(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t r = first; r < last; r++) {
        double dot, a, b;
        sums(lb_r(j->c->in[0]) + r * j->k, lb_r(j->c->in[1]) + r * j->k, j->k, &dot, &a, &b);
        lb_r(j->c->out[0])[r] = (lb_real)(dot / (fmax(a, j->eps) * fmax(b, j->eps)));
        lb_r(j->c->out[1])[r] = (lb_real)a;
        lb_r(j->c->out[2])[r] = (lb_real)b;
    }
}

static job job_of(const lb_call *c) { return (job){c, c->in[0]->shape[c->in[0]->rank - 1], ((const options *)c->params)->eps}; }

static void forward(lb_call *c) {
    job j = job_of(c);
    lbi_split(lb_numel(c->out[0]), 2 * j.k, values, &j);
}

LBI_LEVELS static void slopes(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t r = first; r < last; r++) {
        double g = (double)lb_r(j->c->gout[0])[r], y = (double)lb_r(j->c->out[0])[r];
        for (int s = 0; s < 2; s++) {
            if (!j->c->gin[s]) continue;
            const lb_real *restrict own = lb_r(j->c->in[s]) + r * j->k, *restrict other = lb_r(j->c->in[1 - s]) + r * j->k;
            lb_real *restrict to = lb_r(j->c->gin[s]) + r * j->k;
            double size = (double)lb_r(j->c->out[1 + s])[r], p = fmax(size, j->eps), q = fmax((double)lb_r(j->c->out[2 - s])[r], j->eps);
            lb_real f = (lb_real)(g / (p * q)), along = (lb_real)(size > j->eps ? g * y / (p * p) : 0);
            if (j->c->fresh[s])
                for (int64_t i = 0; i < j->k; i++) to[i] = f * other[i] - along * own[i];
            else
                for (int64_t i = 0; i < j->k; i++) to[i] += f * other[i] - along * own[i];
        }
    }
}

static void backward(lb_call *c) {
    job j = job_of(c);
    if (c->gout[0]) lbi_split(lb_numel(c->out[0]), 2 * j.k, slopes, &j);
}

static const options usual = {1e-8};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 2}, .shape = {{4, 5}, {4, 5}}, .params = &usual},
    {.name = "one row", .rank = {1, 1}, .shape = {{6}, {6}}, .params = &usual},
    {.name = "tokens", .rank = {3, 3}, .shape = {{2, 3, 4}, {2, 3, 4}}, .params = &usual},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 5}, {0, 5}}, .params = &usual},
    {.name = "large", .rank = {2, 2}, .shape = {{301, 120}, {301, 120}}, .params = &usual},
};

LB_OP(cosine_similarity) = {.id = "cosine_similarity",
                            .title = "cosine of pairs of rows",
                            .source = "torch.nn.functional.cosine_similarity",
                            .sig = "a[...,K] b[...,K] -> y[...] size_a[...] size_b[...]",
                            .results = 1,
                            .math = "<a, b> / (|a| |b|)",
                            .flags = LB_OP_SETS,
                            .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0) | LB_READS_OUT(1) | LB_READS_OUT(2),
                            .params_size = sizeof(options),
                            .forward = forward,
                            .backward = backward,
                            .cases = cases,
                            .case_count = LB_COUNT(cases)};

lb_tensor *lb_cosine_similarity(lb_tape *t, lb_tensor *a, lb_tensor *b, double eps) { return lb_apply(t, &lb_op_cosine_similarity, &(options){eps}, sizeof(options), 2, (lb_tensor *[]){a, b}); }

lb_tensor *lb_cosine_embedding(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor *label, double margin) {
    lb_tensor *y = lb_cosine_similarity(t, a, b, 1e-8), *alike = lb_add_scalar(t, lb_neg(t, y), 1), *other = lb_relu(t, lb_add_scalar(t, y, -margin));
    return lb_mean_all(t, lb_select(t, lb_gt(t, label, lb_scalar(t, 0)), alike, other));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Distance relations (Park et al., arXiv:1904.05068, eq. (5)-(7)): d_ij = sqrt(max(||x_i - x_j||^2, 1e-12)), 0 on the diagonal, divided by its mean mu
 * over pairs that are not at the clamp; Huber (delta 1) of student minus teacher, mean over all N x N entries. The teacher is constant.
 * With h the Huber slope / N^2: dd_ij = h_ij / mu - sum(h d) / (mu^2 count), dx_i = sum_j (2 dd_ij / d_ij) (x_i - x_j); clamped pairs give none.
 * The matrix of factors is made by the forward pass when a gradient is wanted. */
#include <math.h>
#include "tensor/gram.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct relations {
    lbi_gram g;
    double mean, count; /* over pairs beyond the clamp */
} relations;

static const double clamp = 1e-12;

typedef struct job {
    relations s, z;
    double *sum, *count, *student; /* of each row */
    lb_real *h;
} job;

static inline lb_real root_of(lb_real x) { return sizeof x == 4 ? (lb_real)sqrtf((float)x) : (lb_real)sqrt((double)x); }

/* Distances take the place of their squares. */
LBI_LEVELS static double roots(lb_real *restrict x, int64_t n, double *count) {
    double sum = 0, beyond = 0;
#pragma omp simd reduction(+ : sum, beyond)
    for (int64_t j = 0; j < n; j++) {
        lb_real square = x[j], d = root_of(square <= (lb_real)clamp ? (lb_real)clamp : square); /* NaN stays */
        sum += square <= (lb_real)clamp ? 0 : (double)d;
        beyond += square > (lb_real)clamp ? 1 : 0;
        x[j] = d;
    }
    *count = beyond;
    return sum;
}

static void root_rows(const relations *r, double *sum, double *count, int64_t i) {
    lb_real *x = r->g.square + i * r->g.n;
    sum[i] = roots(x, r->g.n, &count[i]);
    x[i] = 0;
}

static void roots_student(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) root_rows(&j->s, j->sum, j->count, i);
}

static void roots_teacher(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) root_rows(&j->z, j->sum, j->count, i);
}

static double total(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

static bool make(lb_call *c, job *j, relations *r, const lb_tensor *x) {
    int64_t n = x->shape[0];
    if (!lbi_gram_make(c, &r->g, x)) return false;
    lbi_split(n, 8 * n, r == &j->s ? roots_student : roots_teacher, j);
    double count = total(j->count, n);
    r->count = count > 0 ? count : 1;
    r->mean = total(j->sum, n) / r->count;
    if (r->mean < 1e-12) r->mean = 1e-12;
    return true;
}

LBI_LEVELS static double losses(const lb_real *s, const lb_real *z, lb_real by_s, lb_real by_z, int64_t n, lb_real *restrict h, double *dot) {
    double loss = 0, sum = 0;
#pragma omp simd reduction(+ : loss, sum)
    for (int64_t i = 0; i < n; i++) {
        lb_real d = s[i] * by_s - z[i] * by_z, cut = d > 1 ? 1 : d < -1 ? -1 : d;
        loss += (double)(cut * (d - (lb_real)0.5 * cut));
        sum += (double)(cut * s[i]);
        h[i] = cut;
    }
    *dot = sum;
    return loss;
}

static void loss_rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t n = j->s.g.n;
    lb_real by_s = (lb_real)(1 / j->s.mean), by_z = (lb_real)(1 / j->z.mean);
    for (int64_t i = first; i < last; i++) j->sum[i] = losses(j->s.g.square + i * n, j->z.g.square + i * n, by_s, by_z, n, j->h + i * n, &j->student[i]);
}

LBI_LEVELS static void factors(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    const relations *s = &j->s;
    int64_t n = s->g.n;
    double dot = total(j->student, n);
    lb_real scale = (lb_real)(2 / ((double)n * (double)n * s->mean)), shift = (lb_real)(dot / (s->mean * s->count)), least = (lb_real)sqrt(clamp);
    lb_real *restrict h = j->h;
    for (int64_t i = first * n; i < last * n; i++) {
        lb_real d = s->g.square[i];
        h[i] = d > least ? scale * (h[i] - shift) / d : 0;
    }
}

static void forward(lb_call *c) {
    int64_t n = c->in[0]->shape[0];
    job j = {.h = lb_r(c->out[1]), .sum = lb_scratch(c, (size_t)(3 * n + 1) * sizeof *j.sum)};
    if (!j.sum) return;
    j.count = j.sum + n;
    j.student = j.count + n;
    if (!make(c, &j, &j.s, c->in[0]) || !make(c, &j, &j.z, c->in[1])) return;
    lbi_split(n, 4 * n, loss_rows, &j);
    lb_r(c->out[0])[0] = n > 0 ? (lb_real)(total(j.sum, n) / ((double)n * (double)n)) : 0;
    if (lb_tape_get_mode(c->tape) == LB_TAPE_GRAD) lbi_split(n, 4 * n, factors, &j);
}

static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2}, .shape = {{6, 4}, {6, 3}}},
    {.name = "two rows", .rank = {2, 2}, .shape = {{2, 3}, {2, 5}}},
    {.name = "one row", .rank = {2, 2}, .shape = {{1, 3}, {1, 3}}},
    {.name = "near", .rank = {2, 2}, .shape = {{5, 3}, {5, 3}}, .lo = 10, .hi = 10.5},
    {.name = "large", .rank = {2, 2}, .shape = {{61, 70}, {61, 33}}},
};

LB_OP(rkd_distance) = {.id = "rkd_distance",
                       .title = "Huber of relative distances between rows",
                       .source = "arXiv:1904.05068, eq. (5)-(7)",
                       .sig = "student[N,D] teacher[N,E] -> loss[] factor[N,N]",
                       .results = 1,
                       .math = "mean huber(d / mean d - t / mean t)",
                       .flags = LB_OP_SETS,
                       .constant = 1u << 1,
                       .reads = LB_READS_IN(0) | LB_READS_OUT(1),
                       .shape = lbi_relation_shape,
                       .forward = forward,
                       .backward = lbi_relation_backward,
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_rkd_distance(lb_tape *t, lb_tensor *student, lb_tensor *teacher) { return lb_apply(t, &lb_op_rkd_distance, NULL, 0, 2, (lb_tensor *[]){student, teacher}); }

/* SPDX-License-Identifier: Apache-2.0 */
/* Distance relations (Park et al., arXiv:1904.05068, eq. (5)-(7)): d_ij = sqrt(max(||x_i - x_j||^2, 1e-12)), 0 on the diagonal, divided by its mean mu
 * over pairs that are not at the clamp; Huber (delta 1) of student minus teacher, mean over all N x N entries. The teacher is constant.
 * With h the Huber slope / N^2: dd_ij = h_ij / mu - sum(h d) / (mu^2 count), dx_i = sum_j (2 dd_ij / d_ij) (x_i - x_j); clamped pairs give none.
 * The matrix of factors is made by the forward pass when a gradient is wanted. */
#include <math.h>
#include "tensor/gram.h"
#include "tensor/kernels/levels.h"
#include "tensor/ops.h"

typedef struct relations {
    lbi_gram g;
    double mean, count; /* over pairs beyond the clamp */
} relations;

static const double clamp = 1e-12;

/* Distances take the place of their squares. */
LBI_LEVELS static bool make(lb_call *c, relations *r, const lb_tensor *x) {
    double sum = 0;
    int64_t count = 0;
    if (!lbi_gram_make(c, &r->g, x)) return false;
    for (int64_t i = 0; i < r->g.n * r->g.n; i++) {
        double square = (double)r->g.square[i];
        double d = sqrt(square > clamp ? square : clamp);
        sum += square > clamp ? d : 0;
        count += square > clamp;
        r->g.square[i] = (lb_real)d;
    }
    for (int64_t i = 0; i < r->g.n; i++) r->g.square[i * r->g.n + i] = 0;
    r->count = count > 0 ? (double)count : 1;
    r->mean = sum / r->count > 1e-12 ? sum / r->count : 1e-12;
    return true;
}

LBI_LEVELS static double losses(const relations *s, const relations *z, lb_real *restrict h, double *dot) {
    lb_real by_s = (lb_real)(1 / s->mean), by_z = (lb_real)(1 / z->mean);
    double total = 0, sum = 0;
#pragma omp simd reduction(+ : total, sum)
    for (int64_t i = 0; i < s->g.n * s->g.n; i++) {
        lb_real d = s->g.square[i] * by_s - z->g.square[i] * by_z, cut = d > 1 ? 1 : d < -1 ? -1 : d;
        total += (double)(cut * (d - (lb_real)0.5 * cut));
        sum += (double)(cut * s->g.square[i]);
        h[i] = cut;
    }
    *dot = sum;
    return total;
}

LBI_LEVELS static void factors(const relations *s, lb_real *h, double dot) {
    int64_t n = s->g.n;
    lb_real scale = (lb_real)(2 / ((double)n * (double)n * s->mean)), shift = (lb_real)(dot / (s->mean * s->count)), least = (lb_real)sqrt(clamp);
    for (int64_t i = 0; i < n * n; i++) {
        lb_real d = s->g.square[i];
        h[i] = d > least ? scale * (h[i] - shift) / d : 0;
    }
}

static void forward(lb_call *c) {
    relations s, z;
    int64_t n = c->in[0]->shape[0];
    double dot;
    if (!make(c, &s, c->in[0]) || !make(c, &z, c->in[1])) return;
    double total = losses(&s, &z, lb_r(c->out[1]), &dot);
    lb_r(c->out[0])[0] = n > 0 ? (lb_real)(total / ((double)n * (double)n)) : 0;
    if (lb_tape_get_mode(c->tape) == LB_TAPE_GRAD) factors(&s, lb_r(c->out[1]), dot);
}

static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2}, .shape = {{6, 4}, {6, 3}}},
    {.name = "two rows", .rank = {2, 2}, .shape = {{2, 3}, {2, 5}}},
    {.name = "one row", .rank = {2, 2}, .shape = {{1, 3}, {1, 3}}},
    {.name = "near", .rank = {2, 2}, .shape = {{5, 3}, {5, 3}}, .lo = 10, .hi = 10.5},
    {.name = "large", .rank = {2, 2}, .shape = {{61, 70}, {61, 33}}},
};

LB_OP(rkd_distance) = {.id = "rkd_distance", .title = "Huber of relative distances between rows", .source = "arXiv:1904.05068, eq. (5)-(7)", .sig = "student[N,D] teacher[N,E] -> loss[] factor[N,N]", .results = 1, .math = "mean huber(d / mean d - t / mean t)",
                       .flags = LB_OP_SETS, .constant = 1u << 1, .reads = LB_READS_IN(0) | LB_READS_OUT(1), .shape = lbi_relation_shape, .forward = forward, .backward = lbi_relation_backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_rkd_distance(lb_tape *t, lb_tensor *student, lb_tensor *teacher) { return lb_apply(t, &lb_op_rkd_distance, NULL, 0, 2, (lb_tensor *[]){student, teacher}); }

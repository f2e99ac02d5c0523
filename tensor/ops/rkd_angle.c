/* SPDX-License-Identifier: Apache-2.0 */
/* Angle relations (Park et al., arXiv:1904.05068, eq. (8)-(9)): cos_jik = <e_ij, e_kj>, e_ij = (x_i - x_j) / ||x_i - x_j||, 0 without gradient where the
 * rows are equal; Huber (delta 1) of student minus teacher, mean over all N^3 triples. The teacher is constant.
 * Neither the N x N x D differences nor the N^3 cosines are kept: with the Gram matrix G, <x_i - x_j, x_k - x_j> = G_ik - G_ij - G_jk + G_jj. For h the
 * Huber slope and w = h / (d_ij d_kj): dG_ik += w, dG_ij -= w, dG_jk -= w, and through the lengths dG_ij += h cos / d_ij^2, dG_jk += h cos / d_kj^2;
 * diagonal entries follow, since a common shift of all rows changes nothing: dx_i = sum_k s_ik (x_i - x_k), s = -(dG + dG^T).
 * The matrix s is made by the forward pass when a gradient is wanted. Triples (i, k) and (k, i) are equal: one of them is run. */
#include <math.h>
#include <string.h>
#include "base/threads.h"
#include "tensor/gram.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

/* One side as seen from vertex j: product of differences i, k = (g[i][k] - a[i] - a[k] + own). */
typedef struct side {
    const lbi_gram *of;
    const lb_real *g, *a;
    lb_real own;
    lb_real *inverse; /* 1 / d_ij, 0 where there is no direction */
    lb_real *zeros, *exact; /* n; n x n, made when rows lie close to the vertex */
} side;

typedef struct sums { /* over the triples of a vertex */
    lb_real *r, *t; /* sum of w and of h cos, by arm */
} sums;

/* Arm i with all k > i. */
LBI_LEVELS static double arm(const side *s, const side *z, int64_t n, int64_t i, lb_real *restrict gamma, const sums *u) {
    const lb_real *gs = s->g + i * n, *gz = z->g + i * n, *as = s->a, *az = z->a, *is = s->inverse, *iz = z->inverse;
    lb_real cs = s->own - as[i], cz = z->own - az[i], fs = is[i], fz = iz[i], loss = 0, r = 0, t = 0;
    lb_real *restrict ur = u->r, *restrict ut = u->t;
#pragma omp simd reduction(+ : loss, r, t)
    for (int64_t k = i + 1; k < n; k++) {
        lb_real both = fs * is[k];
        lb_real cos_s = (gs[k] - as[k] + cs) * both, cos_z = (gz[k] - az[k] + cz) * (fz * iz[k]);
        lb_real d = cos_s - cos_z, h = d > 1 ? 1 : d < -1 ? -1 : d;
        lb_real w = h * both, turn = h * cos_s;
        loss += h * (d - (lb_real)0.5 * h);
        gamma[k] += w;
        ur[k] += w;
        ut[k] += turn;
        r += w;
        t += turn;
    }
    ur[i] += r;
    ut[i] += t;
    return (double)loss;
}

/* Products of differences formed from the differences, for arms that are short beside their ends. */
static void take_exact(side *s, int64_t j) {
    const lbi_gram *g = s->of;
    int64_t n = g->n, d = g->d;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++) s->exact[i * n + k] = s->g[i * n + k] - s->a[i] - s->a[k] + s->own;
    for (int64_t i = 0; i < n; i++) {
        if (!lbi_gram_near(g, i, j)) continue;
        for (int64_t k = 0; k < n; k++) {
            double sum = 0;
            for (int64_t e = 0; e < d; e++) sum += (double)(g->x[i * d + e] - g->x[j * d + e]) * (double)(g->x[k * d + e] - g->x[j * d + e]);
            s->exact[i * n + k] = s->exact[k * n + i] = (lb_real)sum;
        }
    }
    s->g = s->exact;
    s->a = s->zeros;
    s->own = 0;
}

static void see_from(side *s, int64_t j) {
    const lbi_gram *g = s->of;
    bool near = false;
    s->g = g->product;
    s->a = g->product + j * g->n;
    s->own = s->a[j];
    for (int64_t i = 0; i < g->n; i++) {
        double d = sqrt((double)g->square[j * g->n + i]);
        s->inverse[i] = i != j && d > 1e-12 ? (lb_real)(1 / d) : 0;
        near = near || lbi_gram_near(g, i, j);
    }
    if (near) take_exact(s, j);
}

typedef struct job {
    lbi_gram s, z;
    int64_t pieces, work; /* numbers of scratch for each piece */
    lb_real *scratch;     /* of each: gamma [n,n], two exact [n,n], six vectors */
    double *loss;
} job;

static void vertices(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int64_t n = j->s.n;
    for (int64_t p = first; p < last; p++) {
        lb_real *gamma = j->scratch + p * j->work, *rest = gamma + n * n;
        side s = {.of = &j->s, .exact = rest, .inverse = rest + 2 * n * n, .zeros = rest + 2 * n * n + n}, z = {.of = &j->z, .exact = rest + n * n, .inverse = s.zeros + n, .zeros = s.zeros};
        sums u = {z.inverse + n, z.inverse + 2 * n};
        memset(gamma, 0, (size_t)(n * n) * sizeof *gamma);
        memset(s.zeros, 0, (size_t)n * sizeof(lb_real));
        for (int64_t v = n * p / j->pieces; v < n * (p + 1) / j->pieces; v++) {
            double half = 0, same = 0;
            see_from(&s, v);
            see_from(&z, v);
            memset(u.r, 0, (size_t)(2 * n) * sizeof(lb_real));
            for (int64_t i = 0; i < n; i++) {
                half += arm(&s, &z, n, i, gamma + i * n, &u);
                same += (s.inverse[i] > 0) != (z.inverse[i] > 0) ? 0.5 : 0; /* i = k: 1 against 0 */
            }
            for (int64_t i = 0; i < n; i++) gamma[v * n + i] += u.t[i] * s.inverse[i] * s.inverse[i] - u.r[i];
            j->loss[p] += 2 * half + same;
        }
    }
}

static void forward(lb_call *c) {
    job j = {.pieces = lb_threads()};
    int64_t n = c->in[0]->shape[0];
    lb_real *to = lb_r(c->out[1]);
    if (n * n * n < 4 * LBI_GRAIN || n < j.pieces) j.pieces = 1;
    j.work = 3 * n * n + 5 * n;
    j.scratch = lb_scratch(c, (size_t)(j.pieces * j.work + 1) * sizeof(lb_real));
    j.loss = lb_scratch(c, (size_t)j.pieces * sizeof *j.loss);
    if (!j.scratch || !j.loss || !lbi_gram_make(c, &j.s, c->in[0]) || !lbi_gram_make(c, &j.z, c->in[1])) return;
    memset(j.loss, 0, (size_t)j.pieces * sizeof *j.loss);
    double total = 0, count = (double)n * (double)n * (double)n;
    lbi_split(j.pieces, n * n * n, vertices, &j);
    for (int64_t p = 0; p < j.pieces; p++) total += j.loss[p];
    lb_r(c->out[0])[0] = n > 0 ? (lb_real)(total / count) : 0;
    if (lb_tape_get_mode(c->tape) != LB_TAPE_GRAD) return;
    lb_real by = n > 0 ? (lb_real)(-2 / count) : 0; /* both orders of each pair */
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++) {
            lb_real sum = 0;
            for (int64_t p = 0; p < j.pieces; p++) sum += j.scratch[p * j.work + i * n + k] + j.scratch[p * j.work + k * n + i];
            to[i * n + k] = by * sum;
        }
}

static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2}, .shape = {{6, 4}, {6, 3}}},
    {.name = "two rows", .rank = {2, 2}, .shape = {{2, 3}, {2, 5}}},
    {.name = "one row", .rank = {2, 2}, .shape = {{1, 3}, {1, 3}}},
    {.name = "near", .rank = {2, 2}, .shape = {{5, 3}, {5, 3}}, .lo = 10, .hi = 10.5},
    {.name = "large", .rank = {2, 2}, .shape = {{61, 30}, {61, 33}}},
};

LB_OP(rkd_angle) = {.id = "rkd_angle",
                    .title = "Huber of cosines of all triples of rows",
                    .source = "arXiv:1904.05068, eq. (8)-(9)",
                    .sig = "student[N,D] teacher[N,E] -> loss[] factor[N,N]",
                    .results = 1,
                    .math = "mean huber(cos_jik - t_jik)",
                    .flags = LB_OP_SETS,
                    .constant = 1u << 1,
                    .reads = LB_READS_IN(0) | LB_READS_OUT(1),
                    .shape = lbi_relation_shape,
                    .forward = forward,
                    .backward = lbi_relation_backward,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_rkd_angle(lb_tape *t, lb_tensor *student, lb_tensor *teacher) { return lb_apply(t, &lb_op_rkd_angle, NULL, 0, 2, (lb_tensor *[]){student, teacher}); }

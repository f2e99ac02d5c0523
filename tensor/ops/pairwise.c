/* SPDX-License-Identifier: Apache-2.0 */
/* Distances of all rows of a [...,N,D] to all rows of b [...,M,D]:
 *   squared    s_ij = ||a_i - b_j||^2                da_i = sum_j 2 g_ij (a_i - b_j)
 *   euclidean  sqrt(max(s_ij, least))                da_i = sum_j g_ij / d_ij (a_i - b_j), 0 where s_ij <= least
 *   l1         sum_k |a_ik - b_jk|                   da_ik = sum_j g_ij sign(a_ik - b_jk), 0 where equal
 * and the negative of each term for b. Squares come from products of rows about their common mean (which changes no difference); where two rows lie so
 * close that subtraction would lose digits, the difference is formed itself. Cosines: lb_matmul of lb_normalize. */
#include <math.h>
#include <string.h>
#include "tensor/gram.h"
#include "tensor/kernels/levels.h"
#include "tensor/linalg.h"
#include "tensor/loops.h"

typedef struct options {
    lb_distance_kind kind;
    double least;
} options;

static bool shape(lb_call *c) {
    const lb_tensor *a = c->in[0], *b = c->in[1];
    lbi_batch_shape(c->out[0], a, 2, (int64_t[]){a->shape[a->rank - 2], b->shape[b->rank - 2]});
    return true;
}

typedef struct job {
    const options *o;
    int64_t n, m, d;
    const lb_real *a, *b; /* centred for squares */
    lb_real *y;
    const lb_real *square_a, *square_b;
} job;

LBI_LEVELS static double size_of(const lb_real *a, const lb_real *b, int64_t d) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < d; k++) sum += (double)(a[k] > b[k] ? a[k] - b[k] : b[k] - a[k]);
    return sum;
}

static void l1_rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++)
        for (int64_t k = 0; k < j->m; k++) j->y[i * j->m + k] = (lb_real)size_of(j->a + i * j->d, j->b + k * j->d, j->d);
}

/* Products in y become squared distances, or their roots. */
static void square_rows(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    const lb_real near = (lb_real)(sizeof(lb_real) == 4 ? 1.0 / 64 : 1e-6);
    lb_real least = (lb_real)j->o->least;
    for (int64_t i = first; i < last; i++) {
        lb_real *y = j->y + i * j->m, own = j->square_a[i];
        for (int64_t k = 0; k < j->m; k++) {
            lb_real both = own + j->square_b[k], s = both - 2 * y[k];
            y[k] = s < near * both ? (lb_real)lbi_square_distance(j->a + i * j->d, j->b + k * j->d, j->d) : s;
        }
        if (j->o->kind == LB_EUCLIDEAN)
            for (int64_t k = 0; k < j->m; k++) y[k] = (lb_real)sqrt((double)(y[k] < least ? least : y[k]));
    }
}

/* Rows of a and b about their common mean. */
static void centre(lb_real *to, const lb_real *a, int64_t n, const lb_real *b, int64_t m, int64_t d, double *sum) {
    memset(sum, 0, (size_t)d * sizeof *sum);
    for (int64_t i = 0; i < (n + m) * d; i++) sum[i % d] += (double)(i < n * d ? a[i] : b[i - n * d]);
    for (int64_t i = 0; i < (n + m) * d; i++) to[i] = (lb_real)((double)(i < n * d ? a[i] : b[i - n * d]) - sum[i % d] / (double)(n + m));
}

static void forward(lb_call *c) {
    lbi_matrices a = lbi_matrices_of(c->in[0]), b = lbi_matrices_of(c->in[1]);
    job j = {.o = c->params, .n = a.m, .m = b.m, .d = a.n};
    bool squares = j.o->kind != LB_L1;
    lb_real *both = squares ? lbi_numbers(c, (j.n + j.m) * (j.d + 1)) : NULL;
    double *sum = squares ? lb_scratch(c, (size_t)(j.d + 1) * sizeof *sum) : NULL;
    if (squares && (!both || !sum)) return;
    for (int64_t i = 0; i < a.count; i++) {
        j.a = lbi_matrix(c->in[0], i);
        j.b = lbi_matrix(c->in[1], i);
        j.y = lbi_matrix(c->out[0], i);
        if (!squares) {
            lbi_split(j.n, j.m * j.d, l1_rows, &j);
            continue;
        }
        lb_real *norms = both + (j.n + j.m) * j.d;
        centre(both, j.a, j.n, j.b, j.m, j.d, sum);
        j.a = both;
        j.b = both + j.n * j.d;
        for (int64_t r = 0; r < j.n + j.m; r++) {
            double s = 0;
            for (int64_t k = 0; k < j.d; k++) s += (double)both[r * j.d + k] * (double)both[r * j.d + k];
            norms[r] = (lb_real)s;
        }
        j.square_a = norms;
        j.square_b = norms + j.n;
        lbi_multiply(false, true, j.n, j.m, j.d, j.a, j.b, 0, j.y);
        lbi_split(j.n, 4 * j.m, square_rows, &j);
    }
}

/* ---- backward ---- */

/* to_i += sum_j w_ij sign(x_i - y_j); over rows of x, so that sums do not depend on the threads. flip: w is [m,n]. */
typedef struct signs {
    int64_t n, m, d;
    const lb_real *w, *x, *y;
    lb_real *to;
    bool flip;
} signs;

LBI_LEVELS static void sign_rows(const void *ctx, int64_t first, int64_t last) {
    const signs *s = ctx;
    for (int64_t i = first; i < last; i++)
        for (int64_t j = 0; j < s->m; j++) {
            lb_real g = s->flip ? s->w[j * s->n + i] : s->w[i * s->m + j];
            const lb_real *restrict x = s->x + i * s->d, *restrict y = s->y + j * s->d;
            lb_real *restrict to = s->to + i * s->d;
            for (int64_t k = 0; k < s->d; k++) to[k] += x[k] > y[k] ? g : x[k] < y[k] ? -g : 0;
        }
}

/* to_i += sum_j w_ij (x_i - y_j), w [n,m], or [m,n] with flip. */
static void pull(lb_real *to, int64_t n, int64_t m, int64_t d, const lb_real *w, const lb_real *x, const lb_real *y, bool flip, lb_real *minus) {
    for (int64_t i = 0; i < n * m; i++) minus[i] = -w[i];
    lbi_multiply(flip, false, n, d, m, minus, y, 1, to);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < m; j++) sum += (double)(flip ? w[j * n + i] : w[i * m + j]);
        for (int64_t k = 0; k < d; k++) to[i * d + k] += (lb_real)sum * x[i * d + k];
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]), b = lbi_matrices_of(c->in[1]);
    int64_t n = a.m, m = b.m, d = a.n;
    lb_real *w = lbi_numbers(c, 2 * n * m), *both = lbi_numbers(c, (n + m) * d), least = (lb_real)sqrt(o->least);
    double *sum = lb_scratch(c, (size_t)(d + 1) * sizeof *sum);
    if (!c->gout[0] || !w || !both || !sum) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *g = lbi_matrix(c->gout[0], i), *y = lbi_matrix(c->out[0], i), *x[2] = {lbi_matrix(c->in[0], i), lbi_matrix(c->in[1], i)};
        if (o->kind != LB_L1) {
            centre(both, x[0], n, x[1], m, d, sum);
            x[0] = both;
            x[1] = both + n * d;
        }
        for (int64_t k = 0; k < n * m; k++) w[k] = o->kind == LB_SQUARED ? 2 * g[k] : o->kind == LB_L1 ? g[k] : y[k] > least ? g[k] / y[k] : 0;
        for (int s = 0; s < 2; s++) {
            if (!c->gin[s]) continue;
            lb_real *to = lbi_matrix(c->gin[s], i);
            signs l = {s ? m : n, s ? n : m, d, w, x[s], x[1 - s], to, s == 1};
            if (o->kind == LB_L1) lbi_split(l.n, l.m * d, sign_rows, &l);
            else pull(to, l.n, l.m, d, w, x[s], x[1 - s], s == 1, w + n * m);
        }
    }
}

static const options squared = {LB_SQUARED, 0}, euclidean = {LB_EUCLIDEAN, 0}, clamped = {LB_EUCLIDEAN, 1e-12}, l1 = {LB_L1, 0};
static const lb_op_case cases[] = {
    {.name = "squared", .rank = {2, 2}, .shape = {{4, 3}, {5, 3}}, .params = &squared},
    {.name = "euclidean batch", .rank = {3, 3}, .shape = {{2, 4, 3}, {2, 3, 3}}, .params = &euclidean},
    {.name = "euclidean, near", .rank = {2, 2}, .shape = {{4, 3}, {5, 3}}, .params = &clamped, .lo = 10, .hi = 10.25},
    {.name = "l1", .rank = {3, 3}, .shape = {{2, 4, 3}, {2, 3, 3}}, .params = &l1},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 3}, {5, 3}}, .params = &euclidean},
    {.name = "large", .rank = {2, 2}, .shape = {{61, 40}, {67, 40}}, .params = &euclidean},
    {.name = "large l1", .rank = {2, 2}, .shape = {{61, 40}, {67, 40}}, .params = &l1},
};

LB_OP(pairwise) = {.id = "pairwise",
                   .title = "distances of all rows to all rows",
                   .source = "torch.cdist",
                   .sig = "a[...,N,D] b[...,M,D] -> y[...,N,M]",
                   .math = "y_ij = d(a_i, b_j)",
                   .flags = LB_OP_NONSMOOTH,
                   .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0),
                   .params_size = sizeof(options),
                   .shape = shape,
                   .forward = forward,
                   .backward = backward,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_pairwise(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_distance_kind kind, double least) {
    if (!(least >= 0)) return lb_tape_fail(t, LB_E_ARG, "pairwise: the least square is %g, at least 0 is wanted", least);
    return lb_apply(t, &lb_op_pairwise, &(options){kind, least}, sizeof(options), 2, (lb_tensor *[]){a, b});
}

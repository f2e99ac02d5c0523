/* SPDX-License-Identifier: Apache-2.0 */
/* Sinkhorn's iterations on exp(x), x [...,N,M] (for a cost w and entropy weight e: x = -w / e): each divides every row by its sum, then every column;
 * given sums `rows` [N] and `columns` [M] (constant, 1 without) take the place of 1. In the log domain, by potentials:
 *   u_i = logsum_j(x_ij - v_j) - log rows_i,  v_j = logsum_i(x_ij - u_i) - log columns_j,  y_ij = exp(x_ij - u_i - v_j), v = 0 before the first.
 * Ends after `iterations`, or before when no potential moved by more than `tolerance`. The gradient goes through all iterations that were run: with
 * y^t the matrix after the columns of iteration t and z^t that after its rows, dv_j spreads as y^t dv_j / columns_j, du_i as z^t du_i / rows_i. */
#include <math.h>
#include <string.h>
#include "tensor/classes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/linalg.h"

typedef struct options {
    int64_t iterations;
    double tolerance;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    lbi_batch_shape(c->out[0], c->in[0], 2, (int64_t[]){a.m, a.n});
    for (int i = 1; i < 3; i++) {
        c->out[i]->dtype = i == 1 ? LB_REAL : LB_I64;
        c->out[i]->rank = 1;
        c->out[i]->shape[0] = i == 1 ? a.count * o->iterations * (a.m + a.n) : a.count;
    }
    if (a.m * a.n > 0 || a.count == 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "a matrix of %lld x %lld has no sums", (long long)a.m, (long long)a.n);
    return false;
}

typedef struct job {
    int64_t n, m;
    const lb_real *x, *log_rows, *log_columns; /* NULL = 0 */
    lb_real *work;                             /* n + 2 m */
} job;

LBI_LEVELS static void row_sums(const job *j, lb_real *restrict u, const lb_real *restrict v) {
    for (int64_t i = 0; i < j->n; i++) {
        const lb_real *restrict x = j->x + i * j->m;
        lb_real top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
        for (int64_t k = 0; k < j->m; k++) top = x[k] - v[k] > top ? x[k] - v[k] : top;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < j->m; k++) sum += lbi_exp(x[k] - v[k] - top);
        u[i] = top + lbi_log(sum) - (j->log_rows ? j->log_rows[i] : 0);
    }
}

LBI_LEVELS static void column_sums(const job *j, const lb_real *restrict u, lb_real *restrict v) {
    lb_real *restrict top = j->work, *restrict sum = j->work + j->m;
    for (int64_t k = 0; k < j->m; k++) top[k] = -INFINITY;
    for (int64_t k = 0; k < j->m; k++) sum[k] = 0;
    for (int64_t i = 0; i < j->n; i++)
        for (int64_t k = 0; k < j->m; k++) top[k] = j->x[i * j->m + k] - u[i] > top[k] ? j->x[i * j->m + k] - u[i] : top[k];
    for (int64_t i = 0; i < j->n; i++)
        for (int64_t k = 0; k < j->m; k++) sum[k] += lbi_exp(j->x[i * j->m + k] - u[i] - top[k]);
    for (int64_t k = 0; k < j->m; k++) v[k] = top[k] + lbi_log(sum[k]) - (j->log_columns ? j->log_columns[k] : 0);
}

LBI_LEVELS static void plan(const job *j, const lb_real *restrict u, const lb_real *restrict v, lb_real *restrict y) {
    for (int64_t i = 0; i < j->n; i++)
        for (int64_t k = 0; k < j->m; k++) y[i * j->m + k] = lbi_exp(j->x[i * j->m + k] - u[i] - v[k]);
}

static lb_real *log_of(lb_call *c, const lb_tensor *x) {
    if (!x) return NULL;
    int64_t n = lb_numel(x);
    lb_real *y = lbi_numbers(c, n);
    for (int64_t i = 0; y && i < n; i++) y[i] = (lb_real)log((double)lb_r(x)[i]);
    return y;
}

static double moved(const lb_real *now, const lb_real *before, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)now[i] - (double)before[i]));
    return most;
}

static bool start(lb_call *c, job *j, const lbi_matrices *a) {
    *j = (job){.n = a->m, .m = a->n, .work = lbi_numbers(c, a->m + 2 * a->n), .log_rows = log_of(c, c->in[1]), .log_columns = log_of(c, c->in[2])};
    return j->work && (!c->in[1] || j->log_rows) && (!c->in[2] || j->log_columns);
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t both = a.m + a.n;
    job j;
    lb_real *zeros = lbi_numbers(c, both);
    if (!start(c, &j, &a) || !zeros) return;
    memset(zeros, 0, (size_t)both * sizeof *zeros);
    for (int64_t i = 0; i < a.count; i++) {
        lb_real *p = lb_r(c->out[1]) + i * o->iterations * both, *before = zeros;
        int64_t t = 0;
        j.x = lbi_matrix(c->in[0], i);
        for (bool settled = false; t < o->iterations && !settled; t++) {
            lb_real *now = p + t * both; /* u, then v */
            row_sums(&j, now, before + a.m);
            column_sums(&j, now, now + a.m);
            settled = t > 0 && moved(now, before, both) <= o->tolerance;
            before = now;
        }
        lb_i(c->out[2])[i] = t;
        plan(&j, before, before + a.m, lbi_matrix(c->out[0], i));
    }
}

/* Adds f_i y_ij (by row) or f_j y_ij to gx, and takes the sums of it along the other axis off `other`. y = exp(x - u - v). */
LBI_LEVELS static void spread(const job *j, const lb_real *u, const lb_real *v, const lb_real *f, bool by_row, lb_real *restrict gx, lb_real *restrict other) {
    for (int64_t i = 0; i < j->n; i++) {
        const lb_real *restrict x = j->x + i * j->m;
        lb_real *restrict to = gx + i * j->m, sum = 0;
        if (by_row)
            for (int64_t k = 0; k < j->m; k++) {
                lb_real g = f[i] * lbi_exp(x[k] - u[i] - v[k]);
                to[k] += g;
                other[k] -= g;
            }
        else {
#pragma omp simd reduction(+ : sum)
            for (int64_t k = 0; k < j->m; k++) {
                lb_real g = f[k] * lbi_exp(x[k] - u[i] - v[k]);
                to[k] += g;
                sum += g;
            }
            other[i] -= sum;
        }
    }
}

/* Potentials are logsum - log(target): exp(x - u - v) sums to the target, so shares of the sum are that divided by it. */
static void shares(lb_real *f, int64_t n, const lb_real *log_target) {
    for (int64_t i = 0; log_target && i < n; i++) f[i] *= (lb_real)exp(-(double)log_target[i]);
}

static void backward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]);
    int64_t both = a.m + a.n;
    job j;
    lb_real *g = lbi_numbers(c, both), *zeros = lbi_numbers(c, both);
    if (!c->gin[0] || !c->gout[0] || !start(c, &j, &a) || !g || !zeros) return;
    memset(zeros, 0, (size_t)both * sizeof *zeros);
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *p = lb_r(c->out[1]) + i * o->iterations * both, *y = lbi_matrix(c->out[0], i), *gy = lbi_matrix(c->gout[0], i);
        lb_real *gx = lbi_matrix(c->gin[0], i), *gu = g, *gv = g + a.m;
        j.x = lbi_matrix(c->in[0], i);
        memset(g, 0, (size_t)both * sizeof *g);
        for (int64_t k = 0; k < a.m * a.n; k++) {
            lb_real d = gy[k] * y[k];
            gx[k] += d;
            gu[k / a.n] -= d;
            gv[k % a.n] -= d;
        }
        for (int64_t t = lb_i(c->out[2])[i] - 1; t >= 0; t--) {
            const lb_real *u = p + t * both, *v = u + a.m, *before = t > 0 ? v - both : zeros;
            shares(gv, a.n, j.log_columns);
            spread(&j, u, v, gv, false, gx, gu);
            memset(gv, 0, (size_t)a.n * sizeof *gv);
            shares(gu, a.m, j.log_rows);
            spread(&j, u, before, gu, true, gx, gv);
            memset(gu, 0, (size_t)a.m * sizeof *gu);
        }
    }
}

static void positive(void *const *data, const int64_t *numel) {
    for (int k = 1; k < 3; k++)
        for (int64_t i = 0; data[k] && i < numel[k]; i++) ((lb_real *)data[k])[i] = (lb_real)(0.3 + fabs((double)((lb_real *)data[k])[i]));
}

static const options few = {3, 0}, many = {40, 1e-6};
static const lb_op_case cases[] = {
    {.name = "square", .rank = {2, -1, -1}, .shape = {{4, 4}}, .params = &few},
    {.name = "batch", .rank = {3, -1, -1}, .shape = {{2, 3, 5}}, .params = &few},
    {.name = "sums given", .rank = {2, 1, 1}, .shape = {{3, 4}, {3}, {4}}, .params = &few, .fill = positive},
    {.name = "to a tolerance", .rank = {2, 1, 1}, .shape = {{3, 3}, {3}, {3}}, .params = &many, .lo = 0.5, .hi = 0.5},
    {.name = "no matrices", .rank = {3, -1, -1}, .shape = {{0, 3, 3}}, .params = &few},
    {.name = "large", .rank = {2, -1, -1}, .shape = {{41, 53}}, .params = &few},
};

LB_OP(sinkhorn) = {.id = "sinkhorn",
                   .title = "Sinkhorn's iterations, with their gradient",
                   .source = "Cuturi 2013, arXiv:1306.0895; arXiv:2402.17110",
                   .sig = "x[...,N,M] rows[N]? columns[M]? -> y[...,N,M] potentials[P] count[B]:i64",
                   .results = 1,
                   .math = "exp(x) scaled to given sums",
                   .constant = 1u << 1 | 1u << 2,
                   .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(0) | LB_READS_OUT(1) | LB_READS_OUT(2),
                   .params_size = sizeof(options),
                   .shape = shape,
                   .forward = forward,
                   .backward = backward,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_sinkhorn(lb_tape *t, lb_tensor *x, lb_tensor *rows, lb_tensor *columns, int64_t iterations, double tolerance) {
    if (iterations < 1) return lb_tape_fail(t, LB_E_ARG, "sinkhorn: %lld iterations, at least 1 is wanted", (long long)iterations);
    return lb_apply(t, &lb_op_sinkhorn, &(options){iterations, tolerance}, sizeof(options), 3, (lb_tensor *[]){x, rows, columns});
}

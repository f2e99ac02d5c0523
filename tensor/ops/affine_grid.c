/* SPDX-License-Identifier: Apache-2.0 */
/* grid[n,i,j] = theta[n] (x_j, y_i, 1), in volumes grid[n,h,i,j] = theta[n] (x_j, y_i, z_h, 1): coordinates for grid_sample. Along an axis of n
 * elements x_j = -1 + 2 j / (n - 1) with aligned corners, else (2 j + 1) / n - 1; 0 where n = 1. dtheta = sum over places of g times the vector. */
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t size[3]; /* height, width; or depth, height, width */
    bool align_corners;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *theta = c->in[0];
    int n = (int)theta->shape[1];
    char text[96];
    bool fits = (n == 2 || n == 3) && theta->shape[2] == n + 1;
    for (int a = 0; fits && a < n; a++) fits = o->size[a] > 0;
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "theta is %s, expected [N,2,3] or [N,3,4] and positive sizes", lb_shape_text(text, sizeof text, 3, theta->shape));
        return false;
    }
    c->out[0]->rank = n + 2;
    c->out[0]->shape[0] = theta->shape[0];
    for (int a = 0; a < n; a++) c->out[0]->shape[1 + a] = o->size[a];
    c->out[0]->shape[1 + n] = n;
    return true;
}

static double coordinate(const options *o, int64_t i, int64_t n) {
    if (n == 1) return 0;
    return o->align_corners ? 2 * (double)i / (double)(n - 1) - 1 : (double)(2 * i + 1) / (double)n - 1;
}

/* Places are done by lines along the width. */
typedef struct job {
    const lb_call *c;
    int n;
    int64_t width, lines; /* lines of a sample */
    const double *x;      /* coordinates along the width */
} job;

static bool job_of(lb_call *c, job *j) {
    const options *o = c->params;
    int n = (int)c->in[0]->shape[1];
    *j = (job){c, n, o->size[n - 1], n == 3 ? o->size[0] * o->size[1] : o->size[0], NULL};
    double *x = lb_scratch(c, (size_t)j->width * sizeof *x);
    for (int64_t i = 0; x && i < j->width; i++) x[i] = coordinate(o, i, j->width);
    j->x = x;
    return x != NULL;
}

/* v = (1, y) or (1, y, z) of a line of a sample. */
static void rest_of(const job *j, int64_t line, double v[3]) {
    const options *o = j->c->params;
    v[0] = 1;
    for (int a = 1; a < j->n; a++) {
        int64_t size = o->size[j->n - 1 - a];
        v[a] = coordinate(o, line % size, size);
        line /= size;
    }
}

LBI_LEVELS static void write_line(lb_real *restrict to, const double *restrict x, int64_t width, int n, const double *by, const double *plus) {
    if (n == 2)
        for (int64_t i = 0; i < width; i++) {
            to[2 * i] = (lb_real)(by[0] * x[i] + plus[0]);
            to[2 * i + 1] = (lb_real)(by[1] * x[i] + plus[1]);
        }
    else
        for (int64_t i = 0; i < width; i++)
            for (int a = 0; a < 3; a++) to[3 * i + a] = (lb_real)(by[a] * x[i] + plus[a]);
}

static void forward_lines(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int n = j->n;
    for (int64_t i = first; i < last; i++) {
        const lb_real *theta = lb_r(j->c->in[0]) + i / j->lines * n * (n + 1);
        double v[3], by[3], plus[3];
        rest_of(j, i % j->lines, v);
        for (int a = 0; a < n; a++) {
            const lb_real *row = theta + a * (n + 1);
            by[a] = (double)row[0];
            plus[a] = (double)row[n];
            for (int b = 1; b < n; b++) plus[a] += (double)row[b] * v[b];
        }
        write_line(lb_r(j->c->out[0]) + i * j->width * n, j->x, j->width, n, by, plus);
    }
}

static void forward(lb_call *c) {
    job j;
    if (job_of(c, &j)) lbi_split(c->in[0]->shape[0] * j.lines, j.width * j.n, forward_lines, &j);
}

/* sums[a] += sum g_a x, sums[n + a] += sum g_a */
LBI_LEVELS static void sum_line(const lb_real *restrict g, const double *restrict x, int64_t width, int n, double *sums) {
    for (int a = 0; a < n; a++) {
        double by = 0, plus = 0;
#pragma omp simd reduction(+ : by, plus)
        for (int64_t i = 0; i < width; i++) {
            by += (double)g[i * n + a] * x[i];
            plus += (double)g[i * n + a];
        }
        sums[a] = by;
        sums[n + a] = plus;
    }
}

static void backward_samples(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    int n = j->n;
    for (int64_t s = first; s < last; s++) {
        double all[12] = {0}, v[3], sums[6];
        for (int64_t i = 0; i < j->lines; i++) {
            rest_of(j, i, v);
            sum_line(lb_r(j->c->gout[0]) + (s * j->lines + i) * j->width * n, j->x, j->width, n, sums);
            for (int a = 0; a < n; a++) {
                all[a * (n + 1)] += sums[a];
                for (int b = 1; b < n; b++) all[a * (n + 1) + b] += sums[n + a] * v[b];
                all[a * (n + 1) + n] += sums[n + a];
            }
        }
        lb_real *to = lb_r(j->c->gin[0]) + s * n * (n + 1);
        for (int k = 0; k < n * (n + 1); k++) to[k] = (j->c->fresh[0] ? 0 : to[k]) + (lb_real)all[k];
    }
}

static void backward(lb_call *c) {
    job j;
    if (c->gin[0] && c->gout[0] && job_of(c, &j)) lbi_split(c->in[0]->shape[0], 4 * j.lines * j.width * j.n, backward_samples, &j);
}

static const options plain = {{3, 4}, false}, corners = {{4, 1}, true}, volume = {{2, 3, 2}, false};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {3}, .shape = {{2, 2, 3}}, .params = &plain},
    {.name = "corners aligned", .rank = {3}, .shape = {{1, 2, 3}}, .params = &corners},
    {.name = "volumes", .rank = {3}, .shape = {{2, 3, 4}}, .params = &volume},
    {.name = "none", .rank = {3}, .shape = {{0, 2, 3}}, .params = &plain},
};

LB_OP(affine_grid) = {.id = "affine_grid",
                      .title = "coordinates of an affine map, for grid_sample",
                      .source = "torch.nn.functional.affine_grid",
                      .sig = "theta[N,A,B] -> grid",
                      .math = "grid = theta (x, y, 1)",
                      .flags = LB_OP_SETS,
                      .shape = shape,
                      .params_size = sizeof(options),
                      .forward = forward,
                      .backward = backward,
                      .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_affine_grid(lb_tape *t, lb_tensor *theta, const int64_t *size, bool align_corners) {
    options o = {.align_corners = align_corners};
    for (int a = 0; theta && theta->rank == 3 && a < theta->shape[1] && a < 3; a++) o.size[a] = size[a];
    return lb_apply(t, &lb_op_affine_grid, &o, sizeof o, 1, &theta);
}

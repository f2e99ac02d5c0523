/* SPDX-License-Identifier: Apache-2.0 */
/* For each row of x [...,N,D] the k rows of y [...,M,D] with the least squared distance, nearest first, equal ones by place; with themselves = false row i
 * of y is passed over for row i of x. Without a matrix of all distances: rows are taken 64 at a time. Differences are formed themselves where D is at
 * most 32 (points), else squares come from products, as in pairwise. */
#include <math.h>
#include <string.h>
#include "tensor/gram.h"
#include "tensor/kernels/levels.h"
#include "tensor/linalg.h"
#include "tensor/loops.h"
#include "tensor/sorting.h"

enum { ROWS = 64, DIRECT = 32 };

typedef struct options {
    int64_t k;
    bool themselves;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *y = c->in[1];
    int64_t m = y->shape[y->rank - 2] - !o->themselves;
    if (o->k < 1 || o->k > m) {
        lb_tape_fail(c->tape, LB_E_ARG, "%lld nearest of %lld rows", (long long)o->k, (long long)(m > 0 ? m : 0));
        return false;
    }
    for (int i = 0; i < 2; i++) lbi_batch_shape(c->out[i], x, 2, (int64_t[]){x->shape[x->rank - 2], o->k});
    c->out[1]->dtype = LB_I64;
    return true;
}

/* |y|^2 - 2 x y (the row's own square changes no order), or whole squares. */
LBI_LEVELS static void distances(lb_real *restrict to, const lb_real *x, const lb_real *y, const lb_real *norm, int64_t rows, int64_t m, int64_t d) {
    if (d > DIRECT) {
        lbi_multiply(false, true, rows, m, d, x, y, 0, to);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = 0; j < m; j++) to[r * m + j] = norm[j] - 2 * to[r * m + j];
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < m; j++) {
            lb_real sum = 0;
            for (int64_t k = 0; k < d; k++) sum += (x[r * d + k] - y[j * d + k]) * (x[r * d + k] - y[j * d + k]);
            to[r * m + j] = sum;
        }
}

static void forward(lb_call *c) {
    const options *o = c->params;
    lbi_matrices a = lbi_matrices_of(c->in[0]), b = lbi_matrices_of(c->in[1]);
    int64_t d = a.n;
    lb_real *dist = lbi_numbers(c, ROWS * b.m), *norm = lbi_numbers(c, b.m);
    int64_t *work = lb_scratch(c, (size_t)(lbi_order_work(ROWS, b.m, o->k) + 1) * sizeof *work);
    if (!dist || !norm || !work) return;
    for (int64_t i = 0; i < a.count; i++) {
        const lb_real *x = lbi_matrix(c->in[0], i), *y = lbi_matrix(c->in[1], i);
        for (int64_t j = 0; j < b.m; j++) norm[j] = 0;
        for (int64_t k = 0; k < b.m * d; k++) norm[k / d] += y[k] * y[k];
        for (int64_t r = 0; r < a.m; r += ROWS) {
            int64_t rows = a.m - r < ROWS ? a.m - r : ROWS, *index = lb_i(c->out[1]) + (i * a.m + r) * o->k;
            lb_real *far = lb_r(c->out[0]) + (i * a.m + r) * o->k;
            distances(dist, x + r * d, y, norm, rows, b.m, d);
            for (int64_t k = 0; !o->themselves && k < rows && r + k < b.m; k++) dist[k * b.m + r + k] = INFINITY;
            lbi_order_rows(dist, rows, b.m, o->k, false, index, work);
            for (int64_t k = 0; k < rows * o->k; k++) far[k] = (lb_real)lbi_square_distance(x + (r + k / o->k) * d, y + index[k] * d, d);
        }
    }
}

static const options one = {1, true}, three = {3, false};
static const lb_op_case cases[] = {
    {.name = "one", .rank = {2, 2}, .shape = {{7, 3}, {5, 3}}, .params = &one},
    {.name = "three others", .rank = {3, 3}, .shape = {{2, 6, 3}, {2, 6, 3}}, .params = &three},
    {.name = "wide rows", .rank = {2, 2}, .shape = {{5, 36}, {4, 36}}, .params = &one},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 3}, {5, 3}}, .params = &one},
    {.name = "large", .rank = {2, 2}, .shape = {{130, 40}, {70, 40}}, .params = &three},
};

LB_OP(nearest_rows) = {.id = "nearest_rows",
                       .title = "nearest rows of another set",
                       .source = "torch.cdist, topk",
                       .sig = "x[...,N,D] y[...,M,D] -> square index:i64",
                       .results = 2,
                       .math = "argmin_j ||x_i - y_j||^2",
                       .no_grad = "places; gather the rows for a gradient",
                       .params_size = sizeof(options),
                       .shape = shape,
                       .forward = forward,
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_nearest_rows(lb_tape *t, lb_tensor *x, lb_tensor *y, int64_t k, bool themselves, lb_tensor **square) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_nearest_rows, &(options){k, themselves}, sizeof(options), 2, (lb_tensor *[]){x, y}, 2, out);
    if (square) *square = out[0];
    return out[1];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest assignment of rows to columns of cost [N,M] (Hungarian method, by shortest augmenting paths: Jonker and Volgenant 1987; Crouse 2016):
 * min(N,M) pairs row[k], column[k], rows ascending. +inf forbids a pair; fails when nothing else is left, and for NaN or -inf. O(min^2 max). */
#include <math.h>
#include "tensor/op.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    int64_t n = c->in[0]->shape[0], m = c->in[0]->shape[1];
    for (int i = 0; i < 2; i++) {
        c->out[i]->dtype = LB_I64;
        c->out[i]->rank = 1;
        c->out[i]->shape[0] = n < m ? n : m;
    }
    return true;
}

/* cost as n x m with n <= m. */
typedef struct job {
    int64_t n, m, step_row, step_column;
    const lb_real *cost;
    double *u, *v, *shortest;       /* duals of rows and columns; of a search */
    int64_t *row_of, *column_of, *from; /* of a column, of a row; the row a column was reached from */
    bool *seen;
} job;

static double reduced(const job *j, int64_t row, int64_t column) { return (double)j->cost[row * j->step_row + column * j->step_column] - j->u[row] - j->v[column]; }

/* Shortest path from a free row to a free column; duals follow. @return the column, -1 when there is none */
static int64_t search(job *j, int64_t start) {
    double least = 0;
    int64_t row = start, sink = -1;
    for (int64_t k = 0; k < j->m; k++) {
        j->shortest[k] = INFINITY;
        j->seen[k] = false;
    }
    while (sink < 0) {
        int64_t next = -1;
        double best = INFINITY;
        for (int64_t k = 0; k < j->m; k++) {
            if (j->seen[k]) continue;
            double d = least + reduced(j, row, k);
            if (d < j->shortest[k]) {
                j->shortest[k] = d;
                j->from[k] = row;
            }
            if (j->shortest[k] < best || (j->shortest[k] == best && next >= 0 && j->row_of[k] < 0 && j->row_of[next] >= 0)) {
                best = j->shortest[k];
                next = k;
            }
        }
        if (next < 0 || best == INFINITY) return -1;
        least = best;
        j->seen[next] = true;
        if (j->row_of[next] < 0) sink = next;
        else row = j->row_of[next];
    }
    j->u[start] += least;
    for (int64_t k = 0; k < j->m; k++) {
        if (!j->seen[k] || k == sink) continue;
        j->u[j->row_of[k]] += least - j->shortest[k];
        j->v[k] -= least - j->shortest[k];
    }
    return sink;
}

static bool assign(job *j) {
    for (int64_t k = 0; k < j->m; k++) {
        j->v[k] = 0;
        j->row_of[k] = -1;
    }
    for (int64_t i = 0; i < j->n; i++) {
        j->u[i] = 0;
        j->column_of[i] = -1;
    }
    for (int64_t i = 0; i < j->n; i++) {
        int64_t k = search(j, i);
        if (k < 0) return false;
        for (int64_t row = -1; row != i;) {
            row = j->from[k];
            j->row_of[k] = row;
            int64_t next = j->column_of[row];
            j->column_of[row] = k;
            k = next;
        }
    }
    return true;
}

static void forward(lb_call *c) {
    int64_t n = c->in[0]->shape[0], m = c->in[0]->shape[1], *row = lb_i(c->out[0]), *column = lb_i(c->out[1]);
    bool turned = n > m;
    job j = {turned ? m : n, turned ? n : m, turned ? 1 : m, turned ? m : 1, lb_r(c->in[0]), NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    for (int64_t i = 0; i < n * m; i++)
        if (isnan(j.cost[i]) || j.cost[i] == -INFINITY) {
            lb_tape_fail(c->tape, LB_E_ARG, "cost[%lld,%lld] is %g", (long long)(i / m), (long long)(i % m), (double)j.cost[i]);
            return;
        }
    double *x = lb_scratch(c, (size_t)(j.n + 2 * j.m + 1) * sizeof *x);
    int64_t *p = lb_scratch(c, (size_t)(j.n + 2 * j.m + 1) * sizeof *p);
    j.seen = lb_scratch(c, (size_t)(j.m + 1) * sizeof *j.seen);
    if (!x || !p || !j.seen) return;
    j.u = x, j.v = x + j.n, j.shortest = x + j.n + j.m;
    j.column_of = p, j.row_of = p + j.n, j.from = p + j.n + j.m;
    if (!assign(&j)) {
        lb_tape_fail(c->tape, LB_E_ARG, "forbidden pairs (+inf) leave no assignment");
        return;
    }
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = turned ? j.row_of[i] : j.column_of[i];
        if (k < 0) continue;
        row[at] = i;
        column[at++] = k;
    }
}

static const lb_op_case cases[] = {
    {.name = "square", .rank = {2}, .shape = {{6, 6}}},
    {.name = "wide", .rank = {2}, .shape = {{3, 7}}},
    {.name = "tall", .rank = {2}, .shape = {{8, 4}}},
    {.name = "empty", .rank = {2}, .shape = {{0, 4}}},
    {.name = "large", .rank = {2}, .shape = {{12, 16}}},
};

LB_OP(assignment) = {.id = "assignment",
                     .title = "cheapest assignment of rows to columns",
                     .source = "Jonker and Volgenant 1987; scipy.optimize.linear_sum_assignment",
                     .sig = "cost[N,M] -> row:i64 column:i64",
                     .results = 2,
                     .math = "argmin sum of cost[row, column]",
                     .no_grad = "places; gather the costs for a gradient",
                     .shape = shape,
                     .forward = forward,
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_assignment(lb_tape *t, lb_tensor *cost, lb_tensor **column) {
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_assignment, NULL, 0, 1, &cost, 2, out);
    if (column) *column = out[1];
    return out[0];
}

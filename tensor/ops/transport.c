/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest transport plan of cost [N,M]: y >= 0 with row sums `supply` [N] and column sums `demand` [M] (sums scaled to be equal), minimising sum y cost.
 * Transport simplex: north-west corner, then pivots by duals (Dantzig's rule). Amounts carry a second part, multiples of an infinitesimal added to the
 * supplies, so that no basis is degenerate and no pivot cycles. Where several plans are optimal, one of them. */
#include <math.h>
#include <string.h>
#include "tensor/op.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    c->out[0]->dtype = LB_REAL;
    c->out[0]->rank = 2;
    c->out[0]->shape[0] = c->in[0]->shape[0];
    c->out[0]->shape[1] = c->in[0]->shape[1];
    if (c->in[0]->shape[0] > 0 && c->in[0]->shape[1] > 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "nothing to transport from or to");
    return false;
}

/* x + e * infinitesimal */
typedef struct amount {
    double x, e;
} amount;

static bool less(amount a, amount b) { return a.x < b.x || (a.x == b.x && a.e < b.e); }
static amount minus(amount a, amount b) { return (amount){a.x - b.x, a.e - b.e}; }

typedef struct cell {
    int64_t row, column;
    amount y;
} cell;

typedef struct job {
    int64_t n, m;
    const lb_real *cost;
    cell *basis;   /* n + m - 1, a spanning tree of rows and columns */
    double *dual;  /* of rows, then of columns */
    int64_t *from; /* of a node in a walk over the tree: the basis cell it was reached by, -1 = not yet, -2 = root */
    int64_t *queue;
} job;

static double cost_of(const job *j, int64_t row, int64_t column) { return (double)j->cost[row * j->m + column]; }

static void north_west(job *j, amount *supply, amount *demand) {
    int64_t r = 0, k = 0;
    for (int64_t b = 0; b < j->n + j->m - 1; b++) {
        bool row_ends = k == j->m - 1 ? r < j->n - 1 : r < j->n - 1 && less(supply[r], demand[k]);
        amount y = row_ends || (r == j->n - 1 && k == j->m - 1) ? supply[r] : demand[k];
        j->basis[b] = (cell){r, k, y};
        supply[r] = minus(supply[r], y);
        demand[k] = minus(demand[k], y);
        if (row_ends) r++;
        else k++;
    }
}

/* Walks the tree from row `root`: duals with cost = dual of row + dual of column, and how each node was reached. */
static void walk(job *j, int64_t root) {
    int64_t nodes = j->n + j->m, head = 0, tail = 0;
    for (int64_t i = 0; i < nodes; i++) j->from[i] = -1;
    j->from[root] = -2;
    j->dual[root] = 0;
    j->queue[tail++] = root;
    while (head < tail) {
        int64_t node = j->queue[head++];
        for (int64_t b = 0; b < nodes - 1; b++) {
            int64_t row = j->basis[b].row, column = j->n + j->basis[b].column, other = row == node ? column : column == node ? row : -1;
            if (other < 0 || j->from[other] != -1) continue;
            j->from[other] = b;
            j->dual[other] = cost_of(j, j->basis[b].row, j->basis[b].column) - j->dual[node];
            j->queue[tail++] = other;
        }
    }
}

/* The cell that gains most by carrying something; false when none gains. */
static bool entering(const job *j, int64_t *row, int64_t *column, double least) {
    double best = -least;
    for (int64_t r = 0; r < j->n; r++)
        for (int64_t k = 0; k < j->m; k++) {
            double gain = cost_of(j, r, k) - j->dual[r] - j->dual[j->n + k];
            if (gain >= best) continue;
            best = gain;
            *row = r;
            *column = k;
        }
    return best < -least;
}

/* Brings (row, column) in: along the tree's path from the column back to the row amounts fall and rise in turn; the least falling one leaves. */
static void pivot(job *j, int64_t row, int64_t column) {
    walk(j, row);
    int64_t leaving = -1;
    bool falls = true;
    for (int64_t node = j->n + column; j->from[node] >= 0; falls = !falls) {
        const cell *b = &j->basis[j->from[node]];
        if (falls && (leaving < 0 || less(b->y, j->basis[leaving].y))) leaving = j->from[node];
        node = node == b->row ? j->n + b->column : b->row;
    }
    amount by = j->basis[leaving].y;
    falls = true;
    for (int64_t node = j->n + column; j->from[node] >= 0; falls = !falls) {
        cell *b = &j->basis[j->from[node]];
        b->y = falls ? minus(b->y, by) : (amount){b->y.x + by.x, b->y.e + by.e};
        node = node == b->row ? j->n + b->column : b->row;
    }
    j->basis[leaving] = (cell){row, column, by};
}

/* Sum of what may be given; fails for what may not. */
static double total(lb_call *c, const lb_tensor *x, const char *name) {
    double sum = 0;
    for (int64_t i = 0; i < lb_numel(x); i++) {
        double v = (double)lb_r(x)[i];
        if (!(v >= 0 && v < INFINITY)) {
            lb_tape_fail(c->tape, LB_E_ARG, "%s[%lld] is %g, at least 0 is wanted", name, (long long)i, v);
            return 0;
        }
        sum += v;
    }
    if (sum <= 0) lb_tape_fail(c->tape, LB_E_ARG, "%s has the sum 0", name);
    return sum;
}

static void forward(lb_call *c) {
    job j = {.n = c->in[0]->shape[0], .m = c->in[0]->shape[1], .cost = lb_r(c->in[0])};
    int64_t nodes = j.n + j.m;
    double given = total(c, c->in[1], "supply"), taken = total(c, c->in[2], "demand"), size = 0;
    for (int64_t i = 0; i < j.n * j.m; i++) size = fmax(size, fabs((double)j.cost[i]));
    if (!lb_tape_ok(c->tape)) return;
    if (!(size < INFINITY) || !lb_all_finite(c->in[0])) {
        lb_tape_fail(c->tape, LB_E_ARG, "cost is not finite");
        return;
    }
    amount *ends = lb_scratch(c, (size_t)nodes * sizeof *ends);
    j.basis = lb_scratch(c, (size_t)nodes * sizeof *j.basis);
    j.dual = lb_scratch(c, (size_t)nodes * sizeof *j.dual);
    j.from = lb_scratch(c, (size_t)nodes * sizeof *j.from);
    j.queue = lb_scratch(c, (size_t)nodes * sizeof *j.queue);
    if (!ends || !j.basis || !j.dual || !j.from || !j.queue) return;
    for (int64_t i = 0; i < j.n; i++) ends[i] = (amount){(double)lb_r(c->in[1])[i], 1};
    for (int64_t i = 0; i < j.m; i++) ends[j.n + i] = (amount){(double)lb_r(c->in[2])[i] * given / taken, i == j.m - 1 ? (double)j.n : 0};
    north_west(&j, ends, ends + j.n);
    int64_t row = 0, column = 0, steps = 0, most = 100 * nodes * nodes + 1000;
    walk(&j, 0);
    while (entering(&j, &row, &column, 1e-12 * size)) {
        pivot(&j, row, column);
        walk(&j, 0);
        if (++steps <= most) continue;
        lb_tape_fail(c->tape, LB_E_NUMERIC, "no optimal plan after %lld pivots", (long long)steps);
        return;
    }
    memset(lb_r(c->out[0]), 0, (size_t)(j.n * j.m) * sizeof(lb_real));
    for (int64_t b = 0; b < nodes - 1; b++) {
        double y = j.basis[b].y.x;
        lb_r(c->out[0])[j.basis[b].row * j.m + j.basis[b].column] = (lb_real)(y > 1e-15 * given ? y : 0); /* what rounding left of nothing */
    }
}

static void even(void *const *data, const int64_t *numel) {
    for (int k = 1; k < 3; k++)
        for (int64_t i = 0; i < numel[k]; i++) ((lb_real *)data[k])[i] = (lb_real)(1 / (double)numel[k]);
}

static void positive(void *const *data, const int64_t *numel) {
    for (int k = 1; k < 3; k++)
        for (int64_t i = 0; i < numel[k]; i++) ((lb_real *)data[k])[i] = (lb_real)fabs((double)((lb_real *)data[k])[i]);
    lb_real *supply = data[1], *demand = data[2];
    double a = 0, b = 0;
    for (int64_t i = 0; i < numel[1]; i++) a += (double)supply[i];
    for (int64_t i = 0; i < numel[2]; i++) b += (double)demand[i];
    for (int64_t i = 0; i < numel[2]; i++) demand[i] = (lb_real)((double)demand[i] * a / b);
}

static const lb_op_case cases[] = {
    {.name = "degenerate", .rank = {2, 1, 1}, .shape = {{4, 2}, {4}, {2}}, .fill = even},
    {.name = "square", .rank = {2, 1, 1}, .shape = {{5, 5}, {5}, {5}}, .fill = even},
    {.name = "sums given", .rank = {2, 1, 1}, .shape = {{4, 6}, {4}, {6}}, .fill = positive},
    {.name = "one", .rank = {2, 1, 1}, .shape = {{1, 1}, {1}, {1}}, .fill = even},
    {.name = "large", .rank = {2, 1, 1}, .shape = {{12, 16}, {12}, {16}}, .fill = positive},
};

LB_OP(transport) = {.id = "transport",
                    .title = "cheapest transport plan",
                    .source = "Dantzig 1951; Orden 1956 (perturbation)",
                    .sig = "cost[N,M] supply[N] demand[M] -> y[N,M]",
                    .math = "argmin sum of y cost, given row and column sums",
                    .no_grad = "the plan is a vertex: constant but for jumps",
                    .shape = shape,
                    .forward = forward,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_transport(lb_tape *t, lb_tensor *cost, lb_tensor *supply, lb_tensor *demand) { return lb_apply(t, &lb_op_transport, NULL, 0, 3, (lb_tensor *[]){cost, supply, demand}); }

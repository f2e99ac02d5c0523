/* SPDX-License-Identifier: Apache-2.0 */
/* Each row has its own map out of E: y_r = w[id_r] x_r + b[id_r] (experts, modalities, tasks); a row of id -1 gives 0. Rows are gathered by id, one
 * product each. With G = dy: dx_r = w[id_r]^T G_r, dw[e] = sum of G_r x_r^T over its rows, db[e] = sum of G_r. */
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/op.h"
#include "tensor/ops.h"

enum { X, ID, W, B };

typedef struct plan {
    int64_t rows, k, m, e;
    int64_t *first; /* [E+1]: where the rows of an expert begin in order */
    int64_t *order; /* rows sorted by id, stable; those of id -1 left out */
    lb_real *x, *y; /* gathered rows of one expert, [most,K], [most,M] */
} plan;

static bool plan_of(plan *p, lb_call *c) {
    const lb_tensor *w = c->in[W], *id = c->in[ID];
    int64_t most = 0;
    *p = (plan){.rows = lb_numel(id), .k = w->shape[2], .m = w->shape[1], .e = w->shape[0]};
    p->first = lb_scratch(c, (size_t)(p->e + p->rows + 2) * sizeof *p->first);
    if (!p->first) return false;
    p->order = p->first + p->e + 1;
    memset(p->first, 0, (size_t)(p->e + 1) * sizeof *p->first);
    for (int64_t r = 0; r < p->rows; r++) {
        int64_t e = lb_i(id)[r];
        if (e < -1 || e >= p->e) {
            lb_tape_fail(c->tape, LB_E_ARG, "id %lld at row %lld is outside -1..%lld", (long long)e, (long long)r, (long long)p->e - 1);
            return false;
        }
        if (e >= 0) p->first[e + 1]++;
    }
    for (int64_t e = 0; e < p->e; e++) {
        most = p->first[e + 1] > most ? p->first[e + 1] : most;
        p->first[e + 1] += p->first[e];
    }
    for (int64_t r = 0; r < p->rows; r++)
        if (lb_i(id)[r] >= 0) p->order[p->first[lb_i(id)[r]]++] = r;
    for (int64_t e = p->e; e > 0; e--) p->first[e] = p->first[e - 1]; /* they had moved on by one expert */
    p->first[0] = 0;
    p->x = lb_scratch(c, (size_t)(most * (p->k + p->m) + 1) * sizeof *p->x);
    p->y = p->x ? p->x + most * p->k : NULL;
    return p->x;
}

static void collect(lb_real *to, const lb_tensor *from, const plan *p, int64_t e, int64_t width) {
    for (int64_t i = p->first[e]; i < p->first[e + 1]; i++, to += width) memcpy(to, lb_r(from) + p->order[i] * width, (size_t)width * sizeof *to);
}

static void forward(lb_call *c) {
    plan p;
    if (!plan_of(&p, c)) return;
    if (p.first[p.e] < p.rows) memset(c->out[0]->data, 0, (size_t)lb_numel(c->out[0]) * sizeof(lb_real));
    for (int64_t e = 0; e < p.e; e++) {
        int64_t n = p.first[e + 1] - p.first[e];
        if (n == 0) continue;
        const lbi_gemm_end end = {.col_bias = c->in[B] ? lb_r(c->in[B]) + e * p.m : NULL};
        collect(p.x, c->in[X], &p, e, p.k);
        lbi_gemm_to(false, true, n, p.m, p.k, p.x, p.k, lb_r(c->in[W]) + e * p.m * p.k, p.k, &end, p.y, p.m);
        for (int64_t i = 0; i < n; i++) memcpy(lb_r(c->out[0]) + p.order[p.first[e] + i] * p.m, p.y + i * p.m, (size_t)p.m * sizeof *p.y);
    }
}

static void backward(lb_call *c) {
    plan p;
    if (!plan_of(&p, c)) return;
    for (int64_t e = 0; e < p.e; e++) {
        int64_t n = p.first[e + 1] - p.first[e];
        if (n == 0) continue;
        collect(p.y, c->gout[0], &p, e, p.m);
        if (c->gin[W]) {
            collect(p.x, c->in[X], &p, e, p.k);
            lbi_gemm(true, false, p.m, p.k, n, p.y, p.m, p.x, p.k, 1, lb_r(c->gin[W]) + e * p.m * p.k, p.k);
        }
        for (int64_t i = 0; c->in[B] && c->gin[B] && i < n; i++)
            for (int64_t j = 0; j < p.m; j++) lb_r(c->gin[B])[e * p.m + j] += p.y[i * p.m + j];
        if (!c->gin[X]) continue;
        lbi_gemm(false, false, n, p.k, p.m, p.y, p.m, lb_r(c->in[W]) + e * p.m * p.k, p.k, 0, p.x, p.k);
        for (int64_t i = 0; i < n; i++) {
            lb_real *to = lb_r(c->gin[X]) + p.order[p.first[e] + i] * p.k;
            for (int64_t j = 0; j < p.k; j++) to[j] += p.x[i * p.k + j];
        }
    }
}

static double flops(const lb_call *c) { return 2.0 * (double)lb_numel(c->in[X]) * (double)c->in[W]->shape[1]; }

static void some_none(void *const *data, const int64_t *numel) {
    int64_t *id = data[ID];
    for (int64_t i = 0; i < numel[ID]; i++) id[i]--;
}

static const lb_op_case cases[] = {
    {.name = "tokens", .rank = {3, 2, 3, 2}, .shape = {{2, 4, 3}, {2, 4}, {3, 2, 3}, {3, 2}}, .imax = 3},
    {.name = "rows without a map", .rank = {2, 1, 3, -1}, .shape = {{7, 2}, {7}, {2, 3, 2}}, .imax = 3, .fill = some_none},
    {.name = "idle maps", .rank = {2, 1, 3, 2}, .shape = {{4, 2}, {4}, {5, 3, 2}, {5, 3}}, .imax = 1},
    {.name = "no rows", .rank = {2, 1, 3, 2}, .shape = {{0, 2}, {0}, {2, 3, 2}, {2, 3}}, .imax = 2},
    {.name = "large", .rank = {2, 1, 3, 2}, .shape = {{900, 40}, {900}, {6, 50, 40}, {6, 50}}, .imax = 6},
};

LB_OP(grouped_linear) = {.id = "grouped_linear",
                         .title = "rows each mapped by one of several matrices",
                         .source = "mixtures of experts: Shazeer et al., arXiv:1701.06538",
                         .sig = "x[...,K] id[...]:i64 w[E,M,K] b[E,M]? -> y[...,M]",
                         .math = "y_r = w[id_r] x_r + b[id_r]",
                         .reads = LB_READS_IN(X) | LB_READS_IN(ID) | LB_READS_IN(W),
                         .forward = forward,
                         .backward = backward,
                         .flops = flops,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_grouped_linear(lb_tape *t, lb_tensor *x, lb_tensor *id, lb_tensor *w, lb_tensor *b) { return lb_apply(t, &lb_op_grouped_linear, NULL, 0, 4, (lb_tensor *[]){x, id, w, b}); }

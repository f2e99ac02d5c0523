/* SPDX-License-Identifier: Apache-2.0 */
/* y = (x - mean) rstd gamma + beta over the last axis, rstd = 1 / sqrt(biased variance + eps). With h = g gamma, xh = (x - mean) rstd:
 * dx = rstd (h - mean(h) - xh mean(h xh)), dgamma = sum g xh, dbeta = sum g. Sums of up to 4096 numbers in the maths type, of
 * those in double. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/rounded.h"

enum { WIDEST = 4096 }; /* of rows that are rounded */

typedef lb_eps_params options;

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t width = x->shape[x->rank - 1];
    for (int i = 0; i < 3; i++) {
        c->out[i]->rank = i == 0 ? x->rank : x->rank - 1;
        memcpy(c->out[i]->shape, x->shape, sizeof x->shape);
    }
    if (((const options *)c->params)->rounded && width <= WIDEST && lbi_rounds(c->tape, width)) c->out[0]->dtype = LB_BF16;
    return true;
}

static int64_t rows_of(const lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t k = x->shape[x->rank - 1];
    return k ? lb_numel(x) / k : 0;
}

typedef struct rounding {
    lb_tensor *to;
    int64_t first, k; /* the row that is counted from */
} rounding;

static void round_row(const void *ctx, int64_t row, const lb_real *y) {
    const rounding *r = ctx;
    lbi_round_to(r->to, (r->first + row) * r->k, y, r->k);
}

static void forward_rows(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    const options *o = c->params;
    int64_t k = c->in[0]->shape[c->in[0]->rank - 1];
    bool rounded = c->out[0]->dtype == LB_BF16;
    lb_real row[WIDEST];
    lbi_rows r = {lb_r(c->in[0]) + first * k, c->in[1] ? lb_r(c->in[1]) : NULL, last - first, k, lb_r(c->out[1]) + first, lb_r(c->out[2]) + first};
    lbi_rows_norm(&r, rounded ? row : lb_r(c->out[0]) + first * k, c->in[2] ? lb_r(c->in[2]) : NULL, o->eps, rounded ? round_row : NULL, &(rounding){c->out[0], first, k});
}

static void forward(lb_call *c) { lbi_split(rows_of(c), 4 * c->in[0]->shape[c->in[0]->rank - 1], forward_rows, c); }

/* Rows in pieces: a piece sums its part of dgamma and dbeta, pieces are added in their order, whatever the threads. */
enum { PIECE = 64 };

typedef struct pieces {
    lb_call *c;
    int64_t rows;
    lb_real *gamma, *beta; /* [pieces][k]; NULL = not asked for */
} pieces;

static void backward_pieces(const void *ctx, int64_t first, int64_t last) {
    const pieces *p = ctx;
    const lb_call *c = p->c;
    int64_t k = c->in[0]->shape[c->in[0]->rank - 1];
    const lb_real *gamma = c->in[1] ? lb_r(c->in[1]) : NULL;
    for (int64_t piece = first; piece < last; piece++) {
        lb_real *dgamma = p->gamma ? p->gamma + piece * k : NULL, *dbeta = p->beta ? p->beta + piece * k : NULL;
        if (dgamma) memset(dgamma, 0, (size_t)k * sizeof *dgamma);
        if (dbeta) memset(dbeta, 0, (size_t)k * sizeof *dbeta);
        int64_t at = piece * PIECE, some = p->rows - at < PIECE ? p->rows - at : PIECE;
        lbi_rows r = {lb_r(c->in[0]) + at * k, gamma, some, k, lb_r(c->out[1]) + at, lb_r(c->out[2]) + at};
        lbi_rows_norm_back(&r, c->gin[0] ? lb_r(c->gin[0]) + at * k : NULL, lb_r(c->gout[0]) + at * k, dgamma, dbeta, c->fresh[0]);
    }
}

static void add_pieces(lb_call *c, int input, const lb_real *sums, int64_t count, int64_t k) {
    lb_tensor all = {.dtype = LB_REAL, .rank = 2, .shape = {count, k}, .stride = {k, 1}};
    union { const lb_real *in; void *out; } data = {.in = sums};
    all.data = data.out;
    lbi_reduce_to(c->gin[input], &all, 1, c->fresh[input]);
}

static void backward(lb_call *c) {
    if (!c->gout[0]) return;
    pieces p = {c, rows_of(c), NULL, NULL};
    int64_t k = c->in[0]->shape[c->in[0]->rank - 1], count = (p.rows + PIECE - 1) / PIECE;
    bool gamma = c->in[1] && c->gin[1], beta = c->in[2] && c->gin[2];
    if (gamma && !(p.gamma = lb_scratch(c, (size_t)(count * k + 1) * sizeof *p.gamma))) return;
    if (beta && !(p.beta = lb_scratch(c, (size_t)(count * k + 1) * sizeof *p.beta))) return;
    lbi_split(count, 8 * PIECE * k, backward_pieces, &p);
    if (gamma) add_pieces(c, 1, p.gamma, count, k);
    if (beta) add_pieces(c, 2, p.beta, count, k);
}

static const options usual = {.eps = 1e-5}, large = {.eps = 0.1};
static const lb_op_case cases[] = {
    {.name = "affine", .rank = {2, 1, 1}, .shape = {{3, 6}, {6}, {6}}, .params = &usual},
    {.name = "plain", .rank = {3, -1, -1}, .shape = {{2, 3, 5}}, .params = &large},
    {.name = "many rows", .rank = {2, 1, 1}, .shape = {{150, 37}, {37}, {37}}, .params = &usual},
    {.name = "wide rows", .rank = {2, 1, 1}, .shape = {{7, 203}, {203}, {203}}, .params = &usual},
    {.name = "long rows, no shift", .rank = {2, 1, -1}, .shape = {{2, 4099}, {4099}}, .params = &usual},
    {.name = "no rows", .rank = {2, 1, 1}, .shape = {{0, 6}, {6}, {6}}, .params = &usual},
};

LB_OP(layer_norm) = {.id = "layer_norm",
                     .title = "layer normalisation over the last axis",
                     .source = "Ba, Kiros, Hinton, arXiv:1607.06450; torch.nn.functional.layer_norm",
                     .sig = "x[...,K] gamma[K]? beta[K]? -> y[...,K] mean[...] rstd[...]",
                     .results = 1,
                     .math = "y = gamma (x - mean) / sqrt(var + eps) + beta",
                     .flags = LB_OP_SETS | LB_OP_CHEAP,
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(1) | LB_READS_OUT(2),
                     .params_size = sizeof(options),
                     .shape = shape,
                     .forward = forward,
                     .backward = backward,
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_layer_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps) {
    return lb_apply(t, &lb_op_layer_norm, &(options){.eps = eps}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta});
}

lb_tensor *lbi_layer_norm_rounded(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps) {
    return lb_apply(t, &lb_op_layer_norm, &(options){.eps = eps, .rounded = true}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = gamma x r over the last axis of K, r = 1 / sqrt(mean(x^2) + eps). With h = g gamma, xh = x r: dx = r (h - xh mean(h xh)),
 * dgamma = sum over rows of g xh. Sums in double. */
#include <math.h>
#include <string.h>
#include "tensor/calls.h"
#include "tensor/kernels/lanes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef lb_eps_params options;

enum { PIECE = 64 }; /* rows of a piece */

/* Sum of g gamma x. */
LBI_LEVELS static double dot_row(const lb_real *restrict g, const lb_real *restrict gamma, const lb_real *restrict x, int64_t k) {
    double all = 0;
    if (!gamma) return lbi_lanes_sum(g, x, k, 0, lbi_term_product);
    for (int64_t from = 0; from < k; from += LBI_LANE_BLOCK) {
        int64_t end = from + LBI_LANE_BLOCK < k ? from + LBI_LANE_BLOCK : k, j = from;
        lb_real lane[LBI_LANES] = {0};
        for (; j + LBI_LANES <= end; j += LBI_LANES)
            for (int i = 0; i < LBI_LANES; i++) lane[i] += g[j + i] * gamma[j + i] * x[j + i];
        for (int i = 0; i < end - j; i++) lane[i] += g[j + i] * gamma[j + i] * x[j + i];
        all += (double)lbi_lanes_all(lane);
    }
    return all;
}

/* gx (+)= r g gamma + b x; ggamma += r g x. */
LBI_LEVELS static void back_row(lb_real *restrict gx, lb_real *restrict ggamma, const lb_real *restrict g, const lb_real *restrict gamma,
                                const lb_real *restrict x, int64_t k, lb_real r, lb_real b, bool fresh) {
    if (gx && fresh)
        for (int64_t j = 0; j < k; j++) gx[j] = r * g[j] * (gamma ? gamma[j] : 1) + b * x[j];
    else if (gx)
        for (int64_t j = 0; j < k; j++) gx[j] += r * g[j] * (gamma ? gamma[j] : 1) + b * x[j];
    if (ggamma)
        for (int64_t j = 0; j < k; j++) ggamma[j] += r * g[j] * x[j];
}

static int64_t width_of(const lb_tensor *x) { return x->shape[x->rank - 1]; }
static int64_t rows_of(const lb_tensor *x) { return width_of(x) ? lb_numel(x) / width_of(x) : 0; }

static lb_real factor(double square, int64_t k, double eps, lb_real *kept) { return *kept = (lb_real)(1 / sqrt(square / (double)k + eps)); }

static void forward_rows(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    int64_t k = width_of(c->in[0]);
    lbi_rows r = {lb_r(c->in[0]) + first * k, c->in[1] ? lb_r(c->in[1]) : NULL, last - first, k, NULL, lb_r(c->out[1]) + first};
    lbi_rows_scale(&r, lb_r(c->out[0]) + first * k, factor, ((const options *)c->params)->eps);
}

static void forward(lb_call *c) { lbi_split(rows_of(c->in[0]), 2 * width_of(c->in[0]), forward_rows, c); }

/* dgamma is summed by pieces of rows, which are then added in their order, whatever the threads. */
static void backward(lb_call *c) {
    int64_t k = width_of(c->in[0]), n = rows_of(c->in[0]), pieces = (n + PIECE - 1) / PIECE;
    bool weighs = c->in[1] && c->gin[1];
    if (!c->gout[0]) return;
    const lb_real *gamma = c->in[1] ? lb_r(c->in[1]) : NULL;
    lb_real *part = weighs ? lb_scratch(c, (size_t)(k * pieces + 1) * sizeof *part) : NULL;
    if (weighs && !part) return;
#pragma omp parallel for if (n * k > LBI_GRAIN)
    for (int64_t piece = 0; piece < pieces; piece++) {
        if (part) memset(part + piece * k, 0, (size_t)k * sizeof *part);
        for (int64_t i = piece * PIECE; i < n && i < (piece + 1) * PIECE; i++) {
            const lb_real *x = lb_r(c->in[0]) + i * k, *g = lb_r(c->gout[0]) + i * k;
            lb_real r = lb_r(c->out[1])[i];
            double b = c->gin[0] ? -(double)r * (double)r * (double)r * dot_row(g, gamma, x, k) / (double)k : 0;
            back_row(c->gin[0] ? lb_r(c->gin[0]) + i * k : NULL, part ? part + piece * k : NULL, g, gamma, x, k, r, (lb_real)b, c->fresh[0]);
        }
    }
    lb_tensor all = {.dtype = LB_REAL, .rank = 2, .shape = {pieces, k}, .stride = {k, 1}, .data = part};
    if (weighs) lbi_reduce_to(c->gin[1], &all, 1, c->fresh[1]);
}

static void reference(lb_call *c) {
    const options *o = c->params;
    int64_t k = width_of(c->in[0]);
    for (int64_t i = 0, n = rows_of(c->in[0]); i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * k;
        double square = 0;
        for (int64_t j = 0; j < k; j++) square += (double)x[j] * (double)x[j];
        double r = 1 / sqrt(square / (double)k + o->eps);
        lb_r(c->out[1])[i] = (lb_real)r;
        for (int64_t j = 0; j < k; j++) lb_r(c->out[0])[i * k + j] = (lb_real)((double)x[j] * r * (c->in[1] ? (double)lb_r(c->in[1])[j] : 1));
    }
}

static const options usual = {1e-6}, large = {0.1};
static const lb_op_case cases[] = {
    {.name = "weighted", .rank = {2, 1}, .shape = {{3, 6}, {6}}, .params = &usual},
    {.name = "three axes, no weights", .rank = {3, -1}, .shape = {{2, 2, 5}}, .params = &large},
    {.name = "no rows", .rank = {2, 1}, .shape = {{0, 6}, {6}}, .params = &usual},
    {.name = "large", .rank = {2, 1}, .shape = {{67, 1001}, {1001}}, .params = &usual},
};

LB_OP(rms_norm) = {.id = "rms_norm",
                   .title = "division by the root of the mean square over the last axis",
                   .source = "Zhang, Sennrich, arXiv:1910.07467; torch.nn.functional.rms_norm",
                   .sig = "x[...,K] gamma[K]? -> y[...,K] rstd[...]",
                   .math = "y = gamma x / sqrt(mean(x^2) + eps)",
                   .flags = LB_OP_SETS | LB_OP_CHEAP,
                   .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(1),
                   .params_size = sizeof(options),
                   .forward = forward,
                   .backward = backward,
                   .reference = reference,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_rms_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, double eps) { return lb_apply(t, &lb_op_rms_norm, &(options){eps}, sizeof(options), 2, (lb_tensor *[]){x, gamma}); }

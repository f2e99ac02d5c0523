/* SPDX-License-Identifier: Apache-2.0 */
/* Per channel over all other axes of x [N,C,...]: y = act(gamma xh + beta), xh = (x - mean) rstd, rstd = 1 / sqrt(biased variance + eps).
 * With g' = g act'(y), m = elements a channel: dx = gamma rstd (g' - mean(g') - xh mean(g' xh)), dgamma = sum g' xh, dbeta = sum g'.
 * Results: y, the batch mean, the biased batch variance; from the latter two dx = gmean / m + 2 gvar (x - mean) / m. Sums in double. */
#include <math.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/norm.h"
#include "tensor/op.h"
#include "tensor/ops.h"

typedef struct options {
    double eps;
    lb_act act;
} options;

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    if (x->rank < 2 || x->shape[1] != c->in[1]->shape[0] || lb_numel(x) == 0) {
        char text[96];
        lb_tape_fail(c->tape, LB_E_SHAPE, "batch_norm: x %s and %lld channels do not go together", lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)c->in[1]->shape[0]);
        return false;
    }
    y->dtype = LB_REAL;
    y->rank = x->rank;
    for (int d = 0; d < x->rank; d++) y->shape[d] = x->shape[d];
    for (int i = 1; i < 3; i++) {
        c->out[i]->dtype = LB_REAL;
        c->out[i]->rank = 1;
        c->out[i]->shape[0] = x->shape[1];
    }
    return true;
}

static int64_t inner_of(const lb_tensor *x) { return lb_numel(x) / (x->shape[0] * x->shape[1]); }

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], ch = c->in[0]->shape[1], k = inner_of(c->in[0]);
    bool plane = o->act == LB_ACT_NONE || o->act == LB_ACT_RELU || o->act == LB_ACT_RELU6; /* what lbi_plane_affine does itself */
#pragma omp parallel for
    for (int64_t q = 0; q < ch; q++) {
        const lb_real *x = lb_r(c->in[0]) + q * k;
        lb_real *y = lb_r(c->out[0]) + q * k;
        double sum = 0, square = 0;
        for (int64_t i = 0; i < n; i++) lbi_plane_sum(x + i * ch * k, k, &sum);
        double mean = sum / (double)(n * k);
        for (int64_t i = 0; i < n; i++) lbi_plane_square(x + i * ch * k, k, (lb_real)mean, &square);
        double var = square / (double)(n * k);
        lb_real a = (lb_real)((double)lb_r(c->in[1])[q] / sqrt(var + o->eps)), b = (lb_real)((double)lb_r(c->in[2])[q] - mean * (double)a);
        lb_r(c->out[1])[q] = (lb_real)mean;
        lb_r(c->out[2])[q] = (lb_real)var;
        for (int64_t i = 0; i < n; i++) {
            lbi_plane_affine(o->act, y + i * ch * k, x + i * ch * k, k, a, b);
            if (!plane) lbi_act_plane(o->act, y + i * ch * k, k, 0);
        }
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], ch = c->in[0]->shape[1], k = inner_of(c->in[0]);
    double m = (double)(n * k);
    bool has = c->gout[0] != NULL;
    if (!has && !c->gout[1] && !c->gout[2]) return;
#pragma omp parallel for
    for (int64_t q = 0; q < ch; q++) {
        lb_real mean = lb_r(c->out[1])[q], rstd = (lb_real)(1 / sqrt((double)lb_r(c->out[2])[q] + o->eps)), gamma = lb_r(c->in[1])[q];
        const lb_real *x = lb_r(c->in[0]) + q * k, *g = has ? lb_r(c->gout[0]) + q * k : x, *y = lb_r(c->out[0]) + q * k;
        double sum = 0, dot = 0;
        for (int64_t i = 0; has && i < n; i++) lbi_plane_back_sums(o->act, g + i * ch * k, y + i * ch * k, x + i * ch * k, k, mean, rstd, &sum, &dot);
        if (c->gin[1]) lb_r(c->gin[1])[q] = (lb_real)((c->fresh[1] ? 0 : (double)lb_r(c->gin[1])[q]) + dot);
        if (c->gin[2]) lb_r(c->gin[2])[q] = (lb_real)((c->fresh[2] ? 0 : (double)lb_r(c->gin[2])[q]) + sum);
        if (!c->gin[0]) continue;
        /* gamma rstd (g' - sum/m - (x - mean) rstd dot/m) + gmean/m + 2 gvar (x - mean)/m, as a g' + b x + d */
        double by_mean = c->gout[1] ? (double)lb_r(c->gout[1])[q] / m : 0, by_var = c->gout[2] ? 2 * (double)lb_r(c->gout[2])[q] / m : 0;
        double a = has ? (double)gamma * (double)rstd : 0, b = by_var - a * (double)rstd * dot / m, d = by_mean - a * sum / m - b * (double)mean;
        for (int64_t i = 0; i < n; i++) lbi_plane_back(o->act, lb_r(c->gin[0]) + (i * ch + q) * k, g + i * ch * k, y + i * ch * k, x + i * ch * k, k, (lb_real)a, (lb_real)b, (lb_real)d, c->fresh[0]);
    }
}

static const options plain = {1e-5, LB_ACT_NONE}, relu = {1e-3, LB_ACT_RELU};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {4, 1, 1}, .shape = {{2, 3, 2, 3}, {3}, {3}}, .params = &plain},
    {.name = "rows", .rank = {2, 1, 1}, .shape = {{5, 3}, {3}, {3}}, .params = &plain},
    {.name = "relu", .rank = {4, 1, 1}, .shape = {{3, 2, 2, 2}, {2}, {2}}, .params = &relu},
};

LB_OP(batch_norm) = {.id = "batch_norm", .title = "batch normalisation with the batch's own statistics, and an activation", .source = "Ioffe, Szegedy, arXiv:1502.03167; torch.nn.functional.batch_norm(training=True)",
                     .sig = "x gamma[C] beta[C] -> y mean[C] var[C]", .results = 3, .math = "y = act(gamma (x - mean) / sqrt(var + eps) + beta)", .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0) | LB_READS_OUT(1) | LB_READS_OUT(2), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_batch_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps, lb_act act, lb_tensor **mean, lb_tensor **var) {
    lb_tensor *out[3] = {0};
    bool fuse = lbi_act_from_result(act);
    lb_apply_n(t, &lb_op_batch_norm, &(options){eps, fuse ? act : LB_ACT_NONE}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta}, 3, out);
    if (mean) *mean = out[1];
    if (var) *var = out[2];
    return fuse ? out[0] : lbi_act_op(t, out[0], act);
}

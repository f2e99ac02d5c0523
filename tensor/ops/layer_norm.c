/* SPDX-License-Identifier: Apache-2.0 */
/* y = (x - mean) rstd gamma + beta over the last axis, rstd = 1 / sqrt(biased variance + eps). With h = g gamma, xh = (x - mean) rstd:
 * dx = rstd (h - mean(h) - xh mean(h xh)), dgamma = sum g xh, dbeta = sum g. Sums in double. */
#include <math.h>
#include "tensor/op.h"
#include "tensor/ops.h"

typedef struct options {
    double eps;
} options;

static void forward(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    int64_t k = x->shape[x->rank - 1], n = k ? lb_numel(x) / k : 0;
    const lb_real *gamma = c->in[1] ? lb_r(c->in[1]) : NULL, *beta = c->in[2] ? lb_r(c->in[2]) : NULL;
#pragma omp parallel for if (n * k > 32768)
    for (int64_t i = 0; i < n; i++) {
        const lb_real *row = lb_r(x) + i * k;
        lb_real *y = lb_r(c->out[0]) + i * k;
        double sum = 0, square = 0;
        for (int64_t j = 0; j < k; j++) sum += row[j];
        double mean = sum / (double)k;
        for (int64_t j = 0; j < k; j++) square += (row[j] - mean) * (row[j] - mean);
        lb_real m = (lb_real)mean, r = (lb_real)(1 / sqrt(square / (double)k + o->eps));
        lb_r(c->out[1])[i] = m;
        lb_r(c->out[2])[i] = r;
        for (int64_t j = 0; j < k; j++) y[j] = (row[j] - m) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
    }
}

static void backward(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t k = x->shape[x->rank - 1], n = k ? lb_numel(x) / k : 0;
    const lb_real *gamma = c->in[1] ? lb_r(c->in[1]) : NULL;
    if (!c->gout[0]) return;
    if (c->gin[0])
#pragma omp parallel for if (n * k > 32768)
        for (int64_t i = 0; i < n; i++) {
            const lb_real *row = lb_r(x) + i * k, *g = lb_r(c->gout[0]) + i * k;
            lb_real *gx = lb_r(c->gin[0]) + i * k, m = lb_r(c->out[1])[i], r = lb_r(c->out[2])[i];
            double a = 0, b = 0;
            for (int64_t j = 0; j < k; j++) {
                lb_real h = g[j] * (gamma ? gamma[j] : 1);
                a += h;
                b += h * (row[j] - m) * r;
            }
            lb_real ma = (lb_real)(a / (double)k), mb = (lb_real)(b / (double)k);
            for (int64_t j = 0; j < k; j++) gx[j] += r * (g[j] * (gamma ? gamma[j] : 1) - ma - (row[j] - m) * r * mb);
        }
    for (int64_t i = 0; i < n; i++) {
        const lb_real *row = lb_r(x) + i * k, *g = lb_r(c->gout[0]) + i * k;
        lb_real m = lb_r(c->out[1])[i], r = lb_r(c->out[2])[i];
        if (c->in[1] && c->gin[1])
            for (int64_t j = 0; j < k; j++) lb_r(c->gin[1])[j] += g[j] * (row[j] - m) * r;
        if (c->in[2] && c->gin[2])
            for (int64_t j = 0; j < k; j++) lb_r(c->gin[2])[j] += g[j];
    }
}

static const options usual = {1e-5}, large = {0.1};
static const lb_op_case cases[] = {
    {.name = "affine", .rank = {2, 1, 1}, .shape = {{3, 6}, {6}, {6}}, .params = &usual},
    {.name = "plain", .rank = {3, -1, -1}, .shape = {{2, 3, 5}}, .params = &large},
    {.name = "no rows", .rank = {2, 1, 1}, .shape = {{0, 6}, {6}, {6}}, .params = &usual},
};

LB_OP(layer_norm) = {.id = "layer_norm", .title = "layer normalisation over the last axis", .source = "Ba, Kiros, Hinton, arXiv:1607.06450; torch.nn.functional.layer_norm",
                     .sig = "x[...,K] gamma[K]? beta[K]? -> y[...,K] mean[...] rstd[...]", .results = 1, .math = "y = gamma (x - mean) / sqrt(var + eps) + beta",
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(1) | LB_READS_OUT(2), .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_layer_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps) {
    return lb_apply(t, &lb_op_layer_norm, &(options){eps}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta});
}

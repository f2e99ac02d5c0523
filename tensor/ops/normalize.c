/* SPDX-License-Identifier: Apache-2.0 */
/* y = x / max(||x||, eps) along the last axis. With n = ||x|| >= eps: dx = (g - y (g . y)) / n; below: dx = g / eps. */
#include <math.h>
#include "tensor/op.h"
#include "tensor/ops.h"

typedef struct options {
    double eps;
} options;

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t k = c->in[0]->shape[c->in[0]->rank - 1], n = k ? lb_numel(c->in[0]) / k : 0;
    for (int64_t i = 0; i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * k;
        lb_real *y = lb_r(c->out[0]) + i * k;
        double sum = 0;
        for (int64_t j = 0; j < k; j++) sum += (double)x[j] * (double)x[j];
        double norm = sqrt(sum);
        lb_r(c->out[1])[i] = (lb_real)norm;
        lb_real by = (lb_real)(1 / (norm > o->eps ? norm : o->eps));
        for (int64_t j = 0; j < k; j++) y[j] = x[j] * by;
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t k = c->in[0]->shape[c->in[0]->rank - 1], n = k ? lb_numel(c->in[0]) / k : 0;
    if (!c->gin[0] || !c->gout[0]) return;
    for (int64_t i = 0; i < n; i++) {
        const lb_real *y = lb_r(c->out[0]) + i * k, *g = lb_r(c->gout[0]) + i * k;
        lb_real *gx = lb_r(c->gin[0]) + i * k;
        double norm = (double)lb_r(c->out[1])[i], dot = 0;
        bool small = norm <= o->eps;
        for (int64_t j = 0; !small && j < k; j++) dot += (double)g[j] * (double)y[j];
        lb_real by = (lb_real)(1 / (small ? o->eps : norm));
        for (int64_t j = 0; j < k; j++) gx[j] += by * (g[j] - y[j] * (lb_real)dot);
    }
}

static const options usual = {1e-12};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2}, .shape = {{3, 5}}, .params = &usual},
    {.name = "three axes", .rank = {3}, .shape = {{2, 2, 4}}, .params = &usual},
    {.name = "no rows", .rank = {2}, .shape = {{0, 5}}, .params = &usual},
};

LB_OP(normalize) = {.id = "normalize", .title = "L2 normalisation along the last axis, safe at 0", .source = "torch.nn.functional.normalize", .sig = "x[...,K] -> y[...,K] norm[...]", .results = 1,
                    .math = "y = x / max(||x||, eps)", .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1), .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_normalize(lb_tape *t, lb_tensor *x, double eps) { return lb_apply(t, &lb_op_normalize, &(options){eps}, sizeof(options), 1, &x); }

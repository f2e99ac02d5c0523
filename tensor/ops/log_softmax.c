/* SPDX-License-Identifier: Apache-2.0 */
/* y_i = x_i - log sum_j exp x_j along one axis; dx = g - exp(y) sum_j g_j. */
#include <math.h>
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows.h"
#include "tensor/ops.h"

typedef struct options {
    int axis;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    lb_tensor *y = c->out[0];
    if (lbi_axis(c, o->axis, c->in[0]->rank) < 0) return false;
    y->dtype = LB_REAL;
    y->rank = c->in[0]->rank;
    for (int d = 0; d < y->rank; d++) y->shape[d] = c->in[0]->shape[d];
    return true;
}

static lbi_rows rows_of(const lb_call *c) {
    int axis = ((const options *)c->params)->axis;
    return lbi_rows_of(c->in[0], axis < 0 ? axis + c->in[0]->rank : axis);
}

static void forward(lb_call *c) {
    lbi_rows r = rows_of(c);
#pragma omp parallel for collapse(2) if (r.outer * r.k * r.inner > 16384)
    for (int64_t o = 0; o < r.outer; o++)
        for (int64_t i = 0; i < r.inner; i++) {
            const lb_real *x = lb_r(c->in[0]) + o * r.k * r.inner + i;
            lb_real *y = lb_r(c->out[0]) + o * r.k * r.inner + i, top = -INFINITY;
            double sum = 0;
            for (int64_t j = 0; j < r.k; j++) top = x[j * r.inner] > top ? x[j * r.inner] : top;
            for (int64_t j = 0; j < r.k; j++) sum += lbi_exp(x[j * r.inner] - top);
            double log_sum = log(sum);
            for (int64_t j = 0; j < r.k; j++) y[j * r.inner] = (lb_real)((double)(x[j * r.inner] - top) - log_sum);
        }
}

static void backward(lb_call *c) {
    lbi_rows r = rows_of(c);
    if (!c->gin[0] || !c->gout[0]) return;
#pragma omp parallel for collapse(2) if (r.outer * r.k * r.inner > 16384)
    for (int64_t o = 0; o < r.outer; o++)
        for (int64_t i = 0; i < r.inner; i++) {
            int64_t at = o * r.k * r.inner + i;
            const lb_real *y = lb_r(c->out[0]) + at, *g = lb_r(c->gout[0]) + at;
            lb_real *gx = lb_r(c->gin[0]) + at;
            double sum = 0;
            for (int64_t j = 0; j < r.k; j++) sum += g[j * r.inner];
            for (int64_t j = 0; j < r.k; j++) gx[j * r.inner] += g[j * r.inner] - lbi_exp(y[j * r.inner]) * (lb_real)sum;
        }
}

static const options last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last axis", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first axis", .rank = {3}, .shape = {{4, 2, 3}}, .params = &first},
    {.name = "large logits", .rank = {2}, .shape = {{2, 4}}, .lo = -60, .hi = 60, .params = &last},
    {.name = "no rows", .rank = {2}, .shape = {{0, 5}}, .params = &last},
};

LB_OP(log_softmax) = {.id = "log_softmax", .title = "logarithm of the softmax along an axis", .source = "torch.nn.functional.log_softmax", .sig = "x -> y", .math = "y = x - log sum exp x",
                      .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_log_softmax(lb_tape *t, lb_tensor *x, int axis) { return lb_apply(t, &lb_op_log_softmax, &(options){axis}, sizeof(options), 1, &x); }

/* SPDX-License-Identifier: Apache-2.0 */
/* Triplets of rows: max(0, d(a, p) - d(a, n) + margin), d(x, y) = ||x - y + 1e-6||_2 (the shift is torch's, which keeps the root off 0); swap: d(p, n) in
 * place of d(a, n) where that is less. */
#include <math.h>
#include <string.h>
#include "tensor/ops/losses.h"

typedef struct options {
    double margin;
    bool swap;
    lb_reduction reduction;
} options;

static bool shape(lb_call *c) {
    lb_tensor rows = *c->in[0];
    rows.rank--;
    lbi_reduction_shape(c->out[0], &rows, ((const options *)c->params)->reduction);
    return true;
}

static const double shift = 1e-6;

static double distance(const lb_real *x, const lb_real *y, int64_t d) {
    double sum = 0;
    for (int64_t i = 0; i < d; i++) sum += ((double)x[i] - (double)y[i] + shift) * ((double)x[i] - (double)y[i] + shift);
    return sqrt(sum);
}

/* Loss of a row, and which pair stands for the negative (0 = a, 1 = p with n). */
static double row_loss(const options *o, const lb_real *a, const lb_real *p, const lb_real *n, int64_t d, double *near, double *far, int *pair) {
    double other = o->swap ? distance(p, n, d) : INFINITY;
    *near = distance(a, p, d);
    *far = distance(a, n, d);
    *pair = other < *far;
    if (*pair) *far = other;
    double loss = *near - *far + o->margin;
    return loss <= 0 ? 0 : loss; /* NaN stays */
}

static int64_t rows_of(const lb_call *c, int64_t *d) {
    *d = c->in[0]->shape[c->in[0]->rank - 1];
    return *d ? lb_numel(c->in[0]) / *d : 0;
}

static double factor_of(const lb_call *c, int64_t rows) {
    return lbi_reduction_factor(((const options *)c->params)->reduction, rows, c->in[0]->rank > 1 ? c->in[0]->shape[0] : 1);
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t d, rows = rows_of(c, &d);
    double total = 0, near, far;
    int pair;
    for (int64_t r = 0; r < rows; r++) {
        double loss = row_loss(o, lb_r(c->in[0]) + r * d, lb_r(c->in[1]) + r * d, lb_r(c->in[2]) + r * d, d, &near, &far, &pair);
        total += loss;
        if (o->reduction == LB_NONE) lb_r(c->out[0])[r] = (lb_real)loss;
    }
    if (o->reduction != LB_NONE) lb_r(c->out[0])[0] = (lb_real)(total * factor_of(c, rows));
}

/* Adds f (x - y + shift) / size to gx, and takes it off gy. */
static void pull(lb_real *gx, lb_real *gy, const lb_real *x, const lb_real *y, int64_t d, double f, double size) {
    for (int64_t i = 0; size > 0 && i < d; i++) {
        lb_real g = (lb_real)(f * ((double)x[i] - (double)y[i] + shift) / size);
        if (gx) gx[i] += g;
        if (gy) gy[i] -= g;
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t d, rows = rows_of(c, &d);
    if (!c->gout[0]) return;
    for (int64_t r = 0; r < rows; r++) {
        const lb_real *x[3];
        lb_real *g[3];
        double near, far, f = factor_of(c, rows) * (double)lb_r(c->gout[0])[o->reduction == LB_NONE ? r : 0];
        int pair;
        for (int k = 0; k < 3; k++) {
            x[k] = lb_r(c->in[k]) + r * d;
            g[k] = c->gin[k] ? lb_r(c->gin[k]) + r * d : NULL;
        }
        if (row_loss(o, x[0], x[1], x[2], d, &near, &far, &pair) <= 0) continue;
        pull(g[0], g[1], x[0], x[1], d, f, near);
        pull(g[pair], g[2], x[pair], x[2], d, -f, far);
    }
}

static const options plain = {1, false, LB_MEAN}, swapped = {0.5, true, LB_NONE};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2, 2}, .shape = {{6, 4}, {6, 4}, {6, 4}}, .params = &plain},
    {.name = "swapped, each", .rank = {3, 3, 3}, .shape = {{2, 3, 4}, {2, 3, 4}, {2, 3, 4}}, .params = &swapped},
    {.name = "empty", .rank = {2, 2, 2}, .shape = {{0, 4}, {0, 4}, {0, 4}}, .params = &plain},
};

LB_OP(triplet) = {.id = "triplet",
                  .title = "hinge on distances to a like and an unlike row",
                  .source = "torch.nn.functional.triplet_margin_loss",
                  .sig = "anchor[...,D] positive[...,D] negative[...,D] -> loss",
                  .math = "max(0, d(a, p) - d(a, n) + margin)",
                  .flags = LB_OP_NONSMOOTH,
                  .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2),
                  .params_size = sizeof(options),
                  .shape = shape,
                  .forward = forward,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_triplet(lb_tape *t, lb_tensor *anchor, lb_tensor *positive, lb_tensor *negative, double margin, bool swap, lb_reduction reduction) {
    return lb_apply(t, &lb_op_triplet, &(options){margin, swap, reduction}, sizeof(options), 3, (lb_tensor *[]){anchor, positive, negative});
}

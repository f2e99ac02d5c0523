/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum_i (x_i - mean)^2 / (n - correction) along one axis; dx_i = 2 g (x_i - mean) / (n - correction). The mean is saved.
 * Summed in double, in two passes. NaN where n <= correction. */
#include <math.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

struct var {
    int axis;
    double correction;
    bool keep;
};

static bool shape(lb_call *c) {
    const struct var *p = c->params;
    int axis = lbi_axis(c, p->axis, c->in[0]->rank);
    if (axis < 0) return false;
    lbi_reduced_shape(c->out[0], c->in[0], axis, p->keep);
    lbi_reduced_shape(c->out[1], c->in[0], axis, p->keep);
    return true;
}

static lbi_axes axes_of(const lb_call *c) {
    const struct var *p = c->params;
    return lbi_axes_of(c->in[0], p->axis < 0 ? p->axis + c->in[0]->rank : p->axis);
}

static double divisor(const lb_call *c, int64_t n) {
    double d = (double)n - ((const struct var *)c->params)->correction;
    return d > 0 ? d : 0;
}

static void forward_part(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = axes_of(c);
    double d = divisor(c, a.n);
    for (int64_t j = first; j < last; j++) {
        const lb_real *x = lb_r(c->in[0]) + j / a.inner * a.n * a.inner + j % a.inner;
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < a.n; k++) sum += (double)x[k * a.inner];
        double mean = sum / (double)a.n;
        for (int64_t k = 0; k < a.n; k++) squares += ((double)x[k * a.inner] - mean) * ((double)x[k * a.inner] - mean);
        lb_r(c->out[0])[j] = d > 0 ? (lb_real)(squares / d) : (lb_real)NAN;
        lb_r(c->out[1])[j] = (lb_real)mean;
    }
}

static void forward(lb_call *c) {
    lbi_axes a = axes_of(c);
    lbi_split(a.outer * a.inner, a.n * 2, forward_part, c);
}

static void backward_part(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = axes_of(c);
    double d = divisor(c, a.n);
    for (int64_t j = first; j < last; j++) {
        int64_t at = j / a.inner * a.n * a.inner + j % a.inner;
        lb_real mean = lb_r(c->out[1])[j], g = (lb_real)(2 * (double)lb_r(c->gout[0])[j] / d);
        for (int64_t k = 0; k < a.n; k++) {
            int64_t i = at + k * a.inner;
            lb_r(c->gin[0])[i] += g * (lb_r(c->in[0])[i] - mean);
        }
    }
}

static void backward(lb_call *c) {
    lbi_axes a = axes_of(c);
    lbi_split(a.outer * a.inner, a.n * 2, backward_part, c);
}

static const struct var last = {-1, 1, false}, first = {0, 0, true}, middle = {1, 1, false};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "middle", .rank = {3}, .shape = {{2, 5, 11}}, .params = &middle},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .params = &last},
};

LB_OP(var) = {.id = "var",
              .title = "variance along one axis",
              .source = "torch.var (correction 1 is the unbiased one)",
              .sig = "x -> y mean",
              .math = "y = sum_i (x_i - mean)^2 / (n - correction)",
              .params_size = sizeof(struct var),
              .reads = LB_READS_IN(0) | LB_READS_OUT(1),
              .shape = shape,
              .forward = forward,
              .backward = backward,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_var(lb_tape *t, lb_tensor *x, int axis, double correction, bool keep) {
    struct var p = {axis, correction, keep};
    return lb_apply(t, &lb_op_var, &p, sizeof p, 1, &x);
}

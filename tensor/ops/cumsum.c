/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = sum_{i <= k} x_i along one axis; dx_i = sum_{k >= i} g_k. */
#include "tensor/loops.h"
#include "tensor/ops.h"

struct cumsum {
    int axis;
};

static bool shape(lb_call *c) {
    const struct cumsum *p = c->params;
    if (lbi_axis(c, p->axis, c->in[0]->rank) < 0) return false;
    c->out[0]->rank = c->in[0]->rank;
    for (int i = 0; i < c->in[0]->rank; i++) c->out[0]->shape[i] = c->in[0]->shape[i];
    return true;
}

static lbi_axes axes_of(const lb_call *c) {
    const struct cumsum *p = c->params;
    return lbi_axes_of(c->in[0], p->axis < 0 ? p->axis + c->in[0]->rank : p->axis);
}

static void forward(lb_call *c) {
    lbi_axes a = axes_of(c);
    for (int64_t j = 0; j < a.outer * a.inner; j++) {
        int64_t at = j / a.inner * a.n * a.inner + j % a.inner;
        double sum = 0;
        for (int64_t k = 0; k < a.n; k++, at += a.inner) {
            sum += (double)lb_r(c->in[0])[at];
            lb_r(c->out[0])[at] = (lb_real)sum;
        }
    }
}

static void backward(lb_call *c) {
    lbi_axes a = axes_of(c);
    for (int64_t j = 0; j < a.outer * a.inner; j++) {
        int64_t at = (j / a.inner + 1) * a.n * a.inner + j % a.inner;
        double sum = 0;
        for (int64_t k = 0; k < a.n; k++) {
            at -= a.inner;
            sum += (double)lb_r(c->gout[0])[at];
            lb_r(c->gin[0])[at] += (lb_real)sum;
        }
    }
}

static const struct cumsum last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
};

LB_OP(cumsum) = {.id = "cumsum",
                 .title = "running sum along one axis",
                 .source = "arithmetic",
                 .sig = "x -> y",
                 .math = "y_k = sum_{i <= k} x_i",
                 .params_size = sizeof(struct cumsum),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_cumsum(lb_tape *t, lb_tensor *x, int axis) {
    struct cumsum p = {axis};
    return lb_apply(t, &lb_op_cumsum, &p, sizeof p, 1, &x);
}

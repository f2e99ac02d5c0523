/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum over one axis of x / n; dx = g / n repeated. Summed in double. NaN for n = 0. */
#include "tensor/loops.h"
#include "tensor/ops.h"

struct mean {
    int axis;
    bool keep;
};

static bool shape(lb_call *c) {
    const struct mean *p = c->params;
    int axis = lbi_axis(c, p->axis, c->in[0]->rank);
    if (axis < 0) return false;
    lbi_reduced_shape(c->out[0], c->in[0], axis, p->keep);
    return true;
}

static int axis_of(const lb_call *c) {
    const struct mean *p = c->params;
    return p->axis < 0 ? p->axis + c->in[0]->rank : p->axis;
}

static void forward(lb_call *c) {
    lb_tensor y = lbi_with_axis(c->out[0], c->in[0], axis_of(c));
    lbi_reduce_to(&y, c->in[0], 1 / (lb_real)c->in[0]->shape[axis_of(c)], true);
}

static void backward(lb_call *c) {
    lb_tensor g = lbi_with_axis(c->gout[0], c->in[0], axis_of(c));
    lbi_add_view(c->gin[0], &g, 1 / (lb_real)c->in[0]->shape[axis_of(c)], c->fresh[0]);
}

static const struct mean last = {-1, false}, first = {0, true}, middle = {1, false};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "middle", .rank = {3}, .shape = {{2, 5, 11}}, .params = &middle},
    {.name = "vector", .rank = {1}, .shape = {{7}}, .params = &last},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "rows", .rank = {2}, .shape = {{301, 290}}, .params = &last},
    {.name = "columns", .rank = {2}, .shape = {{301, 290}}, .params = &first},
};

LB_OP(mean) = {.id = "mean",
               .title = "mean along one axis",
               .source = "arithmetic",
               .sig = "x -> y",
               .math = "y = sum_i x_i / n",
               .params_size = sizeof(struct mean),
               .flags = LB_OP_STRIDED | LB_OP_SETS,
               .shape = shape,
               .forward = forward,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_mean(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    struct mean p = {axis, keep};
    return lb_apply(t, &lb_op_mean, &p, sizeof p, 1, &x);
}

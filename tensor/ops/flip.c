/* SPDX-License-Identifier: Apache-2.0 */
/* y = x backwards along one axis; dx = g backwards. Shares memory (a negative step). */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

struct flip {
    int axis;
};

static void turn(lb_tensor *y, const lb_tensor *x, int axis) {
    int64_t n = x->shape[axis];
    y->dtype = x->dtype;
    y->rank = x->rank;
    memcpy(y->shape, x->shape, sizeof x->shape);
    memcpy(y->stride, x->stride, sizeof x->stride);
    y->data = x->data;
    if (n < 1) return;
    y->stride[axis] = -x->stride[axis];
    if (x->data) y->data = (char *)x->data + (n - 1) * x->stride[axis] * (int64_t)lb_dtype_size(x->dtype);
}

static bool shape(lb_call *c) {
    const struct flip *p = c->params;
    int axis = lbi_axis(c, p->axis, c->in[0]->rank);
    if (axis < 0) return false;
    turn(c->out[0], c->in[0], axis);
    return true;
}

static void backward(lb_call *c) {
    const struct flip *p = c->params;
    lb_tensor g = {.rank = 0};
    turn(&g, c->gout[0], p->axis < 0 ? p->axis + c->gout[0]->rank : p->axis);
    lbi_add_view(c->gin[0], &g, 1, c->fresh[0]);
}

static const struct flip last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &first},
    {.name = "large", .rank = {3}, .shape = {{600, 40, 3}}, .params = &first},
};

LB_OP(flip) = {.id = "flip",
               .title = "backwards along one axis",
               .source = "NumPy flip",
               .sig = "x -> y",
               .math = "y_i = x_(n-1-i)",
               .params_size = sizeof(struct flip),
               .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
               .shape = shape,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_flip(lb_tape *t, lb_tensor *x, int axis) {
    struct flip p = {axis};
    return lb_apply(t, &lb_op_flip, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = value (shared memory); dx = g, and value gets none: the gradient goes to x as if y were x. For rounding, sampling, codebooks. */
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    lb_tensor *y = c->out[0];
    const lb_tensor *v = c->in[0];
    y->rank = v->rank;
    y->data = v->data;
    for (int i = 0; i < v->rank; i++) {
        y->shape[i] = v->shape[i];
        y->stride[i] = v->stride[i];
    }
    return true;
}

static void backward(lb_call *c) {
    if (c->gin[0] && c->fresh[0]) lbi_fill(c->gin[0], 0);
    if (c->gin[1]) lbi_add_view(c->gin[1], c->gout[0], 1, c->fresh[1]);
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}},
    {.name = "scalar", .rank = {0, 0}},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 5}, {0, 5}}},
    {.name = "large", .rank = {2, 2}, .shape = {{300, 250}, {300, 250}}},
};

LB_OP(straight_through) = {.id = "straight_through", .title = "value of one, gradient of another", .source = "Bengio et al. 2013, arXiv:1308.3432",
                           .sig = "value[...] x[...] -> y[...]", .math = "y = value, dx = g",
                           .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ESTIMATE, .passes = 2, .shape = shape, .backward = backward,
                           .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_straight_through(lb_tape *t, lb_tensor *value, lb_tensor *x) {
    return lb_apply(t, &lb_op_straight_through, NULL, 0, 2, (lb_tensor *[]){value, x});
}

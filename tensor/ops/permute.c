/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with its axes in another order: axis i of y is axis order[i] of x; dx = g back in the old order. Shares memory. */
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    const lb_permute_params *p = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    uint32_t seen = 0;
    y->dtype = x->dtype;
    y->rank = x->rank;
    y->data = x->data;
    for (int i = 0; i < x->rank; i++) {
        int from = lbi_axis(c, p->order[i], x->rank);
        if (from < 0) return false;
        seen |= 1u << from;
        y->shape[i] = x->shape[from];
        y->stride[i] = x->stride[from];
    }
    if (seen == (1u << x->rank) - 1) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "an axis is named twice");
    return false;
}

static void backward(lb_call *c) {
    const lb_permute_params *p = c->params;
    lb_tensor g = *c->gout[0];
    for (int i = 0; i < g.rank; i++) {
        int to = p->order[i] < 0 ? p->order[i] + g.rank : p->order[i];
        g.shape[to] = c->gout[0]->shape[i];
        g.stride[to] = c->gout[0]->stride[i];
    }
    lbi_add_view(c->gin[0], &g, 1, c->fresh[0]);
}

static const lb_permute_params swap = {{1, 0}}, turn = {{2, 0, -2}}, heads = {{0, 2, 1, 3}};
static const lb_op_case cases[] = {
    {.name = "swap", .rank = {2}, .shape = {{3, 5}}, .params = &swap},
    {.name = "turn", .rank = {3}, .shape = {{2, 3, 4}}, .params = &turn},
    {.name = "heads", .rank = {4}, .shape = {{2, 40, 4, 32}}, .params = &heads},
    {.name = "scalar", .rank = {0}, .params = &swap},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &swap},
    {.name = "large", .rank = {4}, .shape = {{3, 61, 5, 80}}, .params = &heads},
    {.name = "large, turned", .rank = {2}, .shape = {{290, 251}}, .params = &swap},
};

LB_OP(permute) = {.id = "permute",
                  .title = "axes in another order",
                  .source = "NumPy transpose",
                  .sig = "x -> y",
                  .math = "y[i_order] = x[i]",
                  .params_size = sizeof(lb_permute_params),
                  .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
                  .shape = shape,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_permute(lb_tape *t, lb_tensor *x, const int *order) {
    lb_permute_params p = {{0}};
    for (int i = 0; x && i < x->rank; i++) p.order[i] = order[i];
    return lb_apply(t, &lb_op_permute, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with axes a and b swapped; dx = g with them swapped back. Shares memory. */
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static void swap_axes(lb_tensor *x, int a, int b) {
    int64_t size = x->shape[a], step = x->stride[a];
    x->shape[a] = x->shape[b];
    x->stride[a] = x->stride[b];
    x->shape[b] = size;
    x->stride[b] = step;
}

static bool shape(lb_call *c) {
    const lb_transpose_params *p = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    int a = lbi_axis(c, p->a, x->rank), b = a < 0 ? -1 : lbi_axis(c, p->b, x->rank);
    if (b < 0) return false;
    y->dtype = x->dtype;
    y->rank = x->rank;
    y->data = x->data;
    for (int i = 0; i < x->rank; i++) {
        y->shape[i] = x->shape[i];
        y->stride[i] = x->stride[i];
    }
    swap_axes(y, a, b);
    return true;
}

static void backward(lb_call *c) {
    const lb_transpose_params *p = c->params;
    lb_tensor g = *c->gout[0];
    swap_axes(&g, p->a < 0 ? p->a + g.rank : p->a, p->b < 0 ? p->b + g.rank : p->b);
    lbi_add_view(c->gin[0], &g, 1, c->fresh[0]);
}

static const lb_transpose_params last = {-1, -2}, outer = {0, 2};
static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "batch", .rank = {3}, .shape = {{2, 3, 4}}, .params = &last},
    {.name = "outer", .rank = {3}, .shape = {{2, 3, 4}}, .params = &outer},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .params = &last},
};

LB_OP(transpose) = {.id = "transpose",
                    .title = "two axes swapped",
                    .source = "NumPy swapaxes",
                    .sig = "x -> y",
                    .math = "y = x^T",
                    .params_size = sizeof(lb_transpose_params),
                    .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
                    .shape = shape,
                    .backward = backward,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_transpose(lb_tape *t, lb_tensor *x, int a, int b) {
    lb_transpose_params p = {a, b};
    return lb_apply(t, &lb_op_transpose, &p, sizeof p, 1, &x);
}

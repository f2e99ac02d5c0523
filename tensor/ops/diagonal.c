/* SPDX-License-Identifier: Apache-2.0 */
/* y[..,i] = x[..,i,i]; dx = g on the diagonal, 0 elsewhere. Shares memory. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

static void diagonal_of(lb_tensor *y, const lb_tensor *x) {
    y->dtype = x->dtype;
    y->rank = x->rank - 1;
    memcpy(y->shape, x->shape, sizeof x->shape);
    memcpy(y->stride, x->stride, sizeof x->stride);
    y->stride[y->rank - 1] = x->stride[x->rank - 2] + x->stride[x->rank - 1];
    y->data = x->data;
}

static bool shape(lb_call *c) {
    diagonal_of(c->out[0], c->in[0]);
    return true;
}

static void backward(lb_call *c) {
    lb_tensor part = {.rank = 0};
    if (c->fresh[0]) lbi_fill(c->gin[0], 0);
    diagonal_of(&part, c->gin[0]);
    lbi_add_view(&part, c->gout[0], 1, false);
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{4, 4}}},
    {.name = "batch", .rank = {3}, .shape = {{2, 3, 3}}},
    {.name = "empty", .rank = {2}, .shape = {{0, 0}}},
    {.name = "large", .rank = {3}, .shape = {{70, 33, 33}}},
};

LB_OP(diagonal) = {.id = "diagonal",
                   .title = "diagonal of the last two axes",
                   .source = "NumPy",
                   .sig = "x[...,N,N] -> y[...,N]",
                   .math = "y_i = x_ii",
                   .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
                   .shape = shape,
                   .backward = backward,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_diagonal(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_diagonal, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x as numbers of the maths type. */
#include "tensor/ops.h"
#include "tensor/op.h"

static bool shape(lb_call *c) {
    c->out[0]->rank = c->in[0]->rank;
    for (int i = 0; i < c->in[0]->rank; i++) c->out[0]->shape[i] = c->in[0]->shape[i];
    return true;
}

static void forward(lb_call *c) {
    lb_convert(c->out[0]->data, LB_REAL, c->in[0]->data, c->in[0]->dtype, lb_numel(c->in[0]));
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .imax = 9},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 9},
};

LB_OP(to_real) = {.id = "to_real",
                  .title = "integers as numbers of the maths type",
                  .source = "arithmetic",
                  .sig = "x:i64 -> y",
                  .math = "y = x",
                  .flags = LB_OP_ANY_TYPE,
                  .shape = shape,
                  .forward = forward,
                  .no_grad = "of integers",
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_to_real(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_to_real, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x in row-major memory, no gap; dx = g. */
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/parts.h"

static bool shape(lb_call *c) {
    c->out[0]->dtype = c->in[0]->dtype;
    c->out[0]->rank = c->in[0]->rank;
    for (int i = 0; i < c->in[0]->rank; i++) c->out[0]->shape[i] = c->in[0]->shape[i];
    return true;
}

static void forward(lb_call *c) {
    lbi_gather_strided(c->out[0]->data, c->in[0]);
}

static void backward(lb_call *c) {
    lbi_add_flat(c->gin[0], c->gout[0], c->fresh[0]);
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}},
    {.name = "scalar", .rank = {0}},
    {.name = "empty", .rank = {2}, .shape = {{3, 0}}},
    {.name = "large", .rank = {4}, .shape = {{3, 40, 41, 23}}},
};

LB_OP(contiguous) = {.id = "contiguous",
                     .title = "the same values in row-major memory",
                     .source = "none needed",
                     .sig = "x -> y",
                     .math = "y = x",
                     .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE, .passes = 1,
                     .shape = shape,
                     .forward = forward,
                     .backward = backward,
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_contiguous(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_contiguous, NULL, 0, 1, &x);
}

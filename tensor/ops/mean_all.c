/* SPDX-License-Identifier: Apache-2.0 */
/* y = mean of all elements; dx = g / n everywhere. Summed in double. NaN when there are none. */
#include "tensor/loops.h"
#include "tensor/ops.h"

static void forward(lb_call *c) {
    lbi_reduce_to(c->out[0], c->in[0], 1 / (lb_real)lb_numel(c->in[0]), true);
}

static void backward(lb_call *c) {
    lbi_add_view(c->gin[0], c->gout[0], 1 / (lb_real)lb_numel(c->in[0]), c->fresh[0]);
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}},
    {.name = "scalar", .rank = {0}},
    {.name = "large", .rank = {3}, .shape = {{5, 201, 203}}},
};

LB_OP(mean_all) = {.id = "mean_all",
                   .title = "mean of all elements",
                   .source = "arithmetic",
                   .sig = "x[...] -> y[]",
                   .math = "y = sum x / n",
                   .flags = LB_OP_STRIDED | LB_OP_SETS,
                   .forward = forward,
                   .backward = backward,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_mean_all(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_mean_all, NULL, 0, 1, &x);
}

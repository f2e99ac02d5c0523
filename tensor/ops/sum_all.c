/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum of all elements; dx = g everywhere. Summed in double, in an order that threads do not change. */
#include "tensor/loops.h"
#include "tensor/ops.h"

static void forward(lb_call *c) {
    lbi_reduce_to(c->out[0], c->in[0], 1, true);
}

static void backward(lb_call *c) {
    lbi_add_view(c->gin[0], c->gout[0], 1, c->fresh[0]);
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}},
    {.name = "scalar", .rank = {0}},
    {.name = "large", .rank = {3}, .shape = {{5, 201, 203}}},
};

LB_OP(sum_all) = {.id = "sum_all",
                  .title = "sum of all elements",
                  .source = "arithmetic",
                  .sig = "x[...] -> y[]",
                  .math = "y = sum x",
                  .flags = LB_OP_STRIDED | LB_OP_SETS,
                  .forward = forward,
                  .backward = backward,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_sum_all(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_sum_all, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_i = x_i - log sum_j exp x_j along one axis; dx = g - exp(y) sum_j g_j. NaN where all are -inf, or one is +inf. */
#include "tensor/kernels/rows.h"
#include "tensor/ops.h"

static const int last = -1, first = 0, middle = 1;
static const lb_op_case cases[] = {
    {.name = "last axis", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first axis", .rank = {3}, .shape = {{4, 2, 3}}, .params = &first},
    {.name = "middle axis", .rank = {3}, .shape = {{2, 4, 3}}, .params = &middle},
    {.name = "large logits", .rank = {2}, .shape = {{2, 4}}, .lo = -60, .hi = 60, .params = &last},
    {.name = "no rows", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "rows", .rank = {2}, .shape = {{301, 290}}, .params = &last},
    {.name = "columns", .rank = {3}, .shape = {{5, 201, 83}}, .params = &middle},
};

LB_OP(log_softmax) = {.id = "log_softmax", .title = "logarithm of the softmax along an axis", .source = "torch.nn.functional.log_softmax", .sig = "x -> y", .math = "y = x - log sum exp x",
    .params_size = sizeof(int), .flags = LB_OP_SETS, .reads = LB_READS_OUT(0), .shape = lbi_softmax_shape, .forward = lbi_log_softmax_forward,
    .backward = lbi_log_softmax_backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_log_softmax(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_log_softmax, &axis, sizeof axis, 1, &x);
}

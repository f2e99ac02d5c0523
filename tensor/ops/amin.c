/* SPDX-License-Identifier: Apache-2.0 */
/* y = smallest over axes; g is shared equally among those equal to it. A line with a NaN gives NaN and NaN gradients. */
#include "tensor/extreme.h"

static void forward(lb_call *c) {
    lbi_extreme(c, true, c->out[0], NULL);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all)};

LB_OP(amin) = {.id = "amin", .title = "smallest over axes, the gradient shared", .source = "torch.amin", .sig = "x -> y",
              .math = "y = min_i x_i", .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED | LB_OP_NONSMOOTH | LB_OP_SETS,
              .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = lbi_choose_shape, .forward = forward,
              .backward = lbi_extreme_shared, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_amin(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_amin, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

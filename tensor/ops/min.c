/* SPDX-License-Identifier: Apache-2.0 */
/* y = smallest along one axis, the first of equal ones. The index is saved; dx = g there. NaN wins. */
#include "tensor/extreme.h"

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all)};

LB_OP(min) = {.id = "min", .title = "smallest along one axis", .source = "torch.min with a dimension", .sig = "x -> y index:i64",
             .math = "y = min_i x_i", .params_size = sizeof(lbi_over), .flags = LB_OP_NONSMOOTH | LB_OP_SETS, .reads = LB_READS_OUT(1),
             .shape = lbi_choose_shape, .forward = lbi_min_forward, .backward = lbi_extreme_backward, .cases = cases,
             .case_count = LB_COUNT(cases)};

lb_tensor *lb_min(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    return lbi_reduce(t, &lb_op_min, x, lbi_one_axis(axis), &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = number of elements that are not 0 over axes; NaN is not 0. Nothing there: 0. */
#include "tensor/ops/fold.h"

LBI_INLINE double step(double so_far, double x, const void *params) {
    return so_far + (x != 0);
}

LBI_FOLD(fold, 0, step, lbi_merge_sum, lbi_finish_same)

static void forward(lb_call *c) {
    lbi_fold_forward(c, fold);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, pair = LBI_REDUCE_PAIR, whole = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {LBI_TRUTH_CASES(&last, &first, &pair, &whole)};

LB_OP(count_nonzero) = {.id = "count_nonzero", .title = "number of elements that are not 0", .source = "torch.count_nonzero", .sig = "x -> y", .math = "y = sum_i [x_i != 0]",
             .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED, .shape = lbi_reduce_shape, .forward = forward, .no_grad = "a count has none",
             .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_count_nonzero(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_count_nonzero, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

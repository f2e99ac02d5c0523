/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where no element is 0 over axes; NaN is not 0. Nothing there: 1. */
#include "tensor/ops/fold.h"

LBI_INLINE double step(double so_far, double x, const void *params) {
    return x == 0 ? 0 : so_far;
}

LBI_INLINE double both(double a, double b) {
    return a != 0 && b != 0;
}

LBI_FOLD(fold, 1, step, both, lbi_finish_same)

static void forward(lb_call *c) {
    lbi_fold_forward(c, fold);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, pair = LBI_REDUCE_PAIR, whole = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {LBI_TRUTH_CASES(&last, &first, &pair, &whole)};

LB_OP(all) = {.id = "all", .title = "1 where no element is 0", .source = "torch.all", .sig = "x -> y", .math = "y = [every x_i != 0]",
             .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED, .shape = lbi_reduce_shape, .forward = forward, .no_grad = "a count has none",
             .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_all(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_all, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = sum_i (x_i - mean)^2 / (n - correction) over axes; dx_i = 2 g (x_i - mean) / (n - correction). NaN where n <= correction. */
#include "tensor/variance.h"

static const lbi_variance last = {LBI_REDUCE_LAST, 1}, first = {LBI_REDUCE_FIRST, 0}, middle = {LBI_REDUCE_MIDDLE, 1},
                          pair = {LBI_REDUCE_PAIR, 1}, all = {LBI_REDUCE_ALL, 0};
static const lb_op_case cases[] = {LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all)};

LB_OP(var) = {.id = "var", .title = "variance over axes", .source = "torch.var (correction 1 is the unbiased one)", .sig = "x -> y mean",
              .math = "y = sum_i (x_i - mean)^2 / (n - correction)", .params_size = sizeof(lbi_variance), .flags = LB_OP_SETS,
              .reads = LB_READS_IN(0) | LB_READS_OUT(1), .shape = lbi_reduce_shape, .forward = lbi_var_forward,
              .backward = lbi_var_backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_var_over(lb_tape *t, lb_tensor *x, lb_axes axes, double correction, bool keep) {
    return lbi_reduce(t, &lb_op_var, x, axes, &(lbi_variance){{.keep = keep}, correction}.over, sizeof(lbi_variance));
}

lb_tensor *lb_var(lb_tape *t, lb_tensor *x, int axis, double correction, bool keep) {
    return lb_var_over(t, x, lbi_one_axis(axis), correction, keep);
}

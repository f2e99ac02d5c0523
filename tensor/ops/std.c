/* SPDX-License-Identifier: Apache-2.0 */
/* y = sqrt(sum_i (x_i - mean)^2 / (n - correction)) over axes; dx_i = g (x_i - mean) / ((n - correction) y), 0 where y = 0. NaN where
 * n <= correction. */
#include "tensor/variance.h"

static const lbi_variance last = {LBI_REDUCE_LAST, 1}, first = {LBI_REDUCE_FIRST, 0}, middle = {LBI_REDUCE_MIDDLE, 1},
                          pair = {LBI_REDUCE_PAIR, 1}, all = {LBI_REDUCE_ALL, 0};
static const lb_op_case cases[] = {LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all)};

LB_OP(std) = {.id = "std", .title = "standard deviation over axes", .source = "torch.std (correction 1 is the unbiased one)", .sig = "x -> y mean",
              .math = "y = sqrt(sum_i (x_i - mean)^2 / (n - correction))", .params_size = sizeof(lbi_variance), .flags = LB_OP_SETS,
              .reads = LB_READS_IN(0) | LB_READS_OUT(0) | LB_READS_OUT(1), .shape = lbi_reduce_shape, .forward = lbi_std_forward,
              .backward = lbi_std_backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_std(lb_tape *t, lb_tensor *x, lb_axes axes, double correction, bool keep) {
    return lbi_reduce(t, &lb_op_std, x, axes, &(lbi_variance){{.keep = keep}, correction}.over, sizeof(lbi_variance));
}

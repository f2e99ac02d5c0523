/* SPDX-License-Identifier: Apache-2.0 */
/* y = x s(x), s the logistic function; dx = g s (1 + x (1 - s)). */
#include "tensor/ops/swish.h"

LBI_SWISH(1)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(silu) = {.id = "silu", .title = "sigmoid linear unit", .source = "Elfwing et al. 2017, arXiv:1702.03118",
               .sig = "x[...] -> y[...]", .math = "y = x sigmoid(x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
               .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_silu(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_silu, NULL, 0, 1, &x);
}

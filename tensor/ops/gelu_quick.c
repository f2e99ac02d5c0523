/* SPDX-License-Identifier: Apache-2.0 */
/* y = x s(1.702 x), s the logistic function; dx = g s (1 + 1.702 x (1 - s)). The form of GELU in OpenAI's CLIP. */
#include "tensor/ops/swish.h"

LBI_SWISH(1.702)

static const lb_op_case cases[] = {LBI_UNARY_CASES(-6, 6, NULL)};

LB_OP(gelu_quick) = {.id = "gelu_quick", .title = "GELU by a logistic function", .source = "Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2",
                     .sig = "x[...] -> y[...]", .math = "y = x sigmoid(1.702 x)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
                     .reads = LB_READS_IN(0), .last = lbi_keeps_last, .forward = lbi_unary_forward, .backward = lbi_unary_backward, .rows = {row, back},
                     .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_gelu_quick(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_gelu_quick, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = a - b trunc(a / b), exact, with the sign of a; da = g, db = -g trunc(a / b). NaN for b = 0 or a infinite; a for b
 * infinite. Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/rest.h"

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    return 1;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    return -LBI_M(trunc)(a / b);
}

LBI_LEVELS static void row(const void *ctx, int64_t n, char *const *p, const int64_t *s) { lbi_rest_row(n, p, s, false); }
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const lb_op_case cases[] = {LBI_BINARY_CASES(0.7, 9)};

LB_OP(fmod) = {.id = "fmod", .title = "remainder with the sign of the first", .source = "C17 fmod", .sig = "a b -> y",
               .math = "y = a - b trunc(a / b)", .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
               .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = lbi_binary_shape, .forward = lbi_binary_forward,
               .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_fmod(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_fmod, NULL, 0, 2, (lb_tensor *[]){a, b});
}

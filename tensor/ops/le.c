/* SPDX-License-Identifier: Apache-2.0 */
/* y = 1 where a <= b, else 0 (NaN: 0). Both numbers of the maths type, or both i64; broadcast. */
#include "tensor/ops/elementwise.h"

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    return a <= b;
}

LBI_INLINE bool test(int64_t a, int64_t b) {
    return a <= b;
}

LBI_BINARY_ROW(row, value)
LBI_INTEGER_ROW(row_int, test)

static const lb_op_case cases[] = {LBI_COMPARE_CASES};

LB_OP(le) = {.id = "le", .title = "1 where smaller or equal, else 0", .source = "NumPy broadcasting rules", .sig = "a b -> y",
             .math = "y = [a <= b]", .flags = LB_OP_STRIDED | LB_OP_ANY_TYPE, .shape = lbi_compare_shape,
             .forward = lbi_compare_forward, .rows = {row, row_int}, .no_grad = "a step has none", .cases = cases,
             .case_count = LB_COUNT(cases)};

lb_tensor *lb_le(lb_tape *t, lb_tensor *a, lb_tensor *b) {
    return lb_apply(t, &lb_op_le, NULL, 0, 2, (lb_tensor *[]){a, b});
}

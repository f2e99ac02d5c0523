/* SPDX-License-Identifier: Apache-2.0 */
/* y = a + w (b - a), from the nearer end (w >= 1/2: b - (1 - w) (b - a)), so that w = 1 gives b; da = (1 - w) g, db = w g.
 * Gradients are summed over the axes along which an input was broadcast. */
#include "tensor/ops/elementwise.h"

struct lerp {
    lb_real weight;
};

LBI_INLINE lb_real value(lb_real a, lb_real b, const void *params) {
    const struct lerp *p = params;
    return p->weight < (lb_real)0.5 ? a + p->weight * (b - a) : b - (1 - p->weight) * (b - a);
}

LBI_INLINE lb_real slope_a(lb_real a, lb_real b, const void *params) {
    const struct lerp *p = params;
    return 1 - p->weight;
}

LBI_INLINE lb_real slope_b(lb_real a, lb_real b, const void *params) {
    const struct lerp *p = params;
    return p->weight;
}

LBI_BINARY_ROW(row, value)
LBI_BINARY_BACK(back_a, slope_a)
LBI_BINARY_BACK(back_b, slope_b)

static const struct lerp usual = {(lb_real)0.3};
static const lb_op_case cases[] = {
    {.name = "same", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .params = &usual},
    {.name = "row", .rank = {3, 1}, .shape = {{2, 3, 9}, {9}}, .params = &usual},
    {.name = "outer", .rank = {2, 2}, .shape = {{3, 1}, {1, 4}}, .params = &usual},
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 3}, {1, 3}}, .params = &usual},
    {.name = "large", .rank = {2, 1}, .shape = {{300, 301}, {301}}, .params = &usual},
};

LB_OP(lerp) = {.id = "lerp", .title = "between two", .source = "torch.lerp", .sig = "a b -> y", .math = "y = a + w (b - a)",
               .params_size = sizeof(struct lerp), .flags = LB_OP_STRIDED | LB_OP_SETS, .shape = lbi_binary_shape,
               .forward = lbi_binary_forward, .backward = lbi_binary_backward, .rows = {row, back_a, back_b}, .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_lerp(lb_tape *t, lb_tensor *a, lb_tensor *b, double weight) {
    struct lerp p = {(lb_real)weight};
    return lb_apply(t, &lb_op_lerp, &p, sizeof p, 2, (lb_tensor *[]){a, b});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x[..., index[i...], ...] along one axis: the shape of the indices stands in place of the axis; dx = parts of g added where they
 * came from. */
#include "tensor/ops.h"
#include "tensor/rows.h"

static const int first = 0, second = 1, last = -1;
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 1}, .shape = {{4, 3}, {6}}, .imax = 4, .params = &first},
    {.name = "table", .rank = {3, 2}, .shape = {{5, 2, 3}, {2, 2}}, .imax = 5, .params = &first},
    {.name = "one", .rank = {1, 0}, .shape = {{5}}, .imax = 5, .params = &first},
    {.name = "empty", .rank = {2, 1}, .shape = {{5, 3}, {0}}, .imax = 5, .params = &first},
    {.name = "middle", .rank = {3, 1}, .shape = {{2, 5, 3}, {4}}, .imax = 5, .params = &second},
    {.name = "last", .rank = {2, 2}, .shape = {{3, 6}, {2, 2}}, .imax = 6, .params = &last},
    {.name = "large", .rank = {2, 1}, .shape = {{50, 130}, {800}}, .imax = 50, .params = &first},
};

LB_OP(index_select) = {.id = "index_select", .title = "parts by index along an axis", .source = "torch.index_select; NumPy take",
                       .sig = "x index:i64 -> y", .math = "y[i,...] = x[index_i,...]", .params_size = sizeof(int),
                       .flags = LB_OP_ANY_TYPE, .reads = LB_READS_IN(1), .shape = lbi_rows_shape, .forward = lbi_rows_forward,
                       .backward = lbi_rows_backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_take(lb_tape *t, lb_tensor *x, lb_tensor *index, int axis) {
    return lb_apply(t, &lb_op_index_select, &axis, sizeof axis, 2, (lb_tensor *[]){x, index});
}

lb_tensor *lb_index_select(lb_tape *t, lb_tensor *x, lb_tensor *index) {
    return lb_take(t, x, index, 0);
}

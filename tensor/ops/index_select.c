/* SPDX-License-Identifier: Apache-2.0 */
/* y[i..., rest] = x[index[i...], rest]: rows along axis 0; dx = rows of g added where they came from. */
#include "tensor/ops.h"
#include "tensor/rows.h"

static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 1}, .shape = {{4, 3}, {6}}, .imax = 4},
    {.name = "table", .rank = {3, 2}, .shape = {{5, 2, 3}, {2, 2}}, .imax = 5},
    {.name = "one", .rank = {1, 0}, .shape = {{5}}, .imax = 5},
    {.name = "empty", .rank = {2, 1}, .shape = {{5, 3}, {0}}, .imax = 5},
    {.name = "large", .rank = {2, 1}, .shape = {{50, 130}, {800}}, .imax = 50},
};

LB_OP(index_select) = {.id = "index_select",
                       .title = "rows by index",
                       .source = "torch.index_select along axis 0",
                       .sig = "x index:i64 -> y",
                       .math = "y[i,...] = x[index_i,...]",
                       .flags = LB_OP_ANY_TYPE,
                       .reads = LB_READS_IN(1),
                       .shape = lbi_rows_shape,
                       .forward = lbi_rows_forward,
                       .backward = lbi_rows_backward,
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_index_select(lb_tape *t, lb_tensor *x, lb_tensor *index) {
    return lb_apply(t, &lb_op_index_select, NULL, 0, 2, (lb_tensor *[]){x, index});
}

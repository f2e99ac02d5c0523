/* SPDX-License-Identifier: Apache-2.0 */
/* y[i..., d] = weight[ids[i...], d]; dweight = rows of g added where they came from. */
#include "tensor/ops.h"
#include "tensor/rows.h"

static const lb_op_case cases[] = {
    {.name = "words", .rank = {2, 2}, .shape = {{7, 3}, {2, 5}}, .imax = 7},
    {.name = "empty", .rank = {2, 2}, .shape = {{7, 3}, {0, 5}}, .imax = 7},
    {.name = "large", .rank = {2, 1}, .shape = {{90, 130}, {700}}, .imax = 90},
};

LB_OP(embedding) = {.id = "embedding",
                    .title = "vectors of a table by id",
                    .source = "torch.nn.functional.embedding",
                    .sig = "weight[V,D] ids:i64 -> y",
                    .math = "y[i,:] = weight[ids_i,:]",
                    .reads = LB_READS_IN(1),
                    .shape = lbi_rows_shape,
                    .forward = lbi_rows_forward,
                    .backward = lbi_rows_backward,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_embedding(lb_tape *t, lb_tensor *weight, lb_tensor *ids) {
    return lb_apply(t, &lb_op_embedding, NULL, 0, 2, (lb_tensor *[]){weight, ids});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = max of x[floor(i in / out) .. ceil((i + 1) in / out) - 1] along the last 1 to 3 axes; cells may overlap. dx: g goes to the first maximum. */
#include "tensor/biggest.h"

static bool shape(lb_call *c) { return lbi_cells_shape(c, c->params); }
static void forward(lb_call *c) { lbi_over_cells(c, lbi_biggest_forward); }
static void backward(lb_call *c) { lbi_over_cells(c, lbi_biggest_backward); }
static void reference(lb_call *c) { lbi_over_cells(c, lbi_biggest_reference); }

static const lbi_cells uneven = {{3, 5}}, global = {{1, 1}}, line = {{4}}, volume = {{2, 0, 3}};
static const lb_op_case cases[] = {
    {.name = "uneven, overlapping", .rank = {4}, .shape = {{2, 2, 7, 8}}, .params = &uneven, .fill = lbi_apart},
    {.name = "global", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = &global, .fill = lbi_apart},
    {.name = "line, growing", .rank = {3}, .shape = {{1, 2, 3}}, .params = &line, .fill = lbi_apart},
    {.name = "volume, one axis kept", .rank = {5}, .shape = {{1, 2, 3, 2, 4}}, .params = &volume, .fill = lbi_apart},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 7, 8}}, .params = &uneven},
    {.name = "large", .rank = {4}, .shape = {{2, 17, 56, 55}}, .params = &uneven, .fill = lbi_apart},
};

LB_OP(adaptive_max_pool) = {.id = "adaptive_max_pool", .title = "largest elements of cells that cover lines, pictures or volumes", .source = "torch.nn.functional.adaptive_max_pool1d, 2d, 3d",
                            .sig = "x -> y", .math = "y = max over the cell", .flags = LB_OP_NONSMOOTH | LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = shape,
                            .params_size = sizeof(lbi_cells), .last = lbi_runs_last, .forward = forward, .backward = backward, .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_adaptive_max_pool(lb_tape *t, lb_tensor *x, const int64_t *size) {
    lbi_cells o = lbi_cells_of(x, size);
    return lb_apply(t, &lb_op_adaptive_max_pool, &o, sizeof o, 1, &x);
}

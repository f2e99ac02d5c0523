/* SPDX-License-Identifier: Apache-2.0 */
/* index[i] = where in its line, plane or volume the first maximum of the cell of i lies: what adaptive_max_pool's return_indices gives in PyTorch. */
#include "tensor/biggest.h"

static bool shape(lb_call *c) { return lbi_cells_shape(c, c->params); }
static void forward(lb_call *c) { lbi_over_cells(c, lbi_biggest_places); }
static void reference(lb_call *c) { lbi_over_cells(c, lbi_biggest_places_reference); }

static const lbi_cells uneven = {{3, 5}}, volume = {{2, 0, 3}};
static const lb_op_case cases[] = {
    {.name = "uneven, overlapping", .rank = {4}, .shape = {{2, 2, 7, 8}}, .params = &uneven},
    {.name = "volume, one axis kept", .rank = {5}, .shape = {{1, 2, 3, 2, 4}}, .params = &volume},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 7, 8}}, .params = &uneven},
};

LB_OP(adaptive_argmax_pool) = {.id = "adaptive_argmax_pool", .title = "places of the largest elements of cells", .source = "torch.nn.functional.adaptive_max_pool2d(return_indices=True)",
                               .sig = "x -> index:i64", .math = "index = argmax over the cell", .no_grad = "an index has none", .shape = shape, .params_size = sizeof(lbi_cells), .forward = forward,
                               .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_adaptive_argmax_pool(lb_tape *t, lb_tensor *x, const int64_t *size) {
    lbi_cells o = lbi_cells_of(x, size);
    return lb_apply(t, &lb_op_adaptive_argmax_pool, &o, sizeof o, 1, &x);
}

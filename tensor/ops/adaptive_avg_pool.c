/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = mean of x[floor(i in / out) .. ceil((i + 1) in / out) - 1], along the last 1 to 3 axes one after another; cells may overlap and differ in
 * size. dx[k] = sum of g[i] / cell size over the cells i that hold k. */
#include "tensor/loops.h"
#include "tensor/window.h"

static bool shape(lb_call *c) { return lbi_cells_shape(c, c->params); }

static bool tables(lb_call *c, lbi_taps t[3]) {
    int lacks = 5 - c->in[0]->rank;
    for (int k = 0; k < 3; k++)
        if (!(k < lacks ? lbi_taps_same(c, &t[k], 1) : lbi_taps_cells(c, &t[k], c->in[0]->shape[2 + k - lacks], c->out[0]->shape[2 + k - lacks]))) return false;
    return true;
}

/* One cell for all, of planes that lie whole: a sum of each. */
static void forward(lb_call *c) {
    int64_t planes = lb_numel(c->out[0]), n = planes > 0 ? lb_numel(c->in[0]) / planes : 0;
    if (c->last || planes == 0 || planes != lbi_planes(c->in[0])) {
        lbi_resample_forward(c, tables);
        return;
    }
    lb_tensor x = {.dtype = LB_REAL, .rank = 2, .shape = {planes, n}, .stride = {n, 1}, .data = c->in[0]->data},
              y = {.dtype = LB_REAL, .rank = 2, .shape = {planes, 1}, .stride = {1, 1}, .data = c->out[0]->data};
    lbi_reduce_to(&y, &x, 1 / (lb_real)n, true);
}
static void backward(lb_call *c) { lbi_resample_backward(c, tables); }
static void reference(lb_call *c) { lbi_resample_reference(c, tables); }

static const lbi_cells uneven = {{3, 5}}, global = {{1, 1}}, line = {{4}}, volume = {{2, 0, 7}};
static const lb_op_case cases[] = {
    {.name = "uneven, overlapping", .rank = {4}, .shape = {{2, 2, 7, 8}}, .params = &uneven},
    {.name = "global", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = &global},
    {.name = "line, growing", .rank = {3}, .shape = {{1, 2, 3}}, .params = &line},
    {.name = "volume, one axis kept", .rank = {5}, .shape = {{1, 2, 3, 2, 4}}, .params = &volume},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 7, 8}}, .params = &uneven},
    {.name = "large", .rank = {4}, .shape = {{2, 17, 56, 55}}, .params = &uneven},
};

LB_OP(adaptive_avg_pool) = {.id = "adaptive_avg_pool", .title = "means of cells that cover lines, pictures or volumes", .source = "torch.nn.functional.adaptive_avg_pool1d, 2d, 3d", .sig = "x -> y",
                            .math = "y = mean of the cell", .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(lbi_cells), .last = lbi_runs_last, .forward = forward, .backward = backward,
                            .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_adaptive_avg_pool(lb_tape *t, lb_tensor *x, const int64_t *size) {
    lbi_cells o = lbi_cells_of(x, size);
    return lb_apply(t, &lb_op_adaptive_avg_pool, &o, sizeof o, 1, &x);
}

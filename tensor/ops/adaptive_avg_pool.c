/* SPDX-License-Identifier: Apache-2.0 */
/* y[i] = mean of x[floor(i in / out) .. ceil((i + 1) in / out) - 1], along the last 1 to 3 axes one after another; cells may overlap and differ in
 * size. dx[k] = sum of g[i] / cell size over the cells i that hold k. */
#include "tensor/ops.h"
#include "tensor/resample.h"

typedef struct options {
    int64_t size[3];
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    char text[96];
    bool fits = x->rank >= 3 && x->rank <= 5;
    y->rank = x->rank;
    for (int d = 0; fits && d < x->rank; d++) {
        y->shape[d] = d < 2 || o->size[d - 2] == 0 ? x->shape[d] : o->size[d - 2];
        fits = d < 2 || (x->shape[d] > 0 && y->shape[d] > 0);
    }
    if (!fits) lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, expected [N,C] and one to three axes more with at least one element", lb_shape_text(text, sizeof text, x->rank, x->shape));
    return fits;
}

static bool tables(lb_call *c, lbi_taps t[3]) {
    int lacks = 5 - c->in[0]->rank;
    for (int k = 0; k < 3; k++)
        if (!(k < lacks ? lbi_taps_same(c, &t[k], 1) : lbi_taps_cells(c, &t[k], c->in[0]->shape[2 + k - lacks], c->out[0]->shape[2 + k - lacks]))) return false;
    return true;
}

static void forward(lb_call *c) { lbi_resample_forward(c, tables); }
static void backward(lb_call *c) { lbi_resample_backward(c, tables); }
static void reference(lb_call *c) { lbi_resample_reference(c, tables); }

static const options uneven = {{3, 5}}, global = {{1, 1}}, line = {{4}}, volume = {{2, 0, 7}};
static const lb_op_case cases[] = {
    {.name = "uneven, overlapping", .rank = {4}, .shape = {{2, 2, 7, 8}}, .params = &uneven},
    {.name = "global", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = &global},
    {.name = "line, growing", .rank = {3}, .shape = {{1, 2, 3}}, .params = &line},
    {.name = "volume, one axis kept", .rank = {5}, .shape = {{1, 2, 3, 2, 4}}, .params = &volume},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 2, 7, 8}}, .params = &uneven},
    {.name = "large", .rank = {4}, .shape = {{2, 17, 56, 55}}, .params = &uneven},
};

LB_OP(adaptive_avg_pool) = {.id = "adaptive_avg_pool", .title = "means of cells that cover lines, pictures or volumes", .source = "torch.nn.functional.adaptive_avg_pool1d, 2d, 3d", .sig = "x -> y",
                            .math = "y = mean of the cell", .flags = LB_OP_SETS, .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward,
                            .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_adaptive_avg_pool(lb_tape *t, lb_tensor *x, const int64_t *size) {
    options o = {{0}};
    for (int d = 0; x && d < x->rank - 2 && d < 3; d++) o.size[d] = size[d];
    return lb_apply(t, &lb_op_adaptive_avg_pool, &o, sizeof o, 1, &x);
}

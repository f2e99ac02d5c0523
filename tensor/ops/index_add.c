/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with the parts of src added along one axis: y[..., index_m, ...] += src[..., m, ...], in order; dx = g, dsrc = parts of g by index. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/rows.h"

static int axis_of(const lb_call *c) {
    int axis = *(const int *)c->params;
    return axis < 0 ? axis + c->in[0]->rank : axis;
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *id = c->in[1], *src = c->in[2];
    if (lbi_axis(c, *(const int *)c->params, x->rank) < 0) return false;
    int axis = axis_of(c);
    bool fits = src->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++) fits = src->shape[i] == (i == axis ? id->shape[0] : x->shape[i]);
    c->out[0]->rank = x->rank;
    memcpy(c->out[0]->shape, x->shape, sizeof x->shape);
    if (!fits) lb_tape_fail(c->tape, LB_E_SHAPE, "src does not have the shape of x with %lld along axis %d", (long long)id->shape[0], axis);
    return fits;
}

static void forward(lb_call *c) {
    if (!lbi_in_range(c, c->in[1], c->in[0]->shape[axis_of(c)])) return;
    lbi_rowset r = lbi_rowset_of(c->in[0], c->in[1], axis_of(c));
    lbi_add_flat(c->out[0], c->in[0], true);
    lbi_rows_add(&r, lb_r(c->out[0]), lb_r(c->in[2]));
}

static void backward(lb_call *c) {
    if (c->gin[0]) lbi_add_flat(c->gin[0], c->gout[0], c->fresh[0]);
    if (!c->gin[2] || lb_numel(c->gin[2]) == 0) return;
    lbi_rowset r = lbi_rowset_of(c->gout[0], c->in[1], axis_of(c));
    lb_tensor part = *c->gin[2];
    if (!c->fresh[2]) part.data = lb_scratch(c, (size_t)lb_numel(&part) * sizeof(lb_real));
    if (!part.data) return;
    lbi_rows_copy(&r, part.data, c->gout[0]->data, sizeof(lb_real));
    if (!c->fresh[2]) lbi_add_flat(c->gin[2], &part, false);
}

static const int first = 0, last = -1;
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2, 1, 2}, .shape = {{4, 3}, {6}, {6, 3}}, .imax = 4, .params = &first},
    {.name = "last", .rank = {3, 1, 3}, .shape = {{2, 3, 5}, {4}, {2, 3, 4}}, .imax = 5, .params = &last},
    {.name = "none", .rank = {2, 1, 2}, .shape = {{4, 3}, {0}, {0, 3}}, .imax = 4, .params = &first},
    {.name = "large", .rank = {2, 1, 2}, .shape = {{50, 130}, {800}, {800, 130}}, .imax = 50, .params = &first},
};

LB_OP(index_add) = {.id = "index_add", .title = "parts added by index along an axis", .source = "torch.index_add",
                    .sig = "x index[M]:i64 src -> y", .math = "y = x; y[index_m,...] += src[m,...]", .params_size = sizeof(int),
                    .flags = LB_OP_SETS, .passes = 1, .reads = LB_READS_IN(1), .shape = shape, .forward = forward, .backward = backward,
                    .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_index_add(lb_tape *t, lb_tensor *x, lb_tensor *index, lb_tensor *src, int axis) {
    return lb_apply(t, &lb_op_index_add, &axis, sizeof axis, 3, (lb_tensor *[]){x, index, src});
}

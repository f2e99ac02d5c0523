/* SPDX-License-Identifier: Apache-2.0 */
/* y[.., k, ..] = x[.., index[.., k, ..], ..] along one axis; dx = g added where it came from. The other axes of x and index are
 * equal. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/rows.h"

struct gather {
    int axis;
};

static bool shape(lb_call *c) {
    const struct gather *p = c->params;
    const lb_tensor *x = c->in[0], *id = c->in[1];
    int axis = lbi_axis(c, p->axis, x->rank);
    if (axis < 0) return false;
    bool fits = id->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++) fits = i == axis || id->shape[i] == x->shape[i];
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected the same shape beside axis %d", axis);
        return false;
    }
    c->out[0]->rank = id->rank;
    memcpy(c->out[0]->shape, id->shape, sizeof id->shape);
    return true;
}

static int axis_of(const lb_call *c) {
    const struct gather *p = c->params;
    return p->axis < 0 ? p->axis + c->in[0]->rank : p->axis;
}

static void forward(lb_call *c) {
    lbi_axes a = lbi_axes_of(c->in[0], axis_of(c)), b = lbi_axes_of(c->in[1], a.axis);
    if (!lbi_in_range(c, c->in[1], a.n)) return;
    for (int64_t o = 0; o < b.outer; o++)
        for (int64_t k = 0; k < b.n; k++)
            for (int64_t i = 0; i < b.inner; i++) {
                int64_t at = (o * b.n + k) * b.inner + i;
                lb_r(c->out[0])[at] = lb_r(c->in[0])[(o * a.n + lb_i(c->in[1])[at]) * a.inner + i];
            }
}

static void backward(lb_call *c) {
    lbi_axes a = lbi_axes_of(c->in[0], axis_of(c)), b = lbi_axes_of(c->in[1], a.axis);
    for (int64_t o = 0; o < b.outer; o++)
        for (int64_t k = 0; k < b.n; k++)
            for (int64_t i = 0; i < b.inner; i++) {
                int64_t at = (o * b.n + k) * b.inner + i;
                lb_r(c->gin[0])[(o * a.n + lb_i(c->in[1])[at]) * a.inner + i] += lb_r(c->gout[0])[at];
            }
}

static const struct gather last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2, 2}, .shape = {{3, 5}, {3, 7}}, .imax = 5, .params = &last},
    {.name = "first", .rank = {3, 3}, .shape = {{4, 2, 3}, {2, 2, 3}}, .imax = 4, .params = &first},
    {.name = "empty", .rank = {2, 2}, .shape = {{3, 5}, {3, 0}}, .imax = 5, .params = &last},
};

LB_OP(gather) = {.id = "gather",
                 .title = "elements by index along one axis",
                 .source = "torch.gather",
                 .sig = "x index:i64 -> y",
                 .math = "y[i,k] = x[i,index_ik]",
                 .params_size = sizeof(struct gather),
                 .reads = LB_READS_IN(1),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_gather(lb_tape *t, lb_tensor *x, lb_tensor *index, int axis) {
    struct gather p = {axis};
    return lb_apply(t, &lb_op_gather, &p, sizeof p, 2, (lb_tensor *[]){x, index});
}

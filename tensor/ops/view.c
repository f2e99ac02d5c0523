/* SPDX-License-Identifier: Apache-2.0 */
/* y = the same elements in another shape, for memory with gaps or swapped axes: axes may be split, axes that lie one after another joined,
 * axes of size 1 put in or taken out. dx = g. Always shares memory; LB_E_SHAPE where that cannot be (lb_reshape copies there). */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/parts.h"

struct view {
    int rank;
    int64_t shape[LB_MAX_RANK];
};

static bool shape_of(lb_call *c) {
    const struct view *p = c->params;
    lb_tensor *y = c->out[0];
    const lb_tensor *x = c->in[0];
    char text[120];
    y->dtype = x->dtype;
    y->rank = p->rank;
    memcpy(y->shape, p->shape, sizeof y->shape);
    y->data = x->data;
    if (lbi_view_strides(y, x)) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "cannot become %s without a copy", lb_shape_text(text, sizeof text, p->rank, p->shape));
    return false;
}

static void backward(lb_call *c) { lbi_add_flat(c->gin[0], c->gout[0], c->fresh[0]); }

static const struct view heads = {4, {2, 3, 2, 3}}, unit = {5, {1, 2, 1, 3, 4}}, none = {0, {0}}, zero = {3, {0, 4, 2}};
static const lb_op_case cases[] = {
    {.name = "split", .rank = {3}, .shape = {{2, 3, 6}}, .params = &heads},
    {.name = "unit axes", .rank = {3}, .shape = {{2, 3, 4}}, .params = &unit},
    {.name = "scalar", .rank = {2}, .shape = {{1, 1}}, .params = &none},
    {.name = "empty", .rank = {2}, .shape = {{2, 0}}, .params = &zero},
};

LB_OP(view) = {.id = "view",
               .title = "the same elements and memory in another shape",
               .source = "torch.Tensor.view",
               .sig = "x -> y",
               .math = "y = x, other shape",
               .params_size = sizeof(struct view),
               .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE, .passes = 1,
               .shape = shape_of,
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_view(lb_tape *t, lb_tensor *x, int rank, const int64_t *shape) {
    struct view p = {rank, {0}};
    if (rank < 0 || rank > LB_MAX_RANK) return lb_tape_fail(t, LB_E_SHAPE, "view: rank %d", rank);
    if (rank > 0) memcpy(p.shape, shape, (size_t)rank * sizeof *shape);
    return lb_apply(t, &lb_op_view, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = x repeated along axes of size 1 and along new leading axes; -1 keeps a size. dx = g summed over them. Shares memory
 * (steps of 0). */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

struct expand {
    int rank;
    int64_t shape[LB_MAX_RANK];
};

static bool shape_of(lb_call *c) {
    const struct expand *p = c->params;
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    char text[120];
    int extra = p->rank - x->rank;
    bool fits = extra >= 0 && p->rank <= LB_MAX_RANK;
    for (int i = 0; fits && i < p->rank; i++) {
        int64_t have = i < extra ? 1 : x->shape[i - extra], want = p->shape[i] == -1 && i >= extra ? have : p->shape[i];
        y->shape[i] = want;
        y->stride[i] = have == want && i >= extra ? x->stride[i - extra] : 0;
        fits = want >= 0 && (have == want || have == 1);
    }
    y->dtype = x->dtype;
    y->rank = p->rank;
    y->data = x->data;
    if (fits) return true;
    y->rank = 0;
    lb_tape_fail(c->tape, LB_E_SHAPE, "cannot be repeated to %s",
                 lb_shape_text(text, sizeof text, p->rank < 0 || p->rank > LB_MAX_RANK ? 0 : p->rank, p->shape));
    return false;
}

static void backward(lb_call *c) {
    lbi_reduce_to(c->gin[0], c->gout[0], 1, c->fresh[0]);
}

static const struct expand rows = {2, {4, -1}}, middle = {3, {2, 6, 3}}, scalar = {2, {2, 3}}, empty = {2, {0, 3}};
static const lb_op_case cases[] = {
    {.name = "rows", .rank = {1}, .shape = {{5}}, .params = &rows},
    {.name = "middle", .rank = {3}, .shape = {{2, 1, 3}}, .params = &middle},
    {.name = "scalar", .rank = {0}, .params = &scalar},
    {.name = "empty", .rank = {2}, .shape = {{1, 3}}, .params = &empty},
};

LB_OP(expand) = {.id = "expand",
                 .title = "repeated along axes of size 1",
                 .source = "torch.Tensor.expand",
                 .sig = "x -> y",
                 .math = "y[i,j] = x[j]",
                 .params_size = sizeof(struct expand),
                 .flags = LB_OP_VIEW | LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE, .passes = 1,
                 .shape = shape_of,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_expand(lb_tape *t, lb_tensor *x, int rank, const int64_t *shape) {
    struct expand p = {rank, {0}};
    if (rank > 0 && rank <= LB_MAX_RANK) memcpy(p.shape, shape, (size_t)rank * sizeof *shape);
    return lb_apply(t, &lb_op_expand, &p, sizeof p, 1, &x);
}

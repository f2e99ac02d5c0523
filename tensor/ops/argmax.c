/* SPDX-License-Identifier: Apache-2.0 */
/* y = index of the largest along one axis, the first of equal ones; NaN wins. */
#include "tensor/loops.h"
#include "tensor/ops.h"

struct argmax {
    int axis;
};

static bool shape(lb_call *c) {
    const struct argmax *p = c->params;
    int axis = lbi_axis(c, p->axis, c->in[0]->rank);
    if (axis < 0) return false;
    if (c->in[0]->shape[axis] == 0) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "nothing to choose from along axis %d", axis);
        return false;
    }
    lbi_reduced_shape(c->out[0], c->in[0], axis, false);
    return true;
}

static void forward(lb_call *c) {
    const struct argmax *p = c->params;
    lbi_axes a = lbi_axes_of(c->in[0], p->axis < 0 ? p->axis + c->in[0]->rank : p->axis);
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++) {
            const lb_real *x = lb_r(c->in[0]) + o * a.n * a.inner + i;
            int64_t at = 0;
            for (int64_t k = 1; k < a.n; k++) {
                lb_real v = x[k * a.inner], best = x[at * a.inner];
                if (v > best || (v != v && best == best)) at = k;
            }
            lb_i(c->out[0])[o * a.inner + i] = at;
        }
}

static const struct argmax last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
};

LB_OP(argmax) = {.id = "argmax",
                 .title = "index of the largest along one axis",
                 .source = "arithmetic",
                 .sig = "x -> y:i64",
                 .math = "y = argmax_i x_i",
                 .params_size = sizeof(struct argmax),
                 .shape = shape,
                 .forward = forward,
                 .no_grad = "an index does not change smoothly",
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_argmax(lb_tape *t, lb_tensor *x, int axis) {
    struct argmax p = {axis};
    return lb_apply(t, &lb_op_argmax, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = largest along one axis, the first of equal ones.
 * The index is saved; dx = g there. NaN wins. */
#include "tensor/loops.h"
#include "tensor/ops.h"

struct max {
    int axis;
    bool keep;
};

static bool shape(lb_call *c) {
    const struct max *p = c->params;
    int axis = lbi_axis(c, p->axis, c->in[0]->rank);
    if (axis < 0) return false;
    if (c->in[0]->shape[axis] == 0) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "nothing to choose from along axis %d", axis);
        return false;
    }
    lbi_reduced_shape(c->out[0], c->in[0], axis, p->keep);
    lbi_reduced_shape(c->out[1], c->in[0], axis, p->keep);
    return true;
}

static lbi_axes axes_of(const lb_call *c) {
    const struct max *p = c->params;
    return lbi_axes_of(c->in[0], p->axis < 0 ? p->axis + c->in[0]->rank : p->axis);
}

static void choose(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = axes_of(c);
    for (int64_t o = first; o < last; o++) {
        lb_real *best = lb_r(c->out[0]) + o * a.inner;
        int64_t *at = lb_i(c->out[1]) + o * a.inner;
        const lb_real *x = lb_r(c->in[0]) + o * a.n * a.inner;
        for (int64_t i = 0; i < a.inner; i++) {
            best[i] = x[i];
            at[i] = 0;
        }
        for (int64_t k = 1; k < a.n; k++) {
            for (int64_t i = 0; i < a.inner; i++) {
                lb_real v = x[k * a.inner + i];
                if (!(v > best[i]) && (v == v || best[i] != best[i])) continue;
                best[i] = v;
                at[i] = k;
            }
        }
    }
}

static void forward(lb_call *c) {
    lbi_axes a = axes_of(c);
    lbi_split(a.outer, a.n * a.inner, choose, c);
}

static void backward(lb_call *c) {
    lbi_axes a = axes_of(c);
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++) {
            int64_t k = lb_i(c->out[1])[o * a.inner + i];
            lb_r(c->gin[0])[(o * a.n + k) * a.inner + i] += lb_r(c->gout[0])[o * a.inner + i];
        }
}

static const struct max last = {-1, false}, first = {0, true}, middle = {1, false};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "middle", .rank = {3}, .shape = {{2, 5, 11}}, .params = &middle},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .params = &last},
};

LB_OP(max) = {.id = "max",
              .title = "largest along one axis",
              .source = "arithmetic",
              .sig = "x -> y index:i64",
              .math = "y = max_i x_i",
              .params_size = sizeof(struct max),
              .flags = LB_OP_NONSMOOTH,
              .reads = LB_READS_OUT(1),
              .shape = shape,
              .forward = forward,
              .backward = backward,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_max(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    struct max p = {axis, keep};
    return lb_apply(t, &lb_op_max, &p, sizeof p, 1, &x);
}

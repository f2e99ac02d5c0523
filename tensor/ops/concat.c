/* SPDX-License-Identifier: Apache-2.0 */
/* y = tensors one after another along an axis; each dx = its part of g. More than ten are joined in groups. */
#include <string.h>
#include "tensor/calls.h"
#include "tensor/last.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    const lb_axis_params *p = c->params;
    const lb_tensor *first = c->in[0];
    lb_tensor *y = c->out[0];
    int axis = lbi_axis(c, p->axis, first->rank);
    if (axis < 0) return false;
    y->dtype = first->dtype;
    y->rank = first->rank;
    memcpy(y->shape, first->shape, sizeof first->shape);
    for (int i = 1; i < c->nin; i++) {
        const lb_tensor *x = c->in[i];
        if (!x) continue;
        bool fits = x->rank == y->rank && x->dtype == y->dtype;
        for (int k = 0; fits && k < y->rank; k++) fits = k == axis || x->shape[k] == y->shape[k];
        if (!fits) {
            lb_tape_fail(c->tape, LB_E_SHAPE, "input %d does not fit the first beside axis %d", i, axis);
            return false;
        }
        y->shape[axis] += x->shape[axis];
    }
    return true;
}

/* The part of `whole` where x lies; *at moves on. */
static lb_tensor part_of(const lb_tensor *whole, const lb_tensor *x, int axis, int64_t *at) {
    lb_tensor part = *whole;
    part.shape[axis] = x->shape[axis];
    if (whole->data) part.data = (char *)whole->data + *at * whole->stride[axis] * (int64_t)lb_dtype_size(whole->dtype);
    *at += x->shape[axis];
    return part;
}

static void forward(lb_call *c) {
    const lb_axis_params *p = c->params;
    int axis = p->axis < 0 ? p->axis + c->in[0]->rank : p->axis;
    int64_t at = 0;
    for (int i = 0; i < c->nin; i++) {
        if (!c->in[i]) continue;
        lb_tensor part = part_of(c->out[0], c->in[i], axis, &at), from = *c->in[i];
        if (c->last) part = lbi_pixels_of(&part), from = lbi_pixels_of(&from); /* in the order of memory */
        lbi_copy_view(&part, &from);
    }
}

static void backward(lb_call *c) {
    const lb_axis_params *p = c->params;
    int axis = p->axis < 0 ? p->axis + c->in[0]->rank : p->axis;
    int64_t at = 0;
    for (int i = 0; i < c->nin; i++) {
        if (!c->in[i]) continue;
        lb_tensor part = part_of(c->gout[0], c->in[i], axis, &at);
        if (c->gin[i]) lbi_add_view(c->gin[i], &part, 1, c->fresh[i]);
    }
}

static const lb_axis_params last = {-1}, first = {0};
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2, 2, -1, -1, -1, -1, -1, -1, -1, -1}, .shape = {{3, 5}, {3, 2}}, .params = &last},
    {.name = "first", .rank = {2, 2, 2, -1, -1, -1, -1, -1, -1, -1}, .shape = {{3, 5}, {1, 5}, {0, 5}}, .params = &first},
    {.name = "one", .rank = {1, -1, -1, -1, -1, -1, -1, -1, -1, -1}, .shape = {{4}}, .params = &first},
    {.name = "large", .rank = {3, 3, 3, -1, -1, -1, -1, -1, -1, -1}, .shape = {{300, 7, 31}, {300, 7, 40}, {300, 7, 1}}, .params = &last},
    {.name = "large, first", .rank = {2, 2, -1, -1, -1, -1, -1, -1, -1, -1}, .shape = {{900, 60}, {300, 60}}, .params = &first},
};

LB_OP(concat) = {.id = "concat",
                 .title = "one after another along an axis",
                 .source = "NumPy concatenate",
                 .sig = "a b? c? d? e? f? g? h? i? j? -> y",
                 .math = "y = [a, b, ...]",
                 .params_size = sizeof(lb_axis_params),
                 .last = lbi_joins_last,
                 .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE,
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

enum { MOST = 10 }; /* inputs of the signature */

lb_tensor *lb_concat(lb_tape *t, int n, lb_tensor *const *x, int axis) {
    lb_axis_params p = {axis};
    lb_tensor *group[MOST];
    if (n < 1) return lb_tape_fail(t, LB_E_ARG, "concat of no tensors");
    if (n <= MOST) return lb_apply(t, &lb_op_concat, &p, sizeof p, n, x);
    int size = (n + MOST - 1) / MOST, count = 0;
    for (int i = 0; i < n; i += size) group[count++] = lb_concat(t, n - i < size ? n - i : size, x + i, axis);
    return lb_apply(t, &lb_op_concat, &p, sizeof p, count, group);
}

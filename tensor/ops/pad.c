/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with before[i] and after[i] elements of a constant put around axis i; dx = the inner part of g. */
#include <string.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

struct pad {
    int64_t before[LB_MAX_RANK], after[LB_MAX_RANK];
    double value;
};

static bool shape(lb_call *c) {
    const struct pad *p = c->params;
    lb_tensor *y = c->out[0];
    y->dtype = c->in[0]->dtype;
    y->rank = c->in[0]->rank;
    for (int i = 0; i < y->rank; i++) {
        y->shape[i] = c->in[0]->shape[i] + p->before[i] + p->after[i];
        if (p->before[i] >= 0 && p->after[i] >= 0) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "padding %lld, %lld of axis %d is negative", (long long)p->before[i],
                     (long long)p->after[i], i);
        return false;
    }
    return true;
}

static lb_tensor inside(const lb_call *c, const lb_tensor *y) {
    const struct pad *p = c->params;
    lb_tensor part = *y;
    int64_t at = 0;
    for (int i = 0; i < y->rank; i++) {
        part.shape[i] = c->in[0]->shape[i];
        at += p->before[i] * y->stride[i];
    }
    if (y->data) part.data = (char *)y->data + at * (int64_t)lb_dtype_size(y->dtype);
    return part;
}

static void forward(lb_call *c) {
    const struct pad *p = c->params;
    lb_tensor part = inside(c, c->out[0]);
    lbi_fill(c->out[0], p->value);
    lbi_copy_view(&part, c->in[0]);
}

static void backward(lb_call *c) {
    lb_tensor part = inside(c, c->gout[0]);
    lbi_add_view(c->gin[0], &part, 1, c->fresh[0]);
}

static const struct pad both = {{1, 0}, {2, 3}, 0.5}, none = {{0}, {0}, 0}, front = {{0, 2, 0}, {0, 0, 0}, -1};
static const lb_op_case cases[] = {
    {.name = "both", .rank = {2}, .shape = {{3, 5}}, .params = &both},
    {.name = "none", .rank = {1}, .shape = {{3}}, .params = &none},
    {.name = "front", .rank = {3}, .shape = {{2, 3, 4}}, .params = &front},
    {.name = "empty", .rank = {2}, .shape = {{0, 2}}, .params = &both},
};

LB_OP(pad) = {.id = "pad",
              .title = "a constant around it",
              .source = "NumPy pad",
              .sig = "x -> y",
              .math = "y = x, value outside",
              .params_size = sizeof(struct pad),
              .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_ANY_TYPE | LB_OP_INF_OK,
              .shape = shape,
              .forward = forward,
              .backward = backward,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_pad(lb_tape *t, lb_tensor *x, const int64_t *before, const int64_t *after, double value) {
    struct pad p = {.value = value};
    for (int i = 0; x && i < x->rank; i++) {
        p.before[i] = before[i];
        p.after[i] = after[i];
    }
    return lb_apply(t, &lb_op_pad, &p, sizeof p, 1, &x);
}

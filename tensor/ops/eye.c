/* SPDX-License-Identifier: Apache-2.0 */
/* y = the unit matrix [n,n]. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/op.h"

struct eye {
    int64_t n;
};

static bool shape(lb_call *c) {
    const struct eye *p = c->params;
    c->out[0]->rank = 2;
    c->out[0]->shape[0] = c->out[0]->shape[1] = p->n;
    return true;
}

static void forward(lb_call *c) {
    const struct eye *p = c->params;
    if (p->n > 0) memset(c->out[0]->data, 0, (size_t)(p->n * p->n) * sizeof(lb_real));
    for (int64_t i = 0; i < p->n; i++) lb_r(c->out[0])[i * p->n + i] = 1;
}

static const struct eye three = {3}, zero = {0};
static const lb_op_case cases[] = {
    {.name = "three", .params = &three},
    {.name = "empty", .params = &zero},
};

LB_OP(eye) = {.id = "eye",
              .title = "the unit matrix",
              .source = "arithmetic",
              .sig = "-> y",
              .math = "y_ij = [i = j]",
              .params_size = sizeof(struct eye),
              .shape = shape,
              .forward = forward,
              .no_grad = "a constant",
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_eye(lb_tape *t, int64_t n) {
    struct eye p = {n};
    return lb_apply(t, &lb_op_eye, &p, sizeof p, 0, NULL);
}

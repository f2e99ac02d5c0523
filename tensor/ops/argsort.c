/* SPDX-License-Identifier: Apache-2.0 */
/* y = indices that put x in order along the last axis, equal ones as they were, NaN as if larger than all. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/sorting.h"

struct argsort {
    bool descending;
};

static bool shape(lb_call *c) {
    for (int k = 0; k < c->nout; k++) {
        c->out[k]->rank = c->in[0]->rank;
        memcpy(c->out[k]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    }
    return true;
}

static void forward(lb_call *c) {
    const struct argsort *p = c->params;
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = n ? lb_numel(c->in[0]) / n : 0;
    int64_t *work = lb_scratch(c, (size_t)lbi_order_work(rows, n, n) * sizeof *work);
    if (!work) return;
    lbi_order_rows(lb_r(c->in[0]), rows, n, n, p->descending, lb_i(c->out[0]), work);
}

static const struct argsort down = {true}, up = {false};
static const lb_op_case cases[] = {
    {.name = "down", .rank = {2}, .shape = {{3, 21}}, .params = &down},
    {.name = "up", .rank = {1}, .shape = {{9}}, .params = &up},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &down},
    {.name = "nothing", .rank = {2}, .shape = {{3, 0}}, .params = &down},
    {.name = "large", .rank = {2}, .shape = {{70, 300}}, .params = &up},
};

LB_OP(argsort) = {.id = "argsort",
                  .title = "indices that put the last axis in order",
                  .source = "NumPy sort, stable",
                  .sig = "x[...,N] -> y[...,N]:i64",
                  .math = "y = argsort x",
                  .params_size = sizeof(struct argsort),
                  .shape = shape,
                  .forward = forward,
                  .no_grad = "an index does not change smoothly",
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_argsort(lb_tape *t, lb_tensor *x, bool descending) {
    struct argsort p = {descending};
    return lb_apply(t, &lb_op_argsort, &p, sizeof p, 1, &x);
}

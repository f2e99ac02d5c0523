/* SPDX-License-Identifier: Apache-2.0 */
/* y = x in order along the last axis, equal ones as they were, NaN as if larger than all; dx = g where each came from. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/sorting.h"

struct sort {
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
    const struct sort *p = c->params;
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = n ? lb_numel(c->in[0]) / n : 0;
    int64_t *work = lb_scratch(c, (size_t)lbi_order_work(rows, n, n) * sizeof *work);
    if (!work) return;
    lbi_order_rows(lb_r(c->in[0]), rows, n, n, p->descending, lb_i(c->out[1]), work);
    lbi_take_rows(lb_r(c->out[0]), lb_r(c->in[0]), lb_i(c->out[1]), rows, n, n);
}

static void backward(lb_call *c) {
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = n ? lb_numel(c->in[0]) / n : 0;
    lbi_put_rows(lb_r(c->gin[0]), lb_r(c->gout[0]), lb_i(c->out[1]), rows, n, n, c->fresh[0]);
}

static const struct sort down = {true}, up = {false};
static const lb_op_case cases[] = {
    {.name = "down", .rank = {2}, .shape = {{3, 21}}, .params = &down},
    {.name = "up", .rank = {1}, .shape = {{9}}, .params = &up},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &down},
    {.name = "nothing", .rank = {2}, .shape = {{3, 0}}, .params = &down},
    {.name = "large", .rank = {2}, .shape = {{70, 300}}, .params = &up},
};

LB_OP(sort) = {.id = "sort",
               .title = "values in order along the last axis",
               .source = "NumPy sort, stable",
               .sig = "x[...,N] -> y[...,N] index[...,N]:i64",
               .math = "y = sort x",
               .params_size = sizeof(struct sort),
               .shape = shape,
               .forward = forward,
               .flags = LB_OP_NONSMOOTH | LB_OP_SETS,
               .reads = LB_READS_OUT(1),
               .backward = backward,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_sort(lb_tape *t, lb_tensor *x, bool descending) {
    struct sort p = {descending};
    return lb_apply(t, &lb_op_sort, &p, sizeof p, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Places of limited number: y = id where it comes among the first `most` of its kind, else -1; the order is column by column of id [T,K] (all
 * first choices before the second ones), each from the top. Ids outside 0..count-1 give -1. */
#include <string.h>
#include "tensor/op.h"
#include "tensor/ops.h"

struct admit {
    int64_t count, most;
};

static bool shape(lb_call *c) {
    const struct admit *p = c->params;
    if (p->count < 0 || p->most < 0) {
        lb_tape_fail(c->tape, LB_E_ARG, "%lld ids, %lld places: expected none negative", (long long)p->count, (long long)p->most);
        return false;
    }
    c->out[0]->rank = 2;
    memcpy(c->out[0]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    return true;
}

static void forward(lb_call *c) {
    const struct admit *p = c->params;
    int64_t rows = c->in[0]->shape[0], columns = c->in[0]->shape[1], *taken = lb_scratch(c, (size_t)(p->count + 1) * sizeof *taken);
    if (!taken) return;
    memset(taken, 0, (size_t)p->count * sizeof *taken);
    for (int64_t k = 0; k < columns; k++)
        for (int64_t r = 0; r < rows; r++) {
            int64_t id = lb_i(c->in[0])[r * columns + k];
            bool in = id >= 0 && id < p->count && taken[id]++ < p->most;
            lb_i(c->out[0])[r * columns + k] = in ? id : -1;
        }
}

static const struct admit two = {3, 2}, none = {3, 0};
static const lb_op_case cases[] = {
    {.name = "two each", .rank = {2}, .shape = {{5, 2}}, .imax = 4, .params = &two},
    {.name = "no places", .rank = {2}, .shape = {{3, 1}}, .imax = 3, .params = &none},
    {.name = "empty", .rank = {2}, .shape = {{0, 2}}, .imax = 3, .params = &two},
};

LB_OP(admit) = {.id = "admit",
                .title = "ids that find a place, capacity of experts",
                .source = "Lepikhin et al., arXiv:2006.16668, section 2.2",
                .sig = "id[T,K]:i64 -> y[T,K]:i64",
                .math = "y = id, or -1 beyond the first `most` of its kind",
                .params_size = sizeof(struct admit),
                .shape = shape,
                .forward = forward,
                .no_grad = "whole numbers",
                .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_admit(lb_tape *t, lb_tensor *id, int64_t count, int64_t most) {
    struct admit p = {count, most};
    return lb_apply(t, &lb_op_admit, &p, sizeof p, 1, &id);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y[..., k] = 1 where k = ids[...], else 0. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/rows.h"

struct one_hot {
    int64_t count;
};

static bool shape(lb_call *c) {
    const struct one_hot *p = c->params;
    const lb_tensor *id = c->in[0];
    if (id->rank == LB_MAX_RANK || p->count < 1) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "one-hot of %lld classes, expected 1 or more and a rank below %d",
                     (long long)p->count, LB_MAX_RANK);
        return false;
    }
    c->out[0]->rank = id->rank + 1;
    memcpy(c->out[0]->shape, id->shape, sizeof(int64_t) * (size_t)id->rank);
    c->out[0]->shape[id->rank] = p->count;
    return true;
}

static void forward(lb_call *c) {
    const struct one_hot *p = c->params;
    int64_t n = lb_numel(c->in[0]);
    if (n == 0 || !lbi_in_range(c, c->in[0], p->count)) return;
    memset(c->out[0]->data, 0, (size_t)(n * p->count) * sizeof(lb_real));
    for (int64_t i = 0; i < n; i++) lb_r(c->out[0])[i * p->count + lb_i(c->in[0])[i]] = 1;
}

static const struct one_hot five = {5};
static const lb_op_case cases[] = {
    {.name = "vector", .rank = {1}, .shape = {{7}}, .imax = 5, .params = &five},
    {.name = "empty", .rank = {2}, .shape = {{0, 2}}, .imax = 5, .params = &five},
    {.name = "large", .rank = {2}, .shape = {{130, 140}}, .imax = 5, .params = &five},
};

LB_OP(one_hot) = {.id = "one_hot",
                  .title = "ids as unit vectors",
                  .source = "arithmetic",
                  .sig = "ids:i64 -> y",
                  .math = "y_k = [k = id]",
                  .params_size = sizeof(struct one_hot),
                  .shape = shape,
                  .forward = forward,
                  .no_grad = "of integers",
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_one_hot(lb_tape *t, lb_tensor *ids, int64_t count) {
    struct one_hot p = {count};
    return lb_apply(t, &lb_op_one_hot, &p, sizeof p, 1, &ids);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = how often k stands among the ids, as numbers; ids in 0..count-1. */
#include "tensor/ops.h"
#include "tensor/rows.h"

struct bincount {
    int64_t count;
};

static bool shape(lb_call *c) {
    const struct bincount *p = c->params;
    c->out[0]->rank = 1;
    c->out[0]->shape[0] = p->count;
    if (p->count < 0) lb_tape_fail(c->tape, LB_E_ARG, "%lld kinds", (long long)p->count);
    return p->count >= 0;
}

static void forward(lb_call *c) {
    int64_t count = c->out[0]->shape[0], *sum = lb_scratch(c, (size_t)count * sizeof *sum);
    if (!sum || !lbi_in_range(c, c->in[0], count)) return;
    for (int64_t k = 0; k < count; k++) sum[k] = 0;
    for (int64_t i = 0, n = lb_numel(c->in[0]); i < n; i++) sum[lb_i(c->in[0])[i]]++;
    for (int64_t k = 0; k < count; k++) lb_r(c->out[0])[k] = (lb_real)sum[k];
}

static const struct bincount five = {5};
static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 7}}, .imax = 5, .params = &five},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 5, .params = &five},
    {.name = "large", .rank = {2}, .shape = {{300, 250}}, .imax = 5, .params = &five},
};

LB_OP(bincount) = {.id = "bincount", .title = "how often each id stands there", .source = "torch.bincount", .sig = "ids:i64 -> y[N]",
                   .math = "y_k = #{i : id_i = k}", .params_size = sizeof(struct bincount), .shape = shape, .forward = forward,
                   .no_grad = "of integers", .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_bincount(lb_tape *t, lb_tensor *ids, int64_t count) {
    return lb_apply(t, &lb_op_bincount, &(struct bincount){count}, sizeof(struct bincount), 1, &ids);
}

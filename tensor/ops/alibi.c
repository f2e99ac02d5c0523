/* SPDX-License-Identifier: Apache-2.0 */
/* The relative bias of attention with linear biases: y[h, i] = -slope_h |i - (S - 1)|, [H,L+S-1]: the last query stands at the last key. slope_h = r^(h + 1),
 * r = 2^(-8 / n), n the largest power of two up to H; heads from n on take every second of the slopes for 2n heads. */
#include <math.h>
#include <stdlib.h>
#include "tensor/ops.h"
#include "tensor/op.h"

struct alibi {
    int64_t heads, queries, keys;
};

static bool shape(lb_call *c) {
    const struct alibi *p = c->params;
    if (p->heads < 1 || p->queries < 1 || p->keys < 1) {
        lb_tape_fail(c->tape, LB_E_ARG, "%lld heads, %lld queries, %lld keys: expected 1 or more", (long long)p->heads, (long long)p->queries, (long long)p->keys);
        return false;
    }
    c->out[0]->rank = 2;
    c->out[0]->shape[0] = p->heads;
    c->out[0]->shape[1] = p->queries + p->keys - 1;
    return true;
}

static double slope(int64_t heads, int64_t h) {
    int64_t n = 1;
    while (2 * n <= heads) n *= 2;
    return h < n ? exp2(-8.0 / (double)n * (double)(h + 1)) : exp2(-4.0 / (double)n * (double)(2 * (h - n) + 1));
}

static void forward(lb_call *c) {
    const struct alibi *p = c->params;
    int64_t n = p->queries + p->keys - 1;
    for (int64_t h = 0; h < p->heads; h++)
        for (int64_t i = 0; i < n; i++) lb_r(c->out[0])[h * n + i] = (lb_real)(-slope(p->heads, h) * (double)llabs(i - (p->keys - 1)));
}

static const struct alibi eight = {8, 3, 3}, odd = {6, 2, 5}, one = {1, 1, 1};
static const lb_op_case cases[] = {
    {.name = "eight heads", .params = &eight},
    {.name = "six heads, more keys", .params = &odd},
    {.name = "one", .params = &one},
};

LB_OP(alibi) = {.id = "alibi",
                .title = "linear biases by distance",
                .source = "Press, Smith, Lewis, arXiv:2108.12409, section 3; slopes for other head counts as in Hugging Face's build_alibi_tensor",
                .sig = "-> y",
                .math = "y_hi = -slope_h |i - (S - 1)|",
                .params_size = sizeof(struct alibi),
                .shape = shape,
                .forward = forward,
                .no_grad = "a constant",
                .cases = cases,
                .case_count = LB_COUNT(cases)};

lb_tensor *lb_alibi(lb_tape *t, int64_t heads, int64_t queries, int64_t keys) {
    struct alibi p = {heads, queries, keys};
    return lb_apply(t, &lb_op_alibi, &p, sizeof p, 0, NULL);
}

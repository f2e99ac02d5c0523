/* SPDX-License-Identifier: Apache-2.0 */
/* In training: y = x / (1 - p) with probability 1 - p, else 0; dx the same of g. Otherwise y = x. The call draws one key from the
 * generator of the tape; which elements stay is a pure function of key and place, so nothing is saved. */
#include "base/rng.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

struct dropout {
    double p;
    uint32_t key[2];
};

typedef struct part {
    const struct dropout *p;
    const lb_real *from;
    lb_real *to;
    bool add;
} part;

/* Blocks of four elements, one Philox block each. */
static void drop(const void *ctx, int64_t first, int64_t last) {
    const part *d = ctx;
    uint32_t limit = (uint32_t)(d->p->p * 4294967295.0), word[4] = {0};
    lb_real scale = (lb_real)(1 / (1 - d->p->p));
    for (int64_t i = first; i < last; i++) {
        uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)((uint64_t)(i / 4) >> 32), 0, 0};
        if (i == first || i % 4 == 0) lb_philox(counter, d->p->key, word);
        lb_real y = word[i % 4] >= limit ? scale * d->from[i] : 0;
        d->to[i] = d->add ? d->to[i] + y : y;
    }
}

static void forward(lb_call *c) {
    part d = {c->params, lb_r(c->in[0]), lb_r(c->out[0]), false};
    lbi_split(lb_numel(c->in[0]), 4, drop, &d);
}

static void backward(lb_call *c) {
    part d = {c->params, lb_r(c->gout[0]), lb_r(c->gin[0]), !c->fresh[0]};
    lbi_split(lb_numel(c->in[0]), 4, drop, &d);
}

static void reference(lb_call *c) {
    const struct dropout *p = c->params;
    for (int64_t i = 0; i < lb_numel(c->in[0]); i++) {
        uint32_t counter[4] = {(uint32_t)(i / 4), 0, 0, 0}, word[4];
        lb_philox(counter, p->key, word);
        bool stays = (double)word[i % 4] >= p->p * 4294967295.0;
        lb_r(c->out[0])[i] = (lb_real)(stays ? (double)lb_r(c->in[0])[i] / (1 - p->p) : 0);
    }
}

static const struct dropout half = {0.5, {1, 2}}, tenth = {0.1, {3, 4}};
static const lb_op_case cases[] = {
    {.name = "half", .rank = {2}, .shape = {{3, 5}}, .params = &half},
    {.name = "tenth", .rank = {1}, .shape = {{50000}}, .params = &tenth},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .params = &half},
};

LB_OP(dropout) = {.id = "dropout",
                  .title = "elements set to 0 at random in training",
                  .source = "Srivastava et al. 2014; torch.nn.functional.dropout",
                  .sig = "x[...] -> y[...]",
                  .math = "y = x m / (1 - p), m ~ Bernoulli(1 - p)",
                  .params_size = sizeof(struct dropout),
                  .flags = LB_OP_SETS,
                  .forward = forward,
                  .backward = backward,
                  .reference = reference,
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_dropout(lb_tape *t, lb_tensor *x, double p) {
    struct dropout d = {p, {0, 0}};
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (!(p >= 0 && p < 1)) return lb_tape_fail(t, LB_E_ARG, "dropout: probability %g, expected 0 to below 1", p);
    if (!lb_tape_training(t) || p == 0) return x;
    if (lb_tape_get_mode(t) != LB_TAPE_SHAPES) {
        lb_rng *rng = lb_tape_rng(t);
        if (!rng) return lb_tape_fail(t, LB_E_ARG, "dropout: the tape trains but has no generator");
        d.key[0] = lb_rng_u32(rng);
        d.key[1] = lb_rng_u32(rng);
    }
    return lb_apply(t, &lb_op_dropout, &d, sizeof d, 1, &x);
}

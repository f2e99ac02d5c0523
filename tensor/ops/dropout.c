/* SPDX-License-Identifier: Apache-2.0 */
/* In training: y = scale x + shift with probability 1 - p, else `lost`; dx = scale g of those that stay. Otherwise y = x. Plain: scale
 * 1 / (1 - p), shift and lost 0. Alpha (for selu, keeps mean 0 and variance 1): lost = a l + b, scale a, shift b, with l = -1.758, the
 * limit of selu at -inf. The call draws one key from the generator of the tape; which elements stay is a pure function of key and
 * place, so nothing is saved. */
#include <math.h>
#include "base/rng.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

struct dropout {
    double p, scale, shift, lost;
    uint32_t key[2];
};

typedef struct part {
    uint32_t key[2], limit;
    lb_real scale, shift, lost;
    const lb_real *from;
    lb_real *to;
    bool add;
} part;

/* Blocks of four elements, one Philox block each. */
static void drop(const void *ctx, int64_t first, int64_t last) {
    const part *d = ctx;
    uint32_t word[4] = {0};
    for (int64_t i = first; i < last; i++) {
        uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)((uint64_t)(i / 4) >> 32), 0, 0};
        if (i == first || i % 4 == 0) lb_philox(counter, d->key, word);
        lb_real y = word[i % 4] >= d->limit ? d->scale * d->from[i] + d->shift : d->lost;
        d->to[i] = d->add ? d->to[i] + y : y;
    }
}

static part part_of(const lb_call *c) {
    const struct dropout *p = c->params;
    return (part){.key = {p->key[0], p->key[1]}, .limit = (uint32_t)(p->p * 4294967295.0), .scale = (lb_real)p->scale};
}

static void forward(lb_call *c) {
    const struct dropout *p = c->params;
    part d = part_of(c);
    d.shift = (lb_real)p->shift;
    d.lost = (lb_real)p->lost;
    d.from = lb_r(c->in[0]);
    d.to = lb_r(c->out[0]);
    lbi_split(lb_numel(c->in[0]), 4, drop, &d);
}

static void backward(lb_call *c) {
    part d = part_of(c);
    d.from = lb_r(c->gout[0]);
    d.to = lb_r(c->gin[0]);
    d.add = !c->fresh[0];
    lbi_split(lb_numel(c->in[0]), 4, drop, &d);
}

static void reference(lb_call *c) {
    const struct dropout *p = c->params;
    for (int64_t i = 0; i < lb_numel(c->in[0]); i++) {
        uint32_t counter[4] = {(uint32_t)(i / 4), 0, 0, 0}, word[4];
        lb_philox(counter, p->key, word);
        bool stays = (double)word[i % 4] >= p->p * 4294967295.0;
        lb_r(c->out[0])[i] = (lb_real)(stays ? (double)lb_r(c->in[0])[i] * p->scale + p->shift : p->lost);
    }
}

static const struct dropout half = {0.5, 2, 0, 0, {1, 2}}, tenth = {0.1, 1 / 0.9, 0, 0, {3, 4}}, moved = {0.3, 0.9, 0.25, -1.5, {5, 6}};
static const lb_op_case cases[] = {
    {.name = "half", .rank = {2}, .shape = {{3, 5}}, .params = &half},
    {.name = "tenth", .rank = {1}, .shape = {{50000}}, .params = &tenth},
    {.name = "moved", .rank = {2}, .shape = {{7, 9}}, .params = &moved},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .params = &half},
};

LB_OP(dropout) = {.id = "dropout", .title = "elements lost at random in training",
                  .source = "Srivastava et al. 2014, torch.nn.functional.dropout; Klambauer et al. 2017, arXiv:1706.02515 (alpha)",
                  .sig = "x[...] -> y[...]", .math = "y = x m / (1 - p), m ~ Bernoulli(1 - p)", .params_size = sizeof(struct dropout),
                  .flags = LB_OP_SETS, .forward = forward, .backward = backward, .reference = reference, .cases = cases,
                  .case_count = LB_COUNT(cases)};

static lb_tensor *drop_out(lb_tape *t, lb_tensor *x, struct dropout d) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (!(d.p >= 0 && d.p < 1)) return lb_tape_fail(t, LB_E_ARG, "dropout: probability %g, expected 0 to below 1", d.p);
    if (!lb_tape_training(t) || d.p == 0) return x;
    if (lb_tape_get_mode(t) != LB_TAPE_SHAPES) {
        lb_rng *rng = lb_tape_rng(t);
        if (!rng) return lb_tape_fail(t, LB_E_ARG, "dropout: the tape trains but has no generator");
        d.key[0] = lb_rng_u32(rng);
        d.key[1] = lb_rng_u32(rng);
    }
    return lb_apply(t, &lb_op_dropout, &d, sizeof d, 1, &x);
}

lb_tensor *lb_dropout(lb_tape *t, lb_tensor *x, double p) {
    return drop_out(t, x, (struct dropout){.p = p, .scale = 1 / (1 - p)});
}

lb_tensor *lb_alpha_dropout(lb_tape *t, lb_tensor *x, double p) {
    const double limit = -1.6732632423543772848 * 1.0507009873554804934;
    double a = 1 / sqrt((1 - p) * (1 + p * limit * limit)), b = -a * p * limit;
    return drop_out(t, x, (struct dropout){.p = p, .scale = a, .shift = b, .lost = a * limit + b});
}

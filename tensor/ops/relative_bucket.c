/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket of a relative position r (key minus query), as T5 numbers them: half of the buckets for r > 0 when both directions count, else r > 0 goes to
 * bucket 0. Of the remaining n: |r| itself below n / 2, above that n / 2 + log(|r| / (n / 2)) / log(most / (n / 2)) n / 2, at most n - 1. */
#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "tensor/op.h"

struct relative_bucket {
    int64_t buckets, most, shift;
    bool both;
};

static bool shape(lb_call *c) {
    const struct relative_bucket *p = c->params;
    if (p->buckets < (p->both ? 4 : 2) || p->most <= p->buckets / (p->both ? 4 : 2)) {
        lb_tape_fail(c->tape, LB_E_ARG, "%lld buckets for distances to %lld", (long long)p->buckets, (long long)p->most);
        return false;
    }
    c->out[0]->rank = c->in[0]->rank;
    memcpy(c->out[0]->shape, c->in[0]->shape, sizeof c->in[0]->shape);
    return true;
}

static int64_t bucket(const struct relative_bucket *p, int64_t r) {
    int64_t n = p->both ? p->buckets / 2 : p->buckets, first = p->both && r > 0 ? n : 0, exact = n / 2;
    r = p->both ? (r < 0 ? -r : r) : (r < 0 ? -r : 0);
    if (r < exact) return first + r;
    /* In float, as the published code: at the borders of buckets a double would round otherwise. */
    int64_t far = exact + (int64_t)(logf((float)r / (float)exact) / (float)log((double)p->most / (double)exact) * (float)(n - exact));
    return first + (far < n - 1 ? far : n - 1);
}

static void forward(lb_call *c) {
    const struct relative_bucket *p = c->params;
    for (int64_t i = 0, n = lb_numel(c->in[0]); i < n; i++) lb_i(c->out[0])[i] = bucket(p, lb_i(c->in[0])[i] + p->shift);
}

static const struct relative_bucket both = {32, 128, -100, true}, one = {16, 50, -100, false};
static const lb_op_case cases[] = {
    {.name = "both directions", .rank = {1}, .shape = {{150}}, .imax = 400, .params = &both},
    {.name = "past alone", .rank = {1}, .shape = {{150}}, .imax = 110, .params = &one},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 5, .params = &one},
};

LB_OP(relative_bucket) = {.id = "relative_bucket",
                          .title = "buckets of relative positions",
                          .source = "Raffel et al., arXiv:1910.10683; T5Attention._relative_position_bucket of Hugging Face",
                          .sig = "position:i64 -> bucket:i64",
                          .math = "bucket = exact below n/2, logarithmic above",
                          .params_size = sizeof(struct relative_bucket),
                          .shape = shape,
                          .forward = forward,
                          .no_grad = "of whole numbers",
                          .cases = cases,
                          .case_count = LB_COUNT(cases)};

lb_tensor *lb_relative_bucket(lb_tape *t, lb_tensor *position, int64_t shift, int64_t buckets, int64_t most, bool both_directions) {
    struct relative_bucket p = {buckets, most, shift, both_directions};
    return lb_apply(t, &lb_op_relative_bucket, &p, sizeof p, 1, &position);
}

lb_tensor *lb_relative_bias(lb_tape *t, lb_tensor *table, int64_t queries, int64_t keys, int64_t most, bool both_directions) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    if (!table || table->rank != 2) return lb_tape_fail(t, LB_E_SHAPE, "relative_bias: expected a table [buckets, heads]");
    /* Element i stands for key - query = i - (L - 1) with the last query at the last key. */
    lb_tensor *ids = lb_relative_bucket(t, lb_arange(t, queries + keys - 1), 1 - keys, table->shape[0], most, both_directions);
    return lb_transpose(t, lb_embedding(t, table, ids), 0, 1);
}

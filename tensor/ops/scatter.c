/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with y[.., index[.., k, ..], ..] = src[.., k, ..] along one axis, of several to one place the last; dx = g where nothing was put;
 * dsrc = g where that element stands, 0 for those overwritten. */
#include "tensor/ops.h"
#include "tensor/places.h"

static void forward(lb_call *c) {
    lbi_places p = lbi_places_of(c->in[0], c->in[1], c);
    lb_real *y = lb_r(c->out[0]);
    int64_t n = lb_numel(c->in[0]), *owner = lb_scratch(c, (size_t)n * sizeof *owner);
    if (!owner || !lbi_in_range(c, c->in[1], p.x.n)) return;
    lbi_places_owner(&p, owner);
    for (int64_t i = 0; i < n; i++) {
        int64_t o = i / p.x.inner / p.x.n, from = (o * p.index.n + owner[i]) * p.x.inner + i % p.x.inner;
        y[i] = owner[i] < 0 ? lb_r(c->in[0])[i] : lb_r(c->in[2])[from];
    }
}

static void backward(lb_call *c) {
    lbi_places p = lbi_places_of(c->gout[0], c->in[1], c);
    const lb_real *g = lb_r(c->gout[0]);
    int64_t n = lb_numel(c->gout[0]), *owner = lb_scratch(c, (size_t)n * sizeof *owner);
    if (!owner) return;
    lbi_places_owner(&p, owner);
    for (int64_t i = 0; i < n; i++) {
        int64_t o = i / p.x.inner / p.x.n, from = (o * p.index.n + owner[i]) * p.x.inner + i % p.x.inner;
        if (owner[i] < 0 && c->gin[0]) lb_r(c->gin[0])[i] += g[i];
        if (owner[i] >= 0 && c->gin[2]) lb_r(c->gin[2])[from] += g[i];
    }
}

static const int last = -1, first = 0;
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2, 2, 2}, .shape = {{3, 5}, {3, 4}, {3, 4}}, .imax = 5, .params = &last},
    {.name = "first", .rank = {3, 3, 3}, .shape = {{4, 2, 3}, {3, 2, 3}, {3, 2, 3}}, .imax = 4, .params = &first},
    {.name = "none", .rank = {2, 2, 2}, .shape = {{3, 5}, {3, 0}, {3, 0}}, .imax = 5, .params = &last},
    {.name = "large", .rank = {2, 2, 2}, .shape = {{300, 170}, {300, 90}, {300, 90}}, .imax = 170, .params = &last},
};

LB_OP(scatter) = {.id = "scatter", .title = "elements put by index along one axis", .source = "torch.scatter; of equal indices the last",
                  .sig = "x index:i64 src -> y", .math = "y = x; y[i,index_ik] = src[i,k]", .params_size = sizeof(int),
                  .reads = LB_READS_IN(1), .shape = lbi_places_into_shape, .forward = forward, .backward = backward, .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_scatter(lb_tape *t, lb_tensor *x, lb_tensor *index, lb_tensor *src, int axis) {
    return lb_apply(t, &lb_op_scatter, &axis, sizeof axis, 3, (lb_tensor *[]){x, index, src});
}

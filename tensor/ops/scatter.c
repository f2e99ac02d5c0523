/* SPDX-License-Identifier: Apache-2.0 */
/* y = x with y[.., index[.., k, ..], ..] = src[.., k, ..] along one axis, of several to one place the last; dx = g where nothing was put;
 * dsrc = g where that element stands, 0 for those overwritten. */
#include "tensor/ops.h"
#include "tensor/places.h"

static void forward(lb_call *c) {
    lbi_places p;
    if (!lbi_places_of(c, c->in[0], &p) || !lbi_in_range(c, c->in[1], p.x.n)) return;
    lbi_add_flat(c->out[0], c->in[0], true);
    lbi_places_put(&p, lb_r(c->out[0]), lb_r(c->in[2]));
}

static void backward(lb_call *c) {
    lbi_places p;
    lb_tensor rest = *c->gout[0];
    bool here = c->gin[0] && c->fresh[0];
    if (!lbi_places_of(c, c->gout[0], &p)) return;
    rest.data = here ? c->gin[0]->data : lb_scratch(c, (size_t)lb_numel(&rest) * sizeof(lb_real));
    if (!rest.data) return;
    lbi_add_flat(&rest, c->gout[0], true);
    if (c->gin[2]) lbi_places_take_last(&p, lb_r(c->gin[2]), lb_r(&rest), !c->fresh[2]);
    else lbi_places_clear(&p, lb_r(&rest));
    if (c->gin[0] && !here) lbi_add_flat(c->gin[0], &rest, false);
}

static const int last = -1, first = 0, middle = 1;
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2, 2, 2}, .shape = {{3, 5}, {3, 4}, {3, 4}}, .imax = 5, .params = &last},
    {.name = "first", .rank = {3, 3, 3}, .shape = {{4, 2, 3}, {3, 2, 3}, {3, 2, 3}}, .imax = 4, .params = &first},
    {.name = "none", .rank = {2, 2, 2}, .shape = {{3, 5}, {3, 0}, {3, 0}}, .imax = 5, .params = &last},
    {.name = "less far", .rank = {3, 3, 3}, .shape = {{3, 4, 5}, {2, 3, 2}, {2, 3, 2}}, .imax = 4, .params = &middle},
    {.name = "less far, last", .rank = {3, 3, 3}, .shape = {{3, 4, 5}, {2, 3, 2}, {2, 3, 2}}, .imax = 5, .params = &last},
    {.name = "large", .rank = {2, 2, 2}, .shape = {{300, 170}, {300, 90}, {300, 90}}, .imax = 170, .params = &last},
};

LB_OP(scatter) = {.id = "scatter", .title = "elements put by index along one axis", .source = "torch.scatter; of equal indices the last",
                  .sig = "x index:i64 src -> y", .math = "y = x; y[i,index_ik] = src[i,k]", .params_size = sizeof(int),
                  .flags = LB_OP_SETS, .reads = LB_READS_IN(1), .shape = lbi_places_into_shape, .forward = forward, .backward = backward, .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_scatter(lb_tape *t, lb_tensor *x, lb_tensor *index, lb_tensor *src, int axis) {
    return lb_apply(t, &lb_op_scatter, &axis, sizeof axis, 3, (lb_tensor *[]){x, index, lbi_places_cut(t, src, index)});
}

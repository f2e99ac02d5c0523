/* SPDX-License-Identifier: Apache-2.0 */
/* y[.., k, ..] = x[.., index[.., k, ..], ..] along one axis; dx = g added where it came from. Along the other axes the
 * indices may end before x does. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/places.h"

static bool shape(lb_call *c) {
    if (!lbi_places_fit(c)) return false;
    c->out[0]->rank = c->in[1]->rank;
    memcpy(c->out[0]->shape, c->in[1]->shape, sizeof c->in[1]->shape);
    return true;
}

static void forward(lb_call *c) {
    lbi_places p;
    if (lbi_places_of(c, c->in[0], &p)) lbi_places_take_inside(c, &p, lb_r(c->out[0]), lb_r(c->in[0]));
}

static void backward(lb_call *c) {
    lbi_places p;
    if (lbi_places_of(c, c->gin[0], &p)) lbi_places_add(&p, lb_r(c->gin[0]), lb_r(c->gout[0]));
}

static const int last = -1, first = 0, middle = 1;
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2, 2}, .shape = {{3, 5}, {3, 7}}, .imax = 5, .params = &last},
    {.name = "first", .rank = {3, 3}, .shape = {{4, 2, 3}, {2, 2, 3}}, .imax = 4, .params = &first},
    {.name = "empty", .rank = {2, 2}, .shape = {{3, 5}, {3, 0}}, .imax = 5, .params = &last},
    {.name = "less far", .rank = {3, 3}, .shape = {{3, 4, 5}, {2, 3, 2}}, .imax = 4, .params = &middle},
    {.name = "less far, last", .rank = {3, 3}, .shape = {{3, 4, 5}, {2, 3, 2}}, .imax = 5, .params = &last},
    {.name = "large", .rank = {2, 2}, .shape = {{300, 40}, {300, 170}}, .imax = 40, .params = &last},
};

LB_OP(gather) = {.id = "gather", .title = "elements by index along one axis", .source = "torch.gather", .sig = "x index:i64 -> y",
                 .math = "y[i,k] = x[i,index_ik]", .params_size = sizeof(int), .reads = LB_READS_IN(1), .shape = shape,
                 .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_gather(lb_tape *t, lb_tensor *x, lb_tensor *index, int axis) {
    return lb_apply(t, &lb_op_gather, &axis, sizeof axis, 2, (lb_tensor *[]){x, index});
}

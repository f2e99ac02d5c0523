/* SPDX-License-Identifier: Apache-2.0 */
/* y = x, where mask is not 0 the next element of src, in order; dx = g where mask is 0, dsrc = g in that order, 0 for those not needed.
 * mask has the shape of x and is of numbers or i64; src has at least as many elements as it asks for. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/truth.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0], *m = c->in[1];
    bool types = x->dtype == LB_REAL && lbi_has_truth(m) && c->in[2]->dtype == LB_REAL;
    c->out[0]->rank = x->rank;
    memcpy(c->out[0]->shape, x->shape, sizeof x->shape);
    if (types && lb_same_shape(x, m)) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "expected numbers, a mask of their shape, and numbers");
    return false;
}

static void forward(lb_call *c) {
    int64_t used = 0, have = lb_numel(c->in[2]), need = lbi_count_true(c->in[1], 0, lb_numel(c->in[1]));
    if (need > have) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the mask asks for %lld elements, src has %lld", (long long)need, (long long)have);
        return;
    }
    for (int64_t i = 0, n = lb_numel(c->in[0]); i < n; i++)
        lb_r(c->out[0])[i] = lbi_is_true(c->in[1], i) ? lb_r(c->in[2])[used++] : lb_r(c->in[0])[i];
}

static void backward(lb_call *c) {
    int64_t used = 0;
    for (int64_t i = 0, n = lb_numel(c->gout[0]); i < n; i++) {
        bool put = lbi_is_true(c->in[1], i);
        lb_real g = lb_r(c->gout[0])[i];
        if (!put && c->gin[0]) lb_r(c->gin[0])[i] += g;
        if (put && c->gin[2]) lb_r(c->gin[2])[used++] += g;
    }
}

static void zero_or_one(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[1]; i++) ((lb_real *)data[1])[i] = i % 3 != 1;
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2, 2, 1}, .shape = {{3, 5}, {3, 5}, {12}}, .fill = zero_or_one},
    {.name = "empty", .rank = {2, 2, 1}, .shape = {{0, 5}, {0, 5}, {3}}, .fill = zero_or_one},
};

LB_OP(masked_scatter) = {.id = "masked_scatter", .title = "elements put where a mask says so", .source = "torch.masked_scatter",
                         .sig = "x mask src -> y", .math = "y = mask ? next of src : x", .flags = LB_OP_ANY_TYPE | LB_OP_NONSMOOTH,
                         .reads = LB_READS_IN(1), .shape = shape, .forward = forward, .backward = backward, .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_masked_scatter(lb_tape *t, lb_tensor *x, lb_tensor *mask, lb_tensor *src) {
    return lb_apply(t, &lb_op_masked_scatter, NULL, 0, 3, (lb_tensor *[]){x, mask, src});
}

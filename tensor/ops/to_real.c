/* SPDX-License-Identifier: Apache-2.0 */
/* y = x as numbers of the maths type. */
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    c->out[0]->rank = c->in[0]->rank;
    for (int i = 0; i < c->in[0]->rank; i++) c->out[0]->shape[i] = c->in[0]->shape[i];
    return true;
}

static void convert(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    const lb_tensor *x = c->in[0];
    lb_convert(lb_r(c->out[0]) + first, LB_REAL, (const char *)x->data + first * (int64_t)lb_dtype_size(x->dtype), x->dtype, last - first);
}

static void forward(lb_call *c) { lbi_split(lb_numel(c->in[0]), 1, convert, c); }

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .imax = 9},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 9},
    {.name = "large", .rank = {2}, .shape = {{300, 250}}, .imax = 9},
};

LB_OP(to_real) = {.id = "to_real",
                  .title = "integers as numbers of the maths type",
                  .source = "arithmetic",
                  .sig = "x:i64 -> y",
                  .math = "y = x",
                  .flags = LB_OP_ANY_TYPE,
                  .shape = shape,
                  .forward = forward,
                  .no_grad = "of integers",
                  .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_to_real(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_to_real, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* index [M,rank] = places of the elements that are not 0, in order; M depends on the values, on a SHAPES tape it is the most it can be.
 * Numbers of the maths type or i64; NaN is not 0. */
#include "tensor/ops.h"
#include "tensor/truth.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    if (!lbi_has_truth(x)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "expected %s or i64", lb_dtype_name(LB_REAL));
        return false;
    }
    y->dtype = LB_I64;
    y->rank = 2;
    y->shape[0] = x->data ? lbi_count_true(x) : lb_numel(x);
    y->shape[1] = x->rank;
    return true;
}

static void forward(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t *to = lb_i(c->out[0]), at[LB_MAX_RANK] = {0}, width = x->rank > 0 ? x->shape[x->rank - 1] : 1;
    for (int64_t i = 0, n = lb_numel(x); i < n; i += width) {
        for (int64_t k = 0; k < width; k++) {
            if (!lbi_is_true(x, i + k)) continue;
            for (int d = 0; d < x->rank - 1; d++) *to++ = at[d];
            if (x->rank > 0) *to++ = k;
        }
        for (int d = x->rank - 2; d >= 0 && ++at[d] == x->shape[d]; d--) at[d] = 0;
    }
}

/* None is 0: the shape is then the same when only shapes count. */
static void all_true(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] += 5;
}

static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .fill = all_true},
    {.name = "cube", .rank = {3}, .shape = {{2, 3, 2}}, .fill = all_true},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}},
};

LB_OP(nonzero) = {.id = "nonzero", .title = "places of what is not 0", .source = "torch.nonzero", .sig = "x -> index:i64",
                  .math = "index = {i : x_i != 0}", .flags = LB_OP_ANY_TYPE, .shape = shape, .forward = forward,
                  .no_grad = "a place does not change smoothly", .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_nonzero(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_nonzero, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = the value that stands most often in each row, of several the smallest. NaN counts as one value, larger than all. */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/sorting.h"

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    c->out[0]->rank = x->rank - 1;
    memcpy(c->out[0]->shape, x->shape, sizeof x->shape);
    if (x->shape[x->rank - 1] > 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "nothing to choose from along the last axis");
    return false;
}

static lb_real most_frequent(const lb_real *x, const int64_t *order, int64_t n) {
    int64_t most = 0, run = 0;
    lb_real best = x[order[0]], last = best;
    for (int64_t k = 0; k < n; k++) {
        lb_real v = x[order[k]];
        run = v == last || (v != v && last != last) ? run + 1 : 1;
        last = v;
        if (run <= most) continue;
        most = run;
        best = v;
    }
    return best;
}

static void forward(lb_call *c) {
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], rows = lb_numel(c->out[0]);
    int64_t *order = lb_scratch(c, (size_t)(rows * n + lbi_order_work(rows, n, n)) * sizeof *order);
    if (!order) return;
    lbi_order_rows(lb_r(c->in[0]), rows, n, n, false, order, order + rows * n);
    for (int64_t r = 0; r < rows; r++) lb_r(c->out[0])[r] = most_frequent(lb_r(c->in[0]) + r * n, order + r * n, n);
}

static void coarse(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[0]; i++) ((lb_real *)data[0])[i] = (lb_real)(int)((lb_real *)data[0])[i];
}

static const lb_op_case cases[] = {
    {.name = "rows", .rank = {2}, .shape = {{5, 9}}, .lo = -3, .hi = 3, .fill = coarse},
    {.name = "different", .rank = {1}, .shape = {{6}}},
    {.name = "empty", .rank = {2}, .shape = {{0, 3}}},
};

LB_OP(mode) = {.id = "mode", .title = "most frequent value of each row", .source = "torch.mode", .sig = "x[...,N] -> y[...]",
               .math = "y = the most frequent of x", .shape = shape, .forward = forward, .no_grad = "chosen by counts",
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_mode(lb_tape *t, lb_tensor *x) {
    return lb_apply(t, &lb_op_mode, NULL, 0, 1, &x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = how many elements lie in bin k of `bins` equal ones from lo to hi; the last holds hi too. What lies outside, and NaN, is left out. */
#include "tensor/ops.h"
#include "tensor/op.h"

struct histogram {
    int64_t bins;
    double lo, hi;
};

static bool shape(lb_call *c) {
    const struct histogram *p = c->params;
    c->out[0]->rank = 1;
    c->out[0]->shape[0] = p->bins;
    if (p->bins > 0 && p->hi > p->lo) return true;
    lb_tape_fail(c->tape, LB_E_ARG, "%lld bins from %g to %g", (long long)p->bins, p->lo, p->hi);
    return false;
}

static void forward(lb_call *c) {
    const struct histogram *p = c->params;
    int64_t *sum = lb_scratch(c, (size_t)p->bins * sizeof *sum);
    if (!sum) return;
    for (int64_t k = 0; k < p->bins; k++) sum[k] = 0;
    for (int64_t i = 0, n = lb_numel(c->in[0]); i < n; i++) {
        double x = (double)lb_r(c->in[0])[i];
        if (!(x >= p->lo && x <= p->hi)) continue;
        int64_t k = (int64_t)((x - p->lo) / (p->hi - p->lo) * (double)p->bins);
        sum[k < p->bins ? k : p->bins - 1]++;
    }
    for (int64_t k = 0; k < p->bins; k++) lb_r(c->out[0])[k] = (lb_real)sum[k];
}

static const struct histogram seven = {7, -1.5, 1.75};
static const lb_op_case cases[] = {
    {.name = "plane", .rank = {2}, .shape = {{9, 20}}, .params = &seven},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .params = &seven},
};

LB_OP(histogram) = {.id = "histogram", .title = "how many lie in each of equal bins", .source = "torch.histc", .sig = "x -> y[B]",
                    .math = "y_k = #{i : lo + k w <= x_i < lo + (k + 1) w}", .params_size = sizeof(struct histogram),
                    .shape = shape, .forward = forward, .no_grad = "a count has none", .cases = cases,
                    .case_count = LB_COUNT(cases)};

lb_tensor *lb_histogram(lb_tape *t, lb_tensor *x, int64_t bins, double lo, double hi) {
    return lb_apply(t, &lb_op_histogram, &(struct histogram){bins, lo, hi}, sizeof(struct histogram), 1, &x);
}

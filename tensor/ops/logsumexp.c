/* SPDX-License-Identifier: Apache-2.0 */
/* y = m + ln sum_i exp(x_i - m) over axes, m the largest; dx_i = g exp(x_i - y). -inf where all are. */
#include <math.h>
#include "tensor/ops/elementwise.h"
#include "tensor/reduce.h"

/* Exponentials by pieces, so that they are made by vectors, then summed in double. */
LBI_INLINE double sum_exp(const lb_real *x, int64_t n, int64_t step, lb_real shift) {
    enum { PIECE = 64 };
    lb_real e[PIECE];
    double sum = 0;
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t m = n - at < PIECE ? n - at : PIECE;
        if (step == 1)
            for (int64_t k = 0; k < m; k++) e[k] = lbi_exp(x[at + k] - shift);
        else
            for (int64_t k = 0; k < m; k++) e[k] = lbi_exp(x[(at + k) * step] - shift);
        for (int64_t k = 0; k < m; k++) sum += (double)e[k];
    }
    return sum;
}

LBI_LEVELS static void forward_part(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    for (int64_t j = first; j < last; j++) {
        const lb_real *x = lb_r(c->in[0]) + j / a.inner * a.n * a.inner + j % a.inner;
        lb_real top = -(lb_real)INFINITY;
        for (int64_t k = 0; k < a.n; k++) top = x[k * a.inner] > top ? x[k * a.inner] : top;
        lb_real shift = LBI_M(fabs)(top) <= LB_REAL_MAX ? top : 0;
        lb_r(c->out[0])[j] = shift + (lb_real)log(sum_exp(x, a.n, a.inner, shift));
    }
}

static void forward(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    lbi_split(a.outer * a.inner, a.n * 8, forward_part, c);
}

LBI_LEVELS static void backward_part(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    for (int64_t j = first; j < last; j++) {
        int64_t at = j / a.inner * a.n * a.inner + j % a.inner;
        const lb_real *x = lb_r(c->in[0]) + at;
        lb_real y = lb_r(c->out[0])[j], g = lb_r(c->gout[0])[j], *to = lb_r(c->gin[0]) + at;
        if (y == -(lb_real)INFINITY) continue;
        if (a.inner == 1)
            for (int64_t k = 0; k < a.n; k++) to[k] += g * lbi_exp(x[k] - y);
        else
            for (int64_t k = 0; k < a.n; k++) to[k * a.inner] += g * lbi_exp(x[k * a.inner] - y);
    }
}

static void backward(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    lbi_split(a.outer * a.inner, a.n * 8, backward_part, c);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, middle = LBI_REDUCE_MIDDLE, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {
    LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all),
    {.name = "large numbers", .rank = {3}, .shape = {{2, 5, 11}}, .lo = 80, .hi = 90, .params = &middle},
};

LB_OP(logsumexp) = {.id = "logsumexp", .title = "logarithm of the sum of exponentials over axes", .source = "torch.logsumexp", .sig = "x -> y",
                    .math = "y = ln sum_i exp x_i", .params_size = sizeof(lbi_over), .reads = LB_READS_IN(0) | LB_READS_OUT(0),
                    .shape = lbi_reduce_shape, .forward = forward, .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_logsumexp_over(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_logsumexp, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

lb_tensor *lb_logsumexp(lb_tape *t, lb_tensor *x, int axis, bool keep) {
    return lb_logsumexp_over(t, x, lbi_one_axis(axis), keep);
}

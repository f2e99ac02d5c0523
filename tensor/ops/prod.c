/* SPDX-License-Identifier: Apache-2.0 */
/* y = product of x over axes, in double; dx_i = g times the product of the others: g y / x_i in a line without zeros; where one is 0
 * only it gets a gradient, where several are none does. 1 for n = 0. */
#include "tensor/ops/fold.h"

LBI_INLINE double step(double so_far, double x, const void *params) {
    return so_far * x;
}

LBI_INLINE double merge(double a, double b) {
    return a * b;
}

LBI_FOLD(fold, 1, step, merge, lbi_finish_same)

static void forward(lb_call *c) {
    lbi_fold_forward(c, fold);
}

/* One number of a line: `others` is g times all that are not 0. */
LBI_INLINE lb_real slope(lb_real x, double others, int64_t zeros) {
    bool none = x == 0;
    double d = others / (none ? 1 : (double)x);
    return (lb_real)(zeros > none ? 0 : d);
}

LBI_INLINE double step_whole(double so_far, double x, const void *params) {
    return x == 0 ? so_far : so_far * x;
}

LBI_INLINE void back_line(lb_real *restrict gx, const lb_real *restrict x, int64_t n, int64_t by, double g, bool fresh) {
    int64_t zeros = 0;
    for (int64_t k = 0; k < n; k++) zeros += x[k * by] == 0;
    double others = g;
    if (by == 1) others *= lbi_fold_line(x, n, NULL, 1, step_whole, merge);
    else
        for (int64_t k = 0; k < n; k++) others = step_whole(others, (double)x[k * by], NULL);
    for (int64_t k = 0; k < n; k++) gx[k * by] = (fresh ? 0 : gx[k * by]) + slope(x[k * by], others, zeros);
}

LBI_LEVELS static void backward_lines(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    for (int64_t j = first; j < last; j++) {
        int64_t at = j / a.inner * a.n * a.inner + j % a.inner;
        const lb_real *x = lb_r(c->in[0]) + at;
        lb_real *gx = lb_r(c->gin[0]) + at;
        double g = (double)lb_r(c->gout[0])[j];
        if (a.inner == 1 && c->fresh[0]) back_line(gx, x, a.n, 1, g, true);
        else if (a.inner == 1) back_line(gx, x, a.n, 1, g, false);
        else back_line(gx, x, a.n, a.inner, g, c->fresh[0]);
    }
}

static void backward(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    lb_tensor flat = *c->in[0];
    if (!lbi_flat(c, &flat)) return;
    c->in[0] = &flat;
    lbi_split(a.outer * a.inner, a.n * 8, backward_lines, c);
}

static const lbi_over last = LBI_REDUCE_LAST, first = LBI_REDUCE_FIRST, pair = LBI_REDUCE_PAIR, all = LBI_REDUCE_ALL;
static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "pair", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = &pair},
    {.name = "zeros", .rank = {2}, .shape = {{6, 5}}, .params = &last, .fill = lbi_some_zeros},
    {.name = "nothing", .rank = {2}, .shape = {{3, 0}}, .params = &last},
    {.name = "long", .rank = {2}, .shape = {{2, 70000}}, .lo = 0.9999, .hi = 1.0001, .params = &last},
    {.name = "all", .rank = {2}, .shape = {{3, 5}}, .params = &all},
};

LB_OP(prod) = {.id = "prod", .title = "product over axes", .source = "arithmetic; zeros as torch.prod", .sig = "x -> y", .math = "y = prod_i x_i",
               .params_size = sizeof(lbi_over), .flags = LB_OP_STRIDED | LB_OP_SETS, .reads = LB_READS_IN(0), .shape = lbi_reduce_shape, .forward = forward,
               .backward = backward, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_prod(lb_tape *t, lb_tensor *x, lb_axes axes, bool keep) {
    return lbi_reduce(t, &lb_op_prod, x, axes, &(lbi_over){.keep = keep}, sizeof(lbi_over));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y = (sum_i |x_i|^p)^(1/p) over axes, summed in double; p = 0: how many are not 0; p = inf or -inf: the largest or smallest |x_i|.
 * dx = g sign(x) |x|^(p-1) / y^(p-1), 0 where x or y is 0; p = 0: none; p = +-inf: g sign(x), shared among those with |x_i| = y. */
#include "tensor/ops/fold.h"

static double power(const void *params) {
    return ((const lb_norm_params *)params)->p;
}

LBI_INLINE double step_1(double so_far, double x, const void *params) {
    return so_far + fabs(x);
}

LBI_INLINE double step_2(double so_far, double x, const void *params) {
    return so_far + x * x;
}

LBI_INLINE double step_p(double so_far, double x, const void *params) {
    return so_far + pow(fabs(x), power(params));
}

LBI_INLINE double root_2(double all, const void *params) {
    return sqrt(all);
}

LBI_INLINE double root_p(double all, const void *params) {
    return pow(all, 1 / power(params));
}

LBI_INLINE lb_real slope_1(lb_real x, lb_real y, const void *params) {
    return x > 0 ? 1 : x < 0 ? -1 : 0 * x;
}

LBI_INLINE lb_real slope_2(lb_real x, lb_real y, const void *params) {
    return y == 0 ? 0 : x / y;
}

LBI_INLINE lb_real slope_p(lb_real x, lb_real y, const void *params) {
    double size = x == 0 || y == 0 ? 0 : pow(fabs((double)x) / (double)y, power(params) - 1);
    return x < 0 ? (lb_real)-size : (lb_real)size;
}

LBI_FOLD(fold_1, 0, step_1, lbi_merge_sum, lbi_finish_same)
LBI_FOLD(fold_2, 0, step_2, lbi_merge_sum, root_2)
LBI_FOLD(fold_p, 0, step_p, lbi_merge_sum, root_p)
LBI_FOLD_BACK(back_1, slope_1)
LBI_FOLD_BACK(back_2, slope_2)
LBI_FOLD_BACK(back_p, slope_p)

static void forward(lb_call *c) {
    double p = power(c->params);
    lbi_fold_forward(c, p == 1 ? fold_1 : p == 2 ? fold_2 : fold_p);
}

static void backward(lb_call *c) {
    double p = power(c->params);
    lbi_fold_backward(c, c->gout[0], c->out[0], p == 1 ? back_1 : p == 2 ? back_2 : back_p);
}

static const lb_norm_params last = {LBI_REDUCE_LAST, 2}, first = {LBI_REDUCE_FIRST, 1}, middle = {LBI_REDUCE_MIDDLE, 3},
                         pair = {LBI_REDUCE_PAIR, 2}, all = {LBI_REDUCE_ALL, 2}, half = {LBI_REDUCE_FIRST, 0.5};
static const lb_op_case cases[] = {
    LBI_REDUCE_CASES(&last, &first, &middle, &pair, &all),
    {.name = "half", .rank = {2}, .shape = {{4, 5}}, .lo = 0.2, .hi = 2, .params = &half},
    {.name = "nothing", .rank = {2}, .shape = {{3, 0}}, .params = &last},
};

LB_OP(norm) = {.id = "norm", .title = "p-norm over axes", .source = "torch.linalg.vector_norm", .sig = "x -> y",
               .math = "y = (sum_i |x_i|^p)^(1/p)", .params_size = sizeof(lb_norm_params), .flags = LB_OP_STRIDED | LB_OP_SETS | LB_OP_NONSMOOTH,
               .reads = LB_READS_IN(0) | LB_READS_OUT(0), .shape = lbi_reduce_shape, .forward = forward, .backward = backward,
               .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_norm(lb_tape *t, lb_tensor *x, double p, lb_axes axes, bool keep) {
    lb_norm_params n = {{.keep = keep}, p};
    if (p == 0) return lb_count_nonzero(t, x, axes, keep);
    if (p == INFINITY) return lb_amax(t, lb_abs(t, x), axes, keep);
    if (p == -INFINITY) return lb_amin(t, lb_abs(t, x), axes, keep);
    return lbi_reduce(t, &lb_op_norm, x, axes, &n.over, sizeof n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = prod_{i <= k} x_i along one axis; dx_i = sum_{k >= i} g_k prod_{j <= k, j != i} x_j: g_k y_k / x_i before the first 0; at the
 * first 0 the products without it, up to the next 0; nothing behind. */
#include "tensor/running.h"

static void forward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    double y = 1;
    for (int64_t k = 0, at = first; k < n; k++, at += step) {
        y *= (double)lb_r(c->in[0])[at];
        lb_r(c->out[0])[at] = (lb_real)y;
    }
}

static void backward_line(const lb_call *c, int64_t first, int64_t step, int64_t n) {
    const lb_real *x = lb_r(c->in[0]) + first, *g = lb_r(c->gout[0]) + first;
    lb_real *gx = lb_r(c->gin[0]) + first;
    int64_t zero = 0;
    double before = 1, sum = 0, product = 1;
    for (; zero < n && x[zero * step] != 0; zero++) before *= (double)x[zero * step];
    product = before;
    for (int64_t k = zero; k < n && (k == zero || x[k * step] != 0); k++) {
        if (k > zero) product *= (double)x[k * step];
        sum += (double)g[k * step] * product;
    }
    if (zero < n) gx[zero * step] += (lb_real)sum;
    sum = 0;
    for (int64_t i = zero - 1; i >= 0; i--) {
        sum += (double)g[i * step] * before;
        gx[i * step] += (lb_real)(sum / (double)x[i * step]);
        before /= (double)x[i * step];
    }
}

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_line);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_line);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};

static void zeros_too(void *const *data, const int64_t *numel) {
    for (int64_t i = 3; i < numel[0]; i += 4) ((lb_real *)data[0])[i] = 0;
}

static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "backwards", .rank = {3}, .shape = {{2, 5, 3}}, .params = &back},
    {.name = "zeros", .rank = {2}, .shape = {{4, 9}}, .params = &last, .fill = zeros_too},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .lo = 0.9, .hi = 1.1, .params = &first},
};

LB_OP(cumprod) = {.id = "cumprod", .title = "running product along one axis", .source = "torch.cumprod", .sig = "x -> y",
                  .math = "y_k = prod_{i <= k} x_i", .params_size = sizeof(lbi_running), .reads = LB_READS_IN(0),
                  .shape = lbi_running_shape, .forward = forward, .backward = backward, .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_cumprod(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumprod, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

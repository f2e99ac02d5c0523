/* SPDX-License-Identifier: Apache-2.0 */
/* y_k = prod_{i <= k} x_i along one axis; dx_i = sum_{k >= i} g_k prod_{j <= k, j != i} x_j: g_k y_k / x_i before the first 0; at the
 * first 0 the products without it, up to the next 0; nothing behind. */
#include "tensor/running.h"

LBI_ALWAYS void products(const lb_call *c, lbi_lines l) {
    const lb_real *x = lb_r(c->in[0]);
    lb_real *restrict y = lb_r(c->out[0]);
    double all[LBI_RUNNING_WIDTH];
    for (int64_t i = 0; i < l.width; i++) all[i] = 1;
    for (int64_t k = 0, at = l.at; k < l.n; k++, at += l.step)
        for (int64_t i = 0; i < l.width; i++) {
            all[i] *= (double)x[at + i * l.apart];
            y[at + i * l.apart] = (lb_real)all[i];
        }
}

/* One line that may hold zeros; gx is added to. */
static void line_back(const lb_call *c, int64_t first, int64_t step, int64_t n) {
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

/* Is an element 0? Once a product is 0, its last is; it may also have become too small. */
LBI_ALWAYS bool any_zero(const lb_call *c, lbi_lines l) {
    const lb_real *x = lb_r(c->in[0]), *y = lb_r(c->out[0]);
    int32_t any = 0;
    for (int64_t i = 0, last = l.at + (l.n - 1) * l.step; i < l.width; i++) any |= y[last + i * l.apart] == 0;
    if (!any) return false;
    any = 0;
    if (l.apart == 1)
        for (int64_t k = 0; k < l.n; k++)
            for (int64_t i = 0; i < l.width; i++) any |= x[l.at + k * l.step + i] == 0;
    else
        for (int64_t i = 0; i < l.width; i++) {
            const lb_real *line = x + l.at + i * l.apart + (l.step < 0 ? (l.n - 1) * l.step : 0);
            for (int64_t k = 0; k < l.n; k++) any |= line[k] == 0;
        }
    return any;
}

/* No zeros: dx_i = sum_{k >= i} g_k y_k / x_i. Products too small for a number bring nothing. */
LBI_ALWAYS void quotients(const lb_call *c, lbi_lines l, bool fresh) {
    const lb_real *x = lb_r(c->in[0]), *y = lb_r(c->out[0]), *g = lb_r(c->gout[0]);
    lb_real *restrict gx = lb_r(c->gin[0]);
    double sum[LBI_RUNNING_WIDTH] = {0};
    for (int64_t k = 0, at = l.at + (l.n - 1) * l.step; k < l.n; k++, at -= l.step)
        for (int64_t i = 0; i < l.width; i++) {
            sum[i] += (double)g[at + i * l.apart] * (double)y[at + i * l.apart];
            gx[at + i * l.apart] = (fresh ? 0 : gx[at + i * l.apart]) + (lb_real)sum[i] / x[at + i * l.apart];
        }
}

LBI_ALWAYS void slopes(const lb_call *c, lbi_lines l) {
    if (any_zero(c, l)) {
        lb_real *gx = lb_r(c->gin[0]);
        for (int64_t k = 0; c->fresh[0] && k < l.n; k++)
            for (int64_t i = 0; i < l.width; i++) gx[l.at + k * l.step + i * l.apart] = 0;
        for (int64_t i = 0; i < l.width; i++) line_back(c, l.at + i * l.apart, l.step, l.n);
    } else if (c->fresh[0]) quotients(c, l, true);
    else quotients(c, l, false);
}

LBI_RUNNING_FOURS(forward_lines, products)
LBI_RUNNING_FOURS(backward_lines, slopes)

static void forward(lb_call *c) {
    lbi_running_lines(c, forward_lines);
}

static void backward(lb_call *c) {
    lbi_running_lines(c, backward_lines);
}

static const lbi_running last = {-1, false}, first = {0, false}, back = {1, true};

static void zeros_too(void *const *data, const int64_t *numel) {
    for (int64_t i = 3; i < numel[0]; i += 4) ((lb_real *)data[0])[i] = 0;
}

/* Of the first four lines none, of the others some. */
static void some_zeros(void *const *data, const int64_t *numel) {
    for (int64_t i = 40; i < numel[0]; i += 10) ((lb_real *)data[0])[i] = 0;
}

static const lb_op_case cases[] = {
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = &last},
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = &first},
    {.name = "backwards", .rank = {3}, .shape = {{2, 5, 3}}, .params = &back},
    {.name = "zeros in fours", .rank = {2}, .shape = {{7, 9}}, .params = &last, .fill = some_zeros},
    {.name = "zeros", .rank = {2}, .shape = {{4, 9}}, .params = &last, .fill = zeros_too},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &last},
    {.name = "fours", .rank = {2}, .shape = {{303, 290}}, .lo = 0.9, .hi = 1.1, .params = &last},
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .lo = 0.9, .hi = 1.1, .params = &first},
};

LB_OP(cumprod) = {.id = "cumprod", .title = "running product along one axis", .source = "torch.cumprod", .sig = "x -> y",
                  .math = "y_k = prod_{i <= k} x_i", .params_size = sizeof(lbi_running), .flags = LB_OP_SETS, .reads = LB_READS_IN(0) | LB_READS_OUT(0),
                  .shape = lbi_running_shape, .forward = forward, .backward = backward, .cases = cases,
                  .case_count = LB_COUNT(cases)};

lb_tensor *lb_cumprod(lb_tape *t, lb_tensor *x, int axis) {
    return lb_apply(t, &lb_op_cumprod, &(lbi_running){axis, false}, sizeof(lbi_running), 1, &x);
}

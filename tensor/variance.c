/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/variance.h"
#include "tensor/ops/fold.h"

static double divisor(const lb_call *c, int64_t n) {
    double d = (double)n - ((const lbi_variance *)c->params)->correction;
    return d > 0 ? d : NAN;
}

LBI_INLINE double add(double so_far, double x, const void *mean) {
    return so_far + x;
}

LBI_INLINE double add_square(double so_far, double x, const void *mean) {
    double d = x - *(const double *)mean;
    return so_far + d * d;
}

LBI_INLINE void line(const lb_real *x, int64_t n, double *mean, double *squares) {
    *mean = lbi_fold_line(x, n, NULL, 0, add, lbi_merge_sum) / (double)n;
    *squares = lbi_fold_line(x, n, mean, 0, add_square, lbi_merge_sum);
}

LBI_INLINE void columns(const lb_real *x, lbi_axes a, int64_t width, double *mean, double *squares) {
    for (int64_t i = 0; i < width; i++) mean[i] = squares[i] = 0;
    lbi_fold_rows(mean, x, a.n, a.inner, width, NULL, add);
    for (int64_t i = 0; i < width; i++) mean[i] /= (double)a.n;
    for (int64_t k = 0; k < a.n; k++)
        for (int64_t i = 0; i < width; i++) squares[i] += ((double)x[k * a.inner + i] - mean[i]) * ((double)x[k * a.inner + i] - mean[i]);
}

LBI_LEVELS static void run(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    lbi_axes a = lbi_over_axes(c);
    double d = divisor(c, a.n), mean[LBI_COLUMNS], squares[LBI_COLUMNS];
    int64_t blocks = (a.inner + LBI_COLUMNS - 1) / LBI_COLUMNS;
    for (int64_t j = first; j < last; j++) {
        int64_t o = j / blocks, at = j % blocks * LBI_COLUMNS, width = a.inner - at < LBI_COLUMNS ? a.inner - at : LBI_COLUMNS;
        const lb_real *x = lb_r(c->in[0]) + o * a.n * a.inner + at;
        if (a.inner == 1) line(x, a.n, mean, squares);
        else columns(x, a, width, mean, squares);
        for (int64_t i = 0; i < width; i++) {
            lb_r(c->out[0])[o * a.inner + at + i] = (lb_real)(squares[i] / d);
            lb_r(c->out[1])[o * a.inner + at + i] = (lb_real)mean[i];
        }
    }
}

void lbi_var_forward(lb_call *c) {
    lbi_axes a = lbi_over_axes(c);
    int64_t blocks = (a.inner + LBI_COLUMNS - 1) / LBI_COLUMNS;
    lbi_split(a.outer * blocks, 2 * a.n * (a.inner < LBI_COLUMNS ? a.inner : LBI_COLUMNS), run, c);
}

void lbi_std_forward(lb_call *c) {
    lbi_var_forward(c);
    for (int64_t i = 0, n = lb_numel(c->out[0]); i < n; i++) lb_r(c->out[0])[i] = LBI_M(sqrt)(lb_r(c->out[0])[i]);
}

LBI_INLINE lb_real from_mean(lb_real x, lb_real mean, const void *params) {
    return x - mean;
}

LBI_FOLD_BACK(back, from_mean)

static void backward(lb_call *c, bool root) {
    double d = divisor(c, lbi_over_axes(c).n);
    lb_tensor g = *c->gout[0];
    int64_t n = lb_numel(&g);
    g.data = lb_scratch(c, (size_t)n * sizeof(lb_real));
    if (!g.data) return;
    for (int64_t i = 0; i < n; i++) {
        double by = root ? d * (double)lb_r(c->out[0])[i] : d / 2;
        lb_r(&g)[i] = by == 0 ? 0 : (lb_real)((double)lb_r(c->gout[0])[i] / by);
    }
    lbi_fold_backward(c, &g, c->out[1], back);
}

void lbi_var_backward(lb_call *c) {
    backward(c, false);
}

void lbi_std_backward(lb_call *c) {
    backward(c, true);
}

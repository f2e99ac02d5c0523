/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/norm.h"
#include <math.h>
#include "tensor/kernels/act_slope.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"

#define INLINE static inline __attribute__((always_inline))
enum { BLOCK = 4096 }; /* summed in the maths type, blocks in double */

LBI_LEVELS void lbi_plane_sum(const lb_real *x, int64_t n, double *sum) {
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = i + BLOCK < n ? i + BLOCK : n;
        lb_real s = 0;
#pragma omp simd reduction(+ : s)
        for (int64_t j = i; j < end; j++) s += x[j];
        *sum += (double)s;
    }
}

LBI_LEVELS void lbi_plane_square(const lb_real *x, int64_t n, lb_real shift, double *square) {
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = i + BLOCK < n ? i + BLOCK : n;
        lb_real s = 0;
#pragma omp simd reduction(+ : s)
        for (int64_t j = i; j < end; j++) s += (x[j] - shift) * (x[j] - shift);
        *square += (double)s;
    }
}

LBI_LEVELS void lbi_plane_moments(const lb_real *x, int64_t n, double *mean, double *square) {
    *mean = *square = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = i + BLOCK < n ? i + BLOCK : n;
        double m = (double)(end - i), all = (double)end;
        lb_real s = 0, d = 0, q = 0;
#pragma omp simd reduction(+ : s)
        for (int64_t j = i; j < end; j++) s += x[j];
        lb_real near = s / (lb_real)m;
#pragma omp simd reduction(+ : d, q)
        for (int64_t j = i; j < end; j++) {
            lb_real off = x[j] - near;
            d += off;
            q += off * off;
        }
        double apart = (double)near + (double)d / m - *mean;
        *mean += apart * m / all;
        *square += (double)q - (double)d * (double)d / m + apart * apart * (double)i * m / all;
    }
}

INLINE lb_real clamped(lb_act act, lb_real v) {
    if (act == LB_ACT_RELU || act == LB_ACT_RELU6) v = v < 0 ? 0 : v;
    return act == LB_ACT_RELU6 && v > 6 ? 6 : v;
}

INLINE void affine(lb_act act, lb_real *restrict y, const lb_real *restrict x, const lb_real *restrict add, int64_t n, lb_real a, lb_real b) {
    if (add)
        for (int64_t i = 0; i < n; i++) y[i] = clamped(act, a * x[i] + b + add[i]);
    else
        for (int64_t i = 0; i < n; i++) y[i] = clamped(act, a * x[i] + b);
}

LBI_LEVELS void lbi_plane_affine(lb_act act, lb_real *y, const lb_real *x, const lb_real *add, int64_t n, lb_real a, lb_real b) {
    if (act == LB_ACT_RELU) affine(LB_ACT_RELU, y, x, add, n, a, b);
    else if (act == LB_ACT_RELU6) affine(LB_ACT_RELU6, y, x, add, n, a, b);
    else affine(LB_ACT_NONE, y, x, add, n, a, b);
}

LBI_LEVELS void lbi_plane_through(lb_act act, lb_real *restrict to, const lb_real *restrict g, const lb_real *restrict y, int64_t n, bool fresh) {
    if (act == LB_ACT_RELU)
        for (int64_t i = 0; i < n; i++) to[i] = (fresh ? 0 : to[i]) + (y[i] > 0 ? g[i] : 0);
    else
        for (int64_t i = 0; i < n; i++) to[i] = (fresh ? 0 : to[i]) + lbi_act_slope(act, g[i], y[i]);
}

INLINE void back_sums(lb_act act, const lb_real *restrict g, const lb_real *restrict y, const lb_real *restrict x, int64_t n, lb_real mean, lb_real rstd, double *sum, double *dot) {
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = i + BLOCK < n ? i + BLOCK : n;
        lb_real s = 0, d = 0;
#pragma omp simd reduction(+ : s, d)
        for (int64_t j = i; j < end; j++) {
            lb_real through = lbi_act_slope(act, g[j], y[j]);
            s += through;
            d += through * ((x[j] - mean) * rstd);
        }
        *sum += (double)s;
        *dot += (double)d;
    }
}

LBI_LEVELS void lbi_plane_back_sums(lb_act act, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real mean, lb_real rstd, double *sum, double *dot) {
    if (act == LB_ACT_RELU) back_sums(LB_ACT_RELU, g, y, x, n, mean, rstd, sum, dot);
    else if (act == LB_ACT_RELU6) back_sums(LB_ACT_RELU6, g, y, x, n, mean, rstd, sum, dot);
    else if (act == LB_ACT_NONE) back_sums(LB_ACT_NONE, g, y, x, n, mean, rstd, sum, dot);
    else back_sums(act, g, y, x, n, mean, rstd, sum, dot);
}

INLINE void back(lb_act act, lb_real *restrict gx, const lb_real *restrict g, const lb_real *restrict y, const lb_real *restrict x, int64_t n, lb_real a, lb_real b, lb_real c, bool fresh) {
    if (fresh)
        for (int64_t i = 0; i < n; i++) gx[i] = a * lbi_act_slope(act, g[i], y[i]) + b * x[i] + c;
    else
        for (int64_t i = 0; i < n; i++) gx[i] += a * lbi_act_slope(act, g[i], y[i]) + b * x[i] + c;
}

LBI_LEVELS void lbi_plane_back(lb_act act, lb_real *gx, const lb_real *g, const lb_real *y, const lb_real *x, int64_t n, lb_real a, lb_real b, lb_real c, bool fresh) {
    if (act == LB_ACT_RELU) back(LB_ACT_RELU, gx, g, y, x, n, a, b, c, fresh);
    else if (act == LB_ACT_RELU6) back(LB_ACT_RELU6, gx, g, y, x, n, a, b, c, fresh);
    else if (act == LB_ACT_NONE) back(LB_ACT_NONE, gx, g, y, x, n, a, b, c, fresh);
    else back(act, gx, g, y, x, n, a, b, c, fresh);
}

/* ---- rows ---- */

LBI_LEVELS void lbi_row_norm(lb_real *restrict y, const lb_real *restrict x, const lb_real *restrict gamma, const lb_real *restrict beta, int64_t k, double eps, lb_real *mean, lb_real *rstd) {
    double sum = 0, square = 0;
    lbi_fetch(x + k, k); /* the next row */
    lbi_plane_sum(x, k, &sum);
    lb_real m = (lb_real)(sum / (double)k);
    lbi_plane_square(x, k, m, &square);
    lb_real r = (lb_real)(1 / sqrt(square / (double)k + eps));
    *mean = m;
    *rstd = r;
    if (gamma && beta)
        for (int64_t j = 0; j < k; j++) y[j] = (x[j] - m) * r * gamma[j] + beta[j];
    else
        for (int64_t j = 0; j < k; j++) y[j] = (x[j] - m) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
}

/* With a constant `has` the compiler keeps one branch. */
INLINE void norm_back(bool has, lb_real *restrict gx, const lb_real *restrict g, const lb_real *restrict x, const lb_real *restrict gamma, int64_t k, lb_real mean, lb_real rstd, bool fresh) {
    double a = 0, b = 0;
    lbi_fetch(g + k, k); /* the next row */
    lbi_fetch(x + k, k);
    for (int64_t i = 0; i < k; i += BLOCK) {
        int64_t end = i + BLOCK < k ? i + BLOCK : k;
        lb_real s = 0, d = 0;
#pragma omp simd reduction(+ : s, d)
        for (int64_t j = i; j < end; j++) {
            lb_real h = has ? g[j] * gamma[j] : g[j];
            s += h;
            d += h * ((x[j] - mean) * rstd);
        }
        a += (double)s;
        b += (double)d;
    }
    lb_real ma = (lb_real)(a / (double)k), mb = (lb_real)(b / (double)k);
    if (fresh)
        for (int64_t j = 0; j < k; j++) gx[j] = rstd * ((has ? g[j] * gamma[j] : g[j]) - ma - (x[j] - mean) * rstd * mb);
    else
        for (int64_t j = 0; j < k; j++) gx[j] += rstd * ((has ? g[j] * gamma[j] : g[j]) - ma - (x[j] - mean) * rstd * mb);
}

LBI_LEVELS void lbi_row_norm_back(lb_real *gx, const lb_real *g, const lb_real *x, const lb_real *gamma, int64_t k, lb_real mean, lb_real rstd, bool fresh) {
    if (gamma) norm_back(true, gx, g, x, gamma, k, mean, rstd, fresh);
    else norm_back(false, gx, g, x, gamma, k, mean, rstd, fresh);
}

LBI_LEVELS void lbi_row_norm_sums(lb_real *restrict dgamma, lb_real *restrict dbeta, const lb_real *restrict g, const lb_real *restrict x, int64_t k, lb_real mean, lb_real rstd) {
    if (dgamma)
        for (int64_t j = 0; j < k; j++) dgamma[j] += g[j] * ((x[j] - mean) * rstd);
    if (dbeta)
        for (int64_t j = 0; j < k; j++) dbeta[j] += g[j];
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/norm.h"
#include <math.h>
#include "base/cpu.h"
#include "tensor/kernels/act_slope.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/lanes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/norm_wide.h"

#define INLINE static inline __attribute__((always_inline))
enum { HALF = LBI_LANES / 2, BLOCK = LBI_LANE_BLOCK };

LBI_LEVELS void lbi_plane_sum(const lb_real *x, int64_t n, double *sum) { *sum += lbi_lanes_sum(x, x, n, 0, lbi_term_same); }

LBI_LEVELS void lbi_plane_square(const lb_real *x, int64_t n, lb_real shift, double *square) { *square += lbi_lanes_sum(x, x, n, shift, lbi_term_square); }

/* Two sums over up to a block: of v, and of v w. */
INLINE void note(lb_real *sum, lb_real *dot, lb_real v, lb_real w) {
    *sum += v;
    *dot += v * w;
}

INLINE void note_off(lb_real *sum, lb_real *dot, lb_real off) { note(sum, dot, off, off); }

LBI_LEVELS void lbi_plane_moments(const lb_real *x, int64_t n, double *mean, double *square) {
    *mean = *square = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = i + BLOCK < n ? i + BLOCK : n, j = i;
        double m = (double)(end - i), all = (double)end;
        lb_real near = (lb_real)(lbi_lanes_sum(x + i, x + i, end - i, 0, lbi_term_same) / m), sum[HALF] = {0}, dot[HALF] = {0};
        for (; j + HALF <= end; j += HALF) {
            lbi_fetch(x + j + BLOCK, HALF); /* the next block */
            for (int k = 0; k < HALF; k++) note_off(sum + k, dot + k, x[j + k] - near);
        }
        for (int k = 0; k < end - j; k++) note_off(sum + k, dot + k, x[j + k] - near);
        double d = (double)lbi_lanes_half(sum), q = (double)lbi_lanes_half(dot), apart = (double)near + d / m - *mean;
        *mean += apart * m / all;
        *square += q - d * d / m + apart * apart * (double)i * m / all;
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
        int64_t end = i + BLOCK < n ? i + BLOCK : n, j = i;
        lb_real s[HALF] = {0}, d[HALF] = {0};
        for (; j + HALF <= end; j += HALF)
            for (int k = 0; k < HALF; k++) note(s + k, d + k, lbi_act_slope(act, g[j + k], y[j + k]), (x[j + k] - mean) * rstd);
        for (int k = 0; k < end - j; k++) note(s + k, d + k, lbi_act_slope(act, g[j + k], y[j + k]), (x[j + k] - mean) * rstd);
        *sum += (double)lbi_lanes_half(s);
        *dot += (double)lbi_lanes_half(d);
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

LBI_LEVELS_FUSED static void row_norm(lb_real *restrict y, const lb_real *restrict x, const lb_real *restrict gamma, const lb_real *restrict beta, int64_t k, double eps, lb_real *mean, lb_real *rstd) {
    lbi_fetch(x + k, k); /* the next row */
    lb_real m = (lb_real)(lbi_lanes_sum(x, x, k, 0, lbi_term_same) / (double)k);
    lb_real r = (lb_real)(1 / sqrt(lbi_lanes_sum(x, x, k, m, lbi_term_square) / (double)k + eps));
    *mean = m;
    *rstd = r;
    if (gamma && beta)
        for (int64_t j = 0; j < k; j++) y[j] = (x[j] - m) * r * gamma[j] + beta[j];
    else
        for (int64_t j = 0; j < k; j++) y[j] = (x[j] - m) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
}

/* With a constant `has` the compiler keeps one branch. */
INLINE lb_real through(bool has, lb_real g, const lb_real *gamma, int64_t j) { return has ? g * gamma[j] : g; }

INLINE void norm_back(bool has, lb_real *restrict gx, const lb_real *restrict g, const lb_real *restrict x, const lb_real *restrict gamma, int64_t k, lb_real mean, lb_real rstd, bool fresh) {
    double a = 0, b = 0;
    lbi_fetch(g + k, k); /* the next row */
    lbi_fetch(x + k, k);
    for (int64_t i = 0; i < k; i += BLOCK) {
        int64_t end = i + BLOCK < k ? i + BLOCK : k, j = i;
        lb_real s[HALF] = {0}, d[HALF] = {0};
        for (; j + HALF <= end; j += HALF)
            for (int l = 0; l < HALF; l++) note(s + l, d + l, through(has, g[j + l], gamma, j + l), (x[j + l] - mean) * rstd);
        for (int l = 0; l < end - j; l++) note(s + l, d + l, through(has, g[j + l], gamma, j + l), (x[j + l] - mean) * rstd);
        a += (double)lbi_lanes_half(s);
        b += (double)lbi_lanes_half(d);
    }
    lb_real ma = (lb_real)(a / (double)k), mb = (lb_real)(b / (double)k);
    if (fresh)
        for (int64_t j = 0; j < k; j++) gx[j] = rstd * (through(has, g[j], gamma, j) - ma - (x[j] - mean) * rstd * mb);
    else
        for (int64_t j = 0; j < k; j++) gx[j] += rstd * (through(has, g[j], gamma, j) - ma - (x[j] - mean) * rstd * mb);
}

LBI_LEVELS static void row_norm_back(lb_real *gx, const lb_real *g, const lb_real *x, const lb_real *gamma, int64_t k, lb_real mean, lb_real rstd, bool fresh) {
    if (gamma) norm_back(true, gx, g, x, gamma, k, mean, rstd, fresh);
    else norm_back(false, gx, g, x, gamma, k, mean, rstd, fresh);
}

LBI_LEVELS static void row_norm_sums(lb_real *restrict dgamma, lb_real *restrict dbeta, const lb_real *restrict g, const lb_real *restrict x, int64_t k, lb_real mean, lb_real rstd) {
    if (dgamma)
        for (int64_t j = 0; j < k; j++) dgamma[j] += g[j] * ((x[j] - mean) * rstd);
    if (dbeta)
        for (int64_t j = 0; j < k; j++) dbeta[j] += g[j];
}

#if LBI_NORM_WIDE
/* Whether AVX-512 does the rows. */
static bool wide(const lbi_rows *r) { return lbi_cpu() >= LBI_CPU_AVX512 && r->rows > 0 && r->k <= LBI_NORM_WIDE_MOST; }
#endif

void lbi_rows_norm(const lbi_rows *r, lb_real *y, const lb_real *beta, double eps, lbi_row_done done, const void *ctx) {
#if LBI_NORM_WIDE
    if (wide(r)) {
        lbi_rows_norm_avx512(r, y, beta, eps, done, ctx);
        return;
    }
#endif
    for (int64_t i = 0, k = r->k; i < r->rows; i++) {
        row_norm(done ? y : y + i * k, r->x + i * k, r->gamma, beta, k, eps, r->mean + i, r->rstd + i);
        if (done) done(ctx, i, y);
    }
}

void lbi_rows_norm_back(const lbi_rows *r, lb_real *gx, const lb_real *g, lb_real *dgamma, lb_real *dbeta, bool fresh) {
#if LBI_NORM_WIDE
    if (wide(r)) {
        lbi_rows_norm_back_avx512(r, gx, g, dgamma, dbeta, fresh);
        return;
    }
#endif
    for (int64_t i = 0, k = r->k; i < r->rows; i++) {
        if (gx) row_norm_back(gx + i * k, g + i * k, r->x + i * k, r->gamma, k, r->mean[i], r->rstd[i], fresh);
        if (dgamma || dbeta) row_norm_sums(dgamma, dbeta, g + i * k, r->x + i * k, k, r->mean[i], r->rstd[i]);
    }
}

LBI_LEVELS static double squares(const lb_real *x, int64_t k) { return lbi_lanes_sum(x, x, k, 0, lbi_term_product); }

LBI_LEVELS static void scale(lb_real *restrict y, const lb_real *restrict x, const lb_real *restrict gamma, int64_t k, lb_real by) {
    if (gamma)
        for (int64_t j = 0; j < k; j++) y[j] = x[j] * by * gamma[j];
    else
        for (int64_t j = 0; j < k; j++) y[j] = x[j] * by;
}

void lbi_rows_scale(const lbi_rows *r, lb_real *y, lbi_row_factor factor, double eps) {
#if LBI_NORM_WIDE
    if (wide(r)) {
        lbi_rows_scale_avx512(r, y, factor, eps);
        return;
    }
#endif
    for (int64_t i = 0, k = r->k; i < r->rows; i++) scale(y + i * k, r->x + i * k, r->gamma, k, factor(squares(r->x + i * k, k), k, eps, r->rstd + i));
}

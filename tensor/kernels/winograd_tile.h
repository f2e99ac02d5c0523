/* SPDX-License-Identifier: Apache-2.0 */
/* The transforms along one axis, and the turned ones that gradients take; points 0, +-P, +-Q, infinity. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_WINOGRAD_TILE_H
#define LB_TENSOR_KERNELS_WINOGRAD_TILE_H

#define LBI_WINO_P 0.625f
#define LBI_WINO_Q 1.5f

typedef float lbi_wino_vec __attribute__((vector_size(64), aligned(4), may_alias));
#define LBI_WINO_INLINE static inline __attribute__((always_inline))

/* to[6] = B' d: coefficients of the products of (x - point) over all points but one. */
LBI_WINO_INLINE void lbi_wino_input(const lbi_wino_vec *d, int step, lbi_wino_vec *to, int apart) {
    const float pp = LBI_WINO_P * LBI_WINO_P, qq = LBI_WINO_Q * LBI_WINO_Q;
    lbi_wino_vec d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    lbi_wino_vec even_p = d4 - qq * d2, odd_p = LBI_WINO_P * (d3 - qq * d1), even_q = d4 - pp * d2, odd_q = LBI_WINO_Q * (d3 - pp * d1);
    to[0] = d4 - (pp + qq) * d2 + pp * qq * d[0];
    to[apart] = even_p + odd_p;
    to[2 * apart] = even_p - odd_p;
    to[3 * apart] = even_q + odd_q;
    to[4 * apart] = even_q - odd_q;
    to[5 * apart] = d[5 * step] - (pp + qq) * d3 + pp * qq * d1;
}

/* to[6] = G w: the values of w0 + w1 x + w2 x^2 at the points, over what the input's products are there. */
LBI_WINO_INLINE void lbi_wino_kernel(const lbi_wino_vec *w, int step, lbi_wino_vec *to, int apart) {
    const float pp = LBI_WINO_P * LBI_WINO_P, qq = LBI_WINO_Q * LBI_WINO_Q, by_p = 1 / (2 * pp * (pp - qq)), by_q = 1 / (2 * qq * (qq - pp));
    lbi_wino_vec w0 = w[0], w1 = w[step], w2 = w[2 * step];
    lbi_wino_vec even_p = by_p * w0 + by_p * pp * w2, odd_p = by_p * LBI_WINO_P * w1, even_q = by_q * w0 + by_q * qq * w2, odd_q = by_q * LBI_WINO_Q * w1;
    to[0] = 1 / (pp * qq) * w0;
    to[apart] = even_p + odd_p;
    to[2 * apart] = even_p - odd_p;
    to[3 * apart] = even_q + odd_q;
    to[4 * apart] = even_q - odd_q;
    to[5 * apart] = w2;
}

/* to[4] = A' m: sums of the powers of the points. */
LBI_WINO_INLINE void lbi_wino_output(const lbi_wino_vec *m, int step, lbi_wino_vec *to, int apart) {
    const float p = LBI_WINO_P, q = LBI_WINO_Q;
    lbi_wino_vec plus_p = m[step] + m[2 * step], minus_p = m[step] - m[2 * step], plus_q = m[3 * step] + m[4 * step], minus_q = m[3 * step] - m[4 * step];
    to[0] = m[0] + plus_p + plus_q;
    to[apart] = p * minus_p + q * minus_q;
    to[2 * apart] = p * p * plus_p + q * q * plus_q;
    to[3 * apart] = p * p * p * minus_p + q * q * q * minus_q + m[5 * step];
}

/* to[6] = A g: the values of g0 + g1 x + g2 x^2 + g3 x^3 at the points. */
LBI_WINO_INLINE void lbi_wino_output_back(const lbi_wino_vec *g, int step, lbi_wino_vec *to, int apart) {
    const float p = LBI_WINO_P, q = LBI_WINO_Q;
    lbi_wino_vec g0 = g[0], g1 = g[step], g2 = g[2 * step], g3 = g[3 * step];
    lbi_wino_vec even_p = g0 + p * p * g2, odd_p = p * g1 + p * p * p * g3, even_q = g0 + q * q * g2, odd_q = q * g1 + q * q * q * g3;
    to[0] = g0;
    to[apart] = even_p + odd_p;
    to[2 * apart] = even_p - odd_p;
    to[3 * apart] = even_q + odd_q;
    to[4 * apart] = even_q - odd_q;
    to[5 * apart] = g3;
}

/* to[3] = G' u. */
LBI_WINO_INLINE void lbi_wino_kernel_back(const lbi_wino_vec *u, int step, lbi_wino_vec *to, int apart) {
    const float p = LBI_WINO_P, q = LBI_WINO_Q, pp = p * p, qq = q * q, by_p = 1 / (2 * pp * (pp - qq)), by_q = 1 / (2 * qq * (qq - pp));
    lbi_wino_vec plus_p = by_p * (u[step] + u[2 * step]), minus_p = by_p * (u[step] - u[2 * step]);
    lbi_wino_vec plus_q = by_q * (u[3 * step] + u[4 * step]), minus_q = by_q * (u[3 * step] - u[4 * step]);
    to[0] = 1 / (pp * qq) * u[0] + plus_p + plus_q;
    to[apart] = p * minus_p + q * minus_q;
    to[2 * apart] = pp * plus_p + qq * plus_q + u[5 * step];
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of a row as many sums side by side, so that no addition waits for the one before; they are added in pairs at the end. Compilers keep such a table of
 * lanes in registers. Private to Limbeck. */
#ifndef LB_TENSOR_KERNELS_LANES_H
#define LB_TENSOR_KERNELS_LANES_H
#include "tensor/kernels/maths.h"

enum { LBI_LANES = 64, LBI_LANE_BLOCK = 4096 }; /* lanes; numbers that are summed in the maths type, blocks of them in double */

/* Of LBI_LANES / 2 lanes. */
LBI_ALWAYS lb_real lbi_lanes_half(const lb_real *restrict lane) {
    lb_real a[16], b[8], c[4];
    for (int i = 0; i < 16; i++) a[i] = lane[i] + lane[i + 16];
    for (int i = 0; i < 8; i++) b[i] = a[i] + a[i + 8];
    for (int i = 0; i < 4; i++) c[i] = b[i] + b[i + 4];
    return (c[0] + c[2]) + (c[1] + c[3]);
}

LBI_ALWAYS lb_real lbi_lanes_all(const lb_real *restrict lane) {
    lb_real half[LBI_LANES / 2];
    for (int i = 0; i < LBI_LANES / 2; i++) half[i] = lane[i] + lane[i + LBI_LANES / 2];
    return lbi_lanes_half(half);
}

/* A term of a sum over two rows, with a number that is the same for all. */
typedef lb_real (*lbi_term)(lb_real a, lb_real b, lb_real c);

LBI_ALWAYS double lbi_lanes_sum(const lb_real *a, const lb_real *b, int64_t n, lb_real c, lbi_term term) {
    double all = 0;
    for (int64_t from = 0; from < n; from += LBI_LANE_BLOCK) {
        int64_t end = n - from < LBI_LANE_BLOCK ? n : from + LBI_LANE_BLOCK, k = from;
        lb_real lane[LBI_LANES] = {0};
        for (; k + LBI_LANES <= end; k += LBI_LANES)
            for (int i = 0; i < LBI_LANES; i++) lane[i] += term(a[k + i], b[k + i], c);
        for (int i = 0; i < end - k; i++) lane[i] += term(a[k + i], b[k + i], c);
        all += (double)lbi_lanes_all(lane);
    }
    return all;
}

LBI_ALWAYS lb_real lbi_term_same(lb_real a, lb_real b, lb_real c) { return a; }
LBI_ALWAYS lb_real lbi_term_product(lb_real a, lb_real b, lb_real c) { return a * b; }
LBI_ALWAYS lb_real lbi_term_square(lb_real a, lb_real b, lb_real c) { return (a - c) * (a - c); }
LBI_ALWAYS lb_real lbi_term_size(lb_real a, lb_real b, lb_real c) { return a < 0 ? -a : a; }

#endif

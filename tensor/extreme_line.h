/* SPDX-License-Identifier: Apache-2.0 */
/* The largest or smallest of numbers that lie one after the other, and where it is first; NaN before all. Private to tensor/. */
#ifndef LB_TENSOR_EXTREME_LINE_H
#define LB_TENSOR_EXTREME_LINE_H
#include <math.h>
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/maths.h"

enum { LBI_EXTREME_LANES = 32, LBI_EXTREME_BLOCK = 64 }; /* fewer lanes are taken apart by the compiler before it makes vectors of them */

/* Each call with a constant: loops over sizes go through memory, and what is unrolled becomes numbers before vectors are made. */
LBI_ALWAYS void lbi_extreme_halve(lb_real *lane, int32_t *nan, const int half, bool smallest) {
#pragma GCC unroll 1
    for (int i = 0; i < half; i++) lane[i] = (smallest ? lane[i + half] < lane[i] : lane[i + half] > lane[i]) ? lane[i + half] : lane[i];
#pragma GCC unroll 1
    for (int i = 0; i < half; i++) nan[i] |= nan[i + half];
}

LBI_ALWAYS lb_real lbi_best_of_line(const lb_real *x, int64_t n, bool smallest) {
    const lb_real worst = smallest ? (lb_real)INFINITY : -(lb_real)INFINITY;
    lb_real lane[LBI_EXTREME_LANES], best = worst;
    int32_t nan[LBI_EXTREME_LANES] = {0}, any = 0;
    int64_t k = 0;
    for (int i = 0; i < LBI_EXTREME_LANES; i++) lane[i] = worst;
    for (; k + LBI_EXTREME_LANES <= n; k += LBI_EXTREME_LANES) {
        lbi_fetch(x + k + LBI_FAR, LBI_EXTREME_LANES);
        for (int i = 0; i < LBI_EXTREME_LANES; i++) {
            lb_real v = x[k + i];
            lane[i] = (smallest ? v < lane[i] : v > lane[i]) ? v : lane[i];
            nan[i] |= v != v;
        }
    }
    for (; k < n; k++) {
        best = (smallest ? x[k] < best : x[k] > best) ? x[k] : best;
        any |= x[k] != x[k];
    }
    lbi_extreme_halve(lane, nan, 16, smallest);
    lbi_extreme_halve(lane, nan, 8, smallest);
    lbi_extreme_halve(lane, nan, 4, smallest);
    lbi_extreme_halve(lane, nan, 2, smallest);
    lbi_extreme_halve(lane, nan, 1, smallest);
    best = (smallest ? lane[0] < best : lane[0] > best) ? lane[0] : best;
    any |= nan[0];
    return any ? (lb_real)NAN : best;
}

/* Blocks are asked as a whole whether they hold it. */
LBI_ALWAYS int64_t lbi_first_place(const lb_real *x, int64_t n, lb_real best) {
    int64_t k = 0;
    for (; k + LBI_EXTREME_BLOCK <= n; k += LBI_EXTREME_BLOCK) {
        int32_t found = 0;
        for (int i = 0; i < LBI_EXTREME_BLOCK; i++) found |= x[k + i] == best || (best != best && x[k + i] != x[k + i]);
        if (found) break;
    }
    while (k < n - 1 && x[k] != best && (best == best || x[k] == x[k])) k++;
    return k;
}

#endif

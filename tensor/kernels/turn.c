/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/turn.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/levels.h"

/* Colours of pictures. */
LBI_LEVELS static void three(lb_real *restrict to, const lb_real *a, const lb_real *b, const lb_real *c, int64_t k) {
    for (int64_t p = 0; p < k; p++) {
        to[3 * p] = a[p];
        to[3 * p + 1] = b[p];
        to[3 * p + 2] = c[p];
    }
}

void lbi_turn(lb_real *to, int width, const lb_real *from, int64_t ld, int count, int64_t k) {
    if (width == 3 && count == 3) {
        three(to, from, from + ld, from + 2 * ld, k);
        return;
    }
#ifndef LB_DOUBLE
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    if (g) {
        g->across(to, width, from, ld, count, k);
        return;
    }
#endif
    for (int64_t p = 0; p < k; p++)
        for (int j = 0; j < width; j++) to[p * width + j] = j < count ? from[j * ld + p] : 0;
}

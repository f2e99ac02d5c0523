/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/turn.h"
#include "tensor/kernels/gemm_block.h"

void lbi_turn(lb_real *to, int width, const lb_real *from, int64_t ld, int count, int64_t k) {
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

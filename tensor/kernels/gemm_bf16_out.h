/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of sums on their way to C. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_BF16_OUT_H
#define LB_TENSOR_KERNELS_GEMM_BF16_OUT_H
#include "tensor/kernels/gemm_bf16_block.h"
#ifndef LB_DOUBLE

typedef struct lbi_bf16_sums {
    const lbi_gemm_end *end;
    float *c;
    uint16_t *rounded; /* NULL, or where results go in place of c: all sums at once, and of `end` the column bias and activation alone */
    int64_t ldc, m, n;
    bool begin, done; /* sums of the first and of the last of k: C is multiplied by beta, else added to; the rest of `end` applies */
} lbi_bf16_sums;

/** Rows first .. last - 1 of a block [32][32] of sums whose first number is that of row i and column j of C; all of `end` but activations that lbi_bf16_out_acts does not know. */
void lbi_bf16_out(const lbi_bf16_sums *to, const float *from, int64_t i, int64_t j, int64_t first, int64_t last);
bool lbi_bf16_out_acts(lb_act act);

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Products of numbers rounded to bf16 (nearest, ties to even), summed in float: AMX tiles, or dot products of AVX-512; and of floats as three parts each, by tiles.
 * Float. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_BF16_H
#define LB_TENSOR_KERNELS_GEMM_BF16_H
#include "tensor/kernels/gemm.h"
#ifndef LB_DOUBLE

/** As lbi_gemm_to. @return false, and nothing is done: the processor has neither, or no memory. */
bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc);
/* Rows of numbers, side by side: floats, or rounded already. */
typedef struct lbi_bf16_rows {
    const float *x;
    const uint16_t *rounded; /* NULL: x is */
} lbi_bf16_rows;
/** Can sums of k products leave rounded here? With AMX they cannot, where nobody has measured what it brings. */
bool lbi_gemm_gives_rounded(int64_t k, lb_act act);
/** C [m,n] = act(A W^T + column bias) of A [m,k] and W [n,k]: to c, or rounded to c_rounded if that is not NULL (then lbi_gemm_gives_rounded). k of rounded rows is a multiple of 32.
 *  @return false without memory. */
bool lbi_gemm_rounded(int64_t m, int64_t n, int64_t k, const lbi_bf16_rows *a, const float *w, const lbi_gemm_end *end, float *c, uint16_t *c_rounded);
/** Are products of floats of this size made of parts here? */
bool lbi_gemm_in_parts(int64_t m, int64_t n, int64_t k);
/** As lbi_gemm_to, as exact as sums of float are (gemm_bf16_block.h). end->packed and bf16 are not looked at. @return false, and nothing is done: there are no tiles, other kernels are
 *  as fast, or no memory. */
bool lbi_gemm_parts(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc);
/** Bytes of W [n,k] packed as op(B) = W^T for lbi_gemm_end.packed; 0: the processor has neither. */
size_t lbi_bf16_packed_size(int64_t n, int64_t k);
/** to: 64-byte aligned. On several threads. */
void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k);

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products for ops. Private to tensor/.
 *
 * Float: packed products of our own where the CPU has AVX2 or AVX-512 (their bits do not depend on the number of threads), with AMX from three parts of bf16 a number
 * (gemm_bf16.c); OpenBLAS for very large ones on AVX2 alone, elsewhere, in the double build, and with LB_CPU=blas; LB_CPU=ref takes the plain loops (sums in double). */
#ifndef LB_TENSOR_KERNELS_GEMM_H
#define LB_TENSOR_KERNELS_GEMM_H
#include "tensor/ops.h"
LB_BEGIN

/* What happens to C on the way out: C = act(scale (beta C + op(A) op(B)) + bias + add). Zero-initialised: plain product. */
typedef struct lbi_gemm_end {
    lb_real beta;
    const lb_real *row_bias, *col_bias; /* [m], [n]; NULL = none */
    const lb_real *add;                 /* a matrix like C, rows ld_add apart; NULL = none */
    int64_t ld_add;
    lb_act act;
    const lb_real *row_scale;           /* [m]; NULL = 1 */
    const lb_real *col_scale;           /* [n]; NULL = 1. lbi_gemm_bf16 alone looks at it */
    bool bf16;                          /* factors may be rounded to bf16 where the CPU multiplies those faster (lb_tape_bf16) */
    const void *packed;                 /* op(B) as lbi_gemm_pack, or with bf16 lbi_bf16_pack, made it; NULL = not made */
} lbi_gemm_end;

/** C [m,n] = op(A) op(B) + beta * C, row-major, rows lda, ldb, ldc apart. k = 0 scales C alone. Thread-safe; inside an OpenMP region one
 *  thread. */
void lbi_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc);
/** The same with everything that can follow in one pass. end may be NULL. */
void lbi_gemm_to(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, const lbi_gemm_end *end, lb_real *c, int64_t ldc);
/** The same without AMX. */
void lbi_gemm_plain(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, const lbi_gemm_end *end, lb_real *c, int64_t ldc);
/** end for the part of C that begins at row i and column j; nothing is packed. */
lbi_gemm_end lbi_gemm_end_at(const lbi_gemm_end *end, int64_t i, int64_t j);
/** Bytes of W [n,k] packed as op(B) = W^T; 0: no kernel takes it so. */
size_t lbi_gemm_packed_size(int64_t n, int64_t k);
/** to: 64-byte aligned. On several threads. */
void lbi_gemm_pack(void *to, const lb_real *w, int64_t n, int64_t k);
void lbi_gemm_ref(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc);

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products for ops. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_GEMM_H
#define LB_TENSOR_KERNELS_GEMM_H
#include "tensor/tensor.h"
LB_BEGIN

/** C [m,n] = op(A) op(B) + beta * C, row-major, rows lda, ldb, ldc apart. k = 0 scales C alone. Thread-safe; inside an OpenMP region one
 *  thread. LB_CPU=ref takes the plain loops (sums in double), otherwise OpenBLAS. */
void lbi_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc);
void lbi_gemm_ref(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc);

LB_END
#endif

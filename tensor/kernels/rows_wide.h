/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and its logarithm of rows that lie one after the other, by AVX-512 (rows.c has the plain loops). Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_ROWS_WIDE_H
#define LB_TENSOR_KERNELS_ROWS_WIDE_H
#include "tensor/tensor.h"

/** y = softmax of each of `rows` rows of n > 0 numbers, or its logarithm. */
void lbi_softmax_rows_avx512(float *y, const float *x, int64_t rows, int64_t n, bool logarithm);
/** Their gradients, y (g - sum g y) and g - exp(y) sum g: added to gx, or put there when it is fresh. */
void lbi_softmax_rows_back_avx512(float *gx, const float *y, const float *g, int64_t rows, int64_t n, bool logarithm, bool fresh);
/** log sum exp of n > 0 numbers and of `count` <= 64 columns of n numbers, `inner` apart: as lbi_log_sum_row and lbi_logsumexp (rows.h). */
double lbi_log_sum_avx512(const float *x, int64_t n);
void lbi_log_sums_avx512(float *y, const float *x, int64_t n, int64_t inner, int64_t count);
/** y = a exp(x - logsum) + b for n numbers, none of them far above logsum. */
void lbi_soft_avx512(float *y, const float *x, int64_t n, float logsum, float a, float b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of numbers that lie one after the other, in double. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_SUM_H
#define LB_TENSOR_KERNELS_SUM_H
#include "tensor/tensor.h"

double lbi_sum_avx512(const float *x, int64_t n);

#endif

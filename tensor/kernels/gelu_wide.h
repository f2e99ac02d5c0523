/* SPDX-License-Identifier: Apache-2.0 */
/* GELU of neighbouring numbers by AVX-512 (ops/gelu.c has the plain formula). Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_GELU_WIDE_H
#define LB_TENSOR_KERNELS_GELU_WIDE_H
#include "tensor/tensor.h"

#if !defined LB_DOUBLE && defined __x86_64__
#define LBI_GELU_WIDE 1
#else
#define LBI_GELU_WIDE 0
#endif

/** y = x Phi(x); y and x may be the same. */
void lbi_gelu_avx512(float *y, const float *x, int64_t n);
/** gx = g (Phi(x) + x phi(x)), or added to it when it is not fresh. */
void lbi_gelu_back_avx512(float *gx, const float *g, const float *x, int64_t n, bool fresh);

#endif

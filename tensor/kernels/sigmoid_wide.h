/* SPDX-License-Identifier: Apache-2.0 */
/* The logistic function s of neighbouring numbers by AVX-512, and what is made of it (ops/sigmoid.c and ops/swish.h have the plain formulas). Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_SIGMOID_WIDE_H
#define LB_TENSOR_KERNELS_SIGMOID_WIDE_H
#include "tensor/tensor.h"

#if !defined LB_DOUBLE && defined __x86_64__
#define LBI_SIGMOID_WIDE 1
#else
#define LBI_SIGMOID_WIDE 0
#endif

/** y = s(x); y and x may be the same. */
void lbi_sigmoid_avx512(float *y, const float *x, int64_t n);
/** y = x s(k x); y and x may be the same. */
void lbi_silu_avx512(float *y, const float *x, int64_t n, float k);
/** gx = g s(k x) (1 + k x (1 - s(k x))), or added to it when it is not fresh. */
void lbi_silu_back_avx512(float *gx, const float *g, const float *x, int64_t n, float k, bool fresh);

#endif

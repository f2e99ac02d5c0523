/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of pictures with channels last whose factors are rounded to bf16 (nearest, ties to even) and whose products are summed in float, by AMX tiles or dot products of
 * AVX-512. Numbers below 2^-126 count as 0. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_LAST_BF16_H
#define LB_TENSOR_KERNELS_LAST_BF16_H
#include "tensor/kernels/conv.h"
#ifndef LB_DOUBLE

/** Can this CPU do it, and is it faster than float? */
bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images);
/** As lbi_last_conv for groups = 1. An infinite number or NaN of the picture may also spoil results whose patch ends just before it, in the same row. @return false without memory or instructions: nothing is done
 *  then. */
bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y);

#endif
#endif

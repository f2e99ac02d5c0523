/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of pictures with channels last whose factors are rounded to bf16 (nearest, ties to even) and whose products are summed in float, by AMX tiles or dot products of
 * AVX-512. Numbers below 2^-126 count as 0. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_LAST_BF16_H
#define LB_TENSOR_KERNELS_LAST_BF16_H
#include "tensor/kernels/last.h"
#ifndef LB_DOUBLE

/** Can this CPU do it, and is it faster than float? */
bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images);
/** As lbi_last_conv for groups = 1. An infinite number or NaN of the picture may also spoil results whose patch ends just before it, in the same row. @return false without memory or instructions: nothing is done
 *  then. */
bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y);

/** The same of floats in three parts (gemm_bf16_block.h), so with the sums of float, by AMX alone. Is it the fastest way here? */
bool lbi_last_parts_worth(const lbi_conv *p, int64_t images);
/** Have n numbers parts? By all threads. */
bool lbi_last_parted(const float *x, int64_t n);
/** As lbi_last_conv_to for groups = 1; end->add may be y. @return false also where a number has no parts: y may have been written then in part, and kept is as it was. */
bool lbi_last_parts(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y, const lbi_last_place *place);
/** Is it the fastest way to the kernels' gradient? */
bool lbi_last_parts_kernels_worth(const lbi_conv *p, int64_t images);
/** As lbi_last_kernels, x with channels last. @return false also where a number has no parts: nothing is done then. */
bool lbi_last_parts_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh);

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Norms of rows that lie one after the other, by AVX-512 (norm.c has the plain loops). Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_NORM_WIDE_H
#define LB_TENSOR_KERNELS_NORM_WIDE_H
#include "tensor/kernels/norm.h"

#if !defined LB_DOUBLE && defined __x86_64__
#define LBI_NORM_WIDE 1
#else
#define LBI_NORM_WIDE 0
#endif

enum { LBI_NORM_WIDE_MOST = 4096 }; /* numbers of a row, which are summed as floats */

/** As lbi_rows_norm, lbi_rows_scale and lbi_rows_norm_back (norm.h), of up to LBI_NORM_WIDE_MOST numbers a row. */
void lbi_rows_norm_avx512(const lbi_rows *r, float *y, const float *beta, double eps, lbi_row_done done, const void *ctx);
void lbi_rows_scale_avx512(const lbi_rows *r, float *y, lbi_row_factor factor, double eps);
void lbi_rows_norm_back_avx512(const lbi_rows *r, float *gx, const float *g, float *dgamma, float *dbeta, bool fresh);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a depthwise convolution by AVX2: 24 numbers of a row side by side are 9 sums for 3x3, 16 are 10 for 5x5. */
#ifdef __x86_64__
#pragma GCC target("avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
#define LBI_COLUMN_BYTES 32
#define LBI_COLUMN_SUMS 10
#include "tensor/kernels/conv_depth_column.h"

void lbi_columns_avx2(const lbi_columns *p, const lb_real *in) { lbi_columns_all(p, in); }
#else
typedef int lbi_no_avx2;
#endif

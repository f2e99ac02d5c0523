/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a depthwise convolution with the 32 registers of AVX-512: 32 numbers of a row side by side are 12 sums for 3x3 and 20 for 5x5; two
 * multiply-adds a cycle, each of 4 cycles, want 8. Vectors of 64 bytes lie across two lines at most places of a plane, and rows of 56 numbers do not
 * fill them: on a Zen 5 3x3 at 56 pixels took 1.06 ms instead of 0.75. A processor with twice the multiply-adds in them might gain for 5x5. */
#ifdef __x86_64__
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
#define LBI_COLUMN_BYTES 32
#define LBI_COLUMN_SUMS 20
#include "tensor/kernels/conv_depth_column.h"

void lbi_columns_avx512(const lbi_columns *p, const lb_real *in) { lbi_columns_all(p, in); }
#else
typedef int lbi_no_avx512;
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's matrix product on plain arrays, for code that has no tape. */
#ifndef LB_TENSOR_PRODUCT_H
#define LB_TENSOR_PRODUCT_H
#include "tensor/tensor.h"
LB_BEGIN

/** Inner products of rows: out[i,j] = sum_k a[i,k] b[j,k], a [n,d], b [m,d], out [n,m], all dense and apart. Summed in lb_real. Thread-safe;
 *  works on several threads, and one inside an OpenMP region. Cannot fail. */
LB_API void lb_row_products(lb_real *out, const lb_real *a, int64_t n, const lb_real *b, int64_t m, int64_t d);

LB_END
#endif

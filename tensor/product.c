/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/product.h"
#include "tensor/kernels/gemm.h"

void lb_row_products(lb_real *out, const lb_real *a, int64_t n, const lb_real *b, int64_t m, int64_t d) { lbi_gemm(false, true, n, m, d, a, d, b, d, 0, out, m); }

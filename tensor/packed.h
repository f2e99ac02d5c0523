/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of linear layers that stay (lb_tensor_fix), packed as products read them. Private to tensor/. Any thread. */
#ifndef LB_TENSOR_PACKED_H
#define LB_TENSOR_PACKED_H
#include "tensor/precision.h"

/** W [n,k], contiguous, for products A W^T of that precision, A having so many rows; made when first asked for. @return NULL: it may change, the processor has no such
 *  kernels, those for so many rows take it as it lies, it is so large in f32 that a copy gains less than it takes, or there is no memory. Owned by w. */
const void *lbi_packed(const lb_tensor *w, int64_t rows, int64_t n, int64_t k, lb_precision precision);

#endif

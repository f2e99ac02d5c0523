/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix turned on its side, by blocks in registers where the CPU has them. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_TURN_H
#define LB_TENSOR_KERNELS_TURN_H
#include "tensor/tensor.h"

/** to[p * width + j] = from[j * ld + p] for p < k, j < count; 0 for count <= j < width. May write up to 7 numbers beyond to[k * width]. */
void lbi_turn(lb_real *to, int width, const lb_real *from, int64_t ld, int count, int64_t k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of a tape's products. With bf16, factors of linear, matmul and 1x1 convolutions are rounded to bf16 (8 bits, nearest, ties to even)
 * and summed in float, forward and backward, where the CPU has instructions for that; elsewhere nothing changes. Tensors stay float. Results differ
 * by some 0.4 % of a product's terms, their cosine to float's is above 0.9995. Off at first; stays through lb_tape_reset. */
#ifndef LB_TENSOR_PRECISION_H
#define LB_TENSOR_PRECISION_H
#include "tensor/tape.h"
LB_BEGIN

LB_API void lb_tape_set_bf16(lb_tape *t, bool on);
LB_API bool lb_tape_bf16(const lb_tape *t);

LB_END
#endif

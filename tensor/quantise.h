/* SPDX-License-Identifier: Apache-2.0 */
/* Small codes of numbers as plain data: rounding to minifloats, and packing of 4-bit codes. Pure functions. */
#ifndef LB_TENSOR_QUANTISE_H
#define LB_TENSOR_QUANTISE_H
#include "tensor/tensor.h"
LB_BEGIN

/** The nearest number (half to even) of a format with so many exponent and mantissa bits and bias 2^(E-1) - 1, subnormals included; beyond
 *  `most` it stays at `most`. NaN stays. f16: 5, 10, 65504; bf16: 8, 7, 3.39e38; e4m3: 4, 3, 448; e5m2: 5, 2, 57344 (OCP 8-bit formats). */
LB_API double lb_minifloat_of(double x, int exponent, int mantissa, double most);
/** Two codes a byte, the first in the low half, as two's complement (-8..7) or 0..15; n may be odd (the last half byte is 0). */
LB_API void lb_pack_int4(uint8_t *dst, const int8_t *codes, int64_t n);
LB_API void lb_unpack_int4(int8_t *codes, const uint8_t *src, int64_t n, bool is_signed);

LB_END
#endif

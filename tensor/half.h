/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE binary16 to float and back (nearest even), by the processor's own instructions where it has them. Private to tensor. */
#ifndef LB_TENSOR_HALF_H
#define LB_TENSOR_HALF_H
#include "base/alloc.h"

/* dst and src may not overlap. */
void lbi_floats_of_halves(float *dst, const uint16_t *src, int64_t n);
void lbi_halves_of_floats(uint16_t *dst, const float *src, int64_t n);
float lbi_float_of_half(uint16_t h);
uint16_t lbi_half_of_float(float f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of a tape's products. Tensors stay float. Stays through lb_tape_reset.
 *
 * bf16: factors of linear, matmul and attention, forward and backward, and of convolutions in one group, forward, are rounded to bf16 (8 bits, nearest, ties to even) and
 *   summed in float, where the CPU multiplies those faster; elsewhere nothing changes. Results differ by some 0.4 % of a product's terms, their cosine to float's is above 0.9995.
 * int8: linear alone, forward without gradient: rows of both factors are rounded to 8 bits, each row with a scale of its own, those of x with a zero too, found
 *   at run time (Dettmers et al., arXiv:2208.07339, section 2.1), sums exact. On every processor; the same numbers on all. */
#ifndef LB_TENSOR_PRECISION_H
#define LB_TENSOR_PRECISION_H
#include "tensor/tape.h"
LB_BEGIN

typedef enum lb_precision { LB_PRECISION_F32 = 0, LB_PRECISION_BF16, LB_PRECISION_INT8 } lb_precision;

LB_API void lb_tape_set_precision(lb_tape *t, lb_precision p);
LB_API lb_precision lb_tape_precision(const lb_tape *t);
/** What products are really computed in on this processor when p is asked for: bf16 falls back to f32. */
LB_API lb_precision lb_precision_here(lb_precision p);
LB_API const char *lb_precision_name(lb_precision p); /* "f32", "bf16", "int8" */
LB_API LB_MUST_USE lb_status lb_precision_parse(lb_precision *out, const char *name);

LB_API void lb_tape_set_bf16(lb_tape *t, bool on); /* or back to f32 */
LB_API bool lb_tape_bf16(const lb_tape *t);

LB_END
#endif

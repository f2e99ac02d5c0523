/* SPDX-License-Identifier: Apache-2.0 */
/* Results that products alone read, held rounded to bf16 as those would round them: half the memory, and nothing to round or pack before each product; the bytes of what follows are the
 * same. In runs without gradient, with a tape in bf16, on a CPU that makes dot products of bf16 but has no AMX. Private to tensor/ and nn/. */
#ifndef LB_TENSOR_ROUNDED_H
#define LB_TENSOR_ROUNDED_H
#include "tensor/ops.h"
LB_BEGIN

/** May a result whose last axis is so wide be held rounded on this tape, for products to read? */
bool lbi_rounds(const lb_tape *t, int64_t width);
/** Is x rounded, and may an op with LB_OP_ROUNDED read it? */
bool lbi_is_rounded(const lb_tape *t, const lb_tensor *x);
/** Numbers at.. of a rounded tensor, from n floats. */
void lbi_round_to(lb_tensor *x, int64_t at, const lb_real *from, int64_t n);
/** x, or a rounded copy for several products to read. */
LB_API lb_tensor *lbi_rounded(lb_tape *t, lb_tensor *x);
/** As their namesakes; the result may be rounded, so that lb_linear alone may read it. */
LB_API lb_tensor *lbi_linear_rounded(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_act act);
LB_API lb_tensor *lbi_layer_norm_rounded(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps);
LB_API lb_tensor *lbi_attention_rounded(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, lb_attention_spec spec);

LB_END
#endif

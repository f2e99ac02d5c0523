/* SPDX-License-Identifier: Apache-2.0 */
/* Vector quantisation: rows replaced by their nearest codes, straight-through (van den Oord et al., arXiv:1711.00937), in levels (Lee et al.,
 * arXiv:2203.01941), and codebooks kept as moving averages. On a tape; inert after a failure. */
#ifndef LB_NN_CODEBOOK_H
#define LB_NN_CODEBOOK_H
#include "tensor/ops.h"
LB_BEGIN

/** index i64 [N]: for each row of x [N,D] the code of `codes` [K,D] with the least squared distance, or (cosine) the largest cosine; ties to the lowest. */
LB_API lb_tensor *lb_nearest_code(lb_tape *t, lb_tensor *x, lb_tensor *codes, bool cosine);

typedef struct lb_quantised {
    lb_tensor *x;          /* [N,D]: the codes' values; gradient goes straight to the input */
    lb_tensor *index;      /* i64 [N], or [levels,N] */
    lb_tensor *commitment; /* []: mean (x - code)^2, gradient to the input */
    lb_tensor *codebook;   /* []: mean (code - x)^2, gradient to the codes; for residual levels summed, as commitment */
} lb_quantised;

/** One code for each row. */
LB_API lb_quantised lb_vector_quantise(lb_tape *t, lb_tensor *x, lb_tensor *codes, bool cosine);
/** Level l quantises what levels before left over, with its own codes[l] [K_l,D]. */
LB_API lb_quantised lb_residual_quantise(lb_tape *t, lb_tensor *x, int levels, lb_tensor *const *codes);

/** A step of moving averages, no gradient; results replace codes, size and sum (each a tensor of its own, contiguous lb_real):
 *  size_k = d size_k + (1 - d) n_k. With cosine: code_k = d code_k + (1 - d) unit(mean of unit(x) in k), an empty one towards unit(code_k), sum unused (NULL);
 *  else sum_k = d sum_k + (1 - d) sum of x in k, code_k = sum_k / s_k, s_k = (size_k + eps) / (sum size + K eps) sum size. */
LB_API LB_MUST_USE lb_status lb_codebook_update(lb_tensor *codes, lb_tensor *size, lb_tensor *sum, const lb_tensor *x, const lb_tensor *index, bool cosine, double decay, double eps);

LB_END
#endif

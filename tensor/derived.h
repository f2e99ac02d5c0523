/* SPDX-License-Identifier: Apache-2.0 */
/* Maths made of the ops: gradients are those of what each is made of. @return and failures as ops; an axis may be negative. */
#ifndef LB_TENSOR_DERIVED_H
#define LB_TENSOR_DERIVED_H
#include "tensor/ops.h"
LB_BEGIN

/** y_ij = a_i b_j of [M] and [N]. */
LB_API lb_tensor *lb_outer(lb_tape *t, lb_tensor *a, lb_tensor *b);
/** Sum of the diagonal: [...,N,N] -> [...]. */
LB_API lb_tensor *lb_trace(lb_tape *t, lb_tensor *x);
/** The activation as an op of its own. */
LB_API lb_tensor *lb_activate(lb_tape *t, lb_tensor *x, lb_act act);
/** x halved along the axis into a and b: a act(b). Sigmoid: GLU (Dauphin et al., arXiv:1612.08083); GELU: GEGLU, SiLU: SwiGLU, ReLU: ReGLU
 *  (Shazeer, arXiv:2002.05202). */
LB_API lb_tensor *lb_glu(lb_tape *t, lb_tensor *x, int axis, lb_act act);

/** Sum and mean of the elements whose mask is not 0; mask: numbers or i64, repeated to the shape of x. Elsewhere x may be NaN or infinite.
 *  Without any the sum and the mean are 0. */
LB_API lb_tensor *lb_masked_sum(lb_tape *t, lb_tensor *x, lb_tensor *mask, lb_axes axes, bool keep);
LB_API lb_tensor *lb_masked_mean(lb_tape *t, lb_tensor *x, lb_tensor *mask, lb_axes axes, bool keep);
/** Elements whose mask (of the shape of x) is not 0, as [M]; or rows of x [N,...] by mask [N], as [M,...]. M depends on the mask; on a
 *  SHAPES tape it is the most it can be. */
LB_API lb_tensor *lb_masked_select(lb_tape *t, lb_tensor *x, lb_tensor *mask);
LB_API lb_tensor *lb_masked_rows(lb_tape *t, lb_tensor *x, lb_tensor *mask);
/** y[k,...] = sum, or mean, of the rows x[n,...] with label[n] = k, k below count; 0 without any. */
LB_API lb_tensor *lb_segment_sum(lb_tape *t, lb_tensor *x, lb_tensor *label, int64_t count);
LB_API lb_tensor *lb_segment_mean(lb_tape *t, lb_tensor *x, lb_tensor *label, int64_t count);

/** Along any axis: in order, stable, NaN as if larger than all; the places in *index (may be NULL). */
LB_API lb_tensor *lb_sort_along(lb_tape *t, lb_tensor *x, int axis, bool descending, lb_tensor **index);
/** The k largest, descending, or smallest, ascending. */
LB_API lb_tensor *lb_topk_along(lb_tape *t, lb_tensor *x, int64_t k, int axis, bool largest, lb_tensor **index);
/** The k-th smallest, k from 1 (torch.kthvalue). */
LB_API lb_tensor *lb_kth_value(lb_tape *t, lb_tensor *x, int64_t k, int axis, bool keep, lb_tensor **index);
/** The lower of the middle ones (torch.median); NaN where there is one. */
LB_API lb_tensor *lb_median(lb_tape *t, lb_tensor *x, int axis, bool keep);
/** Linear between neighbours at q (n - 1), 0 <= q <= 1 (torch.quantile); NaN where there is one. */
LB_API lb_tensor *lb_quantile(lb_tape *t, lb_tensor *x, double q, int axis, bool keep);

/** Sum of products by letters: "bij,bjk->bik", one to eight operands of numbers. A letter is an axis; those missing on the right are summed
 *  over; one that stands twice in an operand takes its diagonal; "..." stands for the axes that are left, which broadcast. Contracted two by two, cheaper pairs first, by matmul. LB_E_ARG for a text
 *  that cannot be read, LB_E_SHAPE where sizes of a letter differ. */
LB_API lb_tensor *lb_einsum(lb_tape *t, const char *text, int n, lb_tensor *const *x);

LB_END
#endif

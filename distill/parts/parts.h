/* SPDX-License-Identifier: Apache-2.0 */
/* Maths that several methods share. Private to distill/. All on the tape, inert after a failure. */
#ifndef LB_DISTILL_PARTS_H
#define LB_DISTILL_PARTS_H
#include "tensor/ops.h"

/** sum over the last axis of exp(log_p) (log_p - log_q): [..., K] -> [...]. Both finite. */
lb_tensor *lb_part_kl(lb_tape *t, lb_tensor *log_p, lb_tensor *log_q);
/** sum(x w) / sum(w), w a constant of x's shape. */
lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w);
/** 1 - x of a 0/1 tensor (real or i64), as real: where a mask is 0. */
lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask);
/** Euclidean distances of rows: x [N,D] -> [N,N], diagonal 0, gradient 0 where two rows are equal; squares are clamped at eps as in
 *  the official RKD code (1e-12). */
lb_tensor *lb_part_distances(lb_tape *t, lb_tensor *x, double eps);
/** Smooth L1 (Huber with delta 1), mean over all elements. */
lb_tensor *lb_part_smooth_l1(lb_tape *t, lb_tensor *a, lb_tensor *b);
/** Cross entropy of rows of scores [N,M] whose right column is `label` i64 [N], mean. */
lb_tensor *lb_part_contrast(lb_tape *t, lb_tensor *scores, lb_tensor *label);

#endif

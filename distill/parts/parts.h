/* SPDX-License-Identifier: Apache-2.0 */
/* Maths that several methods share. Private to distill/. All on the tape, inert after a failure. */
#ifndef LB_DISTILL_PARTS_H
#define LB_DISTILL_PARTS_H
#include "tensor/ops.h"

/** sum(x w) / sum(w), w a constant of x's shape. */
lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w);
/** 1 - x of a 0/1 tensor (real or i64), as real: where a mask is 0. */
lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask);

#endif

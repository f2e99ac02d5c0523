/* SPDX-License-Identifier: Apache-2.0 */
/* Maths that several methods share. Private to distill/. All on the tape, inert after a failure. */
#ifndef LB_DISTILL_PARTS_H
#define LB_DISTILL_PARTS_H
#include "tensor/ops.h"

/** sum(x w) / sum(w), w a constant of x's shape. */
lb_tensor *lb_part_weighted_mean(lb_tape *t, lb_tensor *x, lb_tensor *w);
/** 1 - x of a 0/1 tensor (real or i64), as real: where a mask is 0. */
lb_tensor *lb_part_not(lb_tape *t, lb_tensor *mask);

/* ---- checks: on failure the tape fails with the name; false then ---- */

/** A mask of numbers from 0 on that keeps something. */
bool lb_part_check_mask(lb_tape *t, const lb_tensor *mask);
/** Rows [...,K] that count (mask NULL: all): no NaN, no +inf, not all -inf. */
bool lb_part_check_logits(lb_tape *t, const lb_tensor *x, const lb_tensor *mask, const char *name);

/* ---- what is computed on the side, without gradient ---- */

lb_tensor *lb_part_constant(lb_tape *t, int rank, const int64_t *shape, const double *values);
lb_tensor *lb_part_indices(lb_tape *t, int rank, const int64_t *shape, const int64_t *values);
/** No data are there to compute from: a run for shapes. */
bool lb_part_shapes_only(const lb_tape *t);

/* ---- losses ---- */

/** Mean cross entropy of [B,K] with labels [B]. */
lb_tensor *lb_part_ce(lb_tape *t, lb_tensor *logits, lb_tensor *labels);
/** T^2 KL(softmax(teacher/T) || softmax(student/T)), summed over classes, mean over rows; the teacher is constant (Hinton et al., arXiv:1503.02531). */
lb_tensor *lb_part_kd(lb_tape *t, lb_tensor *student, lb_tensor *teacher, double temperature);
/** Mean over all, or sum. */
lb_tensor *lb_part_reduce(lb_tape *t, lb_tensor *rows, bool sum);

/* ---- searches ---- */

/** "2,3,4" as numbers. @return how many, at most `most`; -1 when it is none */
int lb_part_numbers(const char *text, double *out, int most);
/** The least loss among costs within the budget (of equal ones the lower cost, then the lower index; -1 = none), and the front: in rising cost those whose loss is below
 *  every cheaper one's. front holds n. */
lb_status lb_part_budget(const double *cost, const double *loss, int64_t n, double budget, int64_t *best, int64_t *front, int64_t *nfront);

/* ---- federations ---- */

/** Of a permutation of K clients the first max(1, floor(ratio K)) in rising order, in front. @return how many */
int64_t lb_part_participants(int64_t *order, int64_t clients, double ratio);

#endif

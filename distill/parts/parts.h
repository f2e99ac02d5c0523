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
/** A mask [B,N] of 0 and 1 with a 1 in each row. */
bool lb_part_check_kept(lb_tape *t, const lb_tensor *mask);
/** Rows [...,K] that count (mask NULL: all): no NaN, no +inf, not all -inf. */
bool lb_part_check_logits(lb_tape *t, const lb_tensor *x, const lb_tensor *mask, const char *name);

/* ---- what is computed on the side, without gradient ---- */

lb_tensor *lb_part_constant(lb_tape *t, int rank, const int64_t *shape, const double *values);
lb_tensor *lb_part_indices(lb_tape *t, int rank, const int64_t *shape, const int64_t *values);
/** Number i of it is value(ctx, i). Nothing is called in a run for shapes. */
lb_tensor *lb_part_fill(lb_tape *t, int rank, const int64_t *shape, double (*value)(const void *ctx, int64_t i), const void *ctx);
/** No data are there to compute from: a run for shapes. */
bool lb_part_shapes_only(const lb_tape *t);

/* ---- losses ---- */

/** Mean cross entropy of [B,K] with labels [B]. */
lb_tensor *lb_part_ce(lb_tape *t, lb_tensor *logits, lb_tensor *labels);
/** T^2 KL(softmax(teacher/T) || softmax(student/T)), summed over classes, mean over rows; the teacher is constant (Hinton et al., arXiv:1503.02531). */
lb_tensor *lb_part_kd(lb_tape *t, lb_tensor *student, lb_tensor *teacher, double temperature);
/** Mean over all, or sum. */
lb_tensor *lb_part_reduce(lb_tape *t, lb_tensor *rows, bool sum);

/** Relations of vectors [B,N,W] as [B,A,N,N]: contiguous channels as A heads (the remainder is dropped), products among the N over the root of a head's width (MiniLM v2,
 *  arXiv:2012.15828). */
lb_tensor *lb_part_relation(lb_tape *t, lb_tensor *x, int64_t heads);
/** Mean squared gap of the student's and the teacher's (constant) relations, over all pairs, or with mask [B,N] over those of kept tokens. */
lb_tensor *lb_part_relation_mse(lb_tape *t, lb_tensor *student, lb_tensor *teacher, lb_tensor *mask, int64_t heads);
/** KL(softmax of the teacher's row || of the student's), without the keys that mask [B,N] leaves out; mean over heads and kept rows. */
lb_tensor *lb_part_relation_kl(lb_tape *t, lb_tensor *student, lb_tensor *teacher, lb_tensor *mask, int64_t heads);

/* ---- networks that share weights by leading slices (distill/parts/subnets.c) ---- */

/** A linear layer by the first rows and columns of its weight, the first rows of its bias. */
lb_tensor *lb_part_sliced_linear(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, int64_t rows, int64_t columns, lb_act act);

typedef struct lb_part_layer {
    int64_t width, heads, units, head_width; /* kept width, heads and units of the MLP; width of a head */
    double eps;                              /* of the layer norms */
    lb_tensor *weight[8], *bias[8];          /* query, key, value, attention_out, fc1, fc2, attention_norm, mlp_norm at their full size */
} lb_part_layer;
/** A post-norm BERT layer of the kept sizes on x [B,N,width]; keys where mask [B,N] is 0 get -10^4. */
lb_tensor *lb_part_layer_of(lb_tape *t, const lb_part_layer *l, lb_tensor *x, lb_tensor *mask);

typedef struct lb_part_space {
    double vocab, positions, super_heads, least, most; /* least, most: parameters allowed, both ends included */
} lb_part_space;
/** All sub-networks of the allowed sizes whose layers, heads, width and ratio (of the MLP's units to the width) are of four lists of rising numbers, in rising size, then order of the
 *  tuple. @return parameters [n]; *configs [n,4]. None fails the tape. */
lb_tensor *lb_part_subnets(lb_tape *t, const lb_part_space *s, lb_tensor *const lists[4], lb_tensor **configs);

/* ---- diffusion: x_t = alpha y + sigma noise (distill/parts/diffusion.c) ---- */

typedef struct lb_part_noise {
    double alpha, sigma, lambda, slope; /* lambda = log(sigma / alpha), slope = d lambda / dt */
} lb_part_noise;
/** alpha = cos(pi t / 2), sigma = sin(pi t / 2); 0 < t < 1. */
lb_part_noise lb_part_cosine(double t);
/** alpha^2 = exp(-B), B = t^2 (beta_max - beta_min) / 2 + t beta_min (Song et al., arXiv:2011.13456). */
lb_part_noise lb_part_vp_linear(double t, double beta_min, double beta_max);
/** [N,width] of times [N]: [cos a, sin a], a = scale t 10000^(-k/half); a zero behind when the width is odd. Constant. */
lb_tensor *lb_part_time_embedding(lb_tape *t, const lb_tensor *time, int64_t width, double scale);

/* ---- searches ---- */

/** "2,3,4" as numbers. @return how many, at most `most`; -1 when it is none */
int lb_part_numbers(const char *text, double *out, int most);
/** Index of the least loss [n] among costs [n] within the budget (of equal ones the lower cost, then the lower index; none fails the tape), and the front: in rising cost those whose
 *  loss is below every cheaper one's. */
lb_tensor *lb_part_budget(lb_tape *t, const lb_tensor *cost, const lb_tensor *loss, double budget, lb_tensor **front);

/* ---- federations ---- */

/** Of a permutation of K clients the first max(1, floor(ratio K)) in rising order, in front. @return how many */
int64_t lb_part_participants(int64_t *order, int64_t clients, double ratio);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Random tensors for methods that take noise as an input. Each call draws one key from the generator; element i is a pure function of
 * key and i, so the values do not depend on the threads. On a SHAPES tape nothing is drawn. All: tape-owned leaves without gradient;
 * fail as ops do (a NULL generator: LB_E_ARG). */
#ifndef LB_TENSOR_NOISE_H
#define LB_TENSOR_NOISE_H
#include "tensor/tape.h"
LB_BEGIN

typedef enum lb_noise_kind {
    LB_NOISE_UNIFORM = 0, /* [0,1) */
    LB_NOISE_NORMAL,      /* mean 0, variance 1 (Box-Muller) */
    LB_NOISE_GUMBEL,      /* distribution function exp(-exp(-x)) */
    LB_NOISE_LAPLACE,     /* density exp(-|x|) / 2 */
    LB_NOISE_LOGISTIC,    /* distribution function 1 / (1 + exp(-x)) */
    LB_NOISE_EXPONENTIAL, /* density exp(-x) above 0 */
} lb_noise_kind;

LB_API lb_tensor *lb_noise(lb_tape *t, lb_rng *rng, lb_noise_kind kind, int rank, const int64_t *shape);
/** 1 with probability p, else 0. */
LB_API lb_tensor *lb_bernoulli(lb_tape *t, lb_rng *rng, double p, int rank, const int64_t *shape);
/** Beta(a, b), a and b above 0. */
LB_API lb_tensor *lb_beta(lb_tape *t, lb_rng *rng, double a, double b, int rank, const int64_t *shape);
/** One index per row of logits [...,K], in proportion to exp(logits), by the Gumbel-max rule. @return i64 [...] */
LB_API lb_tensor *lb_categorical(lb_tape *t, lb_rng *rng, lb_tensor *logits);
/** i64 [n]: 0..n-1 in random order; a derangement leaves none in its place (n = 1: 0). */
LB_API lb_tensor *lb_permutation(lb_tape *t, lb_rng *rng, int64_t n);
LB_API lb_tensor *lb_derangement(lb_tape *t, lb_rng *rng, int64_t n);

LB_END
#endif

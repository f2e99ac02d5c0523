/* SPDX-License-Identifier: Apache-2.0 */
/* Counter-based random numbers: Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A draw is a pure function of (seed, stream, counter): no global state, no order between threads.
 * One thread at a time per lb_rng; make as many as wanted. */
#ifndef LB_BASE_RNG_H
#define LB_BASE_RNG_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int used; /* words of block already given out; 4 = make the next */
} lb_rng;

/** Philox-4x32-10 of one counter block under one key (the published function; known-answer vectors in the tests). */
LB_API void lb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

LB_API lb_rng lb_rng_make(uint64_t seed, uint64_t stream);
/** The generator of one thing: (seed, epoch, name). So augmentation is a pure function of (seed, epoch, key). */
LB_API lb_rng lb_rng_of(uint64_t seed, uint64_t epoch, const char *name);

LB_API uint32_t lb_rng_u32(lb_rng *r);
LB_API uint64_t lb_rng_u64(lb_rng *r);
LB_API double lb_rng_uniform(lb_rng *r);                   /* [0,1), 53 bits */
LB_API double lb_rng_normal(lb_rng *r);                    /* Box-Muller on two uniforms */
LB_API int64_t lb_rng_below(lb_rng *r, int64_t n);         /* 0..n-1, unbiased; n >= 1 */
LB_API void lb_rng_permutation(lb_rng *r, int64_t *out, int64_t n); /* Fisher-Yates of 0..n-1 */
/** A permutation that leaves nothing in its place, each equally likely; n = 1 has none and gives 0. */
LB_API void lb_rng_derangement(lb_rng *r, int64_t *out, int64_t n);
/** The standard forms: density e^-x above 0; e^-|x| / 2; e^-x / (1 + e^-x)^2; distribution function e^(-e^-x). */
LB_API double lb_rng_exponential(lb_rng *r);
LB_API double lb_rng_laplace(lb_rng *r);
LB_API double lb_rng_logistic(lb_rng *r);
LB_API double lb_rng_gumbel(lb_rng *r);
/** 0..n-1, in proportion to the weights (>= 0, their sum any); n - 1 when no weight is above 0. */
LB_API int64_t lb_rng_categorical(lb_rng *r, const double *weights, int64_t n);
LB_API double lb_rng_gamma(lb_rng *r, double shape);       /* Marsaglia and Tsang 2000 */
LB_API double lb_rng_beta(lb_rng *r, double a, double b);

LB_END
#endif

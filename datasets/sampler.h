/* SPDX-License-Identifier: Apache-2.0 */
/* The order of training items: a pure function of (seed, stream, step). Each epoch is a new permutation; batches run on over the end
 * of an epoch, so every batch is full. The orders of the two latest epochs are kept (8 bytes an item each), so a batch costs its rows
 * alone. Thread-safe. */
#ifndef LB_DATASETS_SAMPLER_H
#define LB_DATASETS_SAMPLER_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_sampler lb_sampler;
typedef struct lb_sampler_spec {
    uint64_t seed;
    const char *stream; /* streams of other names are in other orders */
    int64_t count;      /* items, numbered 0..count-1 */
    /* Another order than a permutation of all: writes each of 0..count-1 once, a pure function of seed and epoch. NULL = lb_rng_permutation
     * of lb_rng_of(seed, epoch, stream). Called under the sampler's lock. */
    lb_status (*order)(void *ctx, uint64_t seed, int64_t epoch, int64_t *out);
    void *ctx;
} lb_sampler_spec;

/** Spec is copied, its stream too. LB_E_ARG for an empty stream. */
LB_API LB_MUST_USE lb_status lb_sampler_open(lb_sampler **out, const lb_sampler_spec *spec);
LB_API void lb_sampler_close(lb_sampler *s);
/** Rows (0..count-1) of batch `step`, and the epoch its first row belongs to. */
LB_API LB_MUST_USE lb_status lb_sampler_batch(lb_sampler *s, int64_t *rows, int64_t *epoch, int64_t batch, int64_t step);

LB_END
#endif

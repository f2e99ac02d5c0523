/* SPDX-License-Identifier: Apache-2.0 */
/* The order of training items: a pure function of (seed, stream, step). Each epoch is a new permutation; batches run on over the end
 * of an epoch, so every batch is full. Thread-safe. */
#ifndef LB_DATASETS_SAMPLER_H
#define LB_DATASETS_SAMPLER_H
#include "base/alloc.h"
LB_BEGIN

/** Rows (0..count-1) of batch `step` of a stream, and the epoch its first row belongs to. LB_E_ARG for an empty stream. */
LB_API LB_MUST_USE lb_status lb_sampler_batch(int64_t *rows, int64_t *epoch, uint64_t seed, const char *stream, int64_t count, int64_t batch, int64_t step);

LB_END
#endif

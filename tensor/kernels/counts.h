/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of tiles, panels and the like. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_COUNTS_H
#define LB_TENSOR_KERNELS_COUNTS_H
#include <stdint.h>

static inline int64_t lbi_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t lbi_most(int64_t a, int64_t b) { return a > b ? a : b; }
/** Parts of `by` that n takes, the last one perhaps not full. */
static inline int64_t lbi_over(int64_t n, int64_t by) { return (n + by - 1) / by; }
/** n rounded up to a multiple. */
static inline int64_t lbi_up(int64_t n, int64_t by) { return lbi_over(n, by) * by; }

#endif

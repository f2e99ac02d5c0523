/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is wanted soon. Loops of long formulas see few numbers ahead, so processors wait for memory in them (the slope of GELU over 13 MB: 3.3 ms, 1.1 ms
 * with this): they go in steps of LBI_AHEAD numbers and ask for the next step's before each. Private to Limbeck. */
#ifndef LB_TENSOR_KERNELS_FETCH_H
#define LB_TENSOR_KERNELS_FETCH_H
#include "tensor/tensor.h"

enum { LBI_AHEAD = 128, LBI_FAR = 512 }; /* numbers; FAR: for sums, which are done with a line in a few cycles */

/* Numbers x[0] to x[n - 1]; those beyond an array's end do no harm. */
static inline __attribute__((always_inline)) void lbi_fetch(const lb_real *x, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / (int64_t)sizeof(lb_real)) __builtin_prefetch(x + i);
}

/* The same for numbers that are written. */
static inline __attribute__((always_inline)) void lbi_fetch_to(const lb_real *x, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / (int64_t)sizeof(lb_real)) __builtin_prefetch(x + i, 1);
}

/* The end of the step that begins at i, of n numbers in all. */
static inline __attribute__((always_inline)) int64_t lbi_step_end(int64_t i, int64_t n) { return n - i < LBI_AHEAD ? n : i + LBI_AHEAD; }

#endif

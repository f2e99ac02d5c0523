/* SPDX-License-Identifier: Apache-2.0 */
/* Work memory of kernels: packed panels and the like. Private to tensor/kernels.
 *
 * A product may need megabytes for microseconds; fresh pages would cost more than the product. So blocks are kept between calls, a few for the
 * whole process, and given back to the system when larger ones are wanted. They outlive ops, so they are not counted as an op's memory. */
#ifndef LB_TENSOR_KERNELS_WORK_H
#define LB_TENSOR_KERNELS_WORK_H
#include <stddef.h>

/** At least `bytes`, 64-byte aligned, from any thread; NULL without memory (callers have a way without). */
void *lbi_work_take(size_t bytes);
void lbi_work_give(void *work);

#endif

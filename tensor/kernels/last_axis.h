/* SPDX-License-Identifier: Apache-2.0 */
/* An axis of pictures as patches of them are laid out: pixels of a stride's phases apart, so that neighbouring results see neighbouring pixels; margins of neighbouring pictures (or rows) on top of each
 * other. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_LAST_AXIS_H
#define LB_TENSOR_KERNELS_LAST_AXIS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct lbi_axis {
    int64_t n, size, kernel, stride, apart, before; /* results, pixels, taps, their distances, pixels of margin */
    int64_t phases, step;                           /* pixels of a phase lie `step` apart: the stride, or 1 with one phase */
    int64_t reach;                                  /* pixels of a phase beyond those of the results */
    int64_t pitch;                                  /* pixels from one picture (or row) of a patch to the next */
} lbi_axis;

/** split: into the stride's phases. */
lbi_axis lbi_axis_of(int64_t n, int64_t size, int64_t kernel, int64_t stride, int64_t apart, int64_t before, bool split);
/** Pixels first .. *end - 1 of a phase's `pitch` are pixels of the picture, the first of them its pixel *from; the others are margin. */
int64_t lbi_axis_inside(const lbi_axis *a, int64_t phase, int64_t *end, int64_t *from);

#endif

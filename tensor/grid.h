/* SPDX-License-Identifier: Apache-2.0 */
/* What a pile of places of grid_sample reads, and with which weights, found by vectors. Private to tensor/; the formulas are in ops/grid_sample.c. */
#ifndef LB_TENSOR_GRID_H
#define LB_TENSOR_GRID_H
#include "tensor/ops.h"
LB_BEGIN

typedef struct lbi_grid_options {
    lb_sample mode;
    lb_border border;
    bool align_corners;
} lbi_grid_options;

enum { LBI_GRID_PLACES = 256, LBI_GRID_TAPS = 16 }; /* places done together; most elements that one reads */

/* What they read along one axis: at < 0 = outside, reads 0. */
typedef struct lbi_grid_along {
    int32_t at[4][LBI_GRID_PLACES];
    lb_real w[4][LBI_GRID_PLACES], slope[4][LBI_GRID_PLACES];
} lbi_grid_along;

/* And all of them together: [taps][LBI_GRID_PLACES]. */
typedef struct lbi_grid_block {
    lbi_grid_along axis[3];
    int taps;
    int32_t at[LBI_GRID_TAPS][LBI_GRID_PLACES];
    lb_real w[LBI_GRID_TAPS][LBI_GRID_PLACES], slope[3][LBI_GRID_TAPS][LBI_GRID_PLACES]; /* slopes along x, y, z */
} lbi_grid_block;

typedef struct lbi_grid {
    lbi_grid_options o;
    int axes;
    bool slopes;              /* are they wanted */
    int64_t size[3], plane;   /* width, height, depth; numbers of a plane or volume */
    int64_t n, channels, out; /* places of a sample */
    const lb_real *x, *grid;
} lbi_grid;

/** Fills b for the places first .. first + count - 1 <= LBI_GRID_PLACES of sample n. */
void lbi_grid_fill(const lbi_grid *s, lbi_grid_block *b, int64_t n, int64_t first, int64_t count);

LB_END
#endif

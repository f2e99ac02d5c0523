/* SPDX-License-Identifier: Apache-2.0 */
/* Windows that move over the last one to three axes of x [N,C,...]: geometry, shapes, tables of means. Private to tensor/. */
#ifndef LB_TENSOR_WINDOW_H
#define LB_TENSOR_WINDOW_H
#include "tensor/last.h"
#include "tensor/ops.h"
#include "tensor/resample.h"
LB_BEGIN

/* Along one axis: output i covers start + k dilation, k < size, start = i stride - before, as far as that lies in 0 .. in - 1. */
typedef struct lbi_window {
    int64_t in, out, size, stride, before, after, dilation;
} lbi_window;

/* Depth, height, width; axes that x lacks, in front, have size 1 and a window of 1. */
void lbi_windows_of(const lb_call *c, const lb_window *w, lbi_window a[3]);
/* Shape of the result; fails when a window would hold no element. */
bool lbi_window_shape(lb_call *c, const lb_window *w);

/* Those k for which at + k step lies in 0 .. size - 1: [*first, *last). */
static inline void lbi_inside(int64_t at, int64_t step, int64_t size, int64_t count, int64_t *first, int64_t *last) {
    *first = at < 0 ? (-at + step - 1) / step : 0;
    *last = at >= size ? 0 : (size - 1 - at) / step + 1;
    if (*last > count) *last = count;
    if (*first > *last) *first = *last;
}

/* Table of means along one axis, times factor. The sum is divided by the elements of the window that lie in the axis or its padding
 * (LB_AVG_COUNT_PAD), in the axis (LB_AVG_INSIDE), or by the size, the border's element standing for what is outside (LB_AVG_EDGES);
 * by = 1 when divide is false. */
bool lbi_window_taps(lb_call *c, lbi_taps *t, const lbi_window *w, lb_avg_border border, bool divide, double factor);

/* Cells that cover axes: sizes of the result, 0 = the axis stays. */
typedef struct lbi_cells {
    int64_t size[3];
} lbi_cells;

lbi_cells lbi_cells_of(const lb_tensor *x, const int64_t *size);
bool lbi_cells_shape(lb_call *c, const lbi_cells *cells);

LB_END
#endif

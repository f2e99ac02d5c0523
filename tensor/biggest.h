/* SPDX-License-Identifier: Apache-2.0 */
/* Maxima over boxes of planes and volumes: the windows of max_pool and the cells of adaptive_max_pool. Private to tensor/. */
#ifndef LB_TENSOR_BIGGEST_H
#define LB_TENSOR_BIGGEST_H
#include "tensor/window.h"
LB_BEGIN

/* Along one axis output i covers first[i] + k step, k < count[i]: count[i] > 0. When outputs lie `stride` apart and windows are cut at the
 * borders alone, w says so, and whole rows are done by vectors. */
typedef struct lbi_boxes {
    int64_t in, out, step;
    int64_t *first, *count;
    const lbi_window *w;
} lbi_boxes;

/* Calls what(c, boxes) for the windows of in[0]; or for the cells that take in[0] to the shape of out[0]. */
void lbi_over_windows(lb_call *c, const lb_window *window, void (*what)(lb_call *c, const lbi_boxes b[3]));
void lbi_over_cells(lb_call *c, void (*what)(lb_call *c, const lbi_boxes b[3]));

/** out[0] = maxima of in[0] over boxes (depth, height, width), NaN if there is one. */
void lbi_biggest_forward(lb_call *c, const lbi_boxes b[3]);
/** gin[0] (+)= gout[0] at the first maximum, found again from in[0] and out[0]. */
void lbi_biggest_backward(lb_call *c, const lbi_boxes b[3]);
/** out[0]:i64 = the place of the first maximum in its line, plane or volume. */
void lbi_biggest_places(lb_call *c, const lbi_boxes b[3]);
/* Their definitions. */
void lbi_biggest_reference(lb_call *c, const lbi_boxes b[3]);
void lbi_biggest_places_reference(lb_call *c, const lbi_boxes b[3]);

/* For cases: values apart from each other, so that a small step changes no maximum. */
void lbi_apart(void *const *data, const int64_t *numel);

LB_END
#endif

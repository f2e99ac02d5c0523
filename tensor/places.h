/* SPDX-License-Identifier: Apache-2.0 */
/* Elements by index along an axis: shared by gather, scatter and scatter_add. Beside the axis the indices may reach less far than x.
 * The parameters of these ops are the axis (an int). Private to tensor/. */
#ifndef LB_TENSOR_PLACES_H
#define LB_TENSOR_PLACES_H
#include "tensor/loops.h"
#include "tensor/rows.h"
LB_BEGIN

typedef struct lbi_places {
    lbi_axes x, index; /* of x, of the indices */
    const int64_t *at;
    const int64_t *outer, *inner; /* where the outer and inner positions of the indices are in x; NULL = the same */
} lbi_places;

/* The shape of scatter and scatter_add: that of x; index and src are alike. */
bool lbi_places_into_shape(lb_call *c);
/* Is input 1 an index of input 0 along the axis? Fails the tape if not. */
bool lbi_places_fit(lb_call *c);
/* For x of the shape of input 0. False without memory. */
bool lbi_places_of(lb_call *c, const lb_tensor *x, lbi_places *p);
/* to[.., k, ..] (+)= from[.., index, ..]; index-shaped from x-shaped. */
void lbi_places_take(const lbi_places *p, lb_real *to, const lb_real *from, bool add);
/* The same without adding, of indices that may lie outside: then the tape fails, and what is in `to` is not said. */
bool lbi_places_take_inside(lb_call *c, const lbi_places *p, lb_real *to, const lb_real *from);
/* to[.., index, ..] += from[.., k, ..]; x-shaped from index-shaped, in the order of k. */
void lbi_places_add(const lbi_places *p, lb_real *to, const lb_real *from);
/* The same with = for +=: of several to one place the last stays. */
void lbi_places_put(const lbi_places *p, lb_real *to, const lb_real *from);
/* to[.., index, ..] = 0 */
void lbi_places_clear(const lbi_places *p, lb_real *to);
/* to[.., k, ..] (+)= rest[.., index, ..] where k is the last to name that place, else 0: the last takes what is there and leaves 0, as lbi_places_clear does. */
void lbi_places_take_last(const lbi_places *p, lb_real *to, lb_real *rest, bool add);

/* The part of src that the indices reach, as torch takes it; src itself where it is no larger. */
lb_tensor *lbi_places_cut(lb_tape *t, lb_tensor *src, const lb_tensor *index);

LB_END
#endif

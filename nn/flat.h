/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a store as one long vector, for what works on whole gradients (projections, look-ahead, federated means), and changes of
 * parameters outside any graph. Which ones: the trained parameters whose names start with `prefix` (NULL = all), in the order of the store.
 * Pure but for what they change; one thread at a time per store. */
#ifndef LB_NN_FLAT_H
#define LB_NN_FLAT_H
#include "nn/nn.h"
LB_BEGIN

typedef enum lb_flat_part { LB_FLAT_VALUES = 0, LB_FLAT_GRADS } lb_flat_part;

/** How many numbers. */
LB_API int64_t lb_flat_size(const lb_store *s, const char *prefix);
/** Copies them to x [n] (n = lb_flat_size; a missing gradient is 0), and back (missing gradients are made). LB_E_ARG for another n. */
LB_API LB_MUST_USE lb_status lb_flat_get(const lb_store *s, const char *prefix, lb_flat_part part, double *x, int64_t n);
LB_API LB_MUST_USE lb_status lb_flat_set(lb_store *s, const char *prefix, lb_flat_part part, const double *x, int64_t n);
/** values or gradients += a x. */
LB_API LB_MUST_USE lb_status lb_flat_axpy(lb_store *s, const char *prefix, lb_flat_part part, double a, const double *x, int64_t n);
/** sum of x_i y_i; in double. */
LB_API double lb_flat_dot(const double *x, const double *y, int64_t n);

/** The parameter of that name with another shape of the same rank: what both shapes have stays, the rest is drawn from its initialiser by (seed, name). Its
 *  gradient is dropped; lb_optim_restart for the optimiser's state. LB_E_NOTFOUND, LB_E_SHAPE. */
LB_API LB_MUST_USE lb_status lb_store_resize(lb_store *s, const char *name, const int64_t *shape, uint64_t seed);
/** values = values of `from` for each name both have with equal shapes; averages of two stores: lb_store_ema. @return how many */
LB_API int64_t lb_store_copy(lb_store *s, lb_store *from);
LB_END
#endif

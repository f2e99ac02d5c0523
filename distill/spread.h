/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_DISTILL_SPREAD_H
#define LB_DISTILL_SPREAD_H
#include <stdint.h>
#include "base/attr.h"
LB_BEGIN

/* How a score is spread over the clients of a federation. */
typedef struct lb_spread {
    double mean, variance; /* of the population: sum (x - mean)^2 / n */
    double worst;          /* mean of the lowest max(1, floor(n / 10)) */
} lb_spread;

/** @param x [n], n >= 1, finite; is sorted */
LB_API lb_spread lb_spread_of(double *x, int64_t n);

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Agreement of two orders. Pure functions of plain numbers; NaN is not allowed. Those that return a status may run out of memory. */
#ifndef LB_BASE_RANKS_H
#define LB_BASE_RANKS_H
#include "base/alloc.h"
LB_BEGIN

/** Ranks 1..n of x, equal numbers share the mean of theirs. */
LB_API LB_MUST_USE lb_status lb_average_ranks(double *ranks, const double *x, int64_t n);
/** sum (x - mean x)(y - mean y) / root of the products of sums of squares; NaN when one side is constant or n < 2. */
LB_API double lb_pearson(const double *x, const double *y, int64_t n);
/** Pearson's coefficient of the ranks. */
LB_API LB_MUST_USE lb_status lb_spearman(double *out, const double *x, const double *y, int64_t n);
/** Kendall's tau-b: (concordant - discordant) / root of (pairs not equal in x)(pairs not equal in y); NaN when either is 0. O(n log n), Knight 1966. */
LB_API LB_MUST_USE lb_status lb_kendall(double *out, const double *x, const double *y, int64_t n);

typedef struct lb_concordance {
    int64_t concordant, discordant, tied_risk, tied_time; /* tied_time: the comparable pairs of equal times, counted within the others too */
    double index;                                         /* (concordant + tied_risk / 2) / all; NaN without a comparable pair */
} lb_concordance;
/** Harrell's index for right-censored times. (a, b) is comparable when a has an event and t_b > t_a, or t_b = t_a and b has none; concordant when
 *  risk_a - risk_b > tolerance, tied within it. O(n^2). */
LB_API lb_concordance lb_concordance_index(const double *time, const bool *event, const double *risk, int64_t n, double tolerance);

LB_END
#endif

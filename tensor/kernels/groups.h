/* SPDX-License-Identifier: Apache-2.0 */
/* Channels side by side, 16 at a time: what reads at scattered places then reads whole vectors. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_GROUPS_H
#define LB_TENSOR_KERNELS_GROUPS_H
#include "tensor/tensor.h"

enum { LBI_GROUP = 16, LBI_GROUP_SLACK = 16 }; /* numbers that may be written beyond the end */

/** to[p * 16 + c] = from[c * ld + p] for p < n, c < count; 0 for count <= c < 16. */
void lbi_group_of(lb_real *to, const lb_real *from, int64_t ld, int count, int64_t n);
/** to[c * ld + p] (+)= from[p * 16 + c] for p < n, c < count. */
void lbi_group_back(lb_real *to, int64_t ld, const lb_real *from, int count, int64_t n, bool add);

/* Of one block of places, each reading `taps` elements: element t of place p is at[t * ld + p] (below 0: none), times w[t * ld + p]. */
typedef struct lbi_reads {
    int taps, ld;
    const int32_t *at;
    const lb_real *w;
} lbi_reads;

/** y[p][16] = sum over t of w x[at][16] */
void lbi_group_read(const lbi_reads *r, const lb_real *x, lb_real *y, int64_t places);
/** x[at][16] += w y[p][16], in the order of p, then t */
void lbi_group_add(const lbi_reads *r, lb_real *x, const lb_real *y, int64_t places);
/** sum[p] += y[p] . (sum over t of w x[at]) */
void lbi_group_dot(const lbi_reads *r, const lb_real *x, const lb_real *y, double *sum, int64_t places);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Walking several strided tensors together, for element-wise ops: axes that lie one after another are joined, rows go to a
 * function, large work is split over threads. Private to tensor/. */
#ifndef LB_TENSOR_LOOPS_H
#define LB_TENSOR_LOOPS_H
#include "tensor/op.h"
LB_BEGIN

enum { LBI_LOOP_MAX = 5, LBI_GRAIN = 32768 }; /* below this many elements threads cost more than they bring */

/* Element-wise over `shape`: operand k is broadcast to it by the rules of NumPy (shapes aligned at the end, size 1 repeats). */
void lbi_walk(int rank, const int64_t *shape, int count, const lb_tensor *const *x, lb_row row, const void *ctx);

/* The broadcast shape of two; false if they do not go together. */
bool lbi_broadcast(const lb_tensor *a, const lb_tensor *b, lb_tensor *out);

/* Calls run(ctx, first, last) over pieces of 0..n-1, on several threads when n * cost is large. */
void lbi_split(int64_t n, int64_t cost, void (*run)(const void *ctx, int64_t first, int64_t last), const void *ctx);

/* Calls one(ctx, i, thread) for i = 0 .. n-1, each of `threads` threads (1, or as many as OpenMP has) a run of them. One thread makes no region: that would count as one, and in it the regions of
 * products would start and end threads of the system each time. So what `one` calls may use all threads then, and else one. Nor may a region have fewer threads than there are: the
 * others end, and the next region starts new ones. */
void lbi_each(int64_t n, int threads, void (*one)(const void *ctx, int64_t i, int thread), const void *ctx);

/* Adds (or with fresh = true sets) into the contiguous `to` the contiguous gradient g, summed over the axes along which `to`
 * had been broadcast to g's shape. f scales each element: to += factor * g. */
void lbi_reduce_to(lb_tensor *to, const lb_tensor *g, lb_real factor, bool fresh);

/* Sum of n numbers that lie `step` apart, in double, on the calling thread. */
double lbi_sum_row(const lb_real *x, int64_t n, int64_t step);
/* Sum of n contiguous numbers, in double, in an order that does not depend on the threads. */
double lbi_total(const lb_real *x, int64_t n);

/* to = from, same shape and type, any strides. */
void lbi_copy_view(lb_tensor *to, const lb_tensor *from);
/* to += factor * g (fresh: =), numbers, g broadcast to the shape of `to`, any strides. */
void lbi_add_view(lb_tensor *to, const lb_tensor *g, lb_real factor, bool fresh);
/* to += g (fresh: =), both contiguous with the same number of elements, whatever their shapes. */
void lbi_add_flat(lb_tensor *to, const lb_tensor *g, bool fresh);
/* n bytes copied, or made 0, on several threads when there are many. */
void lbi_copy_bytes(void *to, const void *from, size_t n);
void lbi_zero_bytes(void *to, size_t n);
void lbi_fill(lb_tensor *to, double value); /* contiguous, any number type */

/* A tensor taken apart at an axis: [outer, n, inner]. */
typedef struct lbi_axes {
    int axis;
    int64_t outer, n, inner;
} lbi_axes;
lbi_axes lbi_axes_of(const lb_tensor *x, int axis);

/* Numbers of one plane or volume of x [N,C,...]; 1 for rows. */
int64_t lbi_inner(const lb_tensor *x);
/* y gets the rank and sizes of x. */
void lbi_like(lb_tensor *y, const lb_tensor *x);

/* Axis in 0..rank-1, from -rank..rank-1; fails the tape and returns -1 when it is neither. */
int lbi_axis(lb_call *c, int axis, int rank);

LB_END
#endif

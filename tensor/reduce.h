/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over a run of neighbouring axes: shapes, and the constructor that brings any set of axes into such a run. The
 * parameters of such an op begin with lbi_over. How the values are made: tensor/ops/fold.h, tensor/extreme.h. Private to tensor/. */
#ifndef LB_TENSOR_REDUCE_H
#define LB_TENSOR_REDUCE_H
#include "tensor/calls.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
LB_BEGIN

typedef lb_over_params lbi_over;

/* x seen as [outer, n, inner], n being the axes that go, neighbours. For a call that has its shapes. */
lbi_axes lbi_over_axes(const lb_call *c);
/* How many numbers become one, for any axes. */
int64_t lbi_over_count(const lb_call *c);
/* Every output gets the shape of x without those axes. False when an axis is out of range. */
bool lbi_reduce_shape(lb_call *c);
/* The same; fails when there is nothing to choose from along them. */
bool lbi_choose_shape(lb_call *c);
/* Axes that go and are no neighbours stand at the end of a view. If x is one, each line consists of `runs` runs of `length` numbers side by side; a
 * contiguous x has runs = 0. */
typedef struct lbi_pieces {
    int64_t runs, length;
    const lb_real *x; /* the input, or its copy */
    int kept, gone; /* axes that stay; axes over which the runs are spread */
    int64_t shape[LB_MAX_RANK], stride[LB_MAX_RANK];
} lbi_pieces;
/* Of in[0] of an op with LB_OP_STRIDED. Where its lines do not consist of runs worth while, a contiguous copy stands in for it. False without memory. */
bool lbi_pieces_of(lb_call *c, lbi_pieces *p);
/* Run number `run` of line number `line`. */
const lb_real *lbi_piece_of(const lbi_pieces *p, int64_t line, int64_t run);
/* x becomes contiguous, if need be by a copy in scratch memory. False without memory. */
bool lbi_flat(lb_call *c, lb_tensor *x);

/* A result, with or without the axes, seen with them as size 1. Contiguous y only. */
lb_tensor lbi_over_view(const lb_call *c, const lb_tensor *y);

/* The call, for any set of axes: when they are no neighbours, the axes that go are first moved to the end (a view). */
lb_tensor *lbi_reduce(lb_tape *t, const lb_op *op, lb_tensor *x, lb_axes axes, lbi_over *params, size_t params_size);
/* The same for ops of lbi_sum_forward and lbi_sum_backward, which take any axes as they are (lb_over_params.apart): nothing is moved. */
lb_tensor *lbi_reduce_sum(lb_tape *t, const lb_op *op, lb_tensor *x, lb_axes axes, bool keep);
static inline lb_axes lbi_one_axis(int axis) {
    lb_axes a = {1, {axis}};
    return a;
}

/* lb_op.last of sums over whole pictures or over everything. */
bool lbi_reduce_last(const lb_call *c);
/* Sum over the axes times factor; dx = factor g repeated. Strided x. */
void lbi_sum_forward(lb_call *c, lb_real factor);
void lbi_sum_backward(lb_call *c, lb_real factor);

/* The cases that every reduction is tested with; the names stand for lbi_over at the head of the op's parameters. */
#define LBI_REDUCE_CASES(last_, first_, middle_, pair_, all_)                                                          \
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = last_},                                                 \
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = first_},                                            \
    {.name = "middle", .rank = {3}, .shape = {{2, 5, 11}}, .params = middle_},                                         \
    {.name = "vector", .rank = {1}, .shape = {{7}}, .params = last_},                                                  \
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = last_},                                                \
    {.name = "pair", .rank = {4}, .shape = {{2, 3, 4, 3}}, .params = pair_},                                           \
    {.name = "all", .rank = {2}, .shape = {{3, 5}}, .params = all_},                                                   \
    {.name = "scalar", .rank = {0}, .params = all_},                                                                   \
    {.name = "rows", .rank = {2}, .shape = {{301, 290}}, .params = last_},                                             \
    {.name = "columns", .rank = {2}, .shape = {{301, 290}}, .params = first_},                                         \
    {.name = "large", .rank = {3}, .shape = {{5, 201, 203}}, .params = all_}
#define LBI_REDUCE_LAST {-1, 1, false}
#define LBI_REDUCE_FIRST {0, 1, true}
#define LBI_REDUCE_MIDDLE {1, 1, false}
#define LBI_REDUCE_PAIR {-3, 2, true}
#define LBI_REDUCE_ALL {0, 0, false}
#define LBI_REDUCE_APART {0, 2, false, 1 | 4}

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Running values along one axis, line by line, forwards or backwards. The parameters of these ops are lbi_running. Private to tensor/. */
#ifndef LB_TENSOR_RUNNING_H
#define LB_TENSOR_RUNNING_H
#include "tensor/loops.h"
#include "tensor/ops.h"
LB_BEGIN

typedef struct lbi_running {
    int axis;
    bool reverse; /* from the end on */
} lbi_running;

/* Every output has the shape of x. */
bool lbi_running_shape(lb_call *c);
/* Calls line(c, first, step, n) for each line: its elements are first, first + step, ..., n of them, in the running order. */
typedef void (*lbi_line)(const lb_call *c, int64_t first, int64_t step, int64_t n);
void lbi_running_lines(const lb_call *c, lbi_line line);

#define LBI_RUNNING_CASES(last_, first_, back_)                                                                        \
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = last_},                                                 \
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = first_},                                            \
    {.name = "backwards", .rank = {3}, .shape = {{2, 5, 3}}, .params = back_},                                         \
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = last_},                                                \
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .params = first_}

LB_END
#endif

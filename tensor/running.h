/* SPDX-License-Identifier: Apache-2.0 */
/* Running values along one axis, line by line, forwards or backwards. The parameters of these ops are lbi_running. Private to tensor/. */
#ifndef LB_TENSOR_RUNNING_H
#define LB_TENSOR_RUNNING_H
#include "tensor/calls.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
LB_BEGIN

typedef lb_running_params lbi_running; /* reverse: from the end on */

/* Every output has the shape of x. */
bool lbi_running_shape(lb_call *c);
enum { LBI_RUNNING_WIDTH = 64, LBI_RUNNING_FEW = 4 };
/* `width` lines, the elements of one in the running order: at, at + step, ..., n of them; the next line's at + apart, ... At most 64 side by side
 * (apart = 1), or 4 one after the other. */
typedef struct lbi_lines {
    int64_t at, step, n, width, apart;
} lbi_lines;
typedef void (*lbi_line)(const lb_call *c, lbi_lines l);
/* Calls lines(c, l) for all of them, on several threads. */
void lbi_running_lines(const lb_call *c, lbi_line lines);

/* gin[0] (+)= gout[0] added at the places out[1] along each line, which never go back. */
void lbi_running_chosen(const lb_call *c, lbi_lines l);

static inline __attribute__((always_inline)) lbi_lines lbi_one_line(lbi_lines l, int64_t i) { return (lbi_lines){l.at + i * l.apart, l.step, l.n, 1, 1}; }

/* A function of lines from an inlined one, made for each instruction level: of lines side by side, and of a single line. */
#define LBI_RUNNING(name, lines)                                                                                       \
    LBI_LEVELS_FUSED static void name(const lb_call *c, lbi_lines l) {                                                 \
        if (l.apart == 1 && l.width > 1) lines(c, (lbi_lines){l.at, l.step, l.n, l.width, 1});                         \
        else                                                                                                           \
            for (int64_t i = 0; i < l.width; i++) lines(c, lbi_one_line(l, i));                                        \
    }

/* The same where `lines` keeps to l.apart: of lines one after the other four go together, so that their sums do not wait for each other. */
#define LBI_RUNNING_FOURS(name, lines)                                                                                 \
    LBI_LEVELS_FUSED static void name(const lb_call *c, lbi_lines l) {                                                 \
        if (l.apart == 1 && l.width > 1) lines(c, (lbi_lines){l.at, l.step, l.n, l.width, 1});                         \
        else if (l.width == LBI_RUNNING_FEW) lines(c, (lbi_lines){l.at, l.step, l.n, LBI_RUNNING_FEW, l.apart});       \
        else                                                                                                           \
            for (int64_t i = 0; i < l.width; i++) lines(c, lbi_one_line(l, i));                                        \
    }

#define LBI_RUNNING_CASES(last_, first_, back_)                                                                        \
    {.name = "last", .rank = {2}, .shape = {{3, 5}}, .params = last_},                                                 \
    {.name = "first", .rank = {3}, .shape = {{3, 5, 2}}, .params = first_},                                            \
    {.name = "backwards", .rank = {3}, .shape = {{2, 5, 3}}, .params = back_},                                         \
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = last_},                                                \
    {.name = "large", .rank = {2}, .shape = {{301, 290}}, .params = first_},                                           \
    {.name = "fours", .rank = {2}, .shape = {{303, 290}}, .params = last_}

LB_END
#endif

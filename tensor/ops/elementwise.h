/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise ops from plain functions of numbers. An op's file holds y = value(x) and dy/dx = slope(x, y), or of two numbers
 * value(a, b, params) and a slope for each, as LBI_INLINE functions; LBI_UNARY_ROW(row, value) and its like make the row functions that its
 * descriptor names in .rows; forward and backward are the generic ones below. See gelu.c and mul.c. Private to tensor/ops. */
#ifndef LB_TENSOR_OPS_ELEMENTWISE_H
#define LB_TENSOR_OPS_ELEMENTWISE_H
#include <math.h>
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/last.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
LB_BEGIN

#define LBI_INLINE static inline __attribute__((always_inline))
enum { LBI_STEP = (int)sizeof(lb_real) };

/* Functions of the maths type. */
#ifdef LB_DOUBLE
#define LBI_M(name) name
#else
#define LBI_M(name) name##f
#endif

typedef lb_real (*lbi_value1)(lb_real x, const void *params);
typedef lb_real (*lbi_slope1)(lb_real x, lb_real y, const void *params);
typedef lb_real (*lbi_value2)(lb_real a, lb_real b, const void *params);
typedef bool (*lbi_test2)(int64_t a, int64_t b);

/* Context of a backward row: sets (fresh) or adds. */
typedef struct lbi_back {
    const void *params;
    bool fresh;
} lbi_back;

/* p: y, x */
LBI_INLINE void lbi_unary_row(const void *params, int64_t n, char *const *p, const int64_t *s, lbi_value1 value) {
    lb_real *restrict y = (lb_real *)p[0]; /* nothing else, parameters neither, lies there */
    if (s[1] == LBI_STEP) {
        const lb_real *x = (const lb_real *)p[1];
        for (int64_t from = 0, to; from < n; from = to) {
            to = lbi_step_end(from, n);
            lbi_fetch(x + to, LBI_AHEAD);
            for (int64_t i = from; i < to; i++) y[i] = value(x[i], params);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = value(*(const lb_real *)(p[1] + i * s[1]), params);
}

/* The same for formulas of an operation or two, which see far enough ahead themselves: what they ask for costs more than it brings. */
LBI_INLINE void lbi_short_row(const void *params, int64_t n, char *const *p, const int64_t *s, lbi_value1 value) {
    lb_real *restrict y = (lb_real *)p[0];
    if (s[1] == LBI_STEP) {
        const lb_real *x = (const lb_real *)p[1];
        for (int64_t i = 0; i < n; i++) y[i] = value(x[i], params);
        return;
    }
    lbi_unary_row(params, n, p, s, value);
}

/* p: gradient of x, gradient of y, x, y. The first, second and last are contiguous. */
LBI_INLINE void lbi_unary_back_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_slope1 slope) {
    const lbi_back *b = ctx;
    lb_real *restrict gx = (lb_real *)p[0];
    const lb_real *gy = (const lb_real *)p[1], *x = (const lb_real *)p[2], *y = (const lb_real *)p[3];
    if (s[2] != LBI_STEP) {
        for (int64_t i = 0; i < n; i++)
            gx[i] = (b->fresh ? 0 : gx[i]) + gy[i] * slope(*(const lb_real *)(p[2] + i * s[2]), y[i], b->params);
        return;
    }
    for (int64_t from = 0, to; from < n; from = to) {
        to = lbi_step_end(from, n);
        lbi_fetch(gy + to, LBI_AHEAD);
        lbi_fetch(x + to, LBI_AHEAD);
        lbi_fetch(y + to, LBI_AHEAD);
        if (b->fresh)
            for (int64_t i = from; i < to; i++) gx[i] = gy[i] * slope(x[i], y[i], b->params);
        else
            for (int64_t i = from; i < to; i++) gx[i] += gy[i] * slope(x[i], y[i], b->params);
    }
}

/* p: y, a, b */
LBI_INLINE void lbi_binary_row(const void *params, int64_t n, char *const *p, const int64_t *s, lbi_value2 value) {
    lb_real *restrict y = (lb_real *)p[0];
    const lb_real *a = (const lb_real *)p[1], *b = (const lb_real *)p[2];
    if (s[1] == LBI_STEP && s[2] == LBI_STEP) {
        for (int64_t i = 0; i < n; i++) y[i] = value(a[i], b[i], params);
    } else if (s[1] == LBI_STEP && s[2] == 0) {
        lb_real one = *b;
        for (int64_t i = 0; i < n; i++) y[i] = value(a[i], one, params);
    } else if (s[1] == 0 && s[2] == LBI_STEP) {
        lb_real one = *a;
        for (int64_t i = 0; i < n; i++) y[i] = value(one, b[i], params);
    } else {
        for (int64_t i = 0; i < n; i++)
            y[i] = value(*(const lb_real *)(p[1] + i * s[1]), *(const lb_real *)(p[2] + i * s[2]), params);
    }
}

/* p: target, gradient of y, a, b; target (+)= g * slope(a, b, params). The first two are contiguous. */
LBI_INLINE void lbi_binary_back_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_value2 slope) {
    const void *params = ((const lbi_back *)ctx)->params;
    bool fresh = ((const lbi_back *)ctx)->fresh;
    lb_real *restrict to = (lb_real *)p[0];
    const lb_real *g = (const lb_real *)p[1], *a = (const lb_real *)p[2], *b = (const lb_real *)p[3];
    if (s[2] == LBI_STEP && s[3] == LBI_STEP && fresh) {
        for (int64_t i = 0; i < n; i++) to[i] = g[i] * slope(a[i], b[i], params);
    } else if (s[2] == LBI_STEP && s[3] == LBI_STEP) {
        for (int64_t i = 0; i < n; i++) to[i] += g[i] * slope(a[i], b[i], params);
    } else if (s[2] == LBI_STEP && s[3] == 0 && fresh) {
        lb_real one = *b;
        for (int64_t i = 0; i < n; i++) to[i] = g[i] * slope(a[i], one, params);
    } else if (s[2] == 0 && s[3] == LBI_STEP && fresh) {
        lb_real one = *a;
        for (int64_t i = 0; i < n; i++) to[i] = g[i] * slope(one, b[i], params);
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i] = (fresh ? 0 : to[i]) + g[i] * slope(*(const lb_real *)(p[2] + i * s[2]), *(const lb_real *)(p[3] + i * s[3]), params);
    }
}

/* p: y (numbers), a, b (i64); y = 1 where the test holds, else 0. */
LBI_INLINE void lbi_integer_row(const void *params, int64_t n, char *const *p, const int64_t *s, lbi_test2 test) {
    for (int64_t i = 0; i < n; i++)
        ((lb_real *)p[0])[i] = test(*(const int64_t *)(p[1] + i * s[1]), *(const int64_t *)(p[2] + i * s[2]));
}

/* Row functions of a file's value and slopes, made for each instruction level; to be named in the descriptor's .rows: the value
 * first, then the slope of each input. */
#define LBI_ROW(name, generic, formula)                                                                               \
    LBI_LEVELS_FUSED static void name(const void *ctx, int64_t n, char *const *p, const int64_t *s) {                        \
        generic(ctx, n, p, s, formula);                                                                                \
    }
#define LBI_UNARY_ROW(name, value) LBI_ROW(name, lbi_unary_row, value)
#define LBI_SHORT_ROW(name, value) LBI_ROW(name, lbi_short_row, value)
#define LBI_UNARY_BACK(name, slope) LBI_ROW(name, lbi_unary_back_row, slope)
#define LBI_BINARY_ROW(name, value) LBI_ROW(name, lbi_binary_row, value)
#define LBI_BINARY_BACK(name, slope) LBI_ROW(name, lbi_binary_back_row, slope)
#define LBI_INTEGER_ROW(name, test) LBI_ROW(name, lbi_integer_row, test)

/* One input: y has the shape of x. rows: value, slope. */
bool lbi_unary_shape(lb_call *c);
void lbi_unary_forward(lb_call *c);
void lbi_unary_backward(lb_call *c);

/* Two inputs: y has their broadcast shape (the call fails where there is none); each gradient is summed over the axes along
 * which its input was repeated. rows: value, slope of the first, slope of the second. */
bool lbi_binary_shape(lb_call *c);
void lbi_binary_forward(lb_call *c);
void lbi_binary_backward(lb_call *c);

/* Comparisons: two inputs, both numbers of the maths type or both i64; y = 1 or 0. rows: of numbers, of integers. */
bool lbi_compare_shape(lb_call *c);
void lbi_compare_forward(lb_call *c);
/* Rounds both inputs of a case down, so that equal ones and zeros occur. */
void lbi_coarse(void *const *data, const int64_t *numel);

/* The shapes that every broadcasting op is tested with, and every element-wise one. */
#define LBI_BINARY_CASES(lo_, hi_)                                                                                     \
    {.name = "same", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .lo = lo_, .hi = hi_},                                 \
    {.name = "row", .rank = {3, 1}, .shape = {{2, 3, 9}, {9}}, .lo = lo_, .hi = hi_},                                  \
    {.name = "column", .rank = {2, 2}, .shape = {{3, 1}, {3, 4}}, .lo = lo_, .hi = hi_},                               \
    {.name = "outer", .rank = {2, 2}, .shape = {{3, 1}, {1, 4}}, .lo = lo_, .hi = hi_},                                \
    {.name = "scalar", .rank = {0, 3}, .shape = {{0}, {2, 3, 2}}, .lo = lo_, .hi = hi_},                               \
    {.name = "middle", .rank = {3, 3}, .shape = {{2, 1, 3}, {2, 4, 3}}, .lo = lo_, .hi = hi_},                         \
    {.name = "empty", .rank = {2, 2}, .shape = {{0, 3}, {1, 3}}, .lo = lo_, .hi = hi_},                                \
    {.name = "large", .rank = {2, 1}, .shape = {{300, 301}, {301}}, .lo = lo_, .hi = hi_}
#define LBI_UNARY_CASES(lo_, hi_, params_)                                                                             \
    {.name = "plane", .rank = {2}, .shape = {{3, 5}}, .lo = lo_, .hi = hi_, .params = params_},                        \
    {.name = "scalar", .rank = {0}, .lo = lo_, .hi = hi_, .params = params_},                                          \
    {.name = "empty", .rank = {2}, .shape = {{2, 0}}, .lo = lo_, .hi = hi_, .params = params_},                        \
    {.name = "large", .rank = {3}, .shape = {{7, 101, 103}}, .lo = lo_, .hi = hi_, .params = params_}
#define LBI_COMPARE_CASES                                                                                              \
    {.name = "same", .rank = {2, 2}, .shape = {{3, 5}, {3, 5}}, .fill = lbi_coarse},                                   \
    {.name = "outer", .rank = {2, 2}, .shape = {{6, 1}, {1, 6}}, .fill = lbi_coarse},                                  \
    {.name = "empty", .rank = {2, 1}, .shape = {{0, 5}, {5}}, .fill = lbi_coarse},                                     \
    {.name = "large", .rank = {2, 1}, .shape = {{300, 301}, {301}}, .fill = lbi_coarse}

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise losses of an input against a target, with a reduction, one pass over memory each way. An op's file holds
 * value(a, b, c, params) and a slope for each input that has one; LBI_LOSS_ROW and LBI_LOSS_BACK make the row functions that its
 * descriptor names in .rows: value, then slopes of a, b, c. See mse.c and bce_logits.c.
 * a and b have one shape; c is absent (then 1), or has that shape, or that of the last axis, or is a scalar. Parameters are an
 * lbi_loss. Private to tensor/ops. */
#ifndef LB_TENSOR_OPS_LOSSES_H
#define LB_TENSOR_OPS_LOSSES_H
#include "tensor/ops/elementwise.h"
LB_BEGIN

typedef struct lbi_loss {
    lb_reduction reduction;
    double a, b; /* the op's own: beta, margin, ... */
} lbi_loss;

typedef lb_real (*lbi_value3)(lb_real a, lb_real b, lb_real c, const lbi_loss *o);

/* Context of a backward row. */
typedef struct lbi_loss_back {
    const lbi_loss *o;
    lb_real factor; /* the gradient's, from the mean */
    bool fresh;
} lbi_loss_back;

/* p: result (a double to be added to where its step is 0), a, b, c. */
LBI_INLINE void lbi_loss_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_value3 value) {
    const lbi_loss *o = ctx;
    const lb_real *a = (const lb_real *)p[1], *b = (const lb_real *)p[2], *c = (const lb_real *)p[3];
    lb_real one = n > 0 ? c[0] : 0;
    if (s[0] == 0) {
        double sum = 0;
        if (s[3] == 0) {
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < n; i++) sum += (double)value(a[i], b[i], one, o);
        } else {
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < n; i++) sum += (double)value(a[i], b[i], c[i], o);
        }
        *(double *)p[0] += sum;
        return;
    }
    lb_real *y = (lb_real *)p[0];
    if (s[3] == 0)
        for (int64_t i = 0; i < n; i++) y[i] = value(a[i], b[i], one, o);
    else
        for (int64_t i = 0; i < n; i++) y[i] = value(a[i], b[i], c[i], o);
}

/* p: target, gradient (step 0: one for all), a, b, c. */
LBI_INLINE void lbi_loss_back_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_value3 slope) {
    const lbi_loss_back *k = ctx;
    const lbi_loss *o = k->o;
    lb_real *to = (lb_real *)p[0], f = k->factor;
    const lb_real *g = (const lb_real *)p[1], *a = (const lb_real *)p[2], *b = (const lb_real *)p[3], *c = (const lb_real *)p[4];
    if (s[1] == 0 && s[4] == 0) {
        lb_real by = f * g[0], one = c[0];
        if (k->fresh)
            for (int64_t i = 0; i < n; i++) to[i] = by * slope(a[i], b[i], one, o);
        else
            for (int64_t i = 0; i < n; i++) to[i] += by * slope(a[i], b[i], one, o);
        return;
    }
    int64_t sg = s[1] ? 1 : 0, sc = s[4] ? 1 : 0;
    for (int64_t i = 0; i < n; i++) to[i] = (k->fresh ? 0 : to[i]) + f * g[i * sg] * slope(a[i], b[i], c[i * sc], o);
}

/* Both gradients of a loss of x - y, whose slopes are each other's negative, in one pass; they are put there, not added. p: target of a, gradient, a, b, c,
 * target of b. */
LBI_INLINE void lbi_loss_pair_row(const void *ctx, int64_t n, char *const *p, const int64_t *s, lbi_value3 slope) {
    const lbi_loss_back *k = ctx;
    const lbi_loss *o = k->o;
    lb_real *restrict to = (lb_real *)p[0], *restrict other = (lb_real *)p[5], f = k->factor;
    const lb_real *g = (const lb_real *)p[1], *a = (const lb_real *)p[2], *b = (const lb_real *)p[3];
    if (s[1] == 0) {
        lb_real by = f * g[0];
        for (int64_t i = 0; i < n; i++) {
            lb_real d = by * slope(a[i], b[i], 1, o);
            to[i] = d;
            other[i] = -d;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        lb_real d = f * g[i] * slope(a[i], b[i], 1, o);
        to[i] = d;
        other[i] = -d;
    }
}

#define LBI_LOSS_ROW(name, value) LBI_ROW(name, lbi_loss_row, value)
#define LBI_LOSS_BACK(name, slope) LBI_ROW(name, lbi_loss_back_row, slope)
/* Named in .rows behind the slopes of two inputs. */
#define LBI_LOSS_PAIR(name, slope) LBI_ROW(name, lbi_loss_pair_row, slope)

/* The result's shape from o->reduction: that of in[0], or a scalar. */
void lbi_reduction_shape(lb_tensor *loss, const lb_tensor *x, lb_reduction reduction);
/* What a sum over `count` results, of which the first axis has `batch`, is multiplied with. */
double lbi_reduction_factor(lb_reduction reduction, int64_t count, int64_t batch);

bool lbi_loss_shape(lb_call *c);
void lbi_loss_forward(lb_call *c);
void lbi_loss_backward(lb_call *c);
lb_tensor *lbi_loss_apply(lb_tape *t, const lb_op *op, lb_reduction reduction, double a, double b, int nin, lb_tensor *const *in);

/* Shapes and reductions that every loss is tested with; kind: initialiser of the op's own numbers. */
#define LBI_LOSS_PARAMS(name, ...) static const lbi_loss name[] = {{LB_MEAN, __VA_ARGS__}, {LB_SUM, __VA_ARGS__}, {LB_NONE, __VA_ARGS__}, {LB_BATCH_MEAN, __VA_ARGS__}}
#define LBI_LOSS_CASES(params_, ...)                                                                                                \
    {.name = "mean", .rank = {2, 2, -1}, .shape = {{3, 5}, {3, 5}}, .params = &params_[0], __VA_ARGS__},                              \
    {.name = "sum", .rank = {3, 3, -1}, .shape = {{2, 3, 4}, {2, 3, 4}}, .params = &params_[1], __VA_ARGS__},                         \
    {.name = "each", .rank = {2, 2, -1}, .shape = {{3, 5}, {3, 5}}, .params = &params_[2], __VA_ARGS__},                              \
    {.name = "mean of the batch", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &params_[3], __VA_ARGS__},                 \
    {.name = "scalar", .rank = {0, 0, -1}, .params = &params_[0], __VA_ARGS__},                                                       \
    {.name = "empty", .rank = {2, 2, -1}, .shape = {{0, 5}, {0, 5}}, .params = &params_[0], __VA_ARGS__},                             \
    {.name = "large", .rank = {3, 3, -1}, .shape = {{7, 101, 103}, {7, 101, 103}}, .params = &params_[0], __VA_ARGS__}

LB_END
#endif

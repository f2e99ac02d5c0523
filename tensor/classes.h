/* SPDX-License-Identifier: Apache-2.0 */
/* Losses over the rows of a class axis: a tensor seen as [outer, n, inner], row outer * inner_count + inner, so that row numbers are the
 * flat places in the tensor of labels. The functions of a loss see each row as n numbers side by side. Private to tensor/. */
#ifndef LB_TENSOR_CLASSES_H
#define LB_TENSOR_CLASSES_H
#include "tensor/loops.h"
#include "tensor/ops.h"
LB_BEGIN

enum { LBI_CLASS_X = 2 };

/* Row number `row`: x[i] are its n numbers in operand i; y[i], where wanted, n places to be written to. */
typedef void (*lbi_class_row)(const void *ctx, int64_t row, const lb_real *const *x, lb_real *const *y);

typedef struct lbi_class_walk {
    lbi_axes r;
    const lb_tensor *x[LBI_CLASS_X]; /* NULL = none */
    lb_tensor *y[LBI_CLASS_X];       /* NULL = none */
    bool fresh[LBI_CLASS_X];         /* y is overwritten; else added to */
    lbi_class_row run;
    const void *ctx;
} lbi_class_walk;

/* Calls w->run for each row, rows split over threads. Fails the tape without memory. */
void lbi_class_rows(lb_call *c, const lbi_class_walk *w);
static inline int64_t lbi_class_count(const lbi_axes *r) { return r->outer * r->inner; }

/* Shape of `rows`: x without the axis; *axis becomes 0..rank-1. Fails the tape when there is no such axis or it is empty. */
bool lbi_class_shape(lb_call *c, const lb_tensor *x, int *axis, lb_tensor *rows);
/* loss gets the shape of rows, or none; see lb_reduction. */
void lbi_class_loss_shape(lb_tensor *loss, const lb_tensor *rows, lb_reduction reduction);

/* What the sum over `rows` (a tensor of that shape) is multiplied with, and the result from the losses of the rows. */
double lbi_class_factor(const lb_tensor *rows, lb_reduction reduction);
void lbi_class_finish(lb_tensor *loss, const double *each, int64_t n, lb_reduction reduction, double factor);
/* The gradient of row number `row`, before the factor. */
static inline double lbi_class_gradient(const lb_tensor *g, int64_t row) { return (double)lb_r(g)[g->rank > 0 ? row : 0]; }

/* log sum exp(by x) of k > 0 numbers; -inf when all are. */
double lbi_logsum_row(const lb_real *x, int64_t k, lb_real by);
double lbi_dot_row(const lb_real *x, const lb_real *y, int64_t k);

LB_END
#endif

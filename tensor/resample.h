/* SPDX-License-Identifier: Apache-2.0 */
/* Linear maps along the last axes of planes and volumes, one axis after the other: y[i] = sum_k w[i,k] x[at[i,k]]. Resizing, average pooling and
 * blurring are such maps, differing only in their tables; the gradient is the same map with the tables turned round. Private to tensor/.
 *
 * How it is run: an axis that shrinks first, one that grows last, so that the passes between are small; what lies between two axes is a row
 * or a block of rows, never a picture. Rows are added to rows by vectors; along a row, where outputs look at inputs a fixed step apart
 * with the same weights (pooling, blurring), by vectors too, else number by number. */
#ifndef LB_TENSOR_RESAMPLE_H
#define LB_TENSOR_RESAMPLE_H
#include "tensor/op.h"
LB_BEGIN

/* The table of one axis. */
typedef struct lbi_taps {
    int64_t in, out;
    int32_t *start;  /* [out + 1]: the taps of output i are start[i] .. start[i + 1] - 1 */
    int32_t *at;     /* where they read */
    lb_real *weight;
    int64_t made;    /* outputs whose taps are known, while the table is made */
    /* Outputs a .. b - 1 have `each` taps; with step > 0 those of output i are those of a moved by (i - a) step, with the same
     * weights; with step = 0 they lie once more in run_at, run_weight [each, b - a]. */
    int64_t a, b, each, step;
    int32_t *run_at;
    lb_real *run_weight;
    bool holes; /* each is 1, and some of those outputs have no tap: their run_weight is 0 */
    bool identity, contiguous; /* contiguous: the taps of every output read neighbours, upwards */
} lbi_taps;

/** An empty table for at most `most` taps per output. @return false without memory (the tape has failed) */
bool lbi_taps_new(lb_call *c, lbi_taps *t, int64_t in, int64_t out, int64_t most);
static inline void lbi_tap(lbi_taps *t, int64_t at, double weight) {
    t->at[t->start[t->made + 1]] = (int32_t)at;
    t->weight[t->start[t->made + 1]++] = (lb_real)weight;
}
/** Ends the taps of one output; after the last one the table is ready. */
bool lbi_taps_next(lb_call *c, lbi_taps *t);
/** x itself, for an axis that stays. */
bool lbi_taps_same(lb_call *c, lbi_taps *t, int64_t size);
/** Means of the cells floor(i in / out) .. ceil((i + 1) in / out) - 1, which may overlap. */
bool lbi_taps_cells(lb_call *c, lbi_taps *t, int64_t in, int64_t out);
/** The table of the gradient. */
bool lbi_taps_turn(lb_call *c, lbi_taps *to, const lbi_taps *from);

/** y [planes, d.out, h.out, w.out] = the three maps of x [planes, d.in, h.in, w.in]; axes[0..2] = d, h, w. add: y += instead. */
void lbi_resample(lb_call *c, const lbi_taps axes[3], int64_t planes, const lb_real *x, lb_real *y, bool add);
/** The definition of the above: sums of triple products in double. */
void lbi_resample_plainly(const lbi_taps axes[3], int64_t planes, const lb_real *x, lb_real *y);

/* Whole ops: the tables come from the op, planes are the first two axes of in[0]. */
typedef bool (*lbi_tables)(lb_call *c, lbi_taps axes[3]);
void lbi_resample_forward(lb_call *c, lbi_tables tables);
void lbi_resample_backward(lb_call *c, lbi_tables tables);
void lbi_resample_reference(lb_call *c, lbi_tables tables);
static inline int64_t lbi_planes(const lb_tensor *x) { return x->shape[0] * x->shape[1]; }

/** y [h.out, w.out], rows ldy apart, of one plane x with rows ldx apart. work: lbi_plane_space numbers. */
int64_t lbi_plane_space(const lbi_taps *h, const lbi_taps *w);
void lbi_resample_plane(const lbi_taps *h, const lbi_taps *w, const lb_real *x, int64_t ldx, lb_real *y, int64_t ldy, bool add, lb_real *work);

LB_END
#endif

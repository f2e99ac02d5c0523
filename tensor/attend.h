/* SPDX-License-Identifier: Apache-2.0 */
/* What attention and attention_map share: checks, the order of memory, which keys a query sees, tiles of scores, and where gradients of
 * biases go. Inputs in this order: q [N,H,L,D], k [N,G,S,D], (v [N,G,S,E],) then bias, mask, relative. Private to tensor/. */
#ifndef LB_TENSOR_ATTEND_H
#define LB_TENSOR_ATTEND_H
#include "tensor/calls.h"
#include "tensor/op.h"
#include "tensor/ops.h"
LB_BEGIN

enum { LBI_ATTEND_ROWS = 64, LBI_ATTEND_KEYS = 256 }; /* a tile of scores: 64 KB of floats */

typedef lb_attend_params lbi_attend_options;

/* Rows of a tensor [N,H,rows,width] as gemm takes them: row r of map (n, h) at data + n step_n + h step_h + r ld, or, transposed, element
 * (r, c) there + c ld + r. */
typedef struct lbi_attend_rows {
    const lb_real *data;
    int64_t step_n, step_h, ld;
    bool transposed;
} lbi_attend_rows;

typedef struct lbi_attend {
    lb_call *call;
    const lbi_attend_options *o;
    int64_t n, h, g, l, s, d, e; /* g: heads of keys and values; head j of queries reads head j g / h */
    lbi_attend_rows q, k, v;
    const lb_tensor *bias, *mask, *relative; /* NULL = none */
    lb_tensor *to_bias, *to_relative;        /* their gradients, NULL = not asked for */
} lbi_attend;

/* What units of work may run at the same time without adding to the same gradient of a bias. */
typedef struct lbi_attend_units {
    int64_t count;
    bool by_sample, by_head; /* a unit is one sample and one head of keys; all of what is false */
} lbi_attend_units;

/** From what users say; draws the key of the dropout from the tape's generator in training, else there is none. False when the tape fails. */
bool lbi_attend_options_of(lbi_attend_options *o, lb_tape *t, const lb_tensor *q, lb_attention_spec spec);
/** Checks types, sizes and options; fails the tape. values: input 2 is v. */
bool lbi_attend_check(lb_call *c, bool values);
/** Fills the plan; memory orders that gemm does not take are copied to scratch. False when there is no memory. */
bool lbi_attend_plan(lbi_attend *a, lb_call *c, bool values);
const lb_real *lbi_attend_row(const lbi_attend_rows *x, int64_t n, int64_t h, int64_t row);

/** Keys lo..hi-1, and those before `prefix`, may be seen by queries first..last-1 as far as causal rule and window go. */
void lbi_attend_sight(const lbi_attend *a, int64_t first, int64_t last, int64_t *lo, int64_t *hi);
/** May no query of the span lo..hi-1 (see above) see keys s0..s0+cols-1? */
static inline bool lbi_attend_out_of_sight(const lbi_attend *a, int64_t s0, int64_t cols, int64_t lo, int64_t hi) { return s0 >= a->o->prefix && (s0 + cols <= lo || s0 >= hi); }
/** Scores of queries l0.. (rows of them) to keys s0.. (cols), hidden ones -inf, to m with rows ld apart. slope: with a soft cap, its
 *  derivative (may be NULL). */
void lbi_attend_scores(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *m, lb_real *slope, int64_t ld);
/** m *= 0 or 1 / (1 - p): the dropout of weights of that tile. Does nothing when there is none. */
void lbi_attend_drop(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *m, int64_t ld);
/** Adds the gradient ds of a tile of scores to bias and relative, then turns it into that of q k^T: times scale (and slope). */
void lbi_attend_back_tile(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, lb_real *ds, const lb_real *slope, int64_t ld);
/** Its first half: ds to bias and relative. */
void lbi_attend_back_biases(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, const lb_real *ds, int64_t ld);
/** What a tensor that spreads over [N,H,L,S] holds for (n, h, l, s): elements from its first, and its steps along l and s, 0 where it repeats. */
typedef struct lbi_attend_place {
    int64_t at, step_l, step_s;
} lbi_attend_place;
lbi_attend_place lbi_attend_place_of(const lb_tensor *x, int64_t n, int64_t h, int64_t l, int64_t s);
/** Row `row` of map (n, h) of y or of its gradient (input 2 is v), and what lies between two rows; at which number it begins. */
int64_t lbi_attend_result_at(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t *ld);
lb_real *lbi_attend_result_row(const lbi_attend *a, const lb_tensor *y, int64_t n, int64_t h, int64_t l, int64_t *ld);
lbi_attend_units lbi_attend_units_of(const lbi_attend *a);
/** The samples and heads of queries of one unit. */
typedef struct lbi_attend_span {
    int64_t n0, n1, h0, h1;
} lbi_attend_span;
lbi_attend_span lbi_attend_unit(const lbi_attend *a, const lbi_attend_units *units, int64_t u);
/** Row `row` of map (n, h) of a contiguous gradient [N,H,rows,width]. */
lb_real *lbi_attend_grad_row(lb_tensor *g, int64_t n, int64_t h, int64_t row);
/** Where gradients of q, k or v (input i) are fresh, those of rows of a head (of keys, for k and v) become 0: before anything is added. Backward sets its gradients so, head by head,
 *  which is one pass less through memory. */
void lbi_attend_clear(const lbi_attend *a, int i, int64_t n, int64_t h, int64_t row, int64_t rows);
/** All of a head of keys, and of the heads of queries that read it. */
void lbi_attend_clear_group(const lbi_attend *a, int64_t n, int64_t group);
/** How many threads for so many pieces of work, one when it is small; width: numbers per query and key. */
int lbi_attend_threads(const lbi_attend *a, int64_t pieces, int64_t width);

/** The plain definition of one row of weights, without dropout: p [S], zeros when every key is hidden. @return log of the sum of
 *  exponentials, +inf then */
double lbi_attend_reference(const lbi_attend *a, int64_t n, int64_t h, int64_t l, double *p);
/** 0 or 1 / (1 - p): the factor of one weight. */
double lbi_attend_kept(const lbi_attend *a, int64_t n, int64_t h, int64_t l, int64_t s);

LB_END
#endif

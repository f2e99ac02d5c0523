/* SPDX-License-Identifier: Apache-2.0 */
/* What gru and lstm share: steps in order, the product with the hidden state, gradients of its weights. Inputs in this order: gx [N,L,gates H],
 * w [gates H,H], b, state; results: y [N,L,H], last [N,H]. Private to tensor/. */
#ifndef LB_TENSOR_RECURRENT_H
#define LB_TENSOR_RECURRENT_H
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/op.h"
LB_BEGIN

typedef struct lbi_recurrent {
    bool reverse;
} lbi_recurrent;

typedef struct lbi_steps {
    lb_call *c;
    int64_t n, l, h, gates;
    bool reverse;
    lb_real *h0; /* [N,H]: the hidden state before the step */
    lb_real *q;  /* [N,gates H]: W h + b; backward: its gradient, to be filled */
    lb_real *d;  /* backward: gradient of the state behind the step; to be turned into what goes straight on to the one before */
    lb_real *e;  /* backward: the same for cells, the op's own */
} lbi_steps;

LBI_ALWAYS lb_real lbi_sigmoid(lb_real x) {
    lb_real e = lbi_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

void lbi_steps_shape(lb_tensor *x, int rank, const int64_t *shape);
/** Fills the plan, with scratch; d and e are zeros. False without memory. */
bool lbi_steps_begin(lbi_steps *p, lb_call *c, int64_t gates);
/** Calls step(p, t) for each step in order; it reads h0 and q and writes y. Then fills `last`. */
void lbi_steps_forward(lbi_steps *p, void (*step)(const lbi_steps *p, int64_t t));
/** Calls step(p, t) for each step in the other order; it reads d and h0, writes q, changes d. Adds to the gradients of w, b, state. */
void lbi_steps_backward(lbi_steps *p, void (*step)(const lbi_steps *p, int64_t t));

LB_END
#endif

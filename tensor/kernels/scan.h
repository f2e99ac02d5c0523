/* SPDX-License-Identifier: Apache-2.0 */
/* One step of the selective scan for up to 16 channels side by side. States, A and their gradients are [S][LANES]. Private to tensor/. Pure. */
#ifndef LB_TENSOR_KERNELS_SCAN_H
#define LB_TENSOR_KERNELS_SCAN_H
#include "tensor/tensor.h"

enum { LBI_SCAN_LANES = 16, LBI_SCAN_CHUNK = 64 };

/* Numbers `step` elements apart; data NULL = absent. */
typedef struct lbi_scan_row {
    const lb_real *data;
    int64_t step;
} lbi_scan_row;

typedef struct lbi_scan_step {
    lbi_scan_row u, delta, z; /* [count] */
    lbi_scan_row b, c;        /* [states] */
    lbi_scan_row skip, bias;  /* [count] */
    int64_t states;
    int count;
    bool softplus;
} lbi_scan_step;

/* Where gradients of a step are added; NULL = not asked for (u, delta, z). y: the gradient of the result, NULL = 0. */
typedef struct lbi_scan_grads {
    const lb_real *y;
    lb_real *u, *delta, *z, *a, *state, *b, *c, *skip, *bias;
} lbi_scan_grads;

/** h <- next state, y [count] the result. */
void lbi_scan_forward(const lbi_scan_step *x, const lb_real *a, lb_real *h, lb_real *y);
/** From the state h to the next, one [S][LANES] behind it, and exp(d A) to decay. */
void lbi_scan_again(const lbi_scan_step *x, const lb_real *a, lb_real *h, lb_real *decay);
/** h: the state before the step, behind it the one after. */
void lbi_scan_backward(const lbi_scan_step *x, const lb_real *a, const lb_real *h, const lb_real *decay, const lbi_scan_grads *g);

#endif

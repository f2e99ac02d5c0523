/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/convs.h"
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"

/* ---- one axis as two ---- */

/* A call with tensors of its own, which point to the same data. */
typedef struct lifted {
    lb_call c;
    lb_tensor own[2 * (LB_OP_MAX_IN + LB_OP_MAX_OUT)];
    int count;
} lifted;

static lb_tensor *lift_one(lifted *l, lb_tensor *x) {
    if (!x || x->rank != 3) return x;
    lb_tensor *y = &l->own[l->count++];
    *y = *x;
    y->rank = 4;
    y->shape[3] = x->shape[2];
    y->stride[3] = x->stride[2];
    y->shape[2] = 1;
    y->stride[2] = x->shape[2] * x->stride[2];
    return y;
}

static void lift(lifted *l, const lb_call *c, const lb_op *op) {
    l->c = *c;
    l->c.op = op;
    l->count = 0;
    for (int i = 0; i < LB_OP_MAX_IN; i++) {
        l->c.in[i] = lift_one(l, c->in[i]);
        l->c.gin[i] = lift_one(l, c->gin[i]);
    }
    for (int k = 0; k < LB_OP_MAX_OUT; k++) {
        l->c.out[k] = lift_one(l, c->out[k]);
        l->c.gout[k] = lift_one(l, c->gout[k]);
    }
}

bool lbi_lifted_shape(lb_call *c, const lb_op *op) {
    lifted l;
    lb_tensor *y = c->out[0], above = *y;
    lift(&l, c, op);
    l.c.out[0] = &above;
    if (!op->shape(&l.c)) return false;
    y->dtype = above.dtype;
    y->rank = 3;
    y->shape[0] = above.shape[0];
    y->shape[1] = above.shape[1];
    y->shape[2] = above.shape[3];
    return true;
}

void lbi_lifted_run(const lb_call *c, const lb_op *op, void (*run)(lb_call *c)) {
    lifted l;
    lift(&l, c, op);
    run(&l.c);
}

/* ---- transposed ---- */

/* The convolution that goes from y to x; gradients and results are put in by the caller. */
static lb_call sister(const lb_call *c, const lb_op *conv, const void *params) {
    lb_call d;
    memset(&d, 0, sizeof d);
    d.tape = c->tape;
    d.op = conv;
    d.params = params;
    d.nin = 3;
    d.nout = 1;
    d.in[1] = c->in[1];
    return d;
}

void lbi_transposed_forward(lb_call *c, const lb_op *conv, const void *params) {
    lb_tensor *y = c->out[0];
    lb_call d = sister(c, conv, params);
    d.in[0] = y;
    d.out[0] = d.gout[0] = c->in[0];
    d.gin[0] = y;
    d.fresh[0] = true;
    if (lb_numel(c->in[0]) > 0) conv->backward(&d);
    else lbi_fill(y, 0);
    int64_t inner = lbi_inner(y);
    for (int64_t i = 0; c->in[2] && i < y->shape[0]; i++)
        lbi_act_rows(LB_ACT_NONE, lb_r(y) + i * y->shape[1] * inner, y->shape[1], inner, lb_r(c->in[2]), true);
}

void lbi_transposed_backward(lb_call *c, const lb_op *conv, const void *params) {
    lb_tensor *g = c->gout[0];
    if (!g) return;
    if (c->in[2] && c->gin[2]) lbi_channel_sums(c, 2, lb_r(g), g->shape[0], g->shape[1], lbi_inner(g));
    lb_call d = sister(c, conv, params);
    d.in[0] = g;
    if (c->gin[1]) {
        d.out[0] = d.gout[0] = c->in[0];
        d.gin[1] = c->gin[1];
        d.fresh[1] = c->fresh[1];
        conv->backward(&d);
    }
    if (!c->gin[0]) return;
    int64_t n = lb_numel(c->gin[0]);
    lb_tensor made = *c->gin[0];
    if (!c->fresh[0] && !(made.data = lb_scratch(c, (size_t)n * sizeof(lb_real)))) return;
    d.out[0] = &made;
    conv->forward(&d);
    if (!c->fresh[0]) lbi_add_flat(c->gin[0], &made, false);
}

void lbi_channel_sums(lb_call *c, int i, const lb_real *g, int64_t images, int64_t channels, int64_t inner) {
    lb_real *to = lb_r(c->gin[i]);
    bool fresh = c->fresh[i];
#pragma omp parallel for if (images * channels * inner > LBI_GRAIN)
    for (int64_t q = 0; q < channels; q++) {
        double sum = 0;
        for (int64_t n = 0; n < images; n++) lbi_plane_sum(g + (n * channels + q) * inner, inner, &sum);
        to[q] = (lb_real)(fresh ? sum : (double)to[q] + sum);
    }
}

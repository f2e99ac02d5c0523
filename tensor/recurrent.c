/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/recurrent.h"
#include <string.h>
#include "tensor/kernels/gemm.h"

enum { GX, W, B, STATE };

void lbi_steps_shape(lb_tensor *x, int rank, const int64_t *shape) {
    x->rank = rank;
    memcpy(x->shape, shape, (size_t)rank * sizeof *shape);
}

bool lbi_steps_begin(lbi_steps *p, lb_call *c, int64_t gates) {
    const lbi_recurrent *o = c->params;
    *p = (lbi_steps){.c = c, .n = c->in[GX]->shape[0], .l = c->in[GX]->shape[1], .h = c->in[W]->shape[1], .gates = gates, .reverse = o->reverse};
    int64_t one = p->n * p->h;
    p->h0 = lb_scratch(c, (size_t)(one * (gates + 3) + 1) * sizeof *p->h0);
    if (!p->h0) return false;
    p->d = p->h0 + one;
    p->e = p->d + one;
    p->q = p->e + one;
    memset(p->d, 0, (size_t)(2 * one) * sizeof *p->d);
    return true;
}

/* The hidden state before step t of the running order, 0..L (L: the last). */
static void state_before(const lbi_steps *p, int64_t i) {
    const lb_call *c = p->c;
    int64_t t = p->reverse ? p->l - i : i - 1;
    for (int64_t n = 0; n < p->n; n++) {
        const lb_real *from = i > 0 ? lb_r(c->out[0]) + (n * p->l + t) * p->h : c->in[STATE] ? lb_r(c->in[STATE]) + n * p->h : NULL;
        if (from) memcpy(p->h0 + n * p->h, from, (size_t)p->h * sizeof *from);
        else memset(p->h0 + n * p->h, 0, (size_t)p->h * sizeof *from);
    }
}

void lbi_steps_forward(lbi_steps *p, void (*step)(const lbi_steps *p, int64_t t)) {
    const lb_call *c = p->c;
    int64_t width = p->gates * p->h;
    for (int64_t i = 0; i < p->l; i++) {
        state_before(p, i);
        for (int64_t n = 0; n < p->n; n++) {
            if (c->in[B]) memcpy(p->q + n * width, c->in[B]->data, (size_t)width * sizeof *p->q);
            else memset(p->q + n * width, 0, (size_t)width * sizeof *p->q);
        }
        lbi_gemm(false, true, p->n, width, p->h, p->h0, p->h, lb_r(c->in[W]), p->h, 1, p->q, width);
        step(p, p->reverse ? p->l - 1 - i : i);
    }
    state_before(p, p->l);
    if (p->n * p->h > 0) memcpy(c->out[1]->data, p->h0, (size_t)(p->n * p->h) * sizeof *p->h0);
}

void lbi_steps_backward(lbi_steps *p, void (*step)(const lbi_steps *p, int64_t t)) {
    lb_call *c = p->c;
    int64_t width = p->gates * p->h;
    if (c->gout[1] && p->n * p->h > 0) memcpy(p->d, c->gout[1]->data, (size_t)(p->n * p->h) * sizeof *p->d);
    for (int64_t i = p->l - 1; i >= 0; i--) {
        int64_t t = p->reverse ? p->l - 1 - i : i;
        for (int64_t n = 0; c->gout[0] && n < p->n; n++)
            for (int64_t k = 0; k < p->h; k++) p->d[n * p->h + k] += lb_r(c->gout[0])[(n * p->l + t) * p->h + k];
        state_before(p, i);
        step(p, t);
        lbi_gemm(false, false, p->n, p->h, width, p->q, width, lb_r(c->in[W]), p->h, 1, p->d, p->h);
        if (c->gin[W]) lbi_gemm(true, false, width, p->h, p->n, p->q, width, p->h0, p->h, 1, lb_r(c->gin[W]), p->h);
        for (int64_t k = 0; c->in[B] && c->gin[B] && k < p->n * width; k++) lb_r(c->gin[B])[k % width] += p->q[k];
    }
    for (int64_t i = 0; c->in[STATE] && c->gin[STATE] && i < p->n * p->h; i++) lb_r(c->gin[STATE])[i] += p->d[i];
}

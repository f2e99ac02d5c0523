/* SPDX-License-Identifier: Apache-2.0 */
/* The recurrence of long short-term memory over gx = x W_ih^T + b_ih [N,L,4H] (gates i, f, g, o as PyTorch has them), h_0, c_0 = state, cell or 0:
 *   (i, f, o) = sigmoid, g = tanh of gx + W_hh h + b_hh;  c <- f c + i g;  h <- o tanh(c).
 * reverse: from the last step to the first; y stays in place. Backward with d, e the gradients of the new h, c: do = d tanh(c) o (1 - o),
 * e += d o (1 - tanh^2 c); di = e g i (1 - i), df = e c_before f (1 - f), dg = e i (1 - g^2); e <- e f; dh = dq W_hh, dW_hh = dq^T h. */
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/recurrent.h"

enum { GX, W, B, STATE, CELL };

/* Cells before a step: of the step before it, in running order, or the first. NULL = zeros. Kept: [i f g o c]. */
static const lb_real *cell_before(const lbi_steps *p, int64_t n, int64_t t) {
    const lb_call *c = p->c;
    int64_t from = p->reverse ? t + 1 : t - 1;
    if (from >= 0 && from < p->l) return lb_r(c->out[3]) + (n * p->l + from) * 5 * p->h + 4 * p->h;
    return c->in[CELL] ? lb_r(c->in[CELL]) + n * p->h : NULL;
}

LBI_LEVELS static void step(const lbi_steps *p, int64_t t) {
    const lb_call *c = p->c;
    int64_t h = p->h;
    for (int64_t n = 0; n < p->n; n++) {
        const lb_real *g = lb_r(c->in[GX]) + (n * p->l + t) * 4 * h, *q = p->q + n * 4 * h, *before = cell_before(p, n, t);
        lb_real *k = lb_r(c->out[3]) + (n * p->l + t) * 5 * h, *y = lb_r(c->out[0]) + (n * p->l + t) * h;
        for (int64_t i = 0; i < h; i++) {
            lb_real in = lbi_sigmoid(g[i] + q[i]), keep = lbi_sigmoid(g[h + i] + q[h + i]), new = lbi_tanh(g[2 * h + i] + q[2 * h + i]), out = lbi_sigmoid(g[3 * h + i] + q[3 * h + i]);
            k[i] = in;
            k[h + i] = keep;
            k[2 * h + i] = new;
            k[3 * h + i] = out;
            k[4 * h + i] = keep * (before ? before[i] : 0) + in * new;
            y[i] = out * lbi_tanh(k[4 * h + i]);
        }
    }
}

LBI_LEVELS static void step_back(const lbi_steps *p, int64_t t) {
    const lb_call *c = p->c;
    int64_t h = p->h;
    for (int64_t n = 0; n < p->n; n++) {
        const lb_real *k = lb_r(c->out[3]) + (n * p->l + t) * 5 * h, *before = cell_before(p, n, t);
        lb_real *g = c->gin[GX] ? lb_r(c->gin[GX]) + (n * p->l + t) * 4 * h : NULL, *q = p->q + n * 4 * h, *d = p->d + n * h, *e = p->e + n * h;
        for (int64_t i = 0; i < h; i++) {
            lb_real in = k[i], keep = k[h + i], new = k[2 * h + i], out = k[3 * h + i], top = lbi_tanh(k[4 * h + i]);
            lb_real de = e[i] + d[i] * out * (1 - top * top);
            q[i] = de * new * in * (1 - in);
            q[h + i] = de * (before ? before[i] : 0) * keep * (1 - keep);
            q[2 * h + i] = de * in * (1 - new * new);
            q[3 * h + i] = d[i] * top * out * (1 - out);
            e[i] = de * keep;
            d[i] = 0;
        }
        for (int64_t i = 0; g && i < 4 * h; i++) g[i] += q[i];
    }
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[GX];
    int64_t h = c->in[W]->shape[1];
    lbi_steps_shape(c->out[0], 3, (int64_t[]){x->shape[0], x->shape[1], h});
    lbi_steps_shape(c->out[1], 2, (int64_t[]){x->shape[0], h});
    lbi_steps_shape(c->out[2], 2, (int64_t[]){x->shape[0], h});
    lbi_steps_shape(c->out[3], 3, (int64_t[]){x->shape[0], x->shape[1], 5 * h});
    return true;
}

static void forward(lb_call *c) {
    lbi_steps p;
    if (!lbi_steps_begin(&p, c, 4)) return;
    lbi_steps_forward(&p, step);
    for (int64_t n = 0; n < p.n; n++) {
        const lb_real *from = cell_before(&p, n, p.reverse ? -1 : p.l);
        for (int64_t i = 0; i < p.h; i++) lb_r(c->out[2])[n * p.h + i] = from ? from[i] : 0;
    }
}

static void backward(lb_call *c) {
    lbi_steps p;
    if (!lbi_steps_begin(&p, c, 4)) return;
    if (c->gout[2]) memcpy(p.e, c->gout[2]->data, (size_t)(p.n * p.h) * sizeof *p.e);
    lbi_steps_backward(&p, step_back);
    for (int64_t i = 0; c->in[CELL] && c->gin[CELL] && i < p.n * p.h; i++) lb_r(c->gin[CELL])[i] += p.e[i];
}

static double flops(const lb_call *c) { return 2.0 * (double)lb_numel(c->in[GX]) * (double)c->in[W]->shape[1]; }

static const lbi_recurrent ahead = {false}, reversed = {true};
static const lb_op_case cases[] = {
    {.name = "all parts", .rank = {3, 2, 1, 2, 2}, .shape = {{2, 4, 12}, {12, 3}, {12}, {2, 3}, {2, 3}}, .params = &ahead},
    {.name = "reverse", .rank = {3, 2, -1, -1, -1}, .shape = {{2, 3, 8}, {8, 2}}, .params = &reversed},
    {.name = "cell", .rank = {3, 2, 1, 2, 2}, .shape = {{3, 1, 8}, {8, 2}, {8}, {3, 2}, {3, 2}}, .params = &ahead},
    {.name = "no steps", .rank = {3, 2, -1, 2, 2}, .shape = {{2, 0, 8}, {8, 2}, {0}, {2, 2}, {2, 2}}, .params = &reversed},
};

LB_OP(lstm) = {.id = "lstm",
               .title = "long short-term memory over steps, from mapped inputs",
               .source = "Hochreiter and Schmidhuber 1997; torch.nn.LSTM",
               .sig = "gx[N,L,4H] w[4H,H] b[4H]? state[N,H]? cell[N,H]? -> y[N,L,H] last[N,H] last_cell[N,H] kept[N,L,5H]",
               .math = "c = f c + i g, h = o tanh(c)",
               .results = 3,
               .reads = LB_READS_IN(W) | LB_READS_IN(STATE) | LB_READS_IN(CELL) | LB_READS_OUT(0) | LB_READS_OUT(3),
               .params_size = sizeof(lbi_recurrent),
               .shape = shape,
               .forward = forward,
               .backward = backward,
               .flops = flops,
               .cases = cases,
               .case_count = LB_COUNT(cases)};

lb_tensor *lb_lstm(lb_tape *t, lb_tensor *gx, lb_tensor *w, lb_tensor *b, lb_tensor *state, lb_tensor *cell, bool reverse, lb_tensor **last, lb_tensor **last_cell) {
    lbi_recurrent p = {reverse};
    lb_tensor *out[3];
    lb_apply_n(t, &lb_op_lstm, &p, sizeof p, 5, (lb_tensor *[]){gx, w, b, state, cell}, 3, out);
    if (last) *last = out[1];
    if (last_cell) *last_cell = out[2];
    return out[0];
}

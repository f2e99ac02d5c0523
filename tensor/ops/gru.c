/* SPDX-License-Identifier: Apache-2.0 */
/* The recurrence of a gated recurrent unit over gx = x W_ih^T + b_ih [N,L,3H] (gates r, z, n as PyTorch has them), h_0 = state or 0:
 *   (q_r, q_z, q_n) = W_hh h + b_hh;  r = sigmoid(g_r + q_r), z = sigmoid(g_z + q_z), n = tanh(g_n + r q_n);  h <- (1 - z) n + z h.
 * reverse: from the last step to the first; y stays in place. Backward with d the gradient of the new h: dn = d (1 - z) (1 - n^2),
 * dr = dn q_n r (1 - r), dz = d (h - n) z (1 - z); dgx = (dr, dz, dn), dq = (dr, dz, dn r); dh = d z + dq W_hh, dW_hh = dq^T h. */
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/op.h"
#include "tensor/ops.h"
#include "tensor/recurrent.h"

enum { GX, W, B, STATE };

/* [r z n q_n] of one step and sample. */
LBI_LEVELS static void step(const lbi_steps *p, int64_t t) {
    const lb_call *c = p->c;
    int64_t h = p->h;
    for (int64_t n = 0; n < p->n; n++) {
        const lb_real *g = lb_r(c->in[GX]) + (n * p->l + t) * 3 * h, *q = p->q + n * 3 * h, *before = p->h0 + n * h;
        lb_real *k = lb_r(c->out[2]) + (n * p->l + t) * 4 * h, *y = lb_r(c->out[0]) + (n * p->l + t) * h;
        for (int64_t i = 0; i < h; i++) {
            lb_real r = lbi_sigmoid(g[i] + q[i]), z = lbi_sigmoid(g[h + i] + q[h + i]), m = lbi_tanh(g[2 * h + i] + r * q[2 * h + i]);
            k[i] = r;
            k[h + i] = z;
            k[2 * h + i] = m;
            k[3 * h + i] = q[2 * h + i];
            y[i] = (1 - z) * m + z * before[i];
        }
    }
}

LBI_LEVELS static void step_back(const lbi_steps *p, int64_t t) {
    const lb_call *c = p->c;
    int64_t h = p->h;
    for (int64_t n = 0; n < p->n; n++) {
        const lb_real *k = lb_r(c->out[2]) + (n * p->l + t) * 4 * h, *before = p->h0 + n * h;
        lb_real *g = c->gin[GX] ? lb_r(c->gin[GX]) + (n * p->l + t) * 3 * h : NULL, *q = p->q + n * 3 * h, *d = p->d + n * h;
        for (int64_t i = 0; i < h; i++) {
            lb_real r = k[i], z = k[h + i], m = k[2 * h + i], dm = d[i] * (1 - z) * (1 - m * m), dr = dm * k[3 * h + i] * r * (1 - r), dz = d[i] * (before[i] - m) * z * (1 - z);
            q[i] = dr;
            q[h + i] = dz;
            q[2 * h + i] = dm * r;
            d[i] *= z;
            if (!g) continue;
            g[i] += dr;
            g[h + i] += dz;
            g[2 * h + i] += dm;
        }
    }
}

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[GX];
    int64_t h = c->in[W]->shape[1];
    lbi_steps_shape(c->out[0], 3, (int64_t[]){x->shape[0], x->shape[1], h});
    lbi_steps_shape(c->out[1], 2, (int64_t[]){x->shape[0], h});
    lbi_steps_shape(c->out[2], 3, (int64_t[]){x->shape[0], x->shape[1], 4 * h});
    return true;
}

static void forward(lb_call *c) {
    lbi_steps p;
    if (lbi_steps_begin(&p, c, 3)) lbi_steps_forward(&p, step);
}

static void backward(lb_call *c) {
    lbi_steps p;
    if (lbi_steps_begin(&p, c, 3)) lbi_steps_backward(&p, step_back);
}

static double flops(const lb_call *c) { return 2.0 * (double)lb_numel(c->in[GX]) * (double)c->in[W]->shape[1]; }

static const lbi_recurrent ahead = {false}, reversed = {true};
static const lb_op_case cases[] = {
    {.name = "all parts", .rank = {3, 2, 1, 2}, .shape = {{2, 4, 9}, {9, 3}, {9}, {2, 3}}, .params = &ahead},
    {.name = "reverse", .rank = {3, 2, -1, -1}, .shape = {{2, 3, 6}, {6, 2}}, .params = &reversed},
    {.name = "cell", .rank = {3, 2, 1, 2}, .shape = {{3, 1, 6}, {6, 2}, {6}, {3, 2}}, .params = &ahead},
    {.name = "no steps", .rank = {3, 2, -1, 2}, .shape = {{2, 0, 6}, {6, 2}, {0}, {2, 2}}, .params = &ahead},
    {.name = "large", .rank = {3, 2, 1, 2}, .shape = {{40, 6, 99}, {99, 33}, {99}, {40, 33}}, .lo = -0.3, .hi = 0.3, .params = &reversed},
};

LB_OP(gru) = {.id = "gru",
              .title = "gated recurrent unit over steps, from mapped inputs",
              .source = "Cho et al., arXiv:1406.1078; torch.nn.GRU",
              .sig = "gx[N,L,3H] w[3H,H] b[3H]? state[N,H]? -> y[N,L,H] last[N,H] kept[N,L,4H]",
              .math = "h = (1 - z) tanh(g_n + r (W_n h + b_n)) + z h",
              .results = 2,
              .reads = LB_READS_IN(W) | LB_READS_IN(STATE) | LB_READS_OUT(0) | LB_READS_OUT(2),
              .params_size = sizeof(lbi_recurrent),
              .shape = shape,
              .forward = forward,
              .backward = backward,
              .flops = flops,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_gru(lb_tape *t, lb_tensor *gx, lb_tensor *w, lb_tensor *b, lb_tensor *state, bool reverse, lb_tensor **last) {
    lbi_recurrent p = {reverse};
    lb_tensor *out[2];
    lb_apply_n(t, &lb_op_gru, &p, sizeof p, 4, (lb_tensor *[]){gx, w, b, state}, 2, out);
    if (last) *last = out[1];
    return out[0];
}

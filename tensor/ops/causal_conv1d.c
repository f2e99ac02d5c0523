/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution that looks back, channels last: y[n,t,c] = act(b_c + sum_k w[c,k] x'[n,t+k,c]), k < K, where x' is K-1 steps of state (zeros
 * without one), then x; act is SiLU or nothing. The new state is the last K-1 steps of x'. Backward: with g' = g act', dx'[t+k] += w_k g'[t],
 * dw_k = sum g'[t] x'[t+k], db = sum g'. What went into the activation is made again. */
#include <string.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/op.h"
#include "tensor/ops.h"

struct causal_conv1d {
    bool silu;
};

enum { X, W, B, STATE };

typedef struct plan {
    const lb_call *c;
    int64_t n, l, ch, k;
    bool silu;
    lb_real *g; /* backward: g', [N,L,C] */
} plan;

static plan plan_of(const lb_call *c) {
    const struct causal_conv1d *o = c->params;
    return (plan){c, c->in[X]->shape[0], c->in[X]->shape[1], c->in[X]->shape[2], c->in[W]->shape[1], o->silu, NULL};
}

static bool shape(lb_call *c) {
    plan p = plan_of(c);
    if (p.k < 1 || (c->in[STATE] && c->in[STATE]->shape[1] != p.k - 1)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "a kernel of width %lld, expected 1 or more, and a state of as many steps less one", (long long)p.k);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        memcpy(c->out[i]->shape, c->in[X]->shape, sizeof c->in[X]->shape);
        c->out[i]->rank = 3;
    }
    c->out[1]->shape[1] = p.k - 1;
    return true;
}

/* Step t of x', t < L + K - 1; NULL = zeros. */
static const lb_real *step_of(const plan *p, int64_t n, int64_t t) {
    const lb_tensor *s = p->c->in[STATE];
    if (t >= p->k - 1) return lb_r(p->c->in[X]) + (n * p->l + t - p->k + 1) * p->ch;
    return s ? lb_r(s) + (n * (p->k - 1) + t) * p->ch : NULL;
}

LBI_ALWAYS void sums(const plan *p, int64_t n, int64_t t, lb_real *y) {
    const lb_real *w = lb_r(p->c->in[W]), *b = p->c->in[B] ? lb_r(p->c->in[B]) : NULL;
    for (int64_t c = 0; c < p->ch; c++) y[c] = b ? b[c] : 0;
    for (int64_t k = 0; k < p->k; k++) {
        const lb_real *x = step_of(p, n, t + k);
        for (int64_t c = 0; x && c < p->ch; c++) y[c] += w[c * p->k + k] * x[c];
    }
}

LBI_LEVELS static void forward_rows(const void *ctx, int64_t first, int64_t last) {
    const plan *p = ctx;
    for (int64_t i = first; i < last; i++) {
        lb_real *y = lb_r(p->c->out[0]) + i * p->ch;
        sums(p, i / p->l, i % p->l, y);
        for (int64_t c = 0; p->silu && c < p->ch; c++) y[c] = y[c] / (1 + lbi_exp(-y[c]));
    }
}

static void forward(lb_call *c) {
    plan p = plan_of(c);
    lbi_split(p.n * p.l, p.ch * p.k, forward_rows, &p);
    for (int64_t i = 0; i < p.n * (p.k - 1); i++) {
        const lb_real *x = step_of(&p, i / (p.k - 1), p.l + i % (p.k - 1));
        lb_real *to = lb_r(c->out[1]) + i * p.ch;
        for (int64_t k = 0; k < p.ch; k++) to[k] = x ? x[k] : 0;
    }
}

/* ---- backward ---- */

LBI_LEVELS static void through_act(const void *ctx, int64_t first, int64_t last) {
    const plan *p = ctx;
    for (int64_t i = first; i < last; i++) {
        lb_real *y = p->g + i * p->ch;
        const lb_real *g = lb_r(p->c->gout[0]) + i * p->ch;
        if (p->silu) sums(p, i / p->l, i % p->l, y);
        for (int64_t c = 0; c < p->ch; c++) {
            lb_real q = p->silu ? 1 / (1 + lbi_exp(-y[c])) : 1;
            y[c] = p->silu ? g[c] * q * (1 + y[c] * (1 - q)) : g[c];
        }
    }
}

/* Adds to step t of x' of sample n. */
static lb_real *grad_of(const plan *p, int64_t n, int64_t t) {
    if (t >= p->k - 1) return p->c->gin[X] ? lb_r(p->c->gin[X]) + (n * p->l + t - p->k + 1) * p->ch : NULL;
    return p->c->in[STATE] && p->c->gin[STATE] ? lb_r(p->c->gin[STATE]) + (n * (p->k - 1) + t) * p->ch : NULL;
}

/* Whole samples. */
LBI_LEVELS static void inputs_back(const void *ctx, int64_t first, int64_t last) {
    const plan *p = ctx;
    const lb_real *w = lb_r(p->c->in[W]);
    for (int64_t n = first; n < last; n++)
        for (int64_t t = 0; t < p->l + p->k - 1; t++) {
            lb_real *to = grad_of(p, n, t);
            for (int64_t k = 0; to && p->g && k < p->k; k++) {
                if (t - k < 0 || t - k >= p->l) continue;
                const lb_real *g = p->g + (n * p->l + t - k) * p->ch;
                for (int64_t c = 0; c < p->ch; c++) to[c] += w[c * p->k + k] * g[c];
            }
            const lb_real *gs = p->c->gout[1] && t >= p->l ? lb_r(p->c->gout[1]) + (n * (p->k - 1) + t - p->l) * p->ch : NULL;
            for (int64_t c = 0; to && gs && c < p->ch; c++) to[c] += gs[c];
        }
}

/* Channels first..last-1: all steps in order. */
LBI_LEVELS static void kernel_back(const void *ctx, int64_t first, int64_t last) {
    const plan *p = ctx;
    lb_tensor *gw = p->c->gin[W], *gb = p->c->in[B] ? p->c->gin[B] : NULL;
    for (int64_t i = 0; i < p->n * p->l; i++) {
        const lb_real *g = p->g + i * p->ch;
        for (int64_t c = first; gb && c < last; c++) lb_r(gb)[c] += g[c];
        for (int64_t k = 0; gw && k < p->k; k++) {
            const lb_real *x = step_of(p, i / p->l, i % p->l + k);
            for (int64_t c = first; x && c < last; c++) lb_r(gw)[c * p->k + k] += g[c] * x[c];
        }
    }
}

static void backward(lb_call *c) {
    plan p = plan_of(c);
    if (c->gout[0]) {
        p.g = lb_scratch(c, (size_t)(p.n * p.l * p.ch + 1) * sizeof *p.g);
        if (!p.g) return;
        lbi_split(p.n * p.l, p.ch * p.k, through_act, &p);
        lbi_split(p.ch, p.n * p.l * p.k, kernel_back, &p);
    }
    lbi_split(p.n, p.l * p.ch * p.k, inputs_back, &p);
}

static double flops(const lb_call *c) { return 2.0 * (double)lb_numel(c->in[X]) * (double)c->in[W]->shape[1]; }

static const struct causal_conv1d silu = {true}, plain = {false};
static const lb_op_case cases[] = {
    {.name = "all parts", .rank = {3, 2, 1, 3}, .shape = {{2, 5, 3}, {3, 4}, {3}, {2, 3, 3}}, .params = &silu},
    {.name = "plain", .rank = {3, 2, -1, -1}, .shape = {{2, 4, 3}, {3, 2}}, .params = &plain},
    {.name = "shorter than the kernel", .rank = {3, 2, 1, 3}, .shape = {{2, 1, 3}, {3, 4}, {3}, {2, 3, 3}}, .params = &silu},
    {.name = "kernel of one", .rank = {3, 2, 1, -1}, .shape = {{1, 3, 2}, {2, 1}, {2}}, .params = &plain},
    {.name = "no steps", .rank = {3, 2, 1, 3}, .shape = {{2, 0, 3}, {3, 2}, {3}, {2, 1, 3}}, .params = &silu},
    {.name = "large", .rank = {3, 2, 1, 3}, .shape = {{3, 290, 80}, {80, 4}, {80}, {3, 3, 80}}, .params = &silu},
};

LB_OP(causal_conv1d) = {.id = "causal_conv1d",
                        .title = "depthwise convolution over past steps, channels last, with a state for stepping",
                        .source = "causal_conv1d_fn and causal_conv1d_update of Dao-AILab/causal-conv1d",
                        .sig = "x[N,L,C] w[C,K] b[C]? state[N,*,C]? -> y[N,L,C] next[N,*,C]",
                        .math = "y_t = act(b + sum_k w_k x_(t-K+1+k))",
                        .results = 2,
                        .reads = LB_READS_IN(X) | LB_READS_IN(W) | LB_READS_IN(B) | LB_READS_IN(STATE),
                        .params_size = sizeof(struct causal_conv1d),
                        .shape = shape,
                        .forward = forward,
                        .backward = backward,
                        .flops = flops,
                        .cases = cases,
                        .case_count = LB_COUNT(cases)};

lb_tensor *lb_causal_conv1d(lb_tape *t, lb_tensor *x, lb_tensor *w, lb_tensor *b, lb_tensor *state, bool with_silu, lb_tensor **next) {
    struct causal_conv1d p = {with_silu};
    lb_tensor *out[2];
    if (lb_tape_ok(t) && w && w->rank == 3) w = lb_reshape(t, w, 2, (int64_t[]){w->shape[0], w->shape[2]}); /* PyTorch's [C,1,K] */
    lb_apply_n(t, &lb_op_causal_conv1d, &p, sizeof p, 4, (lb_tensor *[]){x, w, b, state}, 2, out);
    if (next) *next = out[1];
    return out[0];
}

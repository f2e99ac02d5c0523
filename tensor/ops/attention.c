/* SPDX-License-Identifier: Apache-2.0 */
/* y = P v, P = softmax(scale q k^T + bias) over keys; q [N,H,L,D], k, v [N,H,S,D]. bias: real, broadcast over any of [N,H,L,S], -inf
 * hides a key; a query whose keys are all hidden gives 0. causal hides keys s > l + S - L.
 * With G = dL/dy: dv = P^T G, dP = G v^T, dS = P (dP - rowsum(dP P)), dq = scale dS k, dk = scale dS^T q, dbias = dS.
 * The backward pass makes P again from q, k and the saved logarithm of the row sums, so no [L,S] map is kept. */
#include <math.h>
#include <omp.h>
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows.h"
#include "tensor/ops.h"

typedef struct options {
    double scale;
    bool causal;
} options;

typedef struct plan {
    int64_t n, h, l, s, d, e; /* e: width of v */
} plan;

static plan plan_of(const lb_call *c) {
    const lb_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
    return (plan){q->shape[0], q->shape[1], q->shape[2], k->shape[2], q->shape[3], v->shape[3]};
}

static bool shape(lb_call *c) {
    const lb_tensor *b = c->in[3];
    plan p = plan_of(c);
    int64_t full[4] = {p.n, p.h, p.l, p.s};
    for (int i = 0; b && i < 4; i++)
        if (b->rank != 4 || (b->shape[i] != full[i] && b->shape[i] != 1)) {
            char text[96];
            lb_tape_fail(c->tape, LB_E_SHAPE, "attention: bias %s does not go with [%lld,%lld,%lld,%lld]", lb_shape_text(text, sizeof text, b->rank, b->shape), (long long)p.n, (long long)p.h, (long long)p.l, (long long)p.s);
            return false;
        }
    lb_tensor *y = c->out[0], *z = c->out[1];
    y->dtype = z->dtype = LB_REAL;
    y->rank = 4;
    z->rank = 3;
    for (int i = 0; i < 3; i++) y->shape[i] = z->shape[i] = full[i];
    y->shape[3] = p.e;
    return true;
}

/* Element (l, 0) of the bias of map i, and its steps; NULL without bias. */
static const lb_real *bias_of(const lb_call *c, const plan *p, int64_t i, int64_t *step_l, int64_t *step_s) {
    const lb_tensor *b = c->in[3];
    if (!b) return NULL;
    int64_t n = i / p->h, h = i % p->h, in_h = b->shape[2] * b->shape[3];
    *step_s = b->shape[3] > 1;
    *step_l = b->shape[2] > 1 ? b->shape[3] : 0;
    return lb_r(b) + (b->shape[0] > 1 ? n * b->shape[1] * in_h : 0) + (b->shape[1] > 1 ? h * in_h : 0);
}

/* Scores of map i with bias and causal rule: m [L,S]. */
static void scores(const lb_call *c, const plan *p, int64_t i, lb_real *m) {
    const options *o = c->params;
    int64_t sl = 0, ss = 0;
    const lb_real *bias = bias_of(c, p, i, &sl, &ss);
    lbi_gemm(false, true, p->l, p->s, p->d, lb_r(c->in[0]) + i * p->l * p->d, p->d, lb_r(c->in[1]) + i * p->s * p->d, p->d, 0, m, p->s);
    for (int64_t l = 0; l < p->l; l++) {
        lb_real *row = m + l * p->s;
        for (int64_t s = 0; s < p->s; s++) row[s] = row[s] * (lb_real)o->scale + (bias ? bias[l * sl + s * ss] : 0);
        for (int64_t s = l + p->s - p->l + 1; o->causal && s < p->s; s++)
            if (s >= 0) row[s] = -INFINITY;
    }
}

static lb_real *maps(lb_call *c, const plan *p, int64_t *threads, int each) {
    int64_t maps = p->n * p->h;
    *threads = maps > 1 ? omp_get_max_threads() : 1;
    return lb_scratch(c, (size_t)(p->l * p->s * *threads * each + 1) * sizeof(lb_real));
}

static bool hidden(const lb_real *row, int64_t s) {
    for (int64_t i = 0; i < s; i++)
        if (row[i] != -INFINITY) return false;
    return true;
}

static void forward(lb_call *c) {
    plan p = plan_of(c);
    int64_t threads, map = p.l * p.s;
    lb_real *all = maps(c, &p, &threads, 1);
    if (!all) return;
#pragma omp parallel for schedule(static) num_threads((int)threads) if (threads > 1)
    for (int64_t i = 0; i < p.n * p.h; i++) {
        lb_real *m = all + omp_get_thread_num() * map, *z = lb_r(c->out[1]) + i * p.l;
        scores(c, &p, i, m);
        for (int64_t l = 0; l < p.l; l++) {
            lb_real *row = m + l * p.s;
            z[l] = INFINITY; /* marks a query without keys */
            if (hidden(row, p.s))
                for (int64_t s = 0; s < p.s; s++) row[s] = 0;
            else z[l] = (lb_real)lbi_softmax_row(row, row, p.s);
        }
        lbi_gemm(false, false, p.l, p.e, p.s, m, p.s, lb_r(c->in[2]) + i * p.s * p.e, p.e, 0, lb_r(c->out[0]) + i * p.l * p.e, p.e);
    }
}

static void add_bias_gradient(lb_call *c, const plan *p, int64_t i, const lb_real *ds) {
    int64_t sl, ss;
    lb_real *to = lb_r(c->gin[3]) + (bias_of(c, p, i, &sl, &ss) - lb_r(c->in[3]));
    for (int64_t l = 0; l < p->l; l++)
        for (int64_t s = 0; s < p->s; s++) to[l * sl + s * ss] += ds[l * p->s + s];
}

static void backward(lb_call *c) {
    const options *o = c->params;
    plan p = plan_of(c);
    int64_t threads, map = p.l * p.s;
    if (!c->gout[0]) return;
    lb_real *all = maps(c, &p, &threads, 2);
    if (!all) return;
    if (c->in[3] && c->gin[3]) threads = 1; /* maps may add to one bias */
#pragma omp parallel for schedule(static) num_threads((int)threads) if (threads > 1)
    for (int64_t i = 0; i < p.n * p.h; i++) {
        lb_real *m = all + omp_get_thread_num() * map * 2, *dp = m + map;
        const lb_real *z = lb_r(c->out[1]) + i * p.l, *g = lb_r(c->gout[0]) + i * p.l * p.e, *v = lb_r(c->in[2]) + i * p.s * p.e;
        scores(c, &p, i, m);
        for (int64_t l = 0; l < p.l; l++)
            for (int64_t s = 0; s < p.s; s++) m[l * p.s + s] = z[l] == (lb_real)INFINITY ? 0 : lbi_exp(m[l * p.s + s] - z[l]);
        if (c->gin[2]) lbi_gemm(true, false, p.s, p.e, p.l, m, p.s, g, p.e, 1, lb_r(c->gin[2]) + i * p.s * p.e, p.e);
        lbi_gemm(false, true, p.l, p.s, p.e, g, p.e, v, p.e, 0, dp, p.s);
        for (int64_t l = 0; l < p.l; l++) {
            double dot = 0;
            for (int64_t s = 0; s < p.s; s++) dot += (double)dp[l * p.s + s] * (double)m[l * p.s + s];
            for (int64_t s = 0; s < p.s; s++) dp[l * p.s + s] = m[l * p.s + s] * (dp[l * p.s + s] - (lb_real)dot);
        }
        if (c->in[3] && c->gin[3]) add_bias_gradient(c, &p, i, dp);
        for (int64_t j = 0; j < map; j++) dp[j] *= (lb_real)o->scale;
        if (c->gin[0]) lbi_gemm(false, false, p.l, p.d, p.s, dp, p.s, lb_r(c->in[1]) + i * p.s * p.d, p.d, 1, lb_r(c->gin[0]) + i * p.l * p.d, p.d);
        if (c->gin[1]) lbi_gemm(true, false, p.s, p.d, p.l, dp, p.s, lb_r(c->in[0]) + i * p.l * p.d, p.d, 1, lb_r(c->gin[1]) + i * p.s * p.d, p.d);
    }
}

static double flops(const lb_call *c) {
    plan p = plan_of(c);
    return 2.0 * (double)(p.n * p.h) * (double)(p.l * p.s) * (double)(p.d + p.e);
}

static const options usual = {0.5, false}, causal = {0.7, true};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {4, 4, 4, -1}, .shape = {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 3}}, .params = &usual},
    {.name = "bias of keys", .rank = {4, 4, 4, 4}, .shape = {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 4}, {2, 1, 1, 5}}, .params = &usual},
    {.name = "causal, full bias", .rank = {4, 4, 4, 4}, .shape = {{1, 2, 4, 3}, {1, 2, 4, 3}, {1, 2, 4, 3}, {1, 2, 4, 4}}, .params = &causal},
};

LB_OP(attention) = {.id = "attention", .title = "scaled dot-product attention with bias and causal rule", .source = "Vaswani et al., arXiv:1706.03762, eq. (1); torch.nn.functional.scaled_dot_product_attention",
                    .sig = "q[N,H,L,D] k[N,H,S,D] v[N,H,S,E] bias? -> y[N,H,L,E] logsum[N,H,L]", .results = 1, .math = "y = softmax(scale q k^T + bias) v",
                    .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_IN(3) | LB_READS_OUT(1), .shape = shape, .params_size = sizeof(options), .forward = forward, .backward = backward, .flops = flops, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_attention(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, lb_tensor *bias, double scale, bool causal_rule) {
    return lb_apply(t, &lb_op_attention, &(options){scale, causal_rule}, sizeof(options), 4, (lb_tensor *[]){q, k, v, bias});
}

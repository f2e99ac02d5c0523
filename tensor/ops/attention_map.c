/* SPDX-License-Identifier: Apache-2.0 */
/* p = the weights of attention themselves, softmax over keys of cap(scale q k^T) + bias + relative: [N,H,L,S], for who looks at maps or distils
 * them (attention never keeps them). A query whose keys are all hidden gives 0. Options, masks and heads as in attention, without dropout.
 * With G = dL/dp: dS = p (G - rowsum(G p)), from there as in attention. */
#include <math.h>
#include "tensor/attend.h"
#include "tensor/kernels/attend.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm.h"
#include "tensor/loops.h"

enum { ROWS = LBI_ATTEND_ROWS };

static bool shape(lb_call *c) {
    if (!lbi_attend_check(c, false)) return false;
    lb_tensor *y = c->out[0];
    y->dtype = LB_REAL;
    y->rank = 4;
    for (int i = 0; i < 3; i++) y->shape[i] = c->in[0]->shape[i];
    y->shape[3] = c->in[1]->shape[2];
    return true;
}

static void softmax(lb_real *row, int64_t n) {
    lb_real sum = lbi_attend_exp(row, n, lbi_attend_shift(lbi_attend_max(row, n)));
    if (sum != 0) lbi_attend_scale(row, n, 1 / sum);
}

static int64_t blocks_of(const lbi_attend *a) { return (a->l + ROWS - 1) / ROWS; }

static void piece_forward(const void *ctx, int64_t i, int thread) {
    const lbi_attend *a = ctx;
    int64_t blocks = blocks_of(a), map = i / blocks, l0 = i % blocks * ROWS, rows = lbi_least(ROWS, a->l - l0);
    lb_real *y = lb_r(a->call->out[0]) + (map * a->l + l0) * a->s;
    (void)thread;
    lbi_attend_scores(a, map / a->h, map % a->h, l0, rows, 0, a->s, y, NULL, a->s);
    for (int64_t l = 0; l < rows; l++) softmax(y + l * a->s, a->s);
}

static void forward(lb_call *c) {
    lbi_attend a;
    if (!lbi_attend_plan(&a, c, false)) return;
    int64_t pieces = a.n * a.h * blocks_of(&a);
    lbi_each(pieces, lbi_attend_threads(&a, pieces, a.d), piece_forward, &a);
}

/* ds, slope, scores: [ROWS,S] each; the last two only with a soft cap. */
static void map_backward(const lbi_attend *a, int64_t n, int64_t h, lb_real *ds, lb_real *slope, lb_real *scores) {
    lb_call *c = a->call;
    int64_t group = h * a->g / a->h;
    for (int64_t l0 = 0; l0 < a->l; l0 += ROWS) {
        int64_t rows = lbi_least(ROWS, a->l - l0), at = ((n * a->h + h) * a->l + l0) * a->s;
        const lb_real *p = lb_r(c->out[0]) + at, *g = lb_r(c->gout[0]) + at;
        for (int64_t i = 0; i < rows; i++) {
            lb_real *row = ds + i * a->s;
            lb_real delta = (lb_real)lbi_attend_dot(g + i * a->s, p + i * a->s, a->s);
            for (int64_t s = 0; s < a->s; s++) row[s] = g[i * a->s + s];
            lbi_attend_back(row, p + i * a->s, a->s, delta);
        }
        if (slope) lbi_attend_scores(a, n, h, l0, rows, 0, a->s, scores, slope, a->s);
        lbi_attend_back_tile(a, n, h, l0, rows, 0, a->s, ds, slope, a->s);
        if (c->gin[0]) lbi_gemm(false, a->k.transposed, rows, a->d, a->s, ds, a->s, lbi_attend_row(&a->k, n, group, 0), a->k.ld, 1, lbi_attend_grad_row(c->gin[0], n, h, l0), a->d);
        if (c->gin[1]) lbi_gemm(true, a->q.transposed, a->s, a->d, rows, ds, a->s, lbi_attend_row(&a->q, n, h, l0), a->q.ld, 1, lbi_attend_grad_row(c->gin[1], n, group, 0), a->d);
    }
}

typedef struct job {
    const lbi_attend *a;
    lbi_attend_units units;
    lb_real *room;
    int64_t each, strip; /* numbers of a thread, of a strip */
} job;

static void unit_backward(const void *ctx, int64_t u, int thread) {
    const job *j = ctx;
    lb_real *mine = j->room + thread * j->each;
    lbi_attend_span span = lbi_attend_unit(j->a, &j->units, u);
    for (int64_t n = span.n0; n < span.n1; n++)
        for (int64_t h = span.h0; h < span.h1; h++) map_backward(j->a, n, h, mine, j->a->o->softcap > 0 ? mine + j->strip : NULL, mine + 2 * j->strip);
}

static void backward(lb_call *c) {
    lbi_attend a;
    if (!c->gout[0] || !lbi_attend_plan(&a, c, false)) return;
    lbi_attend_units units = lbi_attend_units_of(&a);
    int64_t strip = lbi_least(ROWS, a.l) * a.s + 16, each = strip * (a.o->softcap > 0 ? 3 : 1);
    int threads = lbi_attend_threads(&a, units.count, a.d);
    const job j = {&a, units, lb_scratch(c, (size_t)(each * threads) * sizeof *j.room), each, strip};
    if (j.room) lbi_each(units.count, threads, unit_backward, &j);
}

static void reference(lb_call *c) {
    lbi_attend a;
    if (!lbi_attend_plan(&a, c, false)) return;
    double *p = lb_scratch(c, (size_t)(a.s + 1) * sizeof *p);
    for (int64_t i = 0; p && i < a.n * a.h * a.l; i++) {
        int64_t map = i / a.l;
        (void)lbi_attend_reference(&a, map / a.h, map % a.h, i % a.l, p);
        for (int64_t s = 0; s < a.s; s++) lb_r(c->out[0])[i * a.s + s] = (lb_real)p[s];
    }
}

static double flops(const lb_call *c) {
    const lb_tensor *q = c->in[0];
    return 2.0 * (double)lb_numel(q) * (double)c->in[1]->shape[2];
}

static const lbi_attend_options usual = {.scale = 0.5}, causal = {.scale = 0.7, .causal = true}, capped = {.scale = 1.5, .softcap = 2, .window = 2};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {4, 4, -1, -1, -1}, .shape = {{2, 2, 3, 4}, {2, 2, 5, 4}}, .params = &usual},
    {.name = "bias, mask, grouped heads", .rank = {4, 4, 3, 4, -1}, .shape = {{2, 4, 3, 2}, {2, 2, 4, 2}, {4, 3, 4}, {2, 1, 3, 4}}, .params = &usual},
    {.name = "causal, relative", .rank = {4, 4, -1, -1, 2}, .shape = {{2, 2, 4, 2}, {2, 2, 3, 2}, {0}, {0}, {2, 6}}, .params = &causal},
    {.name = "soft cap, band", .rank = {4, 4, 4, -1, -1}, .shape = {{1, 2, 4, 3}, {1, 2, 4, 3}, {1, 1, 1, 4}}, .params = &capped},
    {.name = "strips", .rank = {4, 4, -1, -1, -1}, .shape = {{1, 2, 70, 3}, {1, 1, 20, 3}}, .params = &usual},
    {.name = "no keys", .rank = {4, 4, -1, -1, -1}, .shape = {{1, 1, 2, 3}, {1, 1, 0, 3}}, .params = &usual},
};

LB_OP(attention_map) = {.id = "attention_map",
                        .title = "the weights of attention",
                        .source = "Vaswani et al., arXiv:1706.03762, eq. (1)",
                        .sig = "q[N,H,L,D] k[N,G,S,D] bias? mask:i64? relative? -> p[N,H,L,S]",
                        .math = "p = softmax(cap(scale q k^T) + bias + relative)",
                        .flags = LB_OP_STRIDED | LB_OP_ANY_TYPE,
                        .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_IN(3) | LB_READS_IN(4) | LB_READS_OUT(0),
                        .shape = shape,
                        .params_size = sizeof(lbi_attend_options),
                        .forward = forward,
                        .backward = backward,
                        .reference = reference,
                        .flops = flops,
                        .cases = cases,
                        .case_count = LB_COUNT(cases)};

lb_tensor *lb_attention_map(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_attention_spec spec) {
    lbi_attend_options o;
    spec.dropout = 0;
    if (!lbi_attend_options_of(&o, t, q, spec)) return lb_inert(t);
    return lb_apply(t, &lb_op_attention_map, &o, sizeof o, 5, (lb_tensor *[]){q, k, spec.bias, spec.mask, spec.relative});
}

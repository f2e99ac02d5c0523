/* SPDX-License-Identifier: Apache-2.0 */
/* y = P' v, P = softmax over keys of cap(scale q k^T) + bias + relative, P' = P with dropout; q [N,H,L,D], k [N,G,S,D], v [N,G,S,E], head j of
 * queries reads head j G / H. cap(x) = c tanh(x / c). A query whose keys are all hidden gives 0; a NaN of a hidden key may or may not come through.
 * With G = dL/dy, u = cap'(.): dv = P'^T G, dP = drop(G v^T), dS = P (dP - delta), delta = rowsum(G y), dbias = dS, drelative[s - l + L - 1] = dS,
 * dq = scale (u dS) k, dk = scale (u dS)^T q.
 * Tiles of 64 queries by 256 keys with a running maximum (Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135): the map
 * [L,S] never lies in memory. Backward makes its tiles again from q, k and the saved logarithm of each row's sum. Where the CPU has kernels for packed
 * panels, attend_packed.c does both. */
#include <math.h>
#include "tensor/attend.h"
#include "tensor/attend_packed.h"
#include "tensor/kernels/attend.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm.h"
#include "tensor/loops.h"
#include "tensor/rounded.h"

enum { ROWS = LBI_ATTEND_ROWS, KEYS = LBI_ATTEND_KEYS };

static bool shape(lb_call *c) {
    const lbi_attend_options *o = c->params;
    const lb_tensor *q = c->in[0];
    if (!lbi_attend_check(c, true)) return false;
    lb_tensor *y = c->out[0], *z = c->out[1];
    y->dtype = z->dtype = LB_REAL;
    z->rank = 3;
    for (int i = 0; i < 3; i++) y->shape[i] = z->shape[i] = q->shape[i];
    y->rank = o->merge ? 3 : 4;
    y->shape[y->rank - 1] = c->in[2]->shape[3];
    if (o->merge) {
        y->shape[1] = q->shape[2];
        y->shape[2] = q->shape[1] * c->in[2]->shape[3];
    }
    if (o->rounded && lbi_rounds(c->tape, y->shape[y->rank - 1])) y->dtype = LB_BF16;
    return true;
}

/* Brings one row up to date: its sum and largest score so far, the result so far, the new scores, which become weights. */
static void take_in(lb_real *row, int64_t cols, lb_real *y, int64_t e, lb_real *most, lb_real *sum, bool first) {
    lb_real top = lbi_attend_max(row, cols), before = *most;
    if (top > before) *most = top;
    lb_real added = lbi_attend_exp(row, cols, lbi_attend_shift(*most));
    if (first || before == -(lb_real)INFINITY) {
        *sum += added; /* of 0, or NaN */
        return;
    }
    lb_real fade = lbi_attend_exp(&before, 1, *most);
    *sum = *sum * fade + added;
    if (fade != 1) lbi_attend_scale(y, e, fade);
}

/* Results of queries l0.. of one map. m: a tile. */
static void rows_forward(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, lb_real *m) {
    lb_real most[ROWS], sum[ROWS];
    int64_t ld, lo, hi, group = h * a->g / a->h;
    bool first = true;
    lb_real *y = lbi_attend_result_row(a, a->call->out[0], n, h, l0, &ld), *z = lb_r(a->call->out[1]) + (n * a->h + h) * a->l + l0;
    for (int64_t i = 0; i < rows; i++) {
        most[i] = -INFINITY;
        sum[i] = 0;
    }
    lbi_attend_sight(a, l0, l0 + rows, &lo, &hi);
    for (int64_t s0 = 0; s0 < a->s; s0 += KEYS) {
        int64_t cols = lbi_least(KEYS, a->s - s0);
        if (lbi_attend_out_of_sight(a, s0, cols, lo, hi)) continue;
        lbi_attend_scores(a, n, h, l0, rows, s0, cols, m, NULL, cols);
        for (int64_t i = 0; i < rows; i++) take_in(m + i * cols, cols, y + i * ld, a->e, &most[i], &sum[i], first);
        lbi_attend_drop(a, n, h, l0, rows, s0, cols, m, cols);
        lbi_gemm(false, a->v.transposed, rows, a->e, cols, m, cols, lbi_attend_row(&a->v, n, group, s0), a->v.ld, first ? 0 : 1, y, ld);
        first = false;
    }
    for (int64_t i = 0; i < rows; i++) {
        bool none = sum[i] == 0;
        z[i] = none ? (lb_real)INFINITY : most[i] + (lb_real)log((double)sum[i]); /* infinity: exp(score - z) is 0 */
        for (int64_t e = 0; none && e < a->e; e++) y[i * ld + e] = 0;
        if (!none) lbi_attend_scale(y + i * ld, a->e, 1 / sum[i]);
    }
}

/* Rooms of the threads. */
typedef struct job {
    const lbi_attend *a;
    lbi_attend_units units; /* backward */
    lb_real *room;
    int64_t each, tile; /* numbers of a thread, of a tile */
} job;

static int64_t blocks_of(const lbi_attend *a) { return (a->l + ROWS - 1) / ROWS; }

static void piece_forward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    const lbi_attend *a = j->a;
    int64_t blocks = blocks_of(a), map = i / blocks, l0 = i % blocks * ROWS;
    rows_forward(a, map / a->h, map % a->h, l0, lbi_least(ROWS, a->l - l0), j->room + thread * j->each);
}

static void all_forward(const lbi_attend *a) {
    int64_t pieces = a->n * a->h * blocks_of(a), tile = lbi_least(ROWS, a->l) * lbi_least(KEYS, a->s) + 16;
    int threads = lbi_attend_threads(a, pieces, a->d + a->e);
    const job j = {.a = a, .room = lb_scratch(a->call, (size_t)(tile * threads) * sizeof *j.room), .each = tile};
    if (j.room) lbi_each(pieces, threads, piece_forward, &j);
}

static void forward(lb_call *c) {
    lbi_attend a;
    lb_tensor *rounded = c->out[0], y = *rounded;
    if (!lbi_attend_plan(&a, c, true) || lbi_attend_packed(&a)) return;
    if (rounded->dtype == LB_REAL) {
        all_forward(&a);
        return;
    }
    y.dtype = LB_REAL; /* rows are made as floats first */
    y.data = lb_scratch(c, (size_t)lb_numel(&y) * sizeof(lb_real));
    if (!y.data) return;
    c->out[0] = &y;
    all_forward(&a);
    c->out[0] = rounded;
    lbi_round_to(rounded, 0, lb_r(&y), lb_numel(&y));
}

/* ---- backward ---- */

typedef struct tiles {
    lb_real *p, *ds, *slope; /* slope: NULL without a soft cap */
} tiles;

/* Gradients that one tile brings. g: rows of the gradient of y; delta: rowsum(G y). */
static void tile_backward(const lbi_attend *a, int64_t n, int64_t h, int64_t l0, int64_t rows, int64_t s0, int64_t cols, const lb_real *g, int64_t ld, const lb_real *delta, const tiles *m) {
    lb_call *c = a->call;
    const lb_real *z = lb_r(c->out[1]) + (n * a->h + h) * a->l + l0;
    int64_t group = h * a->g / a->h, d = a->d, e = a->e;
    lbi_attend_scores(a, n, h, l0, rows, s0, cols, m->p, m->slope, cols);
    for (int64_t i = 0; i < rows; i++) lbi_attend_exp(m->p + i * cols, cols, z[i]);
    lbi_gemm(false, !a->v.transposed, rows, cols, e, g, ld, lbi_attend_row(&a->v, n, group, s0), a->v.ld, 0, m->ds, cols);
    lbi_attend_drop(a, n, h, l0, rows, s0, cols, m->ds, cols);
    for (int64_t i = 0; i < rows; i++) lbi_attend_back(m->ds + i * cols, m->p + i * cols, cols, delta[i]);
    lbi_attend_drop(a, n, h, l0, rows, s0, cols, m->p, cols);
    if (c->gin[2]) lbi_gemm(true, false, cols, e, rows, m->p, cols, g, ld, 1, lbi_attend_grad_row(c->gin[2], n, group, s0), e);
    lbi_attend_back_tile(a, n, h, l0, rows, s0, cols, m->ds, m->slope, cols);
    if (c->gin[0]) lbi_gemm(false, a->k.transposed, rows, d, cols, m->ds, cols, lbi_attend_row(&a->k, n, group, s0), a->k.ld, 1, lbi_attend_grad_row(c->gin[0], n, h, l0), d);
    if (c->gin[1]) lbi_gemm(true, a->q.transposed, cols, d, rows, m->ds, cols, lbi_attend_row(&a->q, n, h, l0), a->q.ld, 1, lbi_attend_grad_row(c->gin[1], n, group, s0), d);
}

static void map_backward(const lbi_attend *a, int64_t n, int64_t h, const tiles *m) {
    lb_real delta[ROWS];
    int64_t ld, lo, hi;
    for (int64_t l0 = 0; l0 < a->l; l0 += ROWS) {
        int64_t rows = lbi_least(ROWS, a->l - l0);
        const lb_real *g = lbi_attend_result_row(a, a->call->gout[0], n, h, l0, &ld), *y = lbi_attend_result_row(a, a->call->out[0], n, h, l0, &ld);
        for (int64_t i = 0; i < rows; i++) delta[i] = (lb_real)lbi_attend_dot(g + i * ld, y + i * ld, a->e);
        lbi_attend_sight(a, l0, l0 + rows, &lo, &hi);
        for (int64_t s0 = 0; s0 < a->s; s0 += KEYS) {
            int64_t cols = lbi_least(KEYS, a->s - s0);
            if (!lbi_attend_out_of_sight(a, s0, cols, lo, hi)) tile_backward(a, n, h, l0, rows, s0, cols, g, ld, delta, m);
        }
    }
}

static void unit_backward(const void *ctx, int64_t u, int thread) {
    const job *j = ctx;
    const lbi_attend *a = j->a;
    lb_real *mine = j->room + thread * j->each;
    const tiles m = {mine, mine + j->tile, a->o->softcap > 0 ? mine + 2 * j->tile : NULL};
    lbi_attend_span span = lbi_attend_unit(a, &j->units, u);
    for (int64_t n = span.n0; n < span.n1; n++)
        for (int64_t h = span.h0; h < span.h1; h++) {
            if (h * a->g % a->h == 0) lbi_attend_clear_group(a, n, h * a->g / a->h);
            map_backward(a, n, h, &m);
        }
}

static void backward(lb_call *c) {
    lbi_attend a;
    if (!c->gout[0] || !lbi_attend_plan(&a, c, true)) return;
    for (int i = 3; i < 6; i++)
        if (c->gin[i] && c->fresh[i]) lbi_fill(c->gin[i], 0);
    if (lbi_attend_packed_back(&a)) return;
    lbi_attend_units units = lbi_attend_units_of(&a);
    int64_t tile = lbi_least(ROWS, a.l) * lbi_least(KEYS, a.s) + 16, each = tile * (a.o->softcap > 0 ? 3 : 2);
    int threads = lbi_attend_threads(&a, units.count, a.d + a.e);
    const job j = {&a, units, lb_scratch(c, (size_t)(each * threads) * sizeof *j.room), each, tile};
    if (j.room) lbi_each(units.count, threads, unit_backward, &j);
}

/* ---- the rest ---- */

static void reference(lb_call *c) {
    lbi_attend a;
    int64_t ld;
    if (!lbi_attend_plan(&a, c, true)) return;
    double *p = lb_scratch(c, (size_t)(a.s + 1) * sizeof *p);
    if (!p) return;
    const lb_tensor *v = c->in[2];
    for (int64_t n = 0; n < a.n; n++)
        for (int64_t h = 0; h < a.h; h++)
            for (int64_t l = 0; l < a.l; l++) {
                lb_real *y = lbi_attend_result_row(&a, c->out[0], n, h, l, &ld);
                lb_r(c->out[1])[(n * a.h + h) * a.l + l] = (lb_real)lbi_attend_reference(&a, n, h, l, p);
                for (int64_t s = 0; s < a.s; s++) p[s] *= lbi_attend_kept(&a, n, h, l, s);
                for (int64_t e = 0; e < a.e; e++) {
                    double sum = 0;
                    for (int64_t s = 0; s < a.s; s++)
                        if (p[s] != 0) sum += p[s] * (double)lb_r(v)[n * v->stride[0] + h * a.g / a.h * v->stride[1] + s * v->stride[2] + e * v->stride[3]];
                    y[e] = (lb_real)sum;
                }
            }
}

static double flops(const lb_call *c) {
    const lb_tensor *q = c->in[0], *v = c->in[2];
    return 2.0 * (double)(q->shape[0] * q->shape[1] * q->shape[2]) * (double)v->shape[2] * (double)(q->shape[3] + v->shape[3]);
}

static const lbi_attend_options usual = {.scale = 0.5}, merged = {.scale = 0.5, .merge = true}, causal = {.scale = 0.7, .causal = true};
static const lbi_attend_options sliding = {.scale = 0.3, .causal = true, .window = 40, .prefix = 3}, band = {.scale = 0.6, .window = 3}, upper = {.scale = 0.6, .causal = true, .shift = -2};
static const lbi_attend_options capped = {.scale = 1.5, .softcap = 2, .causal = true}, dropped = {.scale = 0.5, .dropout = 0.3, .key = {5, 6}};
static const lbi_attend_options wide = {.scale = 0.15}, wide_merged = {.scale = 0.15, .merge = true}, wide_causal = {.scale = 0.15, .causal = true}; /* of 32 and more: scores as those of usual */
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 3}}, .params = &usual},
    {.name = "bias of keys", .rank = {4, 4, 4, 4, -1, -1}, .shape = {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 4}, {2, 1, 1, 5}}, .params = &usual},
    {.name = "causal, full bias", .rank = {4, 4, 4, 4, -1, -1}, .shape = {{1, 2, 4, 3}, {1, 2, 4, 3}, {1, 2, 4, 3}, {1, 2, 4, 4}}, .params = &causal},
    {.name = "bias and mask of windows", .rank = {4, 4, 4, 3, 4, -1}, .shape = {{4, 2, 3, 2}, {4, 2, 3, 2}, {4, 2, 3, 2}, {2, 3, 3}, {2, 1, 3, 3}}, .params = &usual},
    {.name = "mask of keys, grouped heads", .rank = {4, 4, 4, -1, 4, -1}, .shape = {{2, 4, 3, 2}, {2, 2, 4, 2}, {2, 2, 4, 3}, {0}, {2, 1, 1, 4}}, .params = &merged},
    {.name = "relative, one head of keys", .rank = {4, 4, 4, -1, -1, 2}, .shape = {{2, 3, 3, 2}, {2, 1, 4, 2}, {2, 1, 4, 2}, {0}, {0}, {3, 6}}, .params = &causal},
    {.name = "more queries than keys", .rank = {4, 4, 4, -1, -1, 2}, .shape = {{1, 2, 5, 2}, {1, 2, 3, 2}, {1, 2, 3, 2}, {0}, {0}, {1, 7}}, .params = &causal},
    {.name = "band", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 1, 7, 2}, {1, 1, 7, 2}, {1, 1, 7, 2}}, .params = &band},
    {.name = "causal, shifted", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 1, 3, 2}, {1, 1, 5, 2}, {1, 1, 5, 2}}, .params = &upper},
    {.name = "soft cap", .rank = {4, 4, 4, 2, 2, -1}, .shape = {{1, 2, 4, 3}, {1, 2, 4, 3}, {1, 2, 4, 2}, {4, 4}, {4, 4}}, .params = &capped},
    {.name = "dropout", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{2, 2, 3, 2}, {2, 2, 6, 2}, {2, 2, 6, 3}}, .params = &dropped},
    {.name = "tiles", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 2, 130, 4}, {1, 1, 300, 4}, {1, 1, 300, 5}}, .params = &merged},
    {.name = "tiles, sliding", .rank = {4, 4, 4, 4, -1, 2}, .shape = {{2, 2, 70, 3}, {2, 2, 330, 3}, {2, 2, 330, 3}, {2, 2, 1, 330}, {0}, {2, 399}}, .params = &sliding},
    {.name = "tiles, capped", .rank = {4, 4, 4, -1, 4, -1}, .shape = {{1, 1, 66, 3}, {1, 1, 270, 3}, {1, 1, 270, 2}, {0}, {1, 1, 66, 270}}, .params = &capped},
    {.name = "lanes, bias and mask of windows", .rank = {4, 4, 4, 3, 4, -1}, .shape = {{4, 2, 21, 5}, {4, 2, 23, 5}, {4, 2, 23, 5}, {2, 21, 23}, {2, 1, 21, 23}}, .params = &usual},
    {.name = "lanes, mask of keys, grouped heads", .rank = {4, 4, 4, -1, 4, -1}, .shape = {{2, 4, 34, 8}, {2, 2, 40, 8}, {2, 2, 40, 3}, {0}, {2, 1, 1, 40}}, .params = &merged},
    {.name = "lanes, relative", .rank = {4, 4, 4, -1, -1, 2}, .shape = {{2, 3, 33, 6}, {2, 1, 40, 6}, {2, 1, 40, 17}, {0}, {0}, {3, 72}}, .params = &causal},
    {.name = "lanes, one relative", .rank = {4, 4, 4, -1, -1, 2}, .shape = {{1, 3, 33, 6}, {1, 3, 40, 6}, {1, 3, 40, 6}, {0}, {0}, {1, 72}}, .params = &usual},
    {.name = "lanes, prefix", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 2, 40, 5}, {1, 2, 40, 5}, {1, 2, 40, 6}}, .params = &sliding},
    {.name = "lanes, mask of queries", .rank = {4, 4, 4, -1, 4, -1}, .shape = {{1, 2, 35, 4}, {1, 2, 18, 4}, {1, 2, 18, 4}, {0}, {1, 1, 35, 1}}, .params = &merged},
    {.name = "lanes, dropout", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 2, 40, 8}, {1, 2, 44, 8}, {1, 2, 44, 9}}, .params = &dropped},
    {.name = "blocks, bias and mask of windows", .rank = {4, 4, 4, 3, 4, -1}, .shape = {{2, 1, 68, 36}, {2, 1, 73, 36}, {2, 1, 73, 34}, {1, 68, 73}, {2, 1, 68, 73}}, .params = &wide},
    {.name = "blocks, mask of keys, grouped heads", .rank = {4, 4, 4, -1, 4, -1}, .shape = {{1, 4, 66, 32}, {1, 2, 80, 32}, {1, 2, 80, 33}, {0}, {1, 1, 1, 80}}, .params = &wide_merged},
    {.name = "blocks, relative", .rank = {4, 4, 4, -1, -1, 2}, .shape = {{1, 2, 81, 32}, {1, 1, 62, 32}, {1, 1, 62, 33}, {0}, {0}, {2, 142}}, .params = &wide_causal},
    {.name = "blocks, capped", .rank = {4, 4, 4, 2, 2, -1}, .shape = {{1, 1, 70, 35}, {1, 1, 70, 35}, {1, 1, 70, 32}, {70, 70}, {70, 70}}, .params = &capped},
    {.name = "blocks, dropout", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 1, 68, 32}, {1, 1, 76, 32}, {1, 1, 76, 32}}, .params = &dropped},
    {.name = "blocks, tiles, sliding", .rank = {4, 4, 4, 4, -1, 2}, .shape = {{1, 1, 131, 32}, {1, 1, 262, 32}, {1, 1, 262, 32}, {1, 1, 1, 262}, {0}, {1, 392}}, .params = &sliding},
    {.name = "no keys", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 1, 2, 3}, {1, 1, 0, 3}, {1, 1, 0, 3}}, .params = &usual},
    {.name = "no queries", .rank = {4, 4, 4, -1, -1, -1}, .shape = {{1, 1, 0, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}}, .params = &usual},
};

LB_OP(attention) = {.id = "attention",
                    .title = "scaled dot-product attention: masks, biases, causal rule, windows, grouped heads",
                    .source = "Vaswani et al., arXiv:1706.03762, eq. (1); torch.nn.functional.scaled_dot_product_attention",
                    .sig = "q[N,H,L,D] k[N,G,S,D] v[N,G,S,E] bias? mask:i64? relative? -> y logsum[N,H,L]",
                    .results = 1,
                    .math = "y = softmax(cap(scale q k^T) + bias + relative) v",
                    .flags = LB_OP_STRIDED | LB_OP_ANY_TYPE | LB_OP_SETS,
                    .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_IN(3) | LB_READS_IN(4) | LB_READS_IN(5) | LB_READS_OUT(0) |
                             LB_READS_OUT(1),
                    .shape = shape,
                    .params_size = sizeof(lbi_attend_options),
                    .forward = forward,
                    .backward = backward,
                    .reference = reference,
                    .flops = flops,
                    .cases = cases,
                    .case_count = LB_COUNT(cases)};

static lb_tensor *attend(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, lb_attention_spec spec, bool rounded) {
    lbi_attend_options o;
    if (!lbi_attend_options_of(&o, t, q, spec)) return lb_inert(t);
    o.rounded = rounded;
    return lb_apply(t, &lb_op_attention, &o, sizeof o, 6, (lb_tensor *[]){q, k, v, spec.bias, spec.mask, spec.relative});
}

lb_tensor *lb_attention(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, lb_attention_spec spec) { return attend(t, q, k, v, spec, false); }
lb_tensor *lbi_attention_rounded(lb_tape *t, lb_tensor *q, lb_tensor *k, lb_tensor *v, lb_attention_spec spec) { return attend(t, q, k, v, spec, true); }

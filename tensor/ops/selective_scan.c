/* SPDX-License-Identifier: Apache-2.0 */
/* The state-space recurrence of Mamba. For channel c of group j = c G / C, over steps t, with d = step(delta + bias), a_s = exp(d A_cs):
 *   h_s <- a_s h_s + d B_js u,   r = sum_s C_js h_s + D_c u,   y = r silu(z) (r without z).  step = softplus, or nothing.
 * Backward, t downwards, G_s the gradient of h_s, e = dy silu(z): dz = dy r silu'(z), dC = e h, G += e C, du = e D + sum_s G d B, dB = G d u,
 * dd = sum_s G (A a h_before + B u), dA = G d a h_before, then G <- G a; ddelta = dd step'.
 * Sixteen channels of a group go side by side. The states before every 64th step are kept; backward makes those between again. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/scan.h"
#include "tensor/op.h"
#include "tensor/ops.h"

struct selective_scan {
    bool softplus;
};

enum { U, DELTA, A, B, C, D, Z, BIAS, STATE, LANES = LBI_SCAN_LANES, CHUNK = LBI_SCAN_CHUNK, SLICES = 8 };

typedef struct plan {
    lb_call *c;
    int64_t n, l, ch, s, g, blocks, chunks; /* blocks: of channels, per group */
} plan;

static plan plan_of(lb_call *c) {
    const lb_tensor *u = c->in[U], *b = c->in[B];
    plan p = {c, u->shape[0], u->shape[1], u->shape[2], c->in[A]->shape[1], b->shape[2], 0, 0};
    p.blocks = p.g > 0 ? (p.ch / p.g + LANES - 1) / LANES : 0;
    p.chunks = (p.l + CHUNK - 1) / CHUNK;
    return p;
}

static bool shape(lb_call *c) {
    plan p = plan_of(c);
    if (p.g < 1 || p.ch % p.g) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld channels are no multiple of %lld groups", (long long)p.ch, (long long)p.g);
        return false;
    }
    lb_tensor *y = c->out[0], *last = c->out[1], *kept = c->out[2];
    y->rank = last->rank = 3;
    kept->rank = 4;
    memcpy(y->shape, c->in[U]->shape, sizeof y->shape);
    memcpy(last->shape, (int64_t[]){p.n, p.ch, p.s}, 3 * sizeof(int64_t));
    memcpy(kept->shape, (int64_t[]){p.n, p.g * p.blocks, p.chunks, p.s * LANES}, 4 * sizeof(int64_t));
    return true;
}

/* Row t of sample n of a tensor [N,L,...], from element `at` of the third axis. */
static lbi_scan_row row_of(const lb_tensor *x, int64_t n, int64_t t, int64_t at) {
    if (!x) return (lbi_scan_row){NULL, 0};
    return (lbi_scan_row){lb_r(x) + n * x->stride[0] + t * x->stride[1] + at * x->stride[2], x->rank > 3 ? x->stride[3] : x->stride[2]};
}

static lbi_scan_row vector(const lb_tensor *x, int64_t first) { return x ? (lbi_scan_row){lb_r(x) + first * x->stride[0], x->stride[0]} : (lbi_scan_row){NULL, 0}; }

/* What a block of channels is: its group, first channel, how many. */
typedef struct block {
    int64_t n, group, first, index; /* index: among all blocks of the sample */
    int count;
} block;

static block block_of(const plan *p, int64_t n, int64_t group, int64_t i) {
    int64_t per = p->ch / p->g, left = per - i * LANES;
    return (block){n, group, group * per + i * LANES, group * p->blocks + i, (int)(left < LANES ? left : LANES)};
}

static lbi_scan_step step_of(const plan *p, const block *k, int64_t t) {
    const struct selective_scan *o = p->c->params;
    lb_tensor *const *in = p->c->in;
    return (lbi_scan_step){.u = row_of(in[U], k->n, t, k->first),
                           .delta = row_of(in[DELTA], k->n, t, k->first),
                           .z = row_of(in[Z], k->n, t, k->first),
                           .b = row_of(in[B], k->n, t, k->group),
                           .c = row_of(in[C], k->n, t, k->group),
                           .skip = vector(in[D], k->first),
                           .bias = vector(in[BIAS], k->first),
                           .states = p->s,
                           .count = k->count,
                           .softplus = o->softplus};
}

/* A and states [C,S] of the block as [S][LANES], zeros in the lanes beyond. */
static void load(const plan *p, const block *k, const lb_tensor *x, int64_t sample, lb_real *to) {
    memset(to, 0, (size_t)(p->s * LANES) * sizeof *to);
    for (int i = 0; x && i < k->count; i++)
        for (int64_t s = 0; s < p->s; s++) to[s * LANES + i] = lb_r(x)[(x->rank == 3 ? sample * x->stride[0] : 0) + (k->first + i) * x->stride[x->rank - 2] + s * x->stride[x->rank - 1]];
}

static lb_real *kept_of(const plan *p, const block *k, int64_t chunk) { return lb_r(p->c->out[2]) + ((k->n * p->g * p->blocks + k->index) * p->chunks + chunk) * p->s * LANES; }

static void block_forward(const plan *p, const block *k, lb_real *a, lb_real *h) {
    lb_call *c = p->c;
    load(p, k, c->in[A], 0, a);
    load(p, k, c->in[STATE], k->n, h);
    for (int64_t t = 0; t < p->l; t++) {
        lbi_scan_step x = step_of(p, k, t);
        if (t % CHUNK == 0) memcpy(kept_of(p, k, t / CHUNK), h, (size_t)(p->s * LANES) * sizeof *h);
        lbi_scan_forward(&x, a, h, lb_r(c->out[0]) + (k->n * p->l + t) * p->ch + k->first);
    }
    for (int i = 0; i < k->count; i++)
        for (int64_t s = 0; s < p->s; s++) lb_r(c->out[1])[(k->n * p->ch + k->first + i) * p->s + s] = h[s * LANES + i];
}

static int threads_for(const plan *p, int64_t pieces) { return pieces < 2 || p->n * p->l * p->ch * p->s < 20000 ? 1 : omp_get_max_threads(); }

static void forward(lb_call *c) {
    plan p = plan_of(c);
    int64_t each = 2 * p.s * LANES, pieces = p.n * p.g * p.blocks;
    int threads = threads_for(&p, pieces);
    lb_real *all = lb_scratch(c, (size_t)(each * threads + 1) * sizeof *all);
    if (!all) return;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < pieces; i++) {
        lb_real *mine = all + omp_get_thread_num() * each;
        block k = block_of(&p, i / (p.g * p.blocks), i / p.blocks % p.g, i % p.blocks);
        block_forward(&p, &k, mine, mine + p.s * LANES);
    }
}

/* ---- backward ---- */

/* Sums that several blocks or samples add to, apart until the end: [N][C][S], [N][C], [N][C] and, for each slice of the channels, [L][S] twice. */
typedef struct sums {
    lb_real *a, *d, *bias, *b, *c;
} sums;

typedef struct work {
    lb_real *a, *da, *gh, *hist, *decay; /* hist: states before each step of a chunk; decay: exp(d A) of each */
} work;

/* Steps of one chunk, backwards. */
static void chunk_backward(const plan *p, const block *k, int64_t chunk, const work *w, const sums *out, lb_real *gb, lb_real *gc) {
    lb_call *c = p->c;
    int64_t t0 = chunk * CHUNK, t1 = t0 + CHUNK < p->l ? t0 + CHUNK : p->l, each = p->s * LANES;
    memcpy(w->hist, kept_of(p, k, chunk), (size_t)each * sizeof(lb_real));
    for (int64_t t = t0; t < t1; t++) {
        lbi_scan_step x = step_of(p, k, t);
        lbi_scan_again(&x, w->a, w->hist + (t - t0) * each, w->decay + (t - t0) * each);
    }
    for (int64_t t = t1 - 1; t >= t0; t--) {
        lbi_scan_step x = step_of(p, k, t);
        int64_t at = (k->n * p->l + t) * p->ch + k->first;
        lbi_scan_grads g = {.y = c->gout[0] ? lb_r(c->gout[0]) + at : NULL,
                            .a = w->da,
                            .state = w->gh,
                            .b = gb + t * p->s,
                            .c = gc + t * p->s,
                            .skip = out->d + k->n * p->ch + k->first,
                            .bias = out->bias + k->n * p->ch + k->first};
        g.u = c->gin[U] ? lb_r(c->gin[U]) + at : NULL;
        g.delta = c->gin[DELTA] ? lb_r(c->gin[DELTA]) + at : NULL;
        g.z = c->in[Z] && c->gin[Z] ? lb_r(c->gin[Z]) + at : NULL;
        lbi_scan_backward(&x, w->a, w->hist + (t - t0) * each, w->decay + (t - t0) * each, &g);
    }
}

static void block_backward(const plan *p, const block *k, const work *w, const sums *out, lb_real *gb, lb_real *gc) {
    lb_call *c = p->c;
    load(p, k, c->in[A], 0, w->a);
    load(p, k, c->gout[1], k->n, w->gh);
    memset(w->da, 0, (size_t)(p->s * LANES) * sizeof(lb_real));
    for (int64_t chunk = p->chunks - 1; chunk >= 0; chunk--) chunk_backward(p, k, chunk, w, out, gb, gc);
    for (int i = 0; i < k->count; i++)
        for (int64_t s = 0; s < p->s; s++) {
            int64_t at = (k->n * p->ch + k->first + i) * p->s + s;
            out->a[at] = w->da[s * LANES + i];
            if (c->in[STATE] && c->gin[STATE]) lb_r(c->gin[STATE])[at] += w->gh[s * LANES + i];
        }
}

/* to[i] += sum over n of from[n][i]. */
static void add_up(lb_tensor *to, const lb_real *from, int64_t n, int64_t count) {
    for (int64_t i = 0; to && i < count; i++) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++) sum += (double)from[k * count + i];
        lb_r(to)[i] += (lb_real)sum;
    }
}

/* Slices of channels bring [N][G][slices][L][S]; the gradient is [N,L,G,S]. */
static void add_slices(const plan *p, lb_tensor *to, const lb_real *from, int64_t slices) {
    for (int64_t i = 0; to && i < p->n * p->g * p->l; i++) {
        int64_t t = i % p->l, g = i / p->l % p->g, n = i / p->l / p->g;
        lb_real *y = lb_r(to) + ((n * p->l + t) * p->g + g) * p->s;
        for (int64_t k = 0; k < slices; k++)
            for (int64_t s = 0; s < p->s; s++) y[s] += from[(((n * p->g + g) * slices + k) * p->l + t) * p->s + s];
    }
}

static bool sums_of(sums *out, const plan *p, int64_t slices) {
    int64_t rows = p->n * p->ch, maps = p->n * p->g * slices * p->l * p->s, count = rows * (p->s + 2) + 2 * maps;
    lb_real *x = lb_scratch(p->c, (size_t)(count + 1) * sizeof *x);
    if (!x) return false;
    memset(x, 0, (size_t)count * sizeof *x);
    *out = (sums){x, x + rows * p->s, x + rows * (p->s + 1), x + rows * (p->s + 2), x + rows * (p->s + 2) + maps};
    return true;
}

static void backward(lb_call *c) {
    plan p = plan_of(c);
    int64_t slices = p.blocks < SLICES ? p.blocks : SLICES, pieces = p.n * p.g * slices, each = p.s * LANES * (4 + 2 * CHUNK);
    int threads = threads_for(&p, pieces);
    sums out;
    lb_real *all = lb_scratch(c, (size_t)(each * threads + 1) * sizeof *all);
    if (!all || !sums_of(&out, &p, slices)) return;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < pieces; i++) {
        lb_real *m = all + omp_get_thread_num() * each;
        int64_t one = p.s * LANES, slice = i % slices;
        const work w = {m, m + one, m + 2 * one, m + 3 * one, m + (4 + CHUNK) * one};
        for (int64_t b = slice * p.blocks / slices; b < (slice + 1) * p.blocks / slices; b++) {
            block k = block_of(&p, i / slices / p.g, i / slices % p.g, b);
            block_backward(&p, &k, &w, &out, out.b + i * p.l * p.s, out.c + i * p.l * p.s);
        }
    }
    add_up(c->gin[A], out.a, p.n, p.ch * p.s);
    if (c->in[D]) add_up(c->gin[D], out.d, p.n, p.ch);
    if (c->in[BIAS]) add_up(c->gin[BIAS], out.bias, p.n, p.ch);
    add_slices(&p, c->gin[B], out.b, slices);
    add_slices(&p, c->gin[C], out.c, slices);
}

/* ---- the plain definition, one channel at a time ---- */

static double at(const lb_tensor *x, int64_t i, int64_t j, int64_t k, int64_t l) {
    return (double)lb_r(x)[i * x->stride[0] + j * x->stride[1] + (x->rank > 2 ? k * x->stride[2] : 0) + (x->rank > 3 ? l * x->stride[3] : 0)];
}

static void reference(lb_call *c) {
    const struct selective_scan *o = c->params;
    plan p = plan_of(c);
    double *h = lb_scratch(c, (size_t)(p.s + 1) * sizeof *h);
    for (int64_t i = 0; h && i < p.n * p.ch; i++) {
        int64_t n = i / p.ch, k = i % p.ch, g = k * p.g / p.ch;
        for (int64_t s = 0; s < p.s; s++) h[s] = c->in[STATE] ? at(c->in[STATE], n, k, s, 0) : 0;
        for (int64_t t = 0; t < p.l; t++) {
            double u = at(c->in[U], n, t, k, 0), d = at(c->in[DELTA], n, t, k, 0) + (c->in[BIAS] ? (double)lb_r(c->in[BIAS])[k * c->in[BIAS]->stride[0]] : 0),
                   y = c->in[D] ? (double)lb_r(c->in[D])[k * c->in[D]->stride[0]] * u : 0;
            if (o->softplus) d = d > 30 ? d : log1p(exp(d));
            for (int64_t s = 0; s < p.s; s++) {
                h[s] = exp(d * at(c->in[A], k, s, 0, 0)) * h[s] + d * at(c->in[B], n, t, g, s) * u;
                y += at(c->in[C], n, t, g, s) * h[s];
            }
            if (c->in[Z]) y *= at(c->in[Z], n, t, k, 0) / (1 + exp(-at(c->in[Z], n, t, k, 0)));
            lb_r(c->out[0])[(n * p.l + t) * p.ch + k] = (lb_real)y;
        }
        for (int64_t s = 0; s < p.s; s++) lb_r(c->out[1])[i * p.s + s] = (lb_real)h[s];
    }
}

static double flops(const lb_call *c) { return 6.0 * (double)lb_numel(c->in[U]) * (double)c->in[A]->shape[1]; }

/* A = -exp(.), as the networks have it. */
static void decays(void *const *data, const int64_t *numel) {
    lb_real *a = data[A];
    for (int64_t i = 0; i < numel[A]; i++) a[i] = -(lb_real)exp((double)a[i] * 0.7);
}

static const struct selective_scan soft = {true}, plain = {false};
static const lb_op_case cases[] = {
    {.name = "all parts", .rank = {3, 3, 2, 4, 4, 1, 3, 1, 3}, .shape = {{2, 5, 3}, {2, 5, 3}, {3, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}, {3}, {2, 5, 3}, {3}, {2, 3, 2}}, .params = &soft, .fill = decays},
    {.name = "groups", .rank = {3, 3, 2, 4, 4, -1, -1, -1, -1}, .shape = {{1, 4, 4}, {1, 4, 4}, {4, 3}, {1, 4, 2, 3}, {1, 4, 2, 3}}, .lo = 0.1, .hi = 1, .params = &plain, .fill = decays},
    {.name = "blocks and chunks", .rank = {3, 3, 2, 4, 4, 1, 3, -1, -1}, .shape = {{2, 70, 20}, {2, 70, 20}, {20, 4}, {2, 70, 1, 4}, {2, 70, 1, 4}, {20}, {2, 70, 20}}, .params = &soft, .fill = decays},
    {.name = "one step", .rank = {3, 3, 2, 4, 4, -1, -1, 1, 3}, .shape = {{2, 1, 3}, {2, 1, 3}, {3, 2}, {2, 1, 1, 2}, {2, 1, 1, 2}, {0}, {0}, {3}, {2, 3, 2}}, .params = &soft, .fill = decays},
    {.name = "no steps", .rank = {3, 3, 2, 4, 4, -1, -1, -1, 3}, .shape = {{2, 0, 3}, {2, 0, 3}, {3, 2}, {2, 0, 1, 2}, {2, 0, 1, 2}, {0}, {0}, {0}, {2, 3, 2}}, .params = &soft, .fill = decays},
};

LB_OP(selective_scan) = {.id = "selective_scan",
                         .title = "the recurrence of Mamba (S6) over steps, with skip, gate and initial state",
                         .source = "Gu and Dao, arXiv:2312.00752, algorithm 2; selective_scan_ref of state-spaces/mamba",
                         .sig = "u[N,L,C] delta[N,L,C] a[C,S] b[N,L,G,S] c[N,L,G,S] d[C]? z[N,L,C]? bias[C]? state[N,C,S]? -> y[N,L,C] last[N,C,S] kept",
                         .math = "h = exp(delta a) h + delta b u, y = (c h + d u) silu(z)",
                         .results = 2,
                         .flags = LB_OP_STRIDED,
                         .reads = 0xff | LB_READS_OUT(2),
                         .params_size = sizeof(struct selective_scan),
                         .shape = shape,
                         .forward = forward,
                         .backward = backward,
                         .reference = reference,
                         .flops = flops,
                         .cases = cases,
                         .case_count = LB_COUNT(cases)};

lb_tensor *lb_selective_scan(lb_tape *t, lb_tensor *u, lb_tensor *delta, lb_tensor *a, lb_tensor *b, lb_tensor *c, lb_scan_spec spec, lb_tensor **last) {
    struct selective_scan p = {spec.softplus};
    lb_tensor *out[2];
    /* One group may come without its axis; vectors and states are read as they lie. */
    lb_tensor *four[2] = {b, c};
    for (int i = 0; i < 2; i++)
        if (lb_tape_ok(t) && four[i] && four[i]->rank == 3) four[i] = lb_reshape(t, four[i], 4, (int64_t[]){four[i]->shape[0], four[i]->shape[1], 1, four[i]->shape[2]});
    lb_apply_n(t, &lb_op_selective_scan, &p, sizeof p, 9, (lb_tensor *[]){u, delta, a, four[0], four[1], spec.d, spec.z, spec.bias, spec.state}, 2, out);
    if (last) *last = out[1];
    return out[0];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The state-space duality scan of Mamba-2. For head h of group j = h G / H, over steps t, with d_t = clamp(step(dt_t + bias)):
 *   S_t = exp(d_t a) S_t-1 + d_t x_t B_t^T [P,S],   y_t = S_t C_t + D x_t.   step = softplus, or nothing.
 * Chunks of 64 steps: with c_t the running sum of d a within a chunk (t - s sums are masked before exp, so nothing overflows),
 *   W_ts = (C_t B_s) exp(c_t - c_s) d_s for s <= t, else 0;   Y = W X + E (C S_0^T),  E_t = exp(c_t);
 *   S_1 = exp(c_end) S_0 + (f X)^T B,  f_s = exp(c_end - c_s) d_s.
 * A NaN goes to the steps of its chunk, and on from there until a decay of 0 forgets it.
 * Backward from the last chunk, G = dY, H the gradient of S_1: dW = G X^T, dX = W^T G + f (B H^T) + D G; with K_ts = dW_ts exp(c_t - c_s) d_s:
 *   dC = K B + (E G) S_0, dB = K^T C + (f X) H, dS_0 = exp(c_end) H + (E G)^T C;
 *   dc_t = rowsum(dW W) - columnsum(dW W) + E G (C S_0^T) - f_s df_s, dc_end += exp(c_end) <H, S_0> + sum f df, df_s = x_s (B H^T)_s;
 *   dd_s = columnsum(dW W) / d_s + exp(c_end - c_s) df_s + a (sum of dc from s on), da = sum of d (that sum). */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/op.h"
#include "tensor/ops.h"

struct ssd {
    bool softplus;
    double lo, hi; /* hi <= lo: no limits */
};

enum { X, DT, A, B, C, D, BIAS, STATE, Q = 64 };

typedef struct plan {
    lb_call *c;
    int64_t n, l, h, p, g, s, chunks;
} plan;

static plan plan_of(lb_call *c) {
    const lb_tensor *x = c->in[X], *b = c->in[B];
    return (plan){c, x->shape[0], x->shape[1], x->shape[2], x->shape[3], b->shape[2], b->shape[3], (x->shape[1] + Q - 1) / Q};
}

static bool shape(lb_call *c) {
    plan p = plan_of(c);
    if (p.g < 1 || p.h % p.g) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld heads are no multiple of %lld groups", (long long)p.h, (long long)p.g);
        return false;
    }
    memcpy(c->out[0]->shape, c->in[X]->shape, sizeof c->in[X]->shape);
    memcpy(c->out[1]->shape, (int64_t[]){p.n, p.h, p.p, p.s}, 4 * sizeof(int64_t));
    memcpy(c->out[2]->shape, (int64_t[]){p.n, p.h, p.chunks, p.p * p.s}, 4 * sizeof(int64_t));
    for (int i = 0; i < 3; i++) c->out[i]->rank = 4;
    return true;
}

/* What one thread works in. */
typedef struct work {
    lb_real *x, *t, *y, *e;     /* [Q,P]: x; three more */
    lb_real *b, *c, *gb, *gc;   /* [Q,S] */
    lb_real *cb, *w, *dw, *k;   /* [Q,Q]: C B^T, W, dW, the sum of K over heads */
    lb_real *gh;                /* [heads of a group][P,S] */
} work;

static int64_t work_size(const plan *p, bool back) { return 4 * Q * (p->p + p->s + Q) + (back ? p->h / p->g * p->p * p->s : 0) + 16; }

static work work_of(const plan *p, lb_real *m) {
    int64_t qp = Q * p->p, qs = Q * p->s, qq = Q * Q;
    lb_real *s = m + 4 * qp, *q = s + 4 * qs;
    return (work){m, m + qp, m + 2 * qp, m + 3 * qp, s, s + qs, s + 2 * qs, s + 3 * qs, q, q + qq, q + 2 * qq, q + 3 * qq, q + 4 * qq};
}

/* Steps t0.. of a tensor [N,L,heads,width] to [rows,width]. */
static void take(lb_real *to, const lb_tensor *x, int64_t n, int64_t t0, int64_t rows, int64_t head) {
    int64_t width = x->shape[3];
    for (int64_t t = 0; t < rows; t++) {
        const lb_real *from = lb_r(x) + n * x->stride[0] + (t0 + t) * x->stride[1] + head * x->stride[2];
        for (int64_t k = 0; k < width; k++) to[t * width + k] = from[k * x->stride[3]];
    }
}

static lb_real number(const lb_tensor *x, int64_t i) { return x ? lb_r(x)[i * x->stride[0]] : 0; }

/* Steps and running sums of one head over a chunk. */
typedef struct steps {
    lb_real d[Q], slope[Q], a;
    double sum[Q]; /* c_t */
    int64_t rows;
    double end; /* exp(c_end) */
} steps;

static void steps_of(const plan *p, int64_t n, int64_t t0, int64_t h, steps *s) {
    const struct ssd *o = p->c->params;
    const lb_tensor *dt = p->c->in[DT];
    double sum = 0;
    s->rows = p->l - t0 < Q ? p->l - t0 : Q;
    s->a = number(p->c->in[A], h);
    for (int64_t t = 0; t < s->rows; t++) {
        lb_real v = lb_r(dt)[n * dt->stride[0] + (t0 + t) * dt->stride[1] + h * dt->stride[2]] + number(p->c->in[BIAS], h), e = lbi_exp(v < 0 ? v : -v);
        s->slope[t] = o->softplus ? (v > 0 ? 1 : e) / (1 + e) : 1;
        s->d[t] = o->softplus ? (v > 0 ? v : 0) + lbi_log1p_low(e) : v;
        if (o->hi > o->lo && (s->d[t] < (lb_real)o->lo || s->d[t] > (lb_real)o->hi)) {
            s->d[t] = s->d[t] < (lb_real)o->lo ? (lb_real)o->lo : (lb_real)o->hi;
            s->slope[t] = 0;
        }
        s->sum[t] = sum += (double)s->d[t] * (double)s->a;
    }
    s->end = exp(sum);
}

/* W from C B^T; what lies above the diagonal is 0. */
LBI_LEVELS static void weights(const steps *s, const lb_real *cb, lb_real *w) {
    for (int64_t t = 0; t < s->rows; t++) {
        lb_real *row = w + t * s->rows;
        double top = s->sum[t];
        for (int64_t i = 0; i <= t; i++) row[i] = cb[t * s->rows + i] * lbi_exp((lb_real)(top - s->sum[i])) * s->d[i];
        for (int64_t i = t + 1; i < s->rows; i++) row[i] = 0;
    }
}

static lb_real fade(const steps *s, int64_t t) { return (lb_real)exp(s->sum[t]); }
static lb_real tail(const steps *s, int64_t t) { return (lb_real)exp(s->sum[s->rows - 1] - s->sum[t]); }

/* One head over one chunk; h: the state, moved on. */
static void head_forward(const plan *p, const work *m, int64_t n, int64_t h, int64_t t0, lb_real *state) {
    steps s;
    int64_t rows, width = p->p, ld = p->h * p->p;
    lb_real *y = lb_r(p->c->out[0]) + ((n * p->l + t0) * p->h + h) * width, skip = number(p->c->in[D], h);
    steps_of(p, n, t0, h, &s);
    rows = s.rows;
    take(m->x, p->c->in[X], n, t0, rows, h);
    weights(&s, m->cb, m->w);
    lbi_gemm(false, false, rows, width, rows, m->w, rows, m->x, width, 0, y, ld);
    lbi_gemm(false, true, rows, width, p->s, m->c, p->s, state, p->s, 0, m->t, width);
    for (int64_t t = 0; t < rows; t++) {
        lb_real e = fade(&s, t), f = tail(&s, t) * s.d[t];
        for (int64_t k = 0; k < width; k++) {
            y[t * ld + k] += e * m->t[t * width + k] + skip * m->x[t * width + k];
            m->x[t * width + k] *= f;
        }
    }
    lbi_gemm(true, false, width, p->s, rows, m->x, width, m->b, p->s, (lb_real)s.end, state, p->s);
}

/* C B^T of a chunk and group, with B and C. @return its steps */
static int64_t products(const plan *p, const work *m, int64_t n, int64_t g, int64_t t0) {
    int64_t rows = p->l - t0 < Q ? p->l - t0 : Q;
    take(m->b, p->c->in[B], n, t0, rows, g);
    take(m->c, p->c->in[C], n, t0, rows, g);
    lbi_gemm(false, true, rows, rows, p->s, m->c, p->s, m->b, p->s, 0, m->cb, rows);
    return rows;
}

static lb_real *kept_of(const plan *p, int64_t n, int64_t h, int64_t chunk) { return lb_r(p->c->out[2]) + ((n * p->h + h) * p->chunks + chunk) * p->p * p->s; }

static void group_forward(const plan *p, const work *m, int64_t n, int64_t g) {
    int64_t ratio = p->h / p->g, size = p->p * p->s;
    const lb_tensor *start = p->c->in[STATE];
    for (int64_t h = g * ratio; h < (g + 1) * ratio; h++) {
        lb_real *state = lb_r(p->c->out[1]) + (n * p->h + h) * size;
        for (int64_t i = 0; i < size; i++)
            state[i] = start ? lb_r(start)[n * start->stride[0] + h * start->stride[1] + i / p->s * start->stride[2] + i % p->s * start->stride[3]] : 0;
    }
    for (int64_t k = 0; k < p->chunks; k++) {
        (void)products(p, m, n, g, k * Q);
        for (int64_t h = g * ratio; h < (g + 1) * ratio; h++) {
            lb_real *state = lb_r(p->c->out[1]) + (n * p->h + h) * size;
            memcpy(kept_of(p, n, h, k), state, (size_t)size * sizeof *state);
            head_forward(p, m, n, h, k * Q, state);
        }
    }
}

static int threads_for(const plan *p, int64_t pieces) { return pieces < 2 || p->n * p->l * p->h * p->p * p->s < 50000 ? 1 : omp_get_max_threads(); }

/* Sums over samples, apart until the end: [N][H] each. */
typedef struct sums {
    lb_real *a, *d, *bias;
} sums;

/* Rooms of the threads, of `each` numbers. */
typedef struct job {
    const plan *p;
    lb_real *room;
    int64_t each;
    const sums *out; /* backward */
} job;

static void one_forward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    work m = work_of(j->p, j->room + thread * j->each);
    group_forward(j->p, &m, i / j->p->g, i % j->p->g);
}

static void forward(lb_call *c) {
    plan p = plan_of(c);
    int threads = threads_for(&p, p.n * p.g);
    job j = {.p = &p, .each = work_size(&p, false)};
    j.room = lb_scratch(c, (size_t)(j.each * threads) * sizeof *j.room);
    if (j.room) lbi_each(p.n * p.g, threads, one_forward, &j);
}

/* ---- backward ---- */

/* dW and W as they are; dc and dd of the steps, and K added to the sum over heads. */
LBI_LEVELS static void weights_back(const steps *s, const lb_real *cb, const lb_real *w, const lb_real *dw, lb_real *k, double *dc, double *dd) {
    for (int64_t t = 0; t < s->rows; t++) {
        const lb_real *row = w + t * s->rows, *g = dw + t * s->rows;
        double top = s->sum[t], sum = 0;
        for (int64_t i = 0; i <= t; i++) {
            lb_real e = lbi_exp((lb_real)(top - s->sum[i]));
            double r = (double)g[i] * (double)row[i];
            k[t * s->rows + i] += g[i] * e * s->d[i];
            dd[i] += (double)(g[i] * e * cb[t * s->rows + i]);
            dc[i] -= r;
            sum += r;
        }
        dc[t] += sum;
    }
}

static double dot(const lb_real *a, const lb_real *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* From dc and dd of a chunk to the gradients of dt, a, bias. */
static void steps_back(const plan *p, const steps *s, int64_t n, int64_t h, int64_t t0, const double *dc, const double *dd, const sums *out) {
    double sum = 0, ga = 0, gbias = 0;
    for (int64_t t = s->rows - 1; t >= 0; t--) {
        sum += dc[t];
        double g = (dd[t] + sum * (double)s->a) * (double)s->slope[t];
        ga += sum * (double)s->d[t];
        gbias += g;
        if (p->c->gin[DT]) lb_r(p->c->gin[DT])[(n * p->l + t0 + t) * p->h + h] += (lb_real)g;
    }
    out->a[n * p->h + h] += (lb_real)ga;
    out->bias[n * p->h + h] += (lb_real)gbias;
}

/* gy: dY of the head, ld apart; gh: H, moved back to dS_0. */
static void head_backward(const plan *p, const work *m, int64_t n, int64_t h, int64_t chunk, const sums *out) {
    steps s;
    double dc[Q] = {0}, dd[Q] = {0}, end = 0;
    int64_t t0 = chunk * Q, rows, width = p->p, states = p->s, ld = p->h * width, at = ((n * p->l + t0) * p->h + h) * width;
    const lb_real *gy = p->c->gout[0] ? lb_r(p->c->gout[0]) + at : NULL, *start = kept_of(p, n, h, chunk);
    lb_real *gx = p->c->gin[X] ? lb_r(p->c->gin[X]) + at : NULL, *gh = m->gh + h % (p->h / p->g) * width * states, skip = number(p->c->in[D], h);
    steps_of(p, n, t0, h, &s);
    rows = s.rows;
    take(m->x, p->c->in[X], n, t0, rows, h);
    for (int64_t t = 0; t < rows; t++)
        for (int64_t k = 0; k < width; k++) m->y[t * width + k] = gy ? gy[t * ld + k] : 0;
    weights(&s, m->cb, m->w);
    lbi_gemm(false, true, rows, rows, width, m->y, width, m->x, width, 0, m->dw, rows);
    weights_back(&s, m->cb, m->w, m->dw, m->k, dc, dd);
    out->d[n * p->h + h] += (lb_real)dot(m->y, m->x, rows * width);
    if (gx) lbi_gemm(true, false, rows, width, rows, m->w, rows, m->y, width, 1, gx, ld);
    /* T = B H^T */
    lbi_gemm(false, true, rows, width, states, m->b, states, gh, states, 0, m->t, width);
    for (int64_t t = 0; t < rows; t++) {
        lb_real rest = tail(&s, t), f = rest * s.d[t];
        double df = dot(m->x + t * width, m->t + t * width, width);
        dd[t] += (double)rest * df;
        dc[t] -= (double)f * df;
        end += (double)f * df;
        for (int64_t k = 0; k < width; k++) {
            if (gx) gx[t * ld + k] += f * m->t[t * width + k] + skip * m->y[t * width + k];
            m->x[t * width + k] *= f;
        }
    }
    lbi_gemm(false, false, rows, states, width, m->x, width, gh, states, 1, m->gb, states);
    /* T = C S_0^T, then E G. */
    lbi_gemm(false, true, rows, width, states, m->c, states, start, states, 0, m->t, width);
    for (int64_t t = 0; t < rows; t++) {
        lb_real e = fade(&s, t);
        for (int64_t k = 0; k < width; k++) m->y[t * width + k] *= e;
        dc[t] += dot(m->y + t * width, m->t + t * width, width);
    }
    lbi_gemm(false, false, rows, states, width, m->y, width, start, states, 1, m->gc, states);
    dc[rows - 1] += end + s.end * dot(gh, start, width * states);
    lbi_gemm(true, false, width, states, rows, m->y, width, m->c, states, (lb_real)s.end, gh, states);
    steps_back(p, &s, n, h, t0, dc, dd, out);
}

static void give(lb_tensor *to, const lb_real *from, const plan *p, int64_t n, int64_t t0, int64_t rows, int64_t g) {
    for (int64_t t = 0; to && t < rows; t++)
        for (int64_t s = 0; s < p->s; s++) lb_r(to)[((n * p->l + t0 + t) * p->g + g) * p->s + s] += from[t * p->s + s];
}

static void group_backward(const plan *p, const work *m, int64_t n, int64_t g, const sums *out) {
    int64_t ratio = p->h / p->g, size = p->p * p->s, first = (n * p->h + g * ratio) * size;
    lb_call *c = p->c;
    if (c->gout[1]) memcpy(m->gh, lb_r(c->gout[1]) + first, (size_t)(ratio * size) * sizeof *m->gh);
    else memset(m->gh, 0, (size_t)(ratio * size) * sizeof *m->gh);
    for (int64_t k = p->chunks - 1; k >= 0; k--) {
        int64_t rows = products(p, m, n, g, k * Q);
        memset(m->k, 0, (size_t)(rows * rows) * sizeof *m->k);
        memset(m->gb, 0, (size_t)(rows * p->s) * sizeof *m->gb);
        memset(m->gc, 0, (size_t)(rows * p->s) * sizeof *m->gc);
        for (int64_t h = g * ratio; h < (g + 1) * ratio; h++) head_backward(p, m, n, h, k, out);
        lbi_gemm(false, false, rows, p->s, rows, m->k, rows, m->b, p->s, 1, m->gc, p->s);
        lbi_gemm(true, false, rows, p->s, rows, m->k, rows, m->c, p->s, 1, m->gb, p->s);
        give(c->gin[B], m->gb, p, n, k * Q, rows, g);
        give(c->gin[C], m->gc, p, n, k * Q, rows, g);
    }
    for (int64_t i = 0; c->in[STATE] && c->gin[STATE] && i < ratio * size; i++) lb_r(c->gin[STATE])[first + i] += m->gh[i];
}

static void add_up(lb_tensor *to, const lb_real *from, const plan *p) {
    for (int64_t i = 0; to && i < p->n * p->h; i++) lb_r(to)[i % p->h] += from[i];
}

static void one_backward(const void *ctx, int64_t i, int thread) {
    const job *j = ctx;
    work m = work_of(j->p, j->room + thread * j->each);
    group_backward(j->p, &m, i / j->p->g, i % j->p->g, j->out);
}

static void backward(lb_call *c) {
    plan p = plan_of(c);
    int64_t each = work_size(&p, true), count = p.n * p.h;
    int threads = threads_for(&p, p.n * p.g);
    lb_real *all = lb_scratch(c, (size_t)(each * threads) * sizeof *all), *sum = all ? lb_scratch(c, (size_t)(3 * count + 1) * sizeof *sum) : NULL;
    if (!sum) return;
    memset(sum, 0, (size_t)(3 * count) * sizeof *sum);
    const sums out = {sum, sum + count, sum + 2 * count};
    lbi_each(p.n * p.g, threads, one_backward, &(job){&p, all, each, &out});
    add_up(c->gin[A], out.a, &p);
    if (c->in[D]) add_up(c->gin[D], out.d, &p);
    if (c->in[BIAS]) add_up(c->gin[BIAS], out.bias, &p);
}

/* ---- the plain definition: the recurrence ---- */

static double at(const lb_tensor *x, int64_t i, int64_t j, int64_t k, int64_t l) {
    return (double)lb_r(x)[i * x->stride[0] + j * x->stride[1] + k * x->stride[2] + (x->rank > 3 ? l * x->stride[3] : 0)];
}

static void reference(lb_call *c) {
    const struct ssd *o = c->params;
    plan p = plan_of(c);
    double *state = lb_scratch(c, (size_t)(p.s + 1) * sizeof *state);
    for (int64_t i = 0; state && i < p.n * p.h * p.p; i++) {
        int64_t n = i / (p.h * p.p), h = i / p.p % p.h, k = i % p.p, g = h * p.g / p.h;
        for (int64_t s = 0; s < p.s; s++) state[s] = c->in[STATE] ? at(c->in[STATE], n, h, k, s) : 0;
        for (int64_t t = 0; t < p.l; t++) {
            double d = at(c->in[DT], n, t, h, 0) + (double)number(c->in[BIAS], h), x = at(c->in[X], n, t, h, k), y = (double)number(c->in[D], h) * x;
            if (o->softplus) d = d > 30 ? d : log1p(exp(d));
            if (o->hi > o->lo) d = d < o->lo ? o->lo : d > o->hi ? o->hi : d;
            for (int64_t s = 0; s < p.s; s++) {
                state[s] = exp(d * (double)number(c->in[A], h)) * state[s] + d * x * at(c->in[B], n, t, g, s);
                y += state[s] * at(c->in[C], n, t, g, s);
            }
            lb_r(c->out[0])[((n * p.l + t) * p.h + h) * p.p + k] = (lb_real)y;
        }
        for (int64_t s = 0; s < p.s; s++) lb_r(c->out[1])[i * p.s + s] = (lb_real)state[s];
    }
}

static double flops(const lb_call *c) {
    const lb_tensor *x = c->in[X];
    double rows = (double)(x->shape[0] * x->shape[1]), heads = (double)x->shape[2], p = (double)x->shape[3], g = (double)c->in[B]->shape[2], s = (double)c->in[B]->shape[3];
    return 2 * rows * (g * Q * s + heads * (Q * p + 2 * p * s));
}

static void decays(void *const *data, const int64_t *numel) {
    lb_real *a = data[A];
    for (int64_t i = 0; i < numel[A]; i++) a[i] = -(lb_real)exp((double)a[i] * 0.7);
}

static const struct ssd soft = {true, 0, 0}, limited = {true, 0.3, 1.2}, plain = {false, 0, 0};
static const lb_op_case cases[] = {
    {.name = "all parts", .rank = {4, 3, 1, 4, 4, 1, 1, 4}, .shape = {{2, 5, 2, 3}, {2, 5, 2}, {2}, {2, 5, 1, 4}, {2, 5, 1, 4}, {2}, {2}, {2, 2, 3, 4}}, .params = &soft, .fill = decays},
    {.name = "groups", .rank = {4, 3, 1, 4, 4, -1, -1, -1}, .shape = {{1, 4, 4, 2}, {1, 4, 4}, {4}, {1, 4, 2, 3}, {1, 4, 2, 3}}, .lo = 0.1, .hi = 1, .params = &plain, .fill = decays},
    {.name = "limited steps", .rank = {4, 3, 1, 4, 4, -1, 1, -1}, .shape = {{1, 6, 2, 2}, {1, 6, 2}, {2}, {1, 6, 2, 3}, {1, 6, 2, 3}, {0}, {2}}, .params = &limited, .fill = decays},
    {.name = "chunks", .rank = {4, 3, 1, 4, 4, 1, -1, -1}, .shape = {{2, 150, 4, 5}, {2, 150, 4}, {4}, {2, 150, 2, 3}, {2, 150, 2, 3}, {4}}, .params = &soft, .fill = decays},
    {.name = "one step", .rank = {4, 3, 1, 4, 4, -1, -1, 4}, .shape = {{2, 1, 2, 3}, {2, 1, 2}, {2}, {2, 1, 1, 4}, {2, 1, 1, 4}, {0}, {0}, {2, 2, 3, 4}}, .params = &soft, .fill = decays},
    {.name = "no steps", .rank = {4, 3, 1, 4, 4, -1, -1, 4}, .shape = {{2, 0, 2, 3}, {2, 0, 2}, {2}, {2, 0, 1, 4}, {2, 0, 1, 4}, {0}, {0}, {2, 2, 3, 4}}, .params = &soft, .fill = decays},
};

LB_OP(ssd) = {.id = "ssd",
              .title = "the state-space duality scan of Mamba-2, in chunks",
              .source = "Dao and Gu, arXiv:2405.21060, section 6; ssd_chunk_scan_combined_ref of state-spaces/mamba",
              .sig = "x[N,L,H,P] dt[N,L,H] a[H] b[N,L,G,S] c[N,L,G,S] d[H]? bias[H]? state[N,H,P,S]? -> y[N,L,H,P] last[N,H,P,S] kept",
              .math = "S = exp(dt a) S + dt x b^T, y = S c + d x",
              .results = 2,
              .flags = LB_OP_STRIDED,
              .reads = 0x7f | LB_READS_OUT(2),
              .params_size = sizeof(struct ssd),
              .shape = shape,
              .forward = forward,
              .backward = backward,
              .reference = reference,
              .flops = flops,
              .cases = cases,
              .case_count = LB_COUNT(cases)};

lb_tensor *lb_ssd(lb_tape *t, lb_tensor *x, lb_tensor *dt, lb_tensor *a, lb_tensor *b, lb_tensor *c, lb_scan_spec spec, lb_tensor **last) {
    struct ssd p = {spec.softplus, spec.lo, spec.hi};
    lb_tensor *out[2];
    if (lb_tape_ok(t) && spec.z) lb_tape_fail(t, LB_E_ARG, "ssd: the gate z of Mamba-2 belongs to its norm, not to the scan");
    lb_apply_n(t, &lb_op_ssd, &p, sizeof p, 8, (lb_tensor *[]){x, dt, a, b, c, spec.d, spec.bias, spec.state}, 2, out);
    if (last) *last = out[1];
    return out[0];
}

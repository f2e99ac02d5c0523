/* SPDX-License-Identifier: Apache-2.0 */
/* Per channel over all other axes of x [N,C,...]: y = act(gamma xh + beta + add), xh = (x - mean) rstd, rstd = 1 / sqrt(biased variance + eps).
 * With g' = g act'(y), m = elements a channel: dx = gamma rstd (g' - mean(g') - xh mean(g' xh)), dgamma = sum g' xh, dbeta = sum g', dadd = g'.
 * Results: y, the batch mean, the biased batch variance; from the latter two dx = gmean / m + 2 gvar (x - mean) / m. Sums in double. */
#include <math.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/norm_cols.h"
#include "tensor/last.h"
#include "tensor/loops.h"
#include "tensor/op.h"
#include "tensor/ops.h"

typedef struct options {
    double eps;
    lb_act act;
} options;

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    lb_tensor *y = c->out[0];
    if (x->rank < 2 || x->shape[1] != c->in[1]->shape[0] || lb_numel(x) == 0 || (c->in[3] && !lb_same_shape(x, c->in[3]))) {
        char text[96];
        lb_tape_fail(c->tape, LB_E_SHAPE, "batch_norm: x %s, %lld channels and what is added do not go together", lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)c->in[1]->shape[0]);
        return false;
    }
    y->dtype = LB_REAL;
    y->rank = x->rank;
    for (int d = 0; d < x->rank; d++) y->shape[d] = x->shape[d];
    for (int i = 1; i < 3; i++) {
        c->out[i]->dtype = LB_REAL;
        c->out[i]->rank = 1;
        c->out[i]->shape[0] = x->shape[1];
    }
    return true;
}

/* Numbers of a channel that lie together, and how often: with channels last a pixel is an image of one number. */
static int64_t inner_of(const lb_call *c) { return c->last ? 1 : lb_numel(c->in[0]) / (c->in[0]->shape[0] * c->in[0]->shape[1]); }
static int64_t count_of(const lb_call *c) { return lb_numel(c->in[0]) / (c->in[0]->shape[1] * inner_of(c)); }

static bool last(const lb_call *c) {
    return lbi_is_last(c->in[0]) && (!c->in[3] || lbi_is_last(c->in[3]));
}

/* What makes y = act(a x + b) of a channel. */
typedef struct line {
    lb_real a, b;
} line;

/* Of the mean and variance as they are held, so that a call that is made again gives the same. */
static line line_of(const lb_call *c, int64_t q) {
    const options *o = c->params;
    lb_real a = (lb_real)((double)lb_r(c->in[1])[q] / sqrt((double)lb_r(c->out[2])[q] + o->eps));
    return (line){a, (lb_real)((double)lb_r(c->in[2])[q] - (double)lb_r(c->out[1])[q] * (double)a)};
}

static void keep(const lb_call *c, int64_t q, double mean, double var) {
    lb_r(c->out[1])[q] = (lb_real)mean;
    lb_r(c->out[2])[q] = (lb_real)var;
}

/* Does lbi_plane_affine do the activation itself? */
static bool within(lb_act act) { return act == LB_ACT_NONE || act == LB_ACT_RELU || act == LB_ACT_RELU6; }

static void plane_forward(lb_call *c, int64_t q) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], ch = c->in[0]->shape[1], k = inner_of(c);
    const lb_real *x = lb_r(c->in[0]) + q * k, *add = c->in[3] ? lb_r(c->in[3]) + q * k : NULL;
    lb_real *y = lb_r(c->out[0]) + q * k;
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) lbi_plane_sum(x + i * ch * k, k, &sum);
    double mean = sum / (double)(n * k);
    for (int64_t i = 0; i < n; i++) lbi_plane_square(x + i * ch * k, k, (lb_real)mean, &square);
    keep(c, q, mean, square / (double)(n * k));
    line l = line_of(c, q);
    for (int64_t i = 0; i < n; i++) {
        lbi_plane_affine(o->act, y + i * ch * k, x + i * ch * k, add ? add + i * ch * k : NULL, k, l.a, l.b);
        if (!within(o->act)) lbi_act_plane(o->act, y + i * ch * k, k, 0);
    }
}

/* dx = by_g g' + by_x x + more, with what a channel's sums of g' and g' xh say. Writes its other gradients. */
typedef struct slopes {
    lb_real by_g, by_x, more;
} slopes;

static slopes slopes_of(lb_call *c, int64_t q, double sum, double dot) {
    const options *o = c->params;
    double mean = (double)lb_r(c->out[1])[q], rstd = 1 / sqrt((double)lb_r(c->out[2])[q] + o->eps), m = (double)(lb_numel(c->in[0]) / c->in[0]->shape[1]);
    if (c->gin[1]) lb_r(c->gin[1])[q] = (lb_real)((c->fresh[1] ? 0 : (double)lb_r(c->gin[1])[q]) + dot);
    if (c->gin[2]) lb_r(c->gin[2])[q] = (lb_real)((c->fresh[2] ? 0 : (double)lb_r(c->gin[2])[q]) + sum);
    /* gamma rstd (g' - sum/m - (x - mean) rstd dot/m) + gmean/m + 2 gvar (x - mean)/m */
    double by_mean = c->gout[1] ? (double)lb_r(c->gout[1])[q] / m : 0, by_var = c->gout[2] ? 2 * (double)lb_r(c->gout[2])[q] / m : 0;
    double a = c->gout[0] ? (double)lb_r(c->in[1])[q] * rstd : 0, b = by_var - a * rstd * dot / m;
    return (slopes){(lb_real)a, (lb_real)b, (lb_real)(by_mean - a * sum / m - b * mean)};
}

static void plane_backward(lb_call *c, int64_t q) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], ch = c->in[0]->shape[1], k = inner_of(c);
    bool has = c->gout[0] != NULL;
    lb_real mean = lb_r(c->out[1])[q], rstd = (lb_real)(1 / sqrt((double)lb_r(c->out[2])[q] + o->eps));
    const lb_real *x = lb_r(c->in[0]) + q * k, *g = has ? lb_r(c->gout[0]) + q * k : x, *y = lb_r(c->out[0]) + q * k;
    double sum = 0, dot = 0;
    for (int64_t i = 0; has && i < n; i++) lbi_plane_back_sums(o->act, g + i * ch * k, y + i * ch * k, x + i * ch * k, k, mean, rstd, &sum, &dot);
    for (int64_t i = 0; has && c->gin[3] && i < n; i++) lbi_plane_through(o->act, lb_r(c->gin[3]) + (i * ch + q) * k, g + i * ch * k, y + i * ch * k, k, c->fresh[3]);
    slopes s = slopes_of(c, q, sum, dot);
    for (int64_t i = 0; c->gin[0] && i < n; i++) lbi_plane_back(o->act, lb_r(c->gin[0]) + (i * ch + q) * k, g + i * ch * k, y + i * ch * k, x + i * ch * k, k, s.by_g, s.by_x, s.more, c->fresh[0]);
}

/* ---- channels side by side (norm_cols.h) ---- */

enum { SHORT = 64 }; /* numbers of a plane below which vectors go across channels */

/* Sum of the k columns of a channel. */
static double together(const double *sums, int64_t k) {
    double s = 0;
    for (int64_t j = 0; j < k; j++) s += sums[j];
    return s;
}

static void fill(lb_real *to, int64_t k, lb_real x) {
    for (int64_t j = 0; j < k; j++) to[j] = x;
}

/* Channels first .. first + count - 1. */
static void cols_forward(lb_call *c, int64_t first, int64_t count) {
    const options *o = c->params;
    int64_t k = inner_of(c), m = count_of(c) * k;
    lbi_cols b = {.n = count_of(c), .ld = c->in[0]->shape[1] * k, .cols = count * k};
    const lb_real *x = lb_r(c->in[0]) + first * k;
    lb_real *y = lb_r(c->out[0]) + first * k, scale[LBI_COLS], shift[LBI_COLS];
    double sums[LBI_COLS], mean[LBI_COLS];
    lbi_cols_sum(&b, x, sums);
    for (int64_t q = 0; q < count; q++) {
        mean[q] = together(sums + q * k, k) / (double)m;
        fill(shift + q * k, k, (lb_real)mean[q]);
    }
    lbi_cols_square(&b, x, shift, sums);
    for (int64_t q = 0; q < count; q++) {
        keep(c, first + q, mean[q], together(sums + q * k, k) / (double)m);
        line l = line_of(c, first + q);
        fill(scale + q * k, k, l.a);
        fill(shift + q * k, k, l.b);
    }
    lbi_cols_affine(&b, o->act, y, x, c->in[3] ? lb_r(c->in[3]) + first * k : NULL, scale, shift);
    for (int64_t i = 0; !within(o->act) && i < b.n; i++) lbi_act_plane(o->act, y + i * b.ld, b.cols, 0);
}

static void cols_backward(lb_call *c, int64_t first, int64_t count) {
    const options *o = c->params;
    int64_t k = inner_of(c), at = first * k;
    lbi_cols b = {.n = count_of(c), .ld = c->in[0]->shape[1] * k, .cols = count * k};
    const lb_real *x = lb_r(c->in[0]) + at, *g = c->gout[0] ? lb_r(c->gout[0]) + at : x, *y = lb_r(c->out[0]) + at;
    lb_real mean[LBI_COLS], rstd[LBI_COLS], more[LBI_COLS];
    double sum[LBI_COLS] = {0}, dot[LBI_COLS] = {0};
    for (int64_t q = 0; q < count; q++) {
        fill(mean + q * k, k, lb_r(c->out[1])[first + q]);
        fill(rstd + q * k, k, (lb_real)(1 / sqrt((double)lb_r(c->out[2])[first + q] + o->eps)));
    }
    for (int64_t i = 0; c->gout[0] && c->gin[3] && i < b.n; i++) lbi_plane_through(o->act, lb_r(c->gin[3]) + at + i * b.ld, g + i * b.ld, y + i * b.ld, b.cols, c->fresh[3]);
    if (c->gout[0]) lbi_cols_back_sums(&b, o->act, g, y, x, mean, rstd, sum, dot);
    lb_real *by_g = mean, *by_x = rstd; /* those are done with */
    for (int64_t q = 0; q < count; q++) {
        slopes s = slopes_of(c, first + q, together(sum + q * k, k), together(dot + q * k, k));
        fill(by_g + q * k, k, s.by_g);
        fill(by_x + q * k, k, s.by_x);
        fill(more + q * k, k, s.more);
    }
    if (c->gin[0]) lbi_cols_back(&b, o->act, lb_r(c->gin[0]) + at, g, y, x, by_g, by_x, more, c->fresh[0]);
}

/* ---- channels last: runs of pixels over threads ---- */

/* Runs do not depend on the threads, so sums do not either; what a run reads twice stays in L2. */
typedef struct pixels {
    int64_t n, ch, run, runs; /* pixels in all, of a run at most */
    double *sums;             /* [runs][2][ch] */
} pixels;

static pixels pixels_of(const lb_call *c) {
    enum { MOST = 64, LEAST = 64 };
    pixels p = {.n = count_of(c), .ch = c->in[0]->shape[1]};
    p.run = (p.n + MOST - 1) / MOST;
    if (p.run < LEAST) p.run = LEAST;
    p.runs = (p.n + p.run - 1) / p.run;
    return p;
}

/* Channels from `first` on of run i; what they point at begins at *at. */
static lbi_cols cols_of(const pixels *p, int64_t i, int64_t first, int64_t *at) {
    *at = i * p->run * p->ch + first;
    return (lbi_cols){.n = i + 1 < p->runs ? p->run : p->n - i * p->run, .ld = p->ch, .cols = p->ch - first < LBI_COLS ? p->ch - first : LBI_COLS};
}

/* The sums of all runs, in their order, into those of the first. */
static void add_runs(const pixels *p) {
    for (int64_t i = 1; i < p->runs; i++)
        for (int64_t q = 0; q < 2 * p->ch; q++) p->sums[q] += p->sums[2 * i * p->ch + q];
}

/* From one pass over x less the mean of its first pixels, so that little cancels. */
static void pixels_moments(lb_call *c, const pixels *p, lb_real *shift) {
    enum { SOME = 64 };
    const lb_real *x = lb_r(c->in[0]);
    for (int64_t q = 0; q < p->ch; q += LBI_COLS) {
        const lbi_cols b = {.n = p->n < SOME ? p->n : SOME, .ld = p->ch, .cols = p->ch - q < LBI_COLS ? p->ch - q : LBI_COLS};
        lbi_cols_sum(&b, x + q, p->sums);
        for (int64_t j = 0; j < b.cols; j++) shift[q + j] = (lb_real)(p->sums[j] / (double)b.n);
    }
#pragma omp parallel for schedule(static) if (p->n * p->ch > LBI_GRAIN)
    for (int64_t i = 0; i < p->runs; i++)
        for (int64_t q = 0, at; q < p->ch; q += LBI_COLS) {
            lbi_cols b = cols_of(p, i, q, &at);
            double *sums = p->sums + 2 * i * p->ch + q;
            lbi_cols_moments(&b, x + at, shift + q, sums, sums + p->ch);
        }
    add_runs(p);
    for (int64_t q = 0; q < p->ch; q++) {
        double off = p->sums[q] / (double)p->n, var = p->sums[p->ch + q] / (double)p->n - off * off;
        keep(c, q, (double)shift[q] + off, var < 0 ? 0 : var);
    }
}

static void pixels_forward(lb_call *c) {
    const options *o = c->params;
    pixels p = pixels_of(c);
    lb_real *scale = lb_scratch(c, (size_t)(2 * p.ch) * sizeof *scale), *shift = scale + p.ch;
    if (!scale) return;
    if (!c->again) {
        p.sums = lb_scratch(c, (size_t)(2 * p.ch * p.runs) * sizeof *p.sums);
        if (!p.sums) return;
        pixels_moments(c, &p, shift);
    }
    for (int64_t q = 0; q < p.ch; q++) {
        line l = line_of(c, q);
        scale[q] = l.a;
        shift[q] = l.b;
    }
    const lb_real *add = c->in[3] ? lb_r(c->in[3]) : NULL;
#pragma omp parallel for schedule(static) if (p.n * p.ch > LBI_GRAIN)
    for (int64_t i = 0; i < p.runs; i++)
        for (int64_t q = 0, at; q < p.ch; q += LBI_COLS) {
            lbi_cols b = cols_of(&p, i, q, &at);
            lb_real *y = lb_r(c->out[0]) + at;
            lbi_cols_affine(&b, o->act, y, lb_r(c->in[0]) + at, add ? add + at : NULL, scale + q, shift + q);
            for (int64_t j = 0; !within(o->act) && j < b.n; j++) lbi_act_plane(o->act, y + j * b.ld, b.cols, 0);
        }
}

/* What stands before the activation has its gradient in gin[3], if that is set there; from then on it is read in place of g and y. */
static void pixels_backward(lb_call *c) {
    const options *o = c->params;
    pixels p = pixels_of(c);
    lb_real *by_g = lb_scratch(c, (size_t)(3 * p.ch) * sizeof *by_g), *by_x = by_g + p.ch, *more = by_x + p.ch, *added = c->gout[0] && c->gin[3] ? lb_r(c->gin[3]) : NULL;
    p.sums = lb_scratch(c, (size_t)(2 * p.ch * p.runs) * sizeof *p.sums);
    if (!by_g || !p.sums) return;
    const lb_real *x = lb_r(c->in[0]), *g = c->gout[0] ? lb_r(c->gout[0]) : x, *y = lb_r(c->out[0]), *slope = added && c->fresh[3] ? added : g;
    lb_act act = slope == g ? o->act : LB_ACT_NONE;
    for (int64_t q = 0; q < p.ch; q++) by_x[q] = (lb_real)(1 / sqrt((double)lb_r(c->out[2])[q] + o->eps));
    memset(p.sums, 0, (size_t)(2 * p.ch) * sizeof *p.sums);
#pragma omp parallel for schedule(static) if (p.n * p.ch > LBI_GRAIN)
    for (int64_t i = 0; i < (c->gout[0] ? p.runs : 0); i++) {
        int64_t all = i * p.run * p.ch, end = i + 1 < p.runs ? all + p.run * p.ch : p.n * p.ch;
        if (added) lbi_plane_through(o->act, added + all, g + all, y + all, end - all, c->fresh[3]);
        for (int64_t q = 0, at; q < p.ch; q += LBI_COLS) {
            lbi_cols b = cols_of(&p, i, q, &at);
            double *sums = p.sums + 2 * i * p.ch + q;
            lbi_cols_back_sums(&b, act, slope + at, y + at, x + at, lb_r(c->out[1]) + q, by_x + q, sums, sums + p.ch);
        }
    }
    if (c->gout[0]) add_runs(&p);
    for (int64_t q = 0; q < p.ch; q++) {
        slopes s = slopes_of(c, q, p.sums[q], p.sums[p.ch + q]);
        by_g[q] = s.by_g;
        by_x[q] = s.by_x;
        more[q] = s.more;
    }
#pragma omp parallel for schedule(static) if (p.n * p.ch > LBI_GRAIN)
    for (int64_t i = 0; i < (c->gin[0] ? p.runs : 0); i++)
        for (int64_t q = 0, at; q < p.ch; q += LBI_COLS) {
            lbi_cols b = cols_of(&p, i, q, &at);
            lbi_cols_back(&b, act, lb_r(c->gin[0]) + at, slope + at, y + at, x + at, by_g + q, by_x + q, more + q, c->fresh[0]);
        }
}

/* ---- over threads ---- */

/* Channels of a block: some, so that rows are read in runs, few enough that the block stays in L2 and all threads have one. */
static int64_t block_of(int64_t n, int64_t ch, int64_t k) {
    enum { NUMBERS = 65536, RUN = 64, LINE = 32 };
    int64_t most = LBI_COLS / k, near = NUMBERS / (n * k), run = (RUN + k - 1) / k, share = (ch + 3) / 4;
    int64_t block = near < share ? near : share;
    if (block < run && 2 * run <= ch) block = run;
    if (block < LINE) block = LINE;
    return block < most ? block : most;
}

static void forward(lb_call *c) {
    if (c->last) {
        pixels_forward(c);
        return;
    }
    int64_t n = count_of(c), ch = c->in[0]->shape[1], k = inner_of(c), block = k < SHORT ? block_of(n, ch, k) : 1;
#pragma omp parallel for schedule(dynamic) if (n * ch * k > LBI_GRAIN)
    for (int64_t q = 0; q < ch; q += block) {
        if (k < SHORT) cols_forward(c, q, ch - q < block ? ch - q : block);
        else plane_forward(c, q);
    }
}

static void backward(lb_call *c) {
    int64_t n = count_of(c), ch = c->in[0]->shape[1], k = inner_of(c), block = k < SHORT ? block_of(n, ch, k) : 1;
    if (!c->gout[0] && !c->gout[1] && !c->gout[2]) return;
    if (c->last) {
        pixels_backward(c);
        return;
    }
#pragma omp parallel for schedule(dynamic) if (n * ch * k > LBI_GRAIN)
    for (int64_t q = 0; q < ch; q += block) {
        if (k < SHORT) cols_backward(c, q, ch - q < block ? ch - q : block);
        else plane_backward(c, q);
    }
}

static const options plain = {1e-5, LB_ACT_NONE}, relu = {1e-3, LB_ACT_RELU};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {4, 1, 1, -1}, .shape = {{2, 3, 2, 3}, {3}, {3}}, .params = &plain},
    {.name = "rows", .rank = {2, 1, 1, -1}, .shape = {{5, 3}, {3}, {3}}, .params = &plain},
    {.name = "many rows", .rank = {2, 1, 1, -1}, .shape = {{131, 70}, {70}, {70}}, .params = &relu},
    {.name = "large planes", .rank = {4, 1, 1, -1}, .shape = {{2, 3, 8, 9}, {3}, {3}}, .params = &relu},
    {.name = "added, relu", .rank = {4, 1, 1, 4}, .shape = {{3, 2, 2, 2}, {2}, {2}, {3, 2, 2, 2}}, .params = &relu},
    {.name = "added, large planes", .rank = {4, 1, 1, 4}, .shape = {{2, 2, 8, 9}, {2}, {2}, {2, 2, 8, 9}}, .params = &plain},
    {.name = "relu", .rank = {4, 1, 1, -1}, .shape = {{3, 2, 2, 2}, {2}, {2}}, .params = &relu},
};

LB_OP(batch_norm) = {.id = "batch_norm",
                     .title = "batch normalisation with the batch's own statistics, and an activation",
                     .source = "Ioffe, Szegedy, arXiv:1502.03167; torch.nn.functional.batch_norm(training=True)",
                     .sig = "x gamma[C] beta[C] add? -> y mean[C] var[C]",
                     .results = 3,
                     .math = "y = act(gamma (x - mean) / sqrt(var + eps) + beta + add)",
                     .flags = LB_OP_NONSMOOTH | LB_OP_SETS | LB_OP_CHEAP | LB_OP_IN_PLACE,
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(0) | LB_READS_OUT(1) | LB_READS_OUT(2),
                     .shape = shape,
                     .last = last,
                     .params_size = sizeof(options),
                     .forward = forward,
                     .backward = backward,
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_batch_norm_add(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, lb_tensor *add, double eps, lb_act act, lb_tensor **mean, lb_tensor **var) {
    lb_tensor *out[3] = {0};
    bool fuse = lbi_act_from_result(act);
    lb_apply_n(t, &lb_op_batch_norm, &(options){eps, fuse ? act : LB_ACT_NONE}, sizeof(options), 4, (lb_tensor *[]){x, gamma, beta, add}, 3, out);
    if (mean) *mean = out[1];
    if (var) *var = out[2];
    return fuse ? out[0] : lbi_act_op(t, out[0], act);
}

lb_tensor *lb_batch_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps, lb_act act, lb_tensor **mean, lb_tensor **var) {
    return lb_batch_norm_add(t, x, gamma, beta, NULL, eps, act, mean, var);
}

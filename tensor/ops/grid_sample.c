/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c,i] = x[n,c] read at grid[n,i] = (x, y) or (x, y, z), coordinates from -1 to 1: u = (g + 1) / 2 (size - 1) with aligned corners, else
 * ((g + 1) size - 1) / 2. Outside: 0, the border's element, or mirrored (at the centres of the border's elements with aligned corners, else
 * at their outer edges).
 *   linear   sum over the corners around u of prod (1 - |k - u|) x[k]
 *   nearest  x[round half to even u]
 *   cubic    Keys' kernel with a = -0.75 on the four around u (pictures only)
 * dx: g times the weights, added where they read; dgrid: sum over channels of g times x times the slopes of the weights, times du/dg; 0 where u was
 * cut to the border, and for nearest. A coordinate that is not finite reads the border's first element, or 0 or NaN where 0 is outside. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/grid.h"
#include "tensor/kernels/groups.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef lbi_grid_options options;
typedef lbi_grid_block block;
typedef lbi_grid sampler;
enum { PLACES = LBI_GRID_PLACES, TAPS = LBI_GRID_TAPS };

static sampler sampler_of(const lb_call *c, bool slopes) {
    const lb_tensor *x = c->in[0];
    sampler s = {.o = *(const options *)c->params, .axes = x->rank - 2, .slopes = slopes, .size = {1, 1, 1}, .plane = 1, .n = x->shape[0], .channels = x->shape[1], .out = 1,
                 .x = lb_r(x), .grid = lb_r(c->in[1])};
    for (int a = 0; a < s.axes; a++) {
        s.size[a] = x->shape[x->rank - 1 - a];
        s.plane *= s.size[a];
        s.out *= c->in[1]->shape[1 + a];
    }
    return s;
}

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0], *grid = c->in[1];
    char tx[96], tg[96];
    bool fits = (x->rank == 4 || (x->rank == 5 && o->mode != LB_SAMPLE_CUBIC)) && grid->rank == x->rank && grid->shape[0] == x->shape[0] && grid->shape[grid->rank - 1] == x->rank - 2;
    int64_t plane = 1;
    for (int d = 2; fits && d < x->rank; d++) fits = x->shape[d] > 0 && (plane *= x->shape[d]) < INT32_MAX;
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, grid %s, expected [N,C,H,W] and [N,I,J,2], or (not cubic) [N,C,D,H,W] and [N,I,J,K,3]", lb_shape_text(tx, sizeof tx, x->rank, x->shape),
                     lb_shape_text(tg, sizeof tg, grid->rank, grid->shape));
        return false;
    }
    c->out[0]->rank = x->rank;
    for (int d = 0; d < x->rank; d++) c->out[0]->shape[d] = d < 2 ? x->shape[d] : grid->shape[d - 1];
    return true;
}

/* ---- coordinates ---- */

static double unfolded(const options *o, double g, int64_t size, double *slope) {
    *slope = o->align_corners ? (double)(size - 1) / 2 : (double)size / 2;
    return o->align_corners ? (g + 1) / 2 * (double)(size - 1) : ((g + 1) * (double)size - 1) / 2;
}

/* Mirrors u between low / 2 and high / 2. */
static double mirrored(double u, double low, double high, double *slope) {
    double least = low / 2, span = (high - low) / 2;
    if (span <= 0) {
        *slope = 0;
        return 0;
    }
    u -= least;
    if (u < 0) *slope = -*slope;
    u = fabs(u);
    double rest = fmod(u, span), turns = floor(u / span);
    if (fmod(turns, 2) == 0) return rest + least;
    *slope = -*slope;
    return span - rest + least;
}

/* By the rule for what lies outside; the border itself counts as outside for the slope, as in PyTorch. */
static double bordered(const options *o, double u, int64_t size, double *slope) {
    if (o->border == LB_BORDER_ZEROS) return u;
    if (o->border == LB_BORDER_REFLECT) u = o->align_corners ? mirrored(u, 0, 2 * (double)(size - 1), slope) : mirrored(u, -1, 2 * (double)size - 1, slope);
    if (!(u > 0)) {
        *slope = 0;
        return 0;
    }
    if (u < (double)(size - 1)) return u;
    *slope = 0;
    return (double)(size - 1);
}

/* ---- weights ---- */

/* Up to four elements along one axis. */
typedef struct line {
    int n;
    int64_t at[4]; /* -1 = outside */
    double w[4], slope[4];
} line;

static int64_t inside(double k, int64_t size) { return k >= 0 && k < (double)size ? (int64_t)k : -1; }

static line line_of(const options *o, double g, int64_t size) {
    line l = {0};
    double du, u = unfolded(o, g, size, &du);
    if (o->mode == LB_SAMPLE_CUBIC) {
        static const double a = -0.75;
        double base = floor(u), t = u - base;
        l.n = 4;
        for (int k = 0; k < 4; k++) {
            double none = 0, d = fabs(t + 1 - k), sign = t + 1 - k < 0 ? -1 : 1;
            l.at[k] = inside(rint(bordered(o, base - 1 + k, size, &none)), size);
            l.w[k] = d < 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : (((d - 5) * d + 8) * d - 4) * a;
            l.slope[k] = sign * du * (d < 1 ? (3 * (a + 2) * d - 2 * (a + 3)) * d : ((3 * d - 10) * d + 8) * a);
        }
        return l;
    }
    u = bordered(o, u, size, &du);
    if (o->mode == LB_SAMPLE_NEAREST) {
        l.n = 1;
        l.at[0] = inside(rint(u), size);
        l.w[0] = 1;
        return l;
    }
    double base = floor(u);
    l.n = 2;
    l.at[0] = inside(base, size);
    l.at[1] = inside(base + 1, size);
    l.w[0] = base + 1 - u;
    l.w[1] = u - base;
    l.slope[0] = -du;
    l.slope[1] = du;
    return l;
}

/* ---- passes ---- */

/* x where it is inside, else 0; nothing is read outside. */
LBI_ALWAYS lb_real read_one(const lb_real *x, int32_t at) {
    lb_real v = x[at < 0 ? 0 : at];
    return at < 0 ? 0 : v;
}

/* y[p] (+)= sum over taps t .. t + 3 of w x */
LBI_ALWAYS void read_four(const block *b, int t, const lb_real *x, lb_real *restrict y, int64_t count, bool add) {
    const int32_t *restrict i = b->at[t], *restrict j = b->at[t + 1], *restrict k = b->at[t + 2], *restrict l = b->at[t + 3];
    for (int64_t p = 0; p < count; p++)
        y[p] = (add ? y[p] : 0) + b->w[t][p] * read_one(x, i[p]) + b->w[t + 1][p] * read_one(x, j[p]) + b->w[t + 2][p] * read_one(x, k[p]) + b->w[t + 3][p] * read_one(x, l[p]);
}

LBI_LEVELS static void read_places(const block *b, const lb_real *x, lb_real *restrict y, int64_t count) {
    if (b->taps == 1)
        for (int64_t p = 0; p < count; p++) y[p] = read_one(x, b->at[0][p]);
    else read_four(b, 0, x, y, count, false);
    for (int t = 4; t < b->taps; t += 4) read_four(b, t, x, y, count, true);
}

/* to = w g, for all taps. */
LBI_LEVELS static void weigh(const block *b, const lb_real *restrict g, lb_real (*restrict to)[PLACES], int64_t count) {
    for (int t = 0; t < b->taps; t++)
        for (int64_t p = 0; p < count; p++) to[t][p] = b->w[t][p] * g[p];
}

static void add_places(const block *b, lb_real *restrict gx, const lb_real *g, int64_t count) {
    lb_real part[TAPS][PLACES];
    weigh(b, g, part, count);
    for (int t = 0; t < b->taps; t++) {
        const int32_t *restrict at = b->at[t];
        for (int64_t p = 0; p < count; p++)
            if (at[p] >= 0) gx[at[p]] += part[t][p];
    }
}

/* sum[a] += g times the slope of what is read along axis a */
LBI_LEVELS static void add_slopes(const block *b, int axes, const lb_real *x, const lb_real *restrict g, double sum[3][PLACES], int64_t count) {
    lb_real read[PLACES], all[3][PLACES] = {{0}};
    for (int t = 0; t < b->taps; t++) {
        for (int64_t p = 0; p < count; p++) read[p] = read_one(x, b->at[t][p]);
        for (int a = 0; a < axes; a++)
            for (int64_t p = 0; p < count; p++) all[a][p] += read[p] * b->slope[a][t][p];
    }
    for (int a = 0; a < axes; a++)
        for (int64_t p = 0; p < count; p++) sum[a][p] += (double)(all[a][p] * g[p]);
}

static int64_t blocks_of(const sampler *s) { return (s->out + PLACES - 1) / PLACES; }
static int64_t count_of(const sampler *s, int64_t first) { return s->out - first < PLACES ? s->out - first : PLACES; }

/* ---- many places of many channels: 16 channels side by side ---- */

static int64_t groups_of(const sampler *s) { return (s->channels + LBI_GROUP - 1) / LBI_GROUP; }
static int lanes_of(const sampler *s, int64_t group) { return s->channels - group * LBI_GROUP < LBI_GROUP ? (int)(s->channels - group * LBI_GROUP) : LBI_GROUP; }
static bool by_lanes(const sampler *s) { return s->channels >= LBI_GROUP / 2 && s->out >= s->plane / 4; }
static lbi_reads reads_of(const block *b, const lb_real (*w)[PLACES]) { return (lbi_reads){b->taps, PLACES, b->at[0], w[0]}; }

static int64_t lanes_size(const sampler *s) { return s->plane * LBI_GROUP + LBI_GROUP_SLACK; }

/* x as [N,groups,plane,16], each group with room to spare; NULL without memory. */
static lb_real *turned(lb_call *c, const sampler *s) {
    int64_t all = s->n * groups_of(s), each = lanes_size(s);
    lb_real *to = lb_scratch(c, (size_t)(all * each) * sizeof *to);
    int threads = omp_get_max_threads();
    if (!to) return NULL;
#pragma omp parallel for num_threads(threads) if (all * each > LBI_GRAIN)
    for (int64_t i = 0; i < all; i++) {
        int64_t k = i % groups_of(s);
        lbi_group_of(to + i * each, s->x + (i / groups_of(s) * s->channels + k * LBI_GROUP) * s->plane, s->plane, lanes_of(s, k), s->plane);
    }
    return to;
}

/* Room of a thread: weights, and lanes of a block. */
typedef struct room {
    block b;
    lb_real lanes[PLACES * LBI_GROUP + LBI_GROUP_SLACK];
} room;

static void read_lanes(lb_call *c, const sampler *s, room *work, int threads) {
    const lb_real *x = turned(c, s);
    if (!x) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * blocks_of(s); i++) {
        int64_t n = i / blocks_of(s), first = i % blocks_of(s) * PLACES, count = count_of(s, first);
        room *r = work + omp_get_thread_num();
        lbi_grid_fill(s, &r->b, n, first, count);
        lbi_reads reads = reads_of(&r->b, (const lb_real(*)[PLACES])r->b.w);
        for (int64_t k = 0; k < groups_of(s); k++) {
            lbi_group_read(&reads, x + (n * groups_of(s) + k) * lanes_size(s), r->lanes, count);
            lbi_group_back(lb_r(c->out[0]) + (n * s->channels + k * LBI_GROUP) * s->out + first, s->out, r->lanes, lanes_of(s, k), count, false);
        }
    }
}

/* Every group of channels belongs to one thread, so that sums are made in one order. */
static void image_lanes(lb_call *c, const sampler *s, room *work, int threads) {
    int64_t each = lanes_size(s);
    lb_real *sums = lb_scratch(c, (size_t)(each * threads) * sizeof *sums);
    if (!sums) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * groups_of(s); i++) {
        int64_t n = i / groups_of(s), k = i % groups_of(s), q = n * s->channels + k * LBI_GROUP;
        room *r = work + omp_get_thread_num();
        lb_real *sum = sums + each * omp_get_thread_num();
        memset(sum, 0, (size_t)each * sizeof *sum);
        for (int64_t first = 0; first < s->out; first += PLACES) {
            int64_t count = count_of(s, first);
            lbi_grid_fill(s, &r->b, n, first, count);
            lbi_reads reads = reads_of(&r->b, (const lb_real(*)[PLACES])r->b.w);
            lbi_group_of(r->lanes, lb_r(c->gout[0]) + q * s->out + first, s->out, lanes_of(s, k), count);
            lbi_group_add(&reads, sum, r->lanes, count);
        }
        lbi_group_back(lb_r(c->gin[0]) + q * s->plane, s->plane, sum, lanes_of(s, k), s->plane, !c->fresh[0]);
    }
}

/* The gradient of a block's coordinates, or what is added to it. */
static void put_grid(lb_call *c, const sampler *s, int64_t n, int64_t first, int64_t count, double sum[3][PLACES]) {
    lb_real *to = lb_r(c->gin[1]) + (n * s->out + first) * s->axes;
    for (int64_t p = 0; p < count * s->axes; p++) to[p] = (c->fresh[1] ? 0 : to[p]) + (lb_real)sum[p % s->axes][p / s->axes];
}

static void grid_lanes(lb_call *c, const sampler *s, room *work, int threads) {
    const lb_real *x = turned(c, s);
    if (!x) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * blocks_of(s); i++) {
        int64_t n = i / blocks_of(s), first = i % blocks_of(s) * PLACES, count = count_of(s, first);
        room *r = work + omp_get_thread_num();
        double sum[3][PLACES] = {{0}};
        lbi_grid_fill(s, &r->b, n, first, count);
        for (int64_t k = 0; k < groups_of(s); k++) {
            lbi_group_of(r->lanes, lb_r(c->gout[0]) + (n * s->channels + k * LBI_GROUP) * s->out + first, s->out, lanes_of(s, k), count);
            for (int a = 0; a < s->axes; a++) {
                lbi_reads reads = reads_of(&r->b, (const lb_real(*)[PLACES])r->b.slope[a]);
                lbi_group_dot(&reads, x + (n * groups_of(s) + k) * lanes_size(s), r->lanes, sum[a], count);
            }
        }
        put_grid(c, s, n, first, count, sum);
    }
}

/* ---- few places or channels: by planes ---- */

static void read_planes(lb_call *c, const sampler *s, room *work, int threads) {
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * blocks_of(s); i++) {
        int64_t n = i / blocks_of(s), first = i % blocks_of(s) * PLACES, count = count_of(s, first);
        block *b = &work[omp_get_thread_num()].b;
        lbi_grid_fill(s, b, n, first, count);
        for (int64_t q = n * s->channels; q < (n + 1) * s->channels; q++) read_places(b, s->x + q * s->plane, lb_r(c->out[0]) + q * s->out + first, count);
    }
}

/* Every plane belongs to one thread, so that sums are made in one order; weights are found again for each run of planes. */
static void image_planes(lb_call *c, const sampler *s, room *work, int threads) {
    int64_t runs = s->n < threads ? (threads + s->n - 1) / (s->n ? s->n : 1) : 1;
    if (runs > s->channels) runs = s->channels ? s->channels : 1;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * runs; i++) {
        int64_t n = i / runs, from = n * s->channels + i % runs * s->channels / runs, to = n * s->channels + (i % runs + 1) * s->channels / runs;
        block *b = &work[omp_get_thread_num()].b;
        lb_real *gx = lb_r(c->gin[0]);
        if (c->fresh[0]) memset(gx + from * s->plane, 0, (size_t)((to - from) * s->plane) * sizeof *gx);
        for (int64_t first = 0; first < s->out; first += PLACES) {
            int64_t count = count_of(s, first);
            lbi_grid_fill(s, b, n, first, count);
            for (int64_t q = from; q < to; q++) add_places(b, gx + q * s->plane, lb_r(c->gout[0]) + q * s->out + first, count);
        }
    }
}

static void grid_planes(lb_call *c, const sampler *s, room *work, int threads) {
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * blocks_of(s); i++) {
        int64_t n = i / blocks_of(s), first = i % blocks_of(s) * PLACES, count = count_of(s, first);
        block *b = &work[omp_get_thread_num()].b;
        double sum[3][PLACES] = {{0}};
        lbi_grid_fill(s, b, n, first, count);
        for (int64_t q = n * s->channels; q < (n + 1) * s->channels; q++) add_slopes(b, s->axes, s->x + q * s->plane, lb_r(c->gout[0]) + q * s->out + first, sum, count);
        put_grid(c, s, n, first, count, sum);
    }
}

static void forward(lb_call *c) {
    sampler s = sampler_of(c, false);
    int threads = omp_get_max_threads();
    room *work = lb_scratch(c, sizeof *work * (size_t)threads);
    if (work) (by_lanes(&s) && s.o.mode != LB_SAMPLE_NEAREST ? read_lanes : read_planes)(c, &s, work, threads); /* one number a place: turning x costs more than it saves */
}

static void backward(lb_call *c) {
    bool steps = ((const options *)c->params)->mode == LB_SAMPLE_NEAREST; /* flat in between: no slopes */
    sampler s = sampler_of(c, c->gin[1] && !steps);
    int threads = omp_get_max_threads();
    room *work = lb_scratch(c, sizeof *work * (size_t)threads);
    if (!work || !c->gout[0]) return;
    if (c->gin[0]) (by_lanes(&s) ? image_lanes : image_planes)(c, &s, work, threads);
    if (c->gin[1] && steps && c->fresh[1]) lbi_fill(c->gin[1], 0);
    if (c->gin[1] && !steps) (by_lanes(&s) ? grid_lanes : grid_planes)(c, &s, work, threads);
}

static void reference(lb_call *c) {
    sampler s = sampler_of(c, false);
    for (int64_t i = 0, all = lb_numel(c->out[0]); i < all; i++) {
        int64_t place = i % s.out, q = i / s.out;
        const lb_real *g = s.grid + (q / s.channels * s.out + place) * s.axes;
        line l[3] = {[1] = {1, {0}, {1}, {0}}, [2] = {1, {0}, {1}, {0}}};
        double sum = 0;
        for (int a = 0; a < s.axes; a++) l[a] = line_of(&s.o, (double)g[a], s.size[a]);
        for (int k = 0; k < l[0].n * l[1].n * l[2].n; k++) {
            int x = k % l[0].n, y = k / l[0].n % l[1].n, z = k / (l[0].n * l[1].n);
            if (l[0].at[x] < 0 || l[1].at[y] < 0 || l[2].at[z] < 0) continue;
            sum += l[0].w[x] * l[1].w[y] * l[2].w[z] * (double)s.x[q * s.plane + (l[2].at[z] * s.size[1] + l[1].at[y]) * s.size[0] + l[0].at[x]];
        }
        lb_r(c->out[0])[i] = (lb_real)sum;
    }
}

/* Coordinates a little beyond the picture, away from places where its elements meet. */
static void coordinates(void *const *data, const int64_t *numel) {
    lb_real *g = data[1];
    for (int64_t i = 0; i < numel[1]; i++) g[i] = (lb_real)(((double)(i * 29 % 41) + 0.37) / 18 - 1.17);
}

static const options zeros = {LB_SAMPLE_LINEAR, LB_BORDER_ZEROS, false}, corners = {LB_SAMPLE_LINEAR, LB_BORDER_EDGE, true}, mirror = {LB_SAMPLE_LINEAR, LB_BORDER_REFLECT, false},
                     nearest = {LB_SAMPLE_NEAREST, LB_BORDER_EDGE, false}, cubic = {LB_SAMPLE_CUBIC, LB_BORDER_ZEROS, true}, cubic_mirror = {LB_SAMPLE_CUBIC, LB_BORDER_REFLECT, true};
static const lb_op_case cases[] = {
    {.name = "zeros outside", .rank = {4, 4}, .shape = {{2, 2, 4, 5}, {2, 3, 3, 2}}, .params = &zeros, .fill = coordinates},
    {.name = "edges, corners aligned", .rank = {4, 4}, .shape = {{1, 3, 4, 4}, {1, 2, 5, 2}}, .params = &corners, .fill = coordinates},
    {.name = "mirrored", .rank = {4, 4}, .shape = {{1, 2, 3, 5}, {1, 4, 3, 2}}, .params = &mirror, .fill = coordinates},
    {.name = "nearest", .rank = {4, 4}, .shape = {{1, 2, 5, 4}, {1, 3, 4, 2}}, .params = &nearest, .fill = coordinates},
    {.name = "cubic", .rank = {4, 4}, .shape = {{1, 2, 5, 6}, {1, 3, 3, 2}}, .params = &cubic, .fill = coordinates},
    {.name = "cubic, mirrored", .rank = {4, 4}, .shape = {{2, 1, 4, 5}, {2, 2, 3, 2}}, .params = &cubic_mirror, .fill = coordinates},
    {.name = "volume", .rank = {5, 5}, .shape = {{1, 2, 3, 3, 4}, {1, 2, 2, 3, 3}}, .params = &zeros, .fill = coordinates},
    {.name = "many channels", .rank = {4, 4}, .shape = {{2, 19, 4, 5}, {2, 3, 3, 2}}, .params = &zeros, .fill = coordinates},
    {.name = "cubic, many channels", .rank = {4, 4}, .shape = {{1, 9, 5, 6}, {1, 17, 17, 2}}, .params = &cubic, .fill = coordinates},
    {.name = "no pictures", .rank = {4, 4}, .shape = {{0, 2, 4, 5}, {0, 3, 3, 2}}, .params = &zeros},
    {.name = "large", .rank = {4, 4}, .shape = {{2, 3, 14, 15}, {2, 17, 19, 2}}, .params = &zeros, .fill = coordinates},
};

LB_OP(grid_sample) = {.id = "grid_sample",
                      .title = "pictures or volumes read at given coordinates",
                      .source = "torch.nn.functional.grid_sample; Jaderberg et al., arXiv:1506.02025",
                      .sig = "x grid -> y",
                      .math = "y[i] = x at grid[i]",
                      .flags = LB_OP_SETS | LB_OP_NONSMOOTH,
                      .reads = LB_READS_IN(0) | LB_READS_IN(1),
                      .shape = shape,
                      .params_size = sizeof(options),
                      .forward = forward,
                      .backward = backward,
                      .reference = reference,
                      .cases = cases,
                      .case_count = LB_COUNT(cases)};

lb_tensor *lb_grid_sample(lb_tape *t, lb_tensor *x, lb_tensor *grid, lb_sample mode, lb_border border, bool align_corners) {
    return lb_apply(t, &lb_op_grid_sample, &(options){mode, border, align_corners}, sizeof(options), 2, (lb_tensor *[]){x, grid});
}

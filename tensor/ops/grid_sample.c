/* SPDX-License-Identifier: Apache-2.0 */
/* y[n,c,i] = x[n,c] read at grid[n,i] = (x, y) or (x, y, z), coordinates from -1 to 1: u = (g + 1) / 2 (size - 1) with aligned corners, else
 * ((g + 1) size - 1) / 2. Outside: 0, the border's element, or mirrored (at the centres of the border's elements with aligned corners, else
 * at their outer edges).
 *   linear   sum over the corners around u of prod (1 - |k - u|) x[k]
 *   nearest  x[round half to even u]
 *   cubic    Keys' kernel with a = -0.75 on the four around u (pictures only)
 * dx: g times the weights, added where they read; dgrid: sum over channels of g times x times the slopes of the weights, times du/dg; 0 where u was
 * cut to the border, and for nearest. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    lb_sample mode;
    lb_border border;
    bool align_corners;
} options;

enum { PLACES = 256, TAPS = 16 }; /* places done together; most elements that one reads */

/* What the places of one block read: [taps][PLACES]; at < 0 = outside, reads 0. */
typedef struct block {
    int taps;
    bool full; /* nothing is outside */
    int32_t at[TAPS][PLACES];
    lb_real w[TAPS][PLACES], slope[3][TAPS][PLACES]; /* slopes along x, y, z */
} block;

typedef struct sampler {
    options o;
    int axes;
    bool slopes;              /* are they wanted */
    int64_t size[3], plane;   /* width, height, depth; numbers of a plane or volume */
    int64_t n, channels, out; /* places of a sample */
    const lb_real *x, *grid;
} sampler;

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
    for (int d = 2; fits && d < x->rank; d++) fits = x->shape[d] > 0 && x->shape[d] < INT32_MAX;
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

static void fill_place(const sampler *s, block *b, int64_t p, const lb_real *g) {
    line l[3] = {[1] = {1, {0}, {1}, {0}}, [2] = {1, {0}, {1}, {0}}};
    int k = 0;
    for (int a = 0; a < s->axes; a++) l[a] = line_of(&s->o, (double)g[a], s->size[a]);
    for (int z = 0; z < l[2].n; z++)
        for (int y = 0; y < l[1].n; y++)
            for (int x = 0; x < l[0].n; x++, k++) {
                bool in = l[0].at[x] >= 0 && l[1].at[y] >= 0 && l[2].at[z] >= 0;
                b->at[k][p] = in ? (int32_t)((l[2].at[z] * s->size[1] + l[1].at[y]) * s->size[0] + l[0].at[x]) : -1;
                b->full = b->full && in;
                b->w[k][p] = (lb_real)(l[0].w[x] * l[1].w[y] * l[2].w[z]);
                if (!s->slopes) continue;
                b->slope[0][k][p] = (lb_real)(l[0].slope[x] * l[1].w[y] * l[2].w[z]);
                b->slope[1][k][p] = (lb_real)(l[0].w[x] * l[1].slope[y] * l[2].w[z]);
                b->slope[2][k][p] = (lb_real)(l[0].w[x] * l[1].w[y] * l[2].slope[z]);
            }
    b->taps = k;
}

/* Along one axis of pictures read linearly: the element below u, weights of it and the next, their slope (negative for the first). */
typedef struct between {
    int32_t at[PLACES];
    double w[2][PLACES], slope[PLACES];
} between;

/* grid[0] of each place, `step` apart. What is far outside stays outside. */
LBI_LEVELS static void place_between(const options *o, const lb_real *restrict grid, int64_t step, int64_t size, int64_t count, between *restrict b) {
    double last = (double)(size - 1), du = o->align_corners ? last / 2 : (double)size / 2;
    bool align = o->align_corners, edge = o->border == LB_BORDER_EDGE;
    for (int64_t p = 0; p < count; p++) {
        double g = (double)grid[p * step], u = align ? (g + 1) / 2 * last : ((g + 1) * (double)size - 1) / 2, slope = du;
        if (edge) {
            slope = u > 0 && u < last ? du : 0;
            u = u > 0 ? u : 0;
            u = u < last ? u : last;
        }
        double near = u > -2 ? u : -2;
        near = floor(near < last + 2 ? near : last + 2);
        b->at[p] = (int32_t)near;
        b->w[0][p] = near + 1 - u;
        b->w[1][p] = u - near;
        b->slope[p] = slope;
    }
}

/* The same as fill_place, for pictures read linearly with nothing mirrored. */
LBI_LEVELS static void fill_linear(const sampler *s, block *restrict b, const between *restrict x, const between *restrict y, int64_t count) {
    int32_t width = (int32_t)s->size[0], height = (int32_t)s->size[1];
    int full = 1;
    for (int k = 0; k < 4; k++) {
        int right = k & 1, below = k >> 1;
        for (int64_t p = 0; p < count; p++) {
            int32_t i = x->at[p] + right, j = y->at[p] + below;
            int in = (i >= 0) & (i < width) & (j >= 0) & (j < height);
            full &= in;
            b->at[k][p] = in ? j * width + i : -1;
            b->w[k][p] = (lb_real)(x->w[right][p] * y->w[below][p]);
        }
        for (int64_t p = 0; s->slopes && p < count; p++) {
            b->slope[0][k][p] = (lb_real)((right ? x->slope[p] : -x->slope[p]) * y->w[below][p]);
            b->slope[1][k][p] = (lb_real)(x->w[right][p] * (below ? y->slope[p] : -y->slope[p]));
        }
    }
    b->full = full;
    b->taps = 4;
}

/* Places first .. first + count - 1 of sample n. */
static void fill_block(const sampler *s, block *b, int64_t n, int64_t first, int64_t count) {
    if (s->axes == 2 && s->o.mode == LB_SAMPLE_LINEAR && s->o.border != LB_BORDER_REFLECT && s->plane <= INT32_MAX) {
        between x, y;
        const lb_real *grid = s->grid + (n * s->out + first) * 2;
        place_between(&s->o, grid, 2, s->size[0], count, &x);
        place_between(&s->o, grid + 1, 2, s->size[1], count, &y);
        fill_linear(s, b, &x, &y, count);
        return;
    }
    b->full = true;
    for (int64_t p = 0; p < count; p++) fill_place(s, b, p, s->grid + (n * s->out + first + p) * s->axes);
}

/* ---- passes ---- */

LBI_LEVELS static void read_places(const block *b, const lb_real *restrict x, lb_real *restrict y, int64_t count) {
    if (b->full && b->taps == 4) {
        const int32_t *restrict i = b->at[0], *restrict j = b->at[1], *restrict k = b->at[2], *restrict l = b->at[3];
        for (int64_t p = 0; p < count; p++) y[p] = b->w[0][p] * x[i[p]] + b->w[1][p] * x[j[p]] + b->w[2][p] * x[k[p]] + b->w[3][p] * x[l[p]];
        return;
    }
    for (int64_t p = 0; p < count; p++) y[p] = 0;
    for (int t = 0; t < b->taps; t++)
        if (b->full)
            for (int64_t p = 0; p < count; p++) y[p] += b->w[t][p] * x[b->at[t][p]];
        else
            for (int64_t p = 0; p < count; p++)
                if (b->at[t][p] >= 0) y[p] += b->w[t][p] * x[b->at[t][p]];
}

static void add_places(const block *b, lb_real *gx, const lb_real *g, int64_t count) {
    for (int64_t p = 0; p < count; p++)
        for (int t = 0; t < b->taps; t++)
            if (b->at[t][p] >= 0) gx[b->at[t][p]] += b->w[t][p] * g[p];
}

static void add_slopes(const block *b, int axes, const lb_real *x, const lb_real *g, double sum[3][PLACES], int64_t count) {
    for (int t = 0; t < b->taps; t++)
        for (int64_t p = 0; p < count; p++) {
            if (b->at[t][p] < 0) continue;
            double v = (double)x[b->at[t][p]] * (double)g[p];
            for (int a = 0; a < axes; a++) sum[a][p] += v * (double)b->slope[a][t][p];
        }
}

static int64_t blocks_of(const sampler *s) { return (s->out + PLACES - 1) / PLACES; }
static int64_t count_of(const sampler *s, int64_t first) { return s->out - first < PLACES ? s->out - first : PLACES; }

static void forward(lb_call *c) {
    sampler s = sampler_of(c, false);
    int threads = omp_get_max_threads();
    block *work = lb_scratch(c, sizeof *work * (size_t)threads);
    if (!work) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s.n * blocks_of(&s); i++) {
        int64_t n = i / blocks_of(&s), first = i % blocks_of(&s) * PLACES, count = count_of(&s, first);
        block *b = work + omp_get_thread_num();
        fill_block(&s, b, n, first, count);
        for (int64_t q = n * s.channels; q < (n + 1) * s.channels; q++) read_places(b, s.x + q * s.plane, lb_r(c->out[0]) + q * s.out + first, count);
    }
}

/* Every plane belongs to one thread, so that sums are made in one order; weights are found again for each run of planes. */
static void image_gradient(lb_call *c, const sampler *s, block *work, int threads) {
    int64_t runs = s->n < threads ? (threads + s->n - 1) / (s->n ? s->n : 1) : 1;
    if (runs > s->channels) runs = s->channels ? s->channels : 1;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * runs; i++) {
        int64_t n = i / runs, from = n * s->channels + i % runs * s->channels / runs, to = n * s->channels + (i % runs + 1) * s->channels / runs;
        block *b = work + omp_get_thread_num();
        lb_real *gx = lb_r(c->gin[0]);
        if (c->fresh[0]) memset(gx + from * s->plane, 0, (size_t)((to - from) * s->plane) * sizeof *gx);
        for (int64_t first = 0; first < s->out; first += PLACES) {
            int64_t count = count_of(s, first);
            fill_block(s, b, n, first, count);
            for (int64_t q = from; q < to; q++) add_places(b, gx + q * s->plane, lb_r(c->gout[0]) + q * s->out + first, count);
        }
    }
}

static void grid_gradient(lb_call *c, const sampler *s, block *work, int threads) {
#pragma omp parallel for num_threads(threads) if (lb_numel(c->out[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < s->n * blocks_of(s); i++) {
        int64_t n = i / blocks_of(s), first = i % blocks_of(s) * PLACES, count = count_of(s, first);
        block *b = work + omp_get_thread_num();
        double sum[3][PLACES] = {{0}};
        fill_block(s, b, n, first, count);
        for (int64_t q = n * s->channels; q < (n + 1) * s->channels; q++) add_slopes(b, s->axes, s->x + q * s->plane, lb_r(c->gout[0]) + q * s->out + first, sum, count);
        lb_real *to = lb_r(c->gin[1]) + (n * s->out + first) * s->axes;
        for (int64_t p = 0; p < count * s->axes; p++) to[p] = (c->fresh[1] ? 0 : to[p]) + (lb_real)sum[p % s->axes][p / s->axes];
    }
}

static void backward(lb_call *c) {
    sampler s = sampler_of(c, c->gin[1] != NULL);
    int threads = omp_get_max_threads();
    block *work = lb_scratch(c, sizeof *work * (size_t)threads);
    if (!work || !c->gout[0]) return;
    if (c->gin[0]) image_gradient(c, &s, work, threads);
    if (c->gin[1]) grid_gradient(c, &s, work, threads);
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
    {.name = "no pictures", .rank = {4, 4}, .shape = {{0, 2, 4, 5}, {0, 3, 3, 2}}, .params = &zeros},
    {.name = "large", .rank = {4, 4}, .shape = {{2, 3, 14, 15}, {2, 17, 19, 2}}, .params = &zeros, .fill = coordinates},
};

LB_OP(grid_sample) = {.id = "grid_sample", .title = "pictures or volumes read at given coordinates", .source = "torch.nn.functional.grid_sample; Jaderberg et al., arXiv:1506.02025", .sig = "x grid -> y",
                      .math = "y[i] = x at grid[i]", .flags = LB_OP_SETS | LB_OP_NONSMOOTH, .reads = LB_READS_IN(0) | LB_READS_IN(1), .shape = shape, .params_size = sizeof(options), .forward = forward,
                      .backward = backward, .reference = reference, .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_grid_sample(lb_tape *t, lb_tensor *x, lb_tensor *grid, lb_sample mode, lb_border border, bool align_corners) {
    return lb_apply(t, &lb_op_grid_sample, &(options){mode, border, align_corners}, sizeof(options), 2, (lb_tensor *[]){x, grid});
}

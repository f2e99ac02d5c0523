/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels' gradient of 3x3 convolutions with channels last by Winograd's way: F(4x4, 3x3) turned round, dw = G' [sum over tiles of (B' d B) * (A g A')] G,
 * d the 6x6 inputs that a tile sees, g the gradients of its 4x4 outputs. Between the brackets stand 36 products [C][tiles] [tiles][O], a quarter of the
 * multiplications of the plain form. A task is some channels of x by some of g over all tiles, or where those are fewer than threads over some of the tiles;
 * its sums stay in L2. Where the transforms of all tiles fit the last cache they are made once, by all threads; else a task makes those of its own channels, some
 * tiles at a time, which L2 holds too: they are made again for each part of the other side's channels, which costs less than to pass them through the last cache.
 * Floor: 36/16 O C Y X multiply-adds. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/last_winograd.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* Bytes of the transforms of all tiles that the last cache keeps, and of a task's sums with a block's transforms; channels of a part at most; tiles of a block; channels that are finished at a time. */
enum { OUT = LBI_WINO_OUT, IN = LBI_WINO_IN, ALL = IN * IN, LANES = LBI_WINO_LANES, TAPS = 9, FAR = 10 << 20, NEAR = 960 << 10, PART = 64, FEW = 16, MANY = 64, HALF = LANES / 2, DEEP = 32 };
typedef lbi_wino_vec vec;

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *g;
    float *gw;
    bool fresh, shared;
    int64_t tiles, block;                 /* in all, of a block (shared: all) */
    int64_t each_c, each_o, across;       /* channels of a part; parts of O */
    int64_t parts, groups;                /* of tiles */
    int64_t v_step, m_step, step;         /* numbers between the 36 of transforms, of sums */
    float *v, *m, *zeros;                 /* shared: [36][vectors of C][block][LANES], [36][panels of O][block][cols]; [C or O] */
    float *sums;                          /* several groups: [parts][groups][36][step] */
} run;

/* What a task is about: channels of x and g from c0 and o0 on. */
typedef struct part {
    int64_t c0, o0, c, o;
} part;

static part part_of(const run *r, int64_t number) {
    part b = {.c0 = number / r->across * r->each_c, .o0 = number % r->across * r->each_o};
    b.c = lbi_least(r->each_c, r->p->c - b.c0);
    b.o = lbi_least(r->each_o, r->p->o - b.o0);
    return b;
}

/* A g A' of one vector of channels, [16] pixels -> to[q step]. */
LBI_LEVELS_FUSED static void gradient_in(const float *const *at, int64_t c, int64_t count, float *to, int64_t step) {
    vec g[OUT * OUT], t[IN * OUT];
#pragma GCC unroll 16
    for (int i = 0; i < OUT * OUT; i++) lbi_wino_some(&g[i], at[i] + c, count);
#pragma GCC unroll 4
    for (int j = 0; j < OUT; j++) lbi_wino_output_back(g + j, OUT, t + j, OUT);
#pragma GCC unroll 6
    for (int i = 0; i < IN; i++) {
        vec line[IN];
        lbi_wino_output_back(t + i * OUT, 1, line, 1);
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) *(vec *)(to + (i * IN + j) * step) = line[j];
    }
}

/* G' u G of one vector of channels, u[q step] -> to [9][LANES]. */
LBI_LEVELS_FUSED static void kernel_out(const float *u, int64_t step, float *to) {
    vec t[3 * IN], line[3];
#pragma GCC unroll 6
    for (int j = 0; j < IN; j++) {
        vec column[IN];
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) column[i] = *(const vec *)(u + (i * IN + j) * step);
        lbi_wino_kernel_back(column, 1, t + j, IN);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        lbi_wino_kernel_back(t + i * IN, 1, line, 1);
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) *(vec *)(to + (i * 3 + j) * LANES) = line[j];
    }
}

/* Both transforms of a tile, the i-th of its block, for the channels of a part. */
static void bring(const run *r, const part *b, int64_t tile, int64_t i, float *v, float *m) {
    const lbi_conv *p = r->p;
    const float *at[ALL];
    lbi_wino_see(p, r->x, r->zeros, tile, at);
    for (int k = 0; k < ALL; k++) at[k] += b->c0;
    lbi_wino_tile_in(at, b->c, v + i * LANES, r->v_step, r->block * LANES);
    int64_t across = lbi_wino_over(p->x), each = lbi_wino_over(p->y) * across, image = tile / each, top = tile % each / across * OUT, left = tile % across * OUT;
    for (int k = 0; k < OUT * OUT; k++) {
        int64_t row = top + k / OUT, col = left + k % OUT;
        at[k] = row < p->y && col < p->x ? r->g + ((image * p->y + row) * p->x + col) * p->o + b->o0 : r->zeros;
    }
    for (int64_t o = 0; o < b->o; o += LANES) gradient_in(at, o, b->o - o, m + (o / r->k->cols * r->block + i) * r->k->cols + o % r->k->cols, r->m_step);
}

/* The 36 products of a part over some tiles, added to its sums [36][each_c][each_o]. */
static void products(const run *r, const part *b, const float *v, const float *m, int64_t tiles, float *sums) {
    int64_t width = r->k->cols;
    for (int64_t q = 0; q < ALL; q++, v += r->v_step, m += r->m_step, sums += r->step)
        for (int64_t o = 0; o < b->o; o += width)
            for (int64_t c = 0; c < b->c; c += HALF) {
                const float *from = v + c / LANES * r->block * LANES + c % LANES;
                float *to = sums + c * r->each_o + o;
                int64_t lines = lbi_least(HALF, b->c - c);
                for (int64_t i = 0; i < lines; i += r->k->rows)
                    r->k->lines(1, tiles, from + i, 0, LANES, m + o * r->block, 0, width, to + i * r->each_o, r->each_o, (int)lbi_least(r->k->rows, lines - i), (int)lbi_least(width, b->o - o));
            }
}

/* The gradient of one vector of O and some channels, from the sums of a part. */
static void leave(const run *r, const part *b, const float *sums, int64_t o0, int64_t c0) {
    const lbi_conv *p = r->p;
    float turned[DEEP * TAPS * LANES], rows[DEEP * TAPS * LANES + 8];
    int64_t n = lbi_least(DEEP, b->c - c0), each = n * TAPS;
    for (int64_t c = 0; c < n; c++) kernel_out(sums + (c0 + c) * r->each_o + o0, r->step, turned + c * TAPS * LANES);
    lbi_turn(rows, (int)each, turned, LANES, (int)each, LANES);
    for (int64_t o = 0; o < lbi_least(LANES, b->o - o0); o++) {
        float *to = r->gw + ((b->o0 + o0 + o) * p->c + b->c0 + c0) * TAPS;
        if (r->fresh) memcpy(to, rows + o * each, (size_t)each * sizeof *to);
        else lbi_add_row(to, rows + o * each, each);
    }
}

/* mine: sums, and unless transforms are shared those of a block. */
static void one_task(const run *r, int64_t task, float *mine) {
    int64_t group = task % r->groups, begin = r->tiles * group / r->groups, end = r->tiles * (group + 1) / r->groups;
    part b = part_of(r, task / r->groups);
    float *sums = r->groups > 1 ? r->sums + task * ALL * r->step : mine, *v = mine + ALL * r->step, *m = v + ALL * r->v_step;
    memset(sums, 0, (size_t)(ALL * r->step) * sizeof *sums);
    if (r->shared) products(r, &b, r->v + b.c0 * r->block + begin * LANES, r->m + b.o0 * r->block + begin * r->k->cols, end - begin, sums);
    for (int64_t first = begin; !r->shared && first < end; first += r->block) {
        int64_t tiles = lbi_least(r->block, end - first);
        for (int64_t i = 0; i < tiles; i++) bring(r, &b, first + i, i, v, m);
        products(r, &b, v, m, tiles, sums);
    }
    for (int64_t o = 0; r->groups == 1 && o < b.o; o += LANES)
        for (int64_t c = 0; c < b.c; c += DEEP) leave(r, &b, sums, o, c);
}

/* Number q of the sums of a part, over all groups, in their order. */
static void add_groups(const run *r, int64_t number, int64_t q) {
    float *sums = r->sums + (number * r->groups * ALL + q) * r->step;
    for (int64_t i = 1; i < r->groups; i++) lbi_add_row(sums, sums + i * ALL * r->step, r->step);
}

static void plan(run *r, int64_t images, int threads) {
    const lbi_conv *p = r->p;
    int64_t width = lbi_most(r->k->cols, LANES), c = lbi_up(p->c, LANES), o = lbi_up(p->o, width);
    r->tiles = images * lbi_wino_over(p->y) * lbi_wino_over(p->x);
    r->each_c = lbi_least(PART, c);
    r->each_o = lbi_least(PART, o);
    r->across = lbi_over(o, r->each_o);
    r->parts = lbi_over(c, r->each_c) * r->across;
    r->groups = lbi_least(lbi_over(threads, r->parts), lbi_over(r->tiles, FEW));
    r->step = lbi_wino_apart(r->each_c * r->each_o);
    int64_t sums = ALL * r->step * (int64_t)sizeof(float), tile = ALL * (r->each_c + r->each_o) * (int64_t)sizeof(float);
    r->shared = ALL * (c + o) * r->tiles * (int64_t)sizeof(float) <= FAR;
    r->block = lbi_least(r->tiles, r->shared ? r->tiles : lbi_least(MANY, lbi_most(FEW, (NEAR - sums) / tile)));
    r->v_step = lbi_wino_apart(r->block * (r->shared ? c : r->each_c));
    r->m_step = lbi_wino_apart(r->block * (r->shared ? o : r->each_o));
}

static void all_of_it(const run *r, float *mine) {
    const part whole = {.c = r->p->c, .o = r->p->o};
#pragma omp for schedule(static)
    for (int64_t i = 0; i < (r->shared ? r->tiles : 0); i++) bring(r, &whole, i, i, r->v, r->m);
#pragma omp for schedule(dynamic)
    for (int64_t i = 0; i < r->parts * r->groups; i++) one_task(r, i, mine);
    if (r->groups == 1) return;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < r->parts * ALL; i++) add_groups(r, i / ALL, i % ALL);
    int64_t vectors = r->each_o / LANES;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < r->parts * vectors; i++) {
        part b = part_of(r, i / vectors);
        for (int64_t c = 0; c < b.c; c += DEEP) leave(r, &b, r->sums + i / vectors * r->groups * ALL * r->step, i % vectors * LANES, c);
    }
}

bool lbi_last_winograd_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .g = g, .gw = gw, .fresh = fresh};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || images < 1 || p->y < 1 || p->x < 1) return false;
    plan(&r, images, threads);
    int64_t transforms = ALL * (r.v_step + r.m_step), own = ALL * r.step + (r.shared ? 0 : transforms), zeros = lbi_up(lbi_most(p->c, p->o), LANES),
            sums = r.groups > 1 ? r.parts * r.groups * ALL * r.step : 0;
    float *work = lbi_work_take((size_t)(zeros + own * threads + sums + (r.shared ? transforms : 0)) * sizeof *work);
    if (!work) return false;
    r.zeros = work;
    r.sums = r.zeros + zeros + own * threads;
    r.v = r.sums + sums;
    r.m = r.v + ALL * r.v_step;
    memset(r.zeros, 0, (size_t)zeros * sizeof *work);
#pragma omp parallel num_threads(threads)
    all_of_it(&r, r.zeros + zeros + own * omp_get_thread_num());
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd F(4x4, 3x3) with channels last for many channels on few pixels: kernels that are transformed are four times as large, and would be read from memory, or in training written there
 * and read. The transforms of all tiles are made first, for all threads; then a task is a panel of output channels over some tiles. It transforms its kernels some channels at a time, just before
 * their 36 products, whose sums stay in L2 with them. Floor: 36/16 O C Y X multiply-adds, the weights read once, the tiles' transforms once a panel. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/last_winograd.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* Channels of kernels at a time; bytes of a task's sums with them, and of the transforms of all tiles, which the last cache keeps. */
enum { ALL = LBI_WINO_IN * LBI_WINO_IN, LANES = LBI_WINO_LANES, TAPS = 9, DEEP = 64, NEAR = 800 << 10, FAR = 5 << 20 };

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *w;
    lbi_wino_out out;
    int64_t tiles, block, blocks, panels; /* tiles of a task */
    int64_t c, wide;                      /* channels up to vectors; of a panel */
    int64_t v_step, u_step, m_step;       /* numbers between the 36 of transforms, kernels, products */
    float *v, *zeros;                     /* [36][tiles][c] */
} run;

bool lbi_last_winograd_deep_worth(const lbi_conv *p, int64_t images) {
    enum { CHANNELS = 256, PIXELS = 192, SIDE = 7 };
    int64_t tiles = images * lbi_wino_over(p->y) * lbi_wino_over(p->x);
    return !p->exact && lbi_winograd_can(p) && p->c >= CHANNELS && p->o >= CHANNELS && p->y >= SIDE && p->x >= SIDE && images * p->y * p->x >= PIXELS &&
           ALL * tiles * p->c * (int64_t)sizeof(float) <= FAR;
}

static void plan(run *r, int64_t images, int threads) {
    const lbi_conv *p = r->p;
    r->tiles = images * lbi_wino_over(p->y) * lbi_wino_over(p->x);
    r->c = lbi_up(p->c, LANES);
    r->wide = lbi_up(r->k->cols, LANES);
    r->panels = lbi_over(p->o, r->k->cols);
    r->u_step = lbi_wino_apart(DEEP * r->k->cols);
    int64_t most = (NEAR / (int64_t)sizeof(float) - ALL * r->u_step) / (ALL * r->wide);
    r->blocks = lbi_most(lbi_over(r->tiles, most), lbi_over(threads, r->panels));
    r->block = lbi_over(r->tiles, r->blocks);
    r->blocks = lbi_over(r->tiles, r->block);
    r->v_step = lbi_wino_apart(r->tiles * r->c);
    r->m_step = lbi_wino_apart(r->block * r->wide);
}

/* n channels of a panel's kernels from c0 on -> u [36][n][cols]. turned: [DEEP * 9][LANES] and some more. */
static void kernels_in(const run *r, int64_t panel, int64_t c0, int64_t n, float *turned, float *u) {
    const lbi_conv *p = r->p;
    for (int64_t i = 0; i < r->k->cols; i += LANES) {
        int64_t first = panel * r->k->cols + i, count = lbi_least(LANES, p->o - first);
        if (count > 0) lbi_turn(turned, LANES, r->w + (first * p->c + c0) * TAPS, p->c * TAPS, (int)count, n * TAPS);
        else memset(turned, 0, (size_t)(n * TAPS * LANES) * sizeof *turned);
        for (int64_t c = 0; c < n; c++) lbi_wino_kernel_in(turned + c * TAPS * LANES, u + c * r->k->cols + i, r->u_step);
    }
}

/* mine: kernels, products, a turned piece of the weights. */
static void one_task(const run *r, int64_t task, float *mine) {
    const lbi_conv *p = r->p;
    int64_t panel = task / r->blocks, cols = r->k->cols, first = task % r->blocks * r->block, tiles = lbi_least(r->block, r->tiles - first);
    int64_t each = lbi_over(tiles, lbi_over(tiles, r->k->rows)), end = lbi_least(p->o, (panel + 1) * cols);
    float *u = mine, *m = u + ALL * r->u_step, *turned = m + ALL * r->m_step;
    for (int64_t k0 = 0; k0 < p->c; k0 += DEEP) {
        const lbi_last_piece piece = {k0, lbi_least(DEEP, p->c - k0)};
        const lbi_last_end e = {.more = k0 > 0};
        kernels_in(r, panel, k0, piece.count, turned, u);
        for (int64_t q = 0; q < ALL; q++)
            for (int64_t i = 0; i < tiles; i += each)
                r->k->tile(&piece, 1, r->v + q * r->v_step + (first + i) * r->c, r->c, u + q * r->u_step, m + q * r->m_step + i * r->wide, r->wide, (int)lbi_least(each, tiles - i), (int)cols, &e);
    }
    for (int64_t i = 0; i < tiles; i++) lbi_wino_leave(&r->out, first + i, panel * cols, end, m + i * r->wide, r->m_step);
}

bool lbi_last_winograd_deep(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .w = w};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || images == 0 || p->y < 1 || p->x < 1) return false;
    plan(&r, images, threads);
    int64_t ends = lbi_up(r.panels * r.k->cols, LANES), zeros = r.c + LANES, own = ALL * (r.u_step + r.m_step) + DEEP * TAPS * LANES + LANES;
    float *work = lbi_work_take((size_t)(2 * ends + zeros + own * threads + ALL * r.v_step) * sizeof *work);
    if (!work) return false;
    r.zeros = work + 2 * ends;
    r.v = r.zeros + zeros + own * threads;
    r.out = (lbi_wino_out){p, *end, work, work + ends, y};
    lbi_wino_ends(p, end, ends, work, work + ends);
    memset(r.zeros, 0, (size_t)zeros * sizeof *work);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < r.tiles; i++) {
            const float *at[ALL];
            lbi_wino_see(p, x, r.zeros, i, at);
            lbi_wino_tile_in(at, p->c, r.v + i * r.c, r.v_step, LANES);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r.panels * r.blocks; i++) one_task(&r, i, r.zeros + zeros + own * omp_get_thread_num());
    }
    lbi_work_give(work);
    return true;
}
#endif

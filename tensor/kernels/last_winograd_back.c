/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels' gradient of 3x3 convolutions with channels last by Winograd's way: F(4x4, 3x3) turned round, dw = G' [sum over tiles of (B' d B) * (A g A')] G,
 * d the 6x6 inputs that a tile sees, g the gradients of its 4x4 outputs. Between the brackets stand 36 products [C][tiles] [tiles][O], a quarter of the
 * multiplications of the plain form. Tiles come in blocks whose transforms stay in the caches: threads make those, then take the products in turn, so that
 * each sum is added to in one order whatever the threads. Floor: 36/16 O C Y X multiply-adds, and 36/9 of the weights written and read once a block. */
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

/* Bytes of a block's transforms, its tiles at least; lines of a tile of sums; channels that are finished at a time. */
enum { OUT = LBI_WINO_OUT, IN = LBI_WINO_IN, ALL = IN * IN, LANES = LBI_WINO_LANES, TAPS = 9, NEAR = 4 << 20, FEW = 64, HALF = LANES / 2, DEEP = 32 };
typedef lbi_wino_vec vec;

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *g;
    float *gw;
    bool fresh;
    int64_t tiles, block, panels, vectors, wide; /* tiles in all, of a block; panels of O, vectors of C; numbers of a line of sums */
    float *v, *m, *sums, *zeros;                 /* [36][vectors][block][LANES], [36][panels][block][cols], [36][C][wide], [C or O] */
} run;

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

/* Both transforms of a tile, the i-th of its block. */
static void bring(const run *r, int64_t tile, int64_t i) {
    const lbi_conv *p = r->p;
    const float *at[ALL];
    lbi_wino_see(p, r->x, r->zeros, tile, at);
    lbi_wino_tile_in(at, p->c, r->v + i * LANES, r->vectors * r->block * LANES, r->block * LANES);
    int64_t across = lbi_wino_over(p->x), each = lbi_wino_over(p->y) * across, image = tile / each, top = tile % each / across * OUT, left = tile % across * OUT;
    for (int k = 0; k < OUT * OUT; k++) {
        int64_t row = top + k / OUT, col = left + k % OUT;
        at[k] = row < p->y && col < p->x ? r->g + ((image * p->y + row) * p->x + col) * p->o : r->zeros;
    }
    for (int64_t o = 0; o < p->o; o += LANES) {
        float *to = r->m + (o / r->k->cols * r->block + i) * r->k->cols + o % r->k->cols;
        gradient_in(at, o, p->o - o, to, r->panels * r->block * r->k->cols);
    }
}

/* Product q of a panel of O: all channels, the first `tiles` of the block. */
static void product(const run *r, int64_t q, int64_t panel, int64_t tiles, bool first) {
    const lbi_conv *p = r->p;
    int64_t cols = lbi_least(r->k->cols, p->o - panel * r->k->cols);
    const float *m = r->m + (q * r->panels + panel) * r->block * r->k->cols;
    for (int64_t c = 0; c < p->c; c += HALF) {
        const float *v = r->v + (q * r->vectors + c / LANES) * r->block * LANES + c % LANES;
        float *to = r->sums + (q * p->c + c) * r->wide + panel * r->k->cols;
        int64_t lines = lbi_least(HALF, p->c - c);
        for (int64_t i = 0; first && i < lines; i++) memset(to + i * r->wide, 0, (size_t)r->k->cols * sizeof *to);
        for (int64_t i = 0; i < lines; i += r->k->rows) r->k->lines(1, tiles, v + i, 0, LANES, m, 0, r->k->cols, to + i * r->wide, r->wide, (int)lbi_least(r->k->rows, lines - i), (int)cols);
    }
}

/* The gradient of one vector of O and some channels from c0 on. */
static void leave(const run *r, int64_t o0, int64_t c0) {
    const lbi_conv *p = r->p;
    float turned[DEEP * TAPS * LANES], rows[DEEP * TAPS * LANES + 8];
    int64_t n = lbi_least(DEEP, p->c - c0), each = n * TAPS;
    for (int64_t c = 0; c < n; c++) kernel_out(r->sums + (c0 + c) * r->wide + o0, p->c * r->wide, turned + c * TAPS * LANES);
    lbi_turn(rows, (int)each, turned, LANES, (int)each, LANES);
    for (int64_t o = 0; o < lbi_least(LANES, p->o - o0); o++) {
        float *to = r->gw + ((o0 + o) * p->c + c0) * TAPS;
        if (r->fresh) memcpy(to, rows + o * each, (size_t)each * sizeof *to);
        else lbi_add_row(to, rows + o * each, each);
    }
}

static void plan(run *r, int64_t images) {
    const lbi_conv *p = r->p;
    r->panels = lbi_over(p->o, r->k->cols);
    r->wide = lbi_up(r->panels * r->k->cols, LANES);
    r->vectors = lbi_over(p->c, LANES);
    r->tiles = images * lbi_wino_over(p->y) * lbi_wino_over(p->x);
    int64_t most = lbi_most(FEW, NEAR / (ALL * (r->vectors * LANES + r->wide) * (int64_t)sizeof(float)));
    r->block = lbi_over(r->tiles, lbi_over(r->tiles, most));
}

bool lbi_last_winograd_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .g = g, .gw = gw, .fresh = fresh};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || images < 1 || p->y < 1 || p->x < 1) return false;
    plan(&r, images);
    int64_t v = ALL * r.vectors * r.block * LANES, m = ALL * r.panels * r.block * r.k->cols + LANES, sums = ALL * p->c * r.wide + LANES, zeros = lbi_up(lbi_most(p->c, p->o), LANES);
    float *work = lbi_work_take((size_t)(v + m + sums + zeros) * sizeof *work);
    if (!work) return false;
    r.v = work;
    r.m = r.v + v;
    r.sums = r.m + m;
    r.zeros = r.sums + sums;
    memset(r.zeros, 0, (size_t)zeros * sizeof *work);
    int64_t chunks = lbi_over(p->c, DEEP);
#pragma omp parallel num_threads(threads)
    {
        for (int64_t first = 0; first < r.tiles; first += r.block) {
            int64_t tiles = lbi_least(r.block, r.tiles - first);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < tiles; i++) bring(&r, first + i, i);
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < ALL * r.panels; i++) product(&r, i / r.panels, i % r.panels, tiles, first == 0);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < lbi_over(p->o, LANES) * chunks; i++) leave(&r, i / chunks * LANES, i % chunks * DEEP);
    }
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd F(4x4, 3x3) with channels last: a lane is a channel, so transforms are sums of vectors as they lie in the picture. A block is a run of
 * tiles over all images: its transforms [36][tiles][C] and products [36][tiles][O]; a product is that of a 1x1 convolution. What a tile sees beyond
 * the border is read from a pixel of zeros. Floor: 36/16 O C Y X multiply-adds, and 36/9 of the weights read for every block. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/last_winograd.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* Bytes of a block that stays in L2; its tiles at least, and where it cannot stay (then kernels are read less often). */
enum { OUT = LBI_WINO_OUT, IN = LBI_WINO_IN, ALL = IN * IN, LANES = LBI_WINO_LANES, TAPS = 9, PANEL = 32 * 1024, NEAR = 1024 * 1024, FEW = 42, MANY = 168 };
typedef lbi_wino_vec vec;

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x;
    float *y;
    lbi_gemm_end end;
    int64_t images, down, across, tiles; /* tiles of a picture, and of all */
    int64_t block, blocks;               /* tiles of a block at most */
    int64_t c, o, panels, deep;          /* channels rounded up to vectors and panels; channels of a part of a panel */
    int64_t v_step, m_step;              /* numbers between the 36 of a block's transforms and products */
    float *kernels, *scale, *bias, *zeros; /* [36][panels][C][cols], [o], [o], [c] */
} run;

static void plan(run *r, int threads) {
    const lbi_conv *p = r->p;
    r->down = lbi_over(p->y, OUT);
    r->across = lbi_over(p->x, OUT);
    r->tiles = r->images * r->down * r->across;
    r->c = lbi_up(p->c, LANES);
    r->panels = lbi_over(p->o, r->k->cols);
    r->o = lbi_up(r->panels * r->k->cols, LANES);
    r->deep = PANEL / (r->k->cols * (int64_t)sizeof(float));
    int64_t tiles = NEAR / (ALL * (r->c + r->o) * (int64_t)sizeof(float));
    if (tiles < FEW) tiles = MANY;
    r->blocks = lbi_up(lbi_over(r->tiles, tiles), threads);
    r->block = lbi_over(r->tiles, r->blocks);
    r->blocks = lbi_over(r->tiles, r->block);
    r->v_step = lbi_wino_apart(r->block * r->c);
    r->m_step = lbi_wino_apart(r->block * r->o);
}

/* ---- transforms ---- */

LBI_LEVELS_FUSED void lbi_wino_tile_in(const float *const *at, int64_t channels, float *v, int64_t step, int64_t apart) {
    for (int64_t c = 0; c < channels; c += LANES, v += apart) {
        vec d[ALL], t[ALL];
#pragma GCC unroll 36
        for (int i = 0; i < ALL; i++) lbi_wino_some(&d[i], at[i] + c, channels - c);
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) lbi_wino_input(d + j, IN, t + j, IN);
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) {
            vec line[IN];
            lbi_wino_input(t + i * IN, 1, line, 1);
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) *(vec *)(v + (i * IN + j) * step) = line[j];
        }
    }
}

void lbi_wino_see(const lbi_conv *p, const float *x, const float *zeros, int64_t tile, const float **at) {
    int64_t across = lbi_wino_over(p->x), each = lbi_wino_over(p->y) * across, image = tile / each, top = tile % each / across * OUT - p->pt, left = tile % across * OUT - p->pl;
    for (int i = 0; i < ALL; i++) {
        int64_t row = top + i / IN, col = left + i % IN;
        bool in = row >= 0 && row < p->h && col >= 0 && col < p->w;
        at[i] = in ? x + ((image * p->h + row) * p->w + col) * p->c : zeros;
    }
}

/* One vector of channels of a tile -> to [16][LANES]. */
LBI_LEVELS_FUSED static void tile_out(const float *m, int64_t step, const float *scale, const float *bias, float *to) {
    vec t[OUT * IN], by = *(const vec *)scale, plus = *(const vec *)bias;
#pragma GCC unroll 6
    for (int j = 0; j < IN; j++) {
        vec column[IN];
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) column[i] = *(const vec *)(m + (i * IN + j) * step);
        lbi_wino_output(column, 1, t + j, IN);
    }
#pragma GCC unroll 4
    for (int i = 0; i < OUT; i++) {
        vec line[OUT];
        lbi_wino_output(t + i * IN, 1, line, 1);
#pragma GCC unroll 4
        for (int j = 0; j < OUT; j++) *(vec *)(to + (i * OUT + j) * LANES) = line[j] * by + plus;
    }
}

LBI_LEVELS_FUSED void lbi_wino_kernel_in(const float *w, float *to, int64_t step) {
    vec t[IN * 3], line[IN];
#pragma GCC unroll 3
    for (int v = 0; v < 3; v++) lbi_wino_kernel((const vec *)w + v, 3, t + v, 3);
#pragma GCC unroll 6
    for (int i = 0; i < IN; i++) {
        lbi_wino_kernel(t + i * 3, 1, line, 1);
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) *(vec *)(to + (i * IN + j) * step) = line[j];
    }
}

/* ---- kernels ---- */

/* 16 output channels from `first` on. turned [9 * DEEP][LANES] and some more. */
static void pack(const run *r, const float *w, int64_t first, float *turned) {
    enum { DEEP = 32 };
    const lbi_conv *p = r->p;
    int64_t cols = r->k->cols, step = r->panels * p->c * cols;
    float *to = r->kernels + first / cols * p->c * cols + first % cols;
    int count = (int)lbi_least(LANES, p->o - first);
    for (int64_t c0 = 0; c0 < p->c; c0 += DEEP) {
        int64_t n = lbi_least(DEEP, p->c - c0);
        if (count > 0) lbi_turn(turned, LANES, w + (first * p->c + c0) * TAPS, p->c * TAPS, count, n * TAPS);
        else memset(turned, 0, (size_t)(n * TAPS * LANES) * sizeof *turned);
        for (int64_t c = 0; c < n; c++) lbi_wino_kernel_in(turned + c * TAPS * LANES, to + (c0 + c) * cols, step);
    }
}

/* ---- a block ---- */

static void bring(const run *r, int64_t tile, float *v) {
    const float *at[ALL];
    lbi_wino_see(r->p, r->x, r->zeros, tile, at);
    lbi_wino_tile_in(at, r->p->c, v, r->v_step, LANES);
}

void lbi_wino_leave(const lbi_wino_out *to, int64_t tile, int64_t first, int64_t end, const float *m, int64_t step) {
    const lbi_conv *p = to->p;
    float stage[OUT * OUT * LANES];
    int64_t across = lbi_wino_over(p->x), each = lbi_wino_over(p->y) * across, y = tile % each / across * OUT, x = tile % across * OUT;
    int64_t rows = lbi_least(OUT, p->y - y), cols = lbi_least(OUT, p->x - x), at = ((tile / each * p->y + y) * p->x + x) * p->o;
    for (int64_t c = first; c < end; c += LANES) {
        int64_t count = lbi_least(LANES, end - c);
        tile_out(m + c - first, step, to->scale + c, to->bias + c, stage);
        for (int64_t i = 0; to->end.add && i < rows * cols; i++) lbi_add_row(stage + (i / cols * OUT + i % cols) * LANES, to->end.add + at + (i / cols * p->x + i % cols) * p->o + c, count);
        if (to->end.act != LB_ACT_NONE) lbi_act_plane(to->end.act, stage, OUT * OUT * LANES, 0);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < cols; j++) lbi_copy_row(to->y + at + (i * p->x + j) * p->o + c, stage + (i * OUT + j) * LANES, count);
    }
}

void lbi_wino_ends(const lbi_conv *p, const lbi_gemm_end *end, int64_t wide, float *scale, float *bias) {
    for (int64_t i = 0; i < wide; i++) {
        scale[i] = i < p->o && end->row_scale ? end->row_scale[i] : 1;
        bias[i] = i < p->o && end->row_bias ? end->row_bias[i] : 0;
    }
}

/* m [36][block][o] from v [36][block][c] */
static void products(const run *r, int64_t tiles, const float *v, float *m) {
    const lbi_conv *p = r->p;
    int64_t cols = r->k->cols, each = lbi_over(tiles, lbi_over(tiles, r->k->rows));
    const float *w = r->kernels;
    for (int q = 0; q < ALL; q++, v += r->v_step, m += r->m_step)
        for (int64_t panel = 0; panel < r->panels; panel++)
            for (int64_t k0 = 0; k0 < p->c; k0 += r->deep) {
                lbi_last_piece piece = {k0, lbi_least(r->deep, p->c - k0)};
                lbi_last_end e = {.more = k0 > 0};
                for (int64_t i = 0; i < tiles; i += each) r->k->tile(&piece, 1, v + i * r->c, r->c, w, m + i * r->o + panel * cols, r->o, (int)lbi_least(each, tiles - i), (int)cols, &e);
                w += piece.count * cols;
            }
}

static void one_block(const run *r, int64_t number, float *v, float *m) {
    int64_t first = number * r->block, tiles = lbi_least(r->block, r->tiles - first);
    const lbi_wino_out to = {r->p, r->end, r->scale, r->bias, r->y};
    for (int64_t i = 0; i < tiles; i++) bring(r, first + i, v + i * r->c);
    products(r, tiles, v, m);
    for (int64_t i = 0; i < tiles; i++) lbi_wino_leave(&to, first + i, 0, r->p->o, m + i * r->o, r->m_step);
}

bool lbi_last_winograd(const lbi_conv *p, int64_t images, const float *x, const float *w, float **kept, const lbi_gemm_end *end, float *y) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .y = y, .end = *end, .images = images};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || images == 0 || p->y < 1 || p->x < 1) return false;
    plan(&r, threads);
    int64_t kernels = ALL * r.panels * p->c * r.k->cols + LANES, v = ALL * r.v_step, turned = 32 * TAPS * LANES + LANES, own = v + ALL * r.m_step;
    if (own < turned) own = turned;
    float *work = lbi_work_take((size_t)((kept ? 0 : kernels) + 2 * r.o + r.c + LANES + own * threads) * sizeof *work);
    if (!work) return false;
    r.scale = work;
    r.bias = r.scale + r.o;
    r.zeros = r.bias + r.o;
    bool packed = kept && *kept;
    r.kernels = !kept ? r.zeros + r.c + LANES + own * threads : packed ? *kept : lb_alloc_aligned((size_t)kernels * sizeof *work);
    if (!r.kernels) {
        lbi_work_give(work);
        return false;
    }
    memset(r.zeros, 0, (size_t)(r.c + LANES) * sizeof *work);
    lbi_wino_ends(p, end, r.o, r.scale, r.bias);
#pragma omp parallel num_threads(threads)
    {
        float *mine = r.zeros + r.c + LANES + own * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (packed ? 0 : r.panels * r.k->cols / LANES); i++) pack(&r, w, i * LANES, mine);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r.blocks; i++) one_block(&r, i, mine, mine + v);
    }
    if (kept) *kept = r.kernels;
    lbi_work_give(work);
    return true;
}
#endif

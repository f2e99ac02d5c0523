/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of a row stand side by side in vectors: the padded picture is split in 4x4 planes (a convolution of stride 4 with a 6x6 kernel, as
 * conv_pad.h sees it), in which number (i,j) of all tiles of a picture is one run of memory. Rows of tiles are followed by one that is none.
 * A task is a block of tiles: some pictures, or rows of tiles of one. Its transforms [36][C][ld] and products [36][O][ld] stay near L2.
 * Floor: 36/16 O C Y X multiply-adds, and 16 kernels read for every block. */
#include "tensor/kernels/counts.h"
#include "tensor/kernels/winograd.h"
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd_tile.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { OUT = 4, IN = 6, ALL = IN * IN, LANES = 16, KC = 256 }; /* KC channels at a time: a panel of transforms stays in L1 */
typedef lbi_wino_vec vec;

typedef struct run {
    const lbi_gemm_kernel *g;
    const lbi_conv *p;
    const float *x;
    float *y;
    lbi_gemm_end end;
    int64_t images, tiles_y, tiles_x, pitch;
    int64_t per, rows;              /* pictures of a block; or 0, and rows of tiles of one */
    int64_t blocks, flat_max, ld;   /* tiles of a block at most; numbers between channels of a block */
    float *kernels;                 /* [36][blocks of KC channels][panels][KC][mr] */
    int64_t kernel_each;
} run;

bool lbi_winograd_can(const lbi_conv *p) {
    return p->kh == 3 && p->kw == 3 && p->sh == 1 && p->sw == 1 && p->dh == 1 && p->dw == 1 && p->groups == 1 && lbi_gemm_kernel_now();
}

/* Transforms cost as much as some 20 channels; kernels grow to four times their size and pass through memory twice. */
bool lbi_winograd_worth(const lbi_conv *p, int64_t images) {
    enum { CHANNELS = 32, PIXELS = 1536, SIDE = 7 };
    return !p->exact && lbi_winograd_can(p) && p->c >= CHANNELS && p->o >= CHANNELS && p->y >= SIDE && p->x >= SIDE && images * p->y * p->x >= PIXELS;
}

/* Block size: its numbers in some MB, few columns of the last panel in vain, a few blocks for each thread. */
static void plan(run *r, int threads) {
    enum { NEAR = 400 * 1024, LEAST = 96, MOST = 256 };
    const lbi_conv *p = r->p;
    r->tiles_y = (p->y + OUT - 1) / OUT;
    r->tiles_x = (p->x + OUT - 1) / OUT;
    r->pitch = r->tiles_x + 1;
    int64_t flat = (r->tiles_y - 1) * r->pitch + r->tiles_x, most = NEAR / (ALL * (p->c + p->o)), best = 1;
    if (most < LEAST) most = LEAST;
    if (most > MOST) most = MOST;
    bool whole = flat <= most;
    int64_t one = whole ? flat : r->pitch, count = whole ? lbi_least(most / one, (r->images + threads - 1) / threads) : lbi_least(most / one, r->tiles_y);
    double waste = 1e30;
    for (int64_t n = 1; n <= count; n++) {
        double w = (double)lbi_up(n * one, LANES) / (double)(n * one) + 0.5 / (double)(n * one);
        if (w > waste) continue;
        waste = w;
        best = n;
    }
    r->per = whole ? best : 0;
    r->rows = whole ? r->tiles_y : best;
    r->blocks = whole ? (r->images + best - 1) / best : r->images * ((r->tiles_y + best - 1) / best);
    r->flat_max = best * one;
    r->ld = lbi_up(r->flat_max, 32) + LANES;
}

/* ---- transforms ---- */

LBI_LEVELS_FUSED static void tiles_in(const float *pad, const int32_t *at, int64_t flat, float *v, int64_t step) {
    for (int64_t f = 0; f < flat; f += LANES) {
        vec d[ALL], t[ALL];
#pragma GCC unroll 36
        for (int i = 0; i < ALL; i++) d[i] = *(const vec *)(pad + at[i] + f);
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) lbi_wino_input(d + j, IN, t + j, IN);
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) {
            vec line[IN];
            lbi_wino_input(t + i * IN, 1, line, 1);
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) *(vec *)(v + (i * IN + j) * step + f) = line[j];
        }
    }
}

/* stage [16][ld] */
LBI_LEVELS_FUSED static void tiles_out(const float *m, int64_t step, int64_t flat, float *stage, int64_t ld) {
    for (int64_t f = 0; f < flat; f += LANES) {
        vec t[OUT * IN];
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) {
            vec column[IN];
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++) column[i] = *(const vec *)(m + (i * IN + j) * step + f);
            lbi_wino_output(column, 1, t + j, IN);
        }
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++) {
            vec line[OUT];
            lbi_wino_output(t + i * IN, 1, line, 1);
#pragma GCC unroll 4
            for (int j = 0; j < OUT; j++) *(vec *)(stage + (i * OUT + j) * ld + f) = line[j];
        }
    }
}

/* to[4 q + j] = from[j * ld + q] */
LBI_LEVELS static void interleave(const float *restrict from, int64_t ld, int64_t n, float *restrict to) {
    for (int64_t q = 0; q < n; q++) {
        to[4 * q] = from[q];
        to[4 * q + 1] = from[ld + q];
        to[4 * q + 2] = from[2 * ld + q];
        to[4 * q + 3] = from[3 * ld + q];
    }
}

/* One channel of 16 kernels, [9][LANES], each times its scale -> [36][LANES]. */
LBI_LEVELS_FUSED static void kernel_in(const float *w, const float *scale, float *to) {
    vec t[IN * 3], line[IN], by = *(const vec *)scale;
#pragma GCC unroll 3
    for (int v = 0; v < 3; v++) lbi_wino_kernel((const vec *)w + v, 3, t + v, 3);
#pragma GCC unroll 6
    for (int i = 0; i < IN; i++) {
        lbi_wino_kernel(t + i * 3, 1, line, 1);
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) ((vec *)to)[i * IN + j] = line[j] * by;
    }
}

/* ---- kernels ---- */

/* A panel of kernels over all channels. turned, [9 C][LANES] and some more: work memory. */
static void pack_kernels(const run *r, const float *w, int64_t panel, float *turned) {
    const lbi_conv *p = r->p;
    int64_t width = r->g->mr, first = panel * width, padded = lbi_panels(p->o, r->g->mr) * width;
    float all[ALL * LANES], scale[LANES] = {0};
    for (int64_t i = 0; i < lbi_least(width, p->o - first); i++) scale[i] = r->end.row_scale ? r->end.row_scale[first + i] : 1;
    lbi_turn(turned, LANES, w + first * p->c * 9, p->c * 9, (int)lbi_least(width, p->o - first), p->c * 9);
    for (int64_t c = 0; c < p->c; c++) {
        int64_t k0 = c / KC * KC, kc = lbi_least(KC, p->c - k0);
        float *to = r->kernels + padded * k0 + first * kc + (c - k0) * width;
        kernel_in(turned + c * 9 * LANES, scale, all);
        for (int q = 0; q < ALL; q++) lbi_copy_row(to + q * r->kernel_each, all + q * LANES, width);
    }
}

/* ---- a block ---- */

/* A picture, or rows of tiles of one, in a block. */
typedef struct piece {
    int64_t image, row, rows, flat, place;
} piece;

static int64_t pieces_of(const run *r, int64_t block) { return r->per ? lbi_least(r->per, r->images - block * r->per) : 1; }

static piece piece_of(const run *r, int64_t block, int64_t i) {
    piece b = {.rows = r->tiles_y};
    if (r->per) {
        b.image = block * r->per + i;
        b.place = i * ((r->tiles_y - 1) * r->pitch + r->tiles_x);
    } else {
        int64_t each = (r->tiles_y + r->rows - 1) / r->rows;
        b.image = block / each;
        b.row = block % each * r->rows;
        b.rows = lbi_least(r->rows, r->tiles_y - b.row);
    }
    b.flat = (b.rows - 1) * r->pitch + r->tiles_x;
    return b;
}

static lbi_conv as_strided(const run *r, int64_t row, int64_t rows) {
    const lbi_conv *p = r->p;
    return (lbi_conv){.c = 1, .h = p->h, .w = p->w, .o = 1, .y = rows, .x = r->tiles_x, .kh = IN, .kw = IN, .sh = OUT, .sw = OUT, .dh = 1, .dw = 1, .pt = p->pt - OUT * row, .pl = p->pl, .groups = 1};
}

/* to[b * apart + q] = line[4 q + b] */
LBI_LEVELS static void deinterleave(const float *restrict line, int64_t n, float *restrict to, int64_t apart) {
    for (int64_t q = 0; q < n; q++) {
        to[q] = line[4 * q];
        to[apart + q] = line[4 * q + 1];
        to[2 * apart + q] = line[4 * q + 2];
        to[3 * apart + q] = line[4 * q + 3];
    }
}

/* lbi_pad_channel for this stride. line: zeros, as wide as a padded row; of it only the picture's part is written. */
static void split_channel(const lbi_conv *s, const lbi_pad *d, const float *channel, float *line, float *to) {
    for (int64_t i = 0; i < d->rows * OUT; i++) {
        int64_t row = i - s->pt, width = lbi_least(s->w, OUT * d->pitch - s->pl);
        float *lines = to + i % OUT * OUT * d->plane + i / OUT * d->pitch;
        if (row >= 0 && row < s->h) {
            lbi_copy_row(line + s->pl, channel + row * s->w, width);
            deinterleave(line, d->pitch, lines, d->plane);
        } else
            for (int b = 0; b < OUT; b++) memset(lines + b * d->plane, 0, (size_t)d->pitch * sizeof *lines);
    }
}

static void piece_in(const run *r, const piece *b, float *v, float *pad) {
    const lbi_conv *p = r->p;
    lbi_conv s = as_strided(r, b->row, b->rows);
    lbi_pad d = lbi_pad_of(&s);
    int32_t at[ALL];
    for (int i = 0; i < ALL; i++) at[i] = (int32_t)lbi_pad_at(&s, &d, i / IN, i % IN);
    float *line = pad + d.channel + d.slack;
    memset(pad, 0, (size_t)(d.channel + d.slack + OUT * d.pitch + LANES) * sizeof *pad);
    for (int64_t c = 0; c < p->c; c++) {
        split_channel(&s, &d, r->x + (b->image * p->c + c) * p->h * p->w, line, pad);
        tiles_in(pad, at, b->flat, v + c * r->ld + b->place, p->c * r->ld);
    }
}

static void piece_out(const run *r, const piece *b, const float *m, float *stage) {
    const lbi_conv *p = r->p;
    int64_t ld = lbi_up(b->flat, LANES), first = b->row * OUT, rows = lbi_least(b->rows * OUT, p->y - first);
    float *line = stage + OUT * OUT * ld;
    for (int64_t o = 0; o < p->o; o++) {
        int64_t place = ((b->image * p->o + o) * p->y + first) * p->x;
        float *y = r->y + place;
        tiles_out(m + o * r->ld + b->place, p->o * r->ld, b->flat, stage, ld);
        for (int64_t i = 0; i < rows; i++) {
            interleave(stage + i % OUT * OUT * ld + i / OUT * r->pitch, ld, r->tiles_x, line);
            if (r->end.add) lbi_add_row(line, r->end.add + place + i * p->x, p->x); /* first: add may be y */
            lbi_copy_row(y + i * p->x, line, p->x);
        }
        lbi_act_plane(r->end.act, y, rows * p->x, r->end.row_bias ? r->end.row_bias[o] : 0);
    }
}

/* m [36][O][ld] from v [36][C][ld]; panel [KC][nr]: work memory */
static void products(const run *r, int64_t flat, const float *v, float *m, float *panel) {
    const lbi_conv *p = r->p;
    int64_t padded = lbi_panels(p->o, r->g->mr) * r->g->mr;
    for (int q = 0; q < ALL; q++, v += p->c * r->ld, m += p->o * r->ld)
        for (int64_t k0 = 0; k0 < p->c; k0 += KC) {
            int64_t kc = lbi_least(KC, p->c - k0);
            const float *a = r->kernels + q * r->kernel_each + padded * k0;
            lbi_tile_end e = {.beta = k0 == 0 ? 0 : 1};
            for (int64_t j = 0; j < flat; j += r->g->nr) {
                int64_t cols = lbi_least(r->g->nr, flat - j);
                lbi_pack(r->g, panel, r->g->nr, v, r->ld, false, j, cols, k0, kc);
                for (int64_t i = 0; i < p->o; i += r->g->mr) r->g->tile(kc, a + i * kc, panel, m + i * r->ld + j, r->ld, (int)lbi_least(r->g->mr, p->o - i), (int)cols, &e);
            }
        }
}

static void one_block(const run *r, int64_t block, float *v, float *m, float *pad) {
    int64_t n = pieces_of(r, block), flat = 0;
    for (int64_t i = 0; i < n; i++) {
        piece b = piece_of(r, block, i);
        piece_in(r, &b, v, pad);
        flat = b.place + b.flat;
    }
    products(r, flat, v, m, pad);
    for (int64_t i = 0; i < n; i++) {
        piece b = piece_of(r, block, i);
        piece_out(r, &b, m, pad);
    }
}

bool lbi_winograd(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    run r = {.g = lbi_gemm_kernel_now(), .p = p, .x = x, .y = y, .end = *end, .images = images};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (images == 0 || p->y < 1 || p->x < 1 || !r.g) return false;
    plan(&r, threads);
    lbi_conv s = as_strided(&r, 0, r.rows);
    lbi_pad d = lbi_pad_of(&s);
    int64_t panels = lbi_panels(p->o, r.g->mr), v = ALL * p->c * r.ld + LANES, m = ALL * p->o * r.ld + LANES;
    int64_t stage = OUT * OUT * (lbi_up(r.flat_max, LANES) + LANES) + OUT * lbi_up(r.tiles_x, LANES) + LANES, turned = (p->c * 9 + 1) * LANES,
            pad = lbi_up(d.channel + d.slack + OUT * d.pitch, LANES) + LANES;
    if (pad < stage) pad = lbi_up(stage, LANES);
    if (pad < turned) pad = turned;
    if (pad < KC * LBI_NR_MAX) pad = KC * LBI_NR_MAX;
    r.kernel_each = lbi_up(lbi_packed_size(p->o, p->c, r.g->mr), LANES);
    int64_t own = v + m + pad;
    float *work = lbi_work_take((size_t)(ALL * r.kernel_each + own * threads) * sizeof *work);
    if (!work) return false;
    r.kernels = work;
#pragma omp parallel num_threads(threads)
    {
        float *mine = r.kernels + ALL * r.kernel_each + own * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < panels; i++) pack_kernels(&r, w, i, mine + v + m);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r.blocks; i++) one_block(&r, i, mine, mine + v, mine + v + m);
    }
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of a picture's output rows is done in bands from top to bottom. The rows of E channels that a band sees stand in a ring of rows, where each is made once; the
 * depthwise result is a band's, or with gates, which want the mean of all of it, the picture's. */
#include "tensor/kernels/last_inverted.h"
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/last_bf16_map.h"
#include "tensor/kernels/last_depth.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* Bytes of a part of a panel; of weights that stay in L2 while all panels pass by a tile; that a band's rows may take. Pixels of a band at least, numbers of a line, of a pointer. */
enum { PANEL = 32 * 1024, SMALL = 256 * 1024, NEAR = 384 * 1024, PIXELS = 56, LINE = 16, SHARES = 4, POINTER = 2 };

typedef struct run {
    const lbi_last_block *b;
    lbi_last_depth_plan d;
    const float *x;
    float *y;
    int64_t images, pieces, rows; /* pieces of a picture, and their output rows */
    int64_t band, ring;           /* output rows of a band, rows of the ring */
    lb_act after;                 /* behind the depthwise one, where its kernel does not know it */
    const float *ends[4];         /* scale and bias of the maps, in whole panels */
    bool tiles;                   /* products in bf16 by AMX */
    int64_t place[8];             /* where the parts of a thread's memory begin, and where they end */
} run;

/* A thread's memory: the ring, depthwise results, their sums, squeeze and excite's inside, gates, pixels in bf16, the rows that a band sees. */
typedef struct room {
    float *ring, *deep, *mean, *inner, *gate;
    uint16_t *rounded;
    const float **seen;
} room;

static int64_t lines(int64_t n) { return lbi_over(n, LINE) * LINE; }
static int64_t wide(int64_t o) { return lbi_over(o, LBI_LAST_WIDE) * LBI_LAST_WIDE; }

/* y [n,o] = act(scale (x w) + bias + add) of n pixels that lie side by side. */
static void map(const lbi_last_kernel *k, const lbi_last_map *m, const float *ends, const float *x, int64_t c, int64_t n, const float *add, float *y) {
    int64_t cols = k->cols, panels = lbi_over(m->o, cols), tiles = lbi_over(n, k->rows), each = lbi_over(n, tiles), deep = PANEL / (cols * (int64_t)sizeof(float));
    bool in_tile = lbi_last_in_tile(m->act), small = c <= deep && c * panels * cols * (int64_t)sizeof(float) <= SMALL;
    int64_t outer = small ? n : panels * cols, outer_step = small ? each : cols, inner = small ? panels * cols : n, inner_step = small ? cols : each;
    for (int64_t a = 0; a < outer; a += outer_step)
        for (int64_t from = 0; from < c; from += deep)
            for (int64_t b = 0; b < inner; b += inner_step) {
                int64_t pixel = small ? a : b, channel = small ? b : a;
                lbi_last_piece piece = {from, lbi_least(deep, c - from)};
                lbi_last_end e = {.more = from > 0, .done = from + deep >= c, .scale = ends + channel, .bias = ends + wide(m->o) + channel, .ld_add = m->o};
                if (e.done && add) e.add = add + pixel * m->o + channel;
                if (e.done && in_tile) e.act = m->act;
                k->tile(&piece, 1, x + pixel * c, c, m->w + channel * c + from * cols, y + pixel * m->o + channel, m->o, (int)lbi_least(each, n - pixel), (int)lbi_least(cols, m->o - channel), &e);
            }
    if (!in_tile) lbi_act_plane(m->act, y, n * m->o, 0);
}

static void either(const run *r, const room *m, const lbi_last_map *by, const float *ends, const float *x, int64_t c, int64_t n, const float *add, float *y) {
    const lbi_bf16_out out = {.scale = ends, .bias = ends + wide(by->o), .add = add, .y = y, .o = by->o, .apart = by->o, .act = by->act};
    if (by->w_bf16) lbi_bf16_map(r->tiles, x, n, c, by->w_bf16, m->rounded, &out);
    else map(r->d.k, by, ends, x, c, n, add, y);
}

/* Row `row` of the E channels; x itself where it has them. */
static const float *deep_row(const run *r, const float *image, const room *m, int64_t row) {
    const lbi_conv *p = &r->b->p;
    return r->b->expand.o ? m->ring + row % r->ring * p->w * p->c : image + row * p->w * p->c;
}

/* Makes rows from .. to - 1 of the E channels, in runs that do not go round the ring. */
static void expand(const run *r, const float *image, const room *m, int64_t from, int64_t to) {
    const lbi_conv *p = &r->b->p;
    for (int64_t n; from < to; from += n) {
        n = lbi_least(to - from, r->ring - from % r->ring);
        either(r, m, &r->b->expand, r->ends[0], image + from * p->w * r->b->in, r->b->in, n * p->w, NULL, m->ring + from % r->ring * p->w * p->c);
    }
}

/* The rows of the E channels that n output rows from y on see. */
static void look(const run *r, const float *image, const room *m, int64_t y, int64_t n) {
    const lbi_conv *p = &r->b->p;
    for (int64_t i = 0; i < (n - 1) * p->sh + (p->kh - 1) * p->dh + 1; i++) {
        int64_t row = y * p->sh - p->pt + i;
        m->seen[i] = row >= 0 && row < p->h ? deep_row(r, image, m, row) : NULL;
    }
}

/* n output rows of the depthwise convolution from row y on, in strips from top to bottom, whose input stays in L1; rounded: NULL, or where they go so. */
static void deepen(const run *r, const float *image, const room *m, int64_t y, int64_t n, float *to, uint16_t *rounded) {
    const lbi_conv *p = &r->b->p;
    const float *rows[LBI_LAST_DEEP];
    int64_t wide = lbi_up(p->c, LBI_BF16_DEPTH);
    bool within = rounded && r->after == LB_ACT_NONE;
    look(r, image, m, y, n);
    for (int64_t x = 0, step; x < p->x; x += step) {
        step = lbi_least(r->d.step, p->x - x);
        for (int64_t i = 0; i < n; i++) {
            float *strip = to + (i * p->x + x) * p->c;
            uint16_t *place = rounded ? rounded + (i * p->x + x) * wide : NULL;
            for (int64_t u = 0; u < p->kh; u++) rows[u] = m->seen[i * p->sh + u * p->dh];
            lbi_last_depth_pixels(&r->d, rows, y + i, x, step, strip, within ? place : NULL);
            if (r->after != LB_ACT_NONE) lbi_act_plane(r->after, strip, step * p->c, 0);
            if (rounded && !within) lbi_bf16_pixels(strip, step, p->c, p->c, place, wide, 0);
        }
    }
}

/* deep: NULL, if its pixels are rounded already. */
static void project(const run *r, const room *m, const float *deep, int64_t n, const float *x, float *y) {
    either(r, m, &r->b->project, r->ends[3], deep, r->b->p.c, n, r->b->add ? x : NULL, y);
}

/* The gates of a picture, and its pixels times them, a few at a time on their way into the last map. */
static void gated(const run *r, const room *m, const float *image, float *to) {
    const lbi_last_block *b = r->b;
    int64_t e = b->p.c, n = b->p.y * b->p.x;
    for (int64_t i = 0; i < e; i++) m->mean[i] /= (float)n;
    either(r, m, &b->narrow, r->ends[1], m->mean, e, 1, NULL, m->inner);
    either(r, m, &b->widen, r->ends[2], m->inner, b->narrow.o, 1, NULL, m->gate);
    for (int64_t at = 0, count; at < n; at += count) {
        count = lbi_least(PIXELS, n - at);
        bool round = b->project.w_bf16;
        if (round) lbi_bf16_gated(m->deep + at * e, count, e, m->gate, m->rounded, lbi_up(e, LBI_BF16_DEPTH));
        else r->d.k->gate(m->deep + at * e, count, e, m->gate);
        project(r, m, round ? NULL : m->deep + at * e, count, image + at * b->in, to + at * b->project.o);
    }
}

static void one_piece(const run *r, int64_t number, const room *m) {
    const lbi_last_block *b = r->b;
    const lbi_conv *p = &b->p;
    int64_t image = number / r->pieces, first = number % r->pieces * r->rows, last = lbi_least(first + r->rows, p->y), made = lbi_most(0, first * p->sh - p->pt);
    const float *x = r->x + image * p->h * p->w * b->in;
    float *y = r->y + image * p->y * p->x * b->project.o;
    if (b->narrow.o) memset(m->mean, 0, (size_t)p->c * sizeof *m->mean);
    for (int64_t at = first, n; at < last; at += n) {
        n = lbi_least(r->band, last - at);
        int64_t sees = lbi_least(p->h, (at + n - 1) * p->sh - p->pt + (p->kh - 1) * p->dh + 1);
        if (b->expand.o && sees > made) expand(r, x, m, made, sees);
        made = lbi_most(made, sees);
        bool round = b->project.w_bf16 && !b->narrow.o;
        float *deep = m->deep + (b->narrow.o ? at * p->x * p->c : 0);
        deepen(r, x, m, at, n, deep, round ? m->rounded : NULL);
        if (b->narrow.o) r->d.k->sums(deep, n * p->x, p->c, m->mean);
        if (!b->narrow.o) project(r, m, round ? NULL : deep, n * p->x, x + at * p->x * b->in, y + at * p->x * b->project.o);
    }
    if (b->narrow.o) gated(r, m, x, y);
}

static void plan(run *r, int threads) {
    const lbi_conv *p = &r->b->p;
    int64_t reach = (p->kh - 1) * p->dh + 1, row = p->w * p->c * (int64_t)sizeof(float);
    r->pieces = r->b->narrow.o || threads == 1 ? 1 : lbi_least(p->y, lbi_over((int64_t)threads * SHARES, r->images));
    r->rows = lbi_over(p->y, r->pieces);
    r->pieces = lbi_over(p->y, r->rows);
    r->band = lbi_most(lbi_over(PIXELS, p->x), (NEAR - reach * row) / (p->sh * row + p->x * p->c * (int64_t)sizeof(float)));
    r->band = lbi_least(r->band, r->rows);
    r->ring = lbi_least(p->h, (r->band - 1) * p->sh + reach);
}

/* Scale and bias in whole panels. */
static float *put_ends(const lbi_last_map *m, float *to) {
    int64_t n = wide(m->o);
    for (int64_t i = 0; i < n; i++) {
        to[i] = i < m->o && m->scale ? m->scale[i] : i < m->o;
        to[n + i] = i < m->o && m->bias ? m->bias[i] : 0;
    }
    return to + 2 * n;
}

static void place(run *r) {
    const lbi_last_block *b = r->b;
    const lbi_conv *p = &b->p;
    int64_t before = b->expand.w_bf16 ? r->ring * p->w * lbi_up(b->in, LBI_BF16_DEPTH) : 0, behind = b->project.w_bf16 ? (b->narrow.o ? PIXELS : r->band * p->x) * lbi_up(p->c, LBI_BF16_DEPTH) : 0;
    int64_t gates = b->narrow.o ? lbi_up(lbi_most(p->c, b->narrow.o), LBI_BF16_DEPTH) : 0;
    const int64_t size[] = {b->expand.o ? r->ring * p->w * p->c : 0,
                            (b->narrow.o ? p->y : r->band) * p->x * p->c,
                            p->c,
                            b->narrow.o ? b->narrow.o : 0,
                            p->c,
                            lbi_over(lbi_most(gates, lbi_most(before, behind)), 2),
                            ((r->band - 1) * p->sh + (p->kh - 1) * p->dh + 1) * POINTER};
    for (int i = 0; i < 7; i++) r->place[i + 1] = r->place[i] + lines(size[i]);
}

bool lbi_last_inverted(const lbi_last_block *b, int64_t images, const float *x, float *y) {
    bool known = lbi_last_in_tile(b->act);
    run r = {.b = b, .d = lbi_last_depth_plan_of(&b->p, known ? b->act : LB_ACT_NONE), .x = x, .y = y, .images = images, .after = known ? LB_ACT_NONE : b->act, .tiles = lbi_cpu() >= LBI_CPU_AMX};
    const lbi_last_map *maps[] = {&b->expand, &b->narrow, &b->widen, &b->project};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.d.k || b->p.kh > LBI_LAST_DEEP) return false;
    if (images == 0) return true;
    plan(&r, threads);
    place(&r);
    int64_t each = r.place[7], ends = 0, packed = lines((int64_t)lbi_last_depth_work(&r.d));
    for (int i = 0; i < 4; i++) ends += maps[i]->o ? 2 * wide(maps[i]->o) : 0;
    float *work = lbi_work_take((size_t)(ends + packed + each * threads) * sizeof *work), *at = work;
    if (!work) return false;
    for (int i = 0; i < 4; i++) {
        r.ends[i] = at;
        if (maps[i]->o) at = put_ends(maps[i], at);
    }
    lbi_last_depth_pack(&r.d, b->w, b->scale, b->bias, at);
    bool tiles = r.tiles && (b->expand.w_bf16 || b->narrow.w_bf16 || b->widen.w_bf16 || b->project.w_bf16);
#pragma omp parallel num_threads(threads)
    {
        float *own = at + packed + each * omp_get_thread_num();
        room m = {own, own + r.place[1], own + r.place[2], own + r.place[3], own + r.place[4], (uint16_t *)(void *)(own + r.place[5]), (const float **)(void *)(own + r.place[6])};
        lbi_bf16_begin(tiles);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < images * r.pieces; i++) one_piece(&r, i, &m);
        lbi_bf16_end(tiles);
    }
    lbi_work_give(work);
    return true;
}
#endif

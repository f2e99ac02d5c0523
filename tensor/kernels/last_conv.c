/* SPDX-License-Identifier: Apache-2.0 */
/* A block is some output rows, or with 1x1 kernels a run of pixels. Where a border is in reach, or planes are given, its patch of the picture is
 * copied first, with zeros around. A panel of weights, `cols` channels wide, stays in L1 while the block's tiles pass by; a deep one in parts of
 * a few KB, sums standing in y meanwhile. Where all weights stay in L2, all panels pass by a tile instead: results are then written pixel after
 * pixel. */
#include <omp.h>
#include <pthread.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* Bytes of a part of a panel and of a block's picture; tiles of a block at least; blocks for each thread. */
enum { PANEL = 32 * 1024, NEAR = 192 * 1024, TILES = 4, SHARES = 4, SLACK = 16 };
enum { SMALL = 256 * 1024, HEAVY = 1024 * 1024 }; /* bytes of a group's weights that stay in L2; from which blocks are larger, since each reads them all */

static const lbi_last_kernel *chosen;
static void choose(void) {
#ifdef __x86_64__
    lbi_cpu_level level = lbi_cpu();
    chosen = level >= LBI_CPU_AVX512 ? &lbi_last_avx512 : level >= LBI_CPU_AVX2 ? &lbi_last_avx2 : NULL;
#endif
}

const lbi_last_kernel *lbi_last_kernel_now(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

bool lbi_last_can(void) { return lbi_last_kernel_now() != NULL; }

typedef struct run {
    const lbi_last_kernel *k;
    lbi_conv p;
    const float *x, *add;
    float *y;
    bool planes, direct;             /* x is [C,H,W]; tiles read x itself */
    int64_t images, c, o, deep;      /* channels of a group; numbers of a patch */
    int64_t ld, pitch;               /* numbers between the pixels, and the rows, of what tiles read */
    int64_t rows, cols;              /* of a block at most */
    int64_t down, across, parts, part; /* blocks along the axes of a picture; parts of the panels, and their panels */
    lb_act act, after;               /* in tiles, or on finished rows */
    lbi_last_piece *piece;
    int64_t *step, steps;            /* pieces before each part of a panel: [steps + 1] */
    float *weights, *scale, *bias;   /* [groups][panels][deep][cols], [groups][panels][cols] */
    int64_t panels, patch;           /* of a group; numbers of a block's patch */
    bool small;                      /* all weights of a group stay near */
    bool adds;                       /* to what stands in y */
    lbi_last_place place;
} run;

static bool inside(const lbi_conv *p) {
    return p->pt == 0 && p->pl == 0 && (p->y - 1) * p->sh + (p->kh - 1) * p->dh < p->h && (p->x - 1) * p->sw + (p->kw - 1) * p->dw < p->w;
}

/* Pixels of the picture that `n` outputs see along an axis. */
static int64_t seen(int64_t n, int64_t stride, int64_t kernel, int64_t dilation) { return (n - 1) * stride + (kernel - 1) * dilation + 1; }

/* A 1x1 convolution has no rows: its pixels are one, and those of all images if they lie so. */
static void flatten(run *r, bool dense) {
    lbi_conv *p = &r->p;
    if (!dense) return;
    if (p->kh != 1 || p->kw != 1 || p->sh != 1 || p->sw != 1 || p->y != p->h || p->x != p->w || p->pt || p->pl) return;
    p->w *= p->h;
    if (!r->planes) {
        p->w *= r->images;
        r->images = 1;
    }
    p->x = p->w;
    p->h = p->y = 1;
}

static void plan(run *r, const lbi_last_place *place, int threads) {
    lbi_conv *p = &r->p;
    flatten(r, !place);
    r->place = place ? *place : (lbi_last_place){p->y * p->x * p->o, p->x * p->o, p->o};
    r->c = p->c / p->groups;
    r->o = p->o / p->groups;
    r->deep = r->c * p->kh * p->kw;
    r->direct = !r->planes && inside(p);
    r->ld = p->c;
    r->panels = lbi_over(r->o, r->k->cols);
    int64_t bytes = p->c * (int64_t)sizeof(float), shares = (int64_t)threads * SHARES, weights = r->o * r->deep * (int64_t)sizeof(float), near = weights > HEAVY ? 4 * NEAR : NEAR;
    if (p->y == 1) { /* pieces of a row */
        int64_t want = lbi_most(near / (bytes * p->sw), (int64_t)TILES * r->k->rows);
        r->rows = r->down = 1;
        r->across = lbi_over(p->x, want);
        if (r->across * r->images < shares) r->across = lbi_most(1, lbi_least(lbi_over(shares, r->images), p->x / (TILES * r->k->rows)));
        r->cols = lbi_over(p->x, r->across);
        if (r->across > 1) r->cols = lbi_over(r->cols, r->k->rows) * r->k->rows;
        r->across = lbi_over(p->x, r->cols);
    } else {
        int64_t want = lbi_most(near / (bytes * p->w * p->sh), lbi_over((int64_t)TILES * r->k->rows, p->x));
        r->cols = p->x;
        r->across = 1;
        r->down = lbi_over(p->y, want);
        if (r->down * r->images < shares) r->down = lbi_most(1, lbi_least(lbi_over(shares, r->images), lbi_over(p->y * p->x, TILES * r->k->rows)));
        r->rows = lbi_over(p->y, lbi_least(r->down, p->y));
        r->down = lbi_over(p->y, r->rows);
    }
    int64_t blocks = r->images * r->down * r->across * p->groups;
    r->parts = blocks >= 2 * threads ? 1 : lbi_least(r->panels, lbi_over(2 * threads, blocks));
    r->part = lbi_over(r->panels, r->parts);
    r->parts = lbi_over(r->panels, r->part);
    int64_t wide = seen(r->cols, p->sw, p->kw, p->dw);
    r->pitch = (r->direct ? p->w : wide) * r->ld;
    r->patch = r->direct ? 0 : seen(r->rows, p->sh, p->kh, p->dh) * r->pitch + SLACK;
}

static int64_t deepest(const lbi_last_kernel *k) { return PANEL / (k->cols * (int64_t)sizeof(float)); }

bool lbi_last_once(const lbi_conv *p) {
    const lbi_last_kernel *k = lbi_last_kernel_now();
    return k && p->c / p->groups * p->kh * p->kw <= deepest(k);
}

/* Pieces of a patch in the order of the packed weights, cut where a part of a panel ends. */
static void cut(run *r) {
    const lbi_conv *p = &r->p;
    bool whole = p->dw == 1 && p->groups == 1;
    int64_t n = 0, steps = 0, length = whole ? r->c * p->kw : r->c, room = 0, deep = deepest(r->k);
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < (whole ? 1 : p->kw); v++)
            for (int64_t at = 0; at < length;) {
                if (room == 0) {
                    r->step[steps++] = n;
                    room = deep;
                }
                int64_t count = lbi_least(length - at, room);
                if (count < length - at && room < deep && length <= deep) { /* a whole one goes to the next part */
                    room = 0;
                    continue;
                }
                r->piece[n++] = (lbi_last_piece){u * p->dh * r->pitch + v * p->dw * r->ld + at, count};
                at += count;
                room -= count;
            }
    r->step[steps] = n;
    r->steps = steps;
}

/* A panel of weights, [k][cols], k = (u, v, c). */
static void pack(const run *r, const float *w, int64_t number) {
    enum { DEEP = 128 };
    float some[DEEP * LBI_LAST_WIDE + SLACK];
    int64_t group = number / r->panels, first = number % r->panels * r->k->cols, taps = r->p.kh * r->p.kw, cols = r->k->cols;
    const float *from = w + (group * r->o + first) * r->deep;
    float *to = r->weights + number * r->deep * cols;
    for (int64_t k0 = 0; k0 < r->deep; k0 += DEEP) {
        int64_t count = lbi_least(DEEP, r->deep - k0);
        lbi_turn(some, (int)cols, from + k0, r->deep, (int)lbi_least(cols, r->o - first), count);
        for (int64_t k = 0; k < count; k++) memcpy(to + ((k0 + k) % taps * r->c + (k0 + k) / taps) * cols, some + k * cols, (size_t)cols * sizeof *to);
    }
}

int64_t lbi_last_packed_size(int64_t o, int64_t c) {
    int64_t cols = lbi_last_kernel_now()->cols;
    return lbi_over(o, cols) * cols * c + SLACK;
}

void lbi_last_pack(float *to, const float *w, int64_t o, int64_t c) {
    run r = {.k = lbi_last_kernel_now(), .p = {.kh = 1, .kw = 1, .groups = 1}, .c = c, .o = o, .deep = c, .weights = to};
    r.panels = lbi_over(o, r.k->cols);
    for (int64_t i = 0; i < r.panels; i++) pack(&r, w, i);
}

static void pack_ends(const run *r, const lbi_gemm_end *end) {
    int64_t wide = r->panels * r->k->cols;
    for (int64_t g = 0; g < r->p.groups; g++)
        for (int64_t i = 0; i < wide; i++) {
            bool in = i < r->o;
            r->scale[g * wide + i] = in && end->row_scale ? end->row_scale[g * r->o + i] : 1;
            r->bias[g * wide + i] = in && end->row_bias ? end->row_bias[g * r->o + i] : 0;
        }
}

/* ---- a block ---- */

typedef struct block {
    int64_t image, y, x, rows, cols, group, first, last; /* outputs from (y, x) on; panels first .. last - 1 */
} block;

static block block_of(const run *r, int64_t i) {
    block b = {.first = i % r->parts * r->part};
    i /= r->parts;
    b.group = i % r->p.groups;
    i /= r->p.groups;
    b.x = i % r->across * r->cols;
    i /= r->across;
    b.y = i % r->down * r->rows;
    b.image = i / r->down;
    b.rows = lbi_least(r->rows, r->p.y - b.y);
    b.cols = lbi_least(r->cols, r->p.x - b.x);
    b.last = lbi_least(b.first + r->part, r->panels);
    return b;
}

/* n pixels of a row of the picture, from `at` on. */
static void bring_row(const run *r, const float *image, int64_t row, int64_t at, int64_t n, float *to) {
    const lbi_conv *p = &r->p;
    if (r->planes) lbi_turn(to, (int)p->c, image + row * p->w + at, p->h * p->w, (int)p->c, n);
    else memcpy(to, image + (row * p->w + at) * p->c, (size_t)(n * p->c) * sizeof *to);
}

/* The part of the picture that the block sees. */
static void bring(const run *r, const block *b, float *patch) {
    const lbi_conv *p = &r->p;
    const float *image = r->x + b->image * p->c * p->h * p->w;
    int64_t left = b->x * p->sw - p->pl, wide = seen(b->cols, p->sw, p->kw, p->dw), from = lbi_most(left, 0), to = lbi_least(left + wide, p->w);
    for (int64_t i = 0; i < seen(b->rows, p->sh, p->kh, p->dh); i++, patch += r->pitch) {
        int64_t row = b->y * p->sh - p->pt + i;
        bool none = row < 0 || row >= p->h || from >= to;
        if (none) {
            memset(patch, 0, (size_t)(wide * r->ld) * sizeof *patch);
            continue;
        }
        memset(patch, 0, (size_t)((from - left) * r->ld) * sizeof *patch);
        bring_row(r, image, row, from, to - from, patch + (from - left) * r->ld);
        memset(patch + (to - left) * r->ld, 0, (size_t)((left + wide - to) * r->ld) * sizeof *patch);
    }
}

static int64_t place_of(const run *r, const block *b, int64_t i, int64_t j) { return b->image * r->place.image + (b->y + i) * r->place.row + (b->x + j) * r->place.pixel; }

/* One tile of a panel, for one part of its depth: `rows` pixels from (i, j) of the block on. x: the block's first patch. */
static void one_tile(const run *r, const block *b, int64_t panel, int64_t step, int64_t i, int64_t j, int64_t rows, const float *x, const float *w) {
    const lbi_conv *p = &r->p;
    int64_t channel = b->group * r->o + panel * r->k->cols, ends = (b->group * r->panels + panel) * r->k->cols, at = place_of(r, b, i, j) + channel;
    lbi_last_end e = {.more = step > 0 || r->adds, .done = step + 1 == r->steps, .scale = r->scale + ends, .bias = r->bias + ends, .ld_add = r->place.pixel};
    if (e.done && r->add) e.add = r->add + at;
    if (e.done) e.act = r->act;
    r->k->tile(r->piece + r->step[step], r->step[step + 1] - r->step[step], x + i * p->sh * r->pitch + j * p->sw * r->ld, p->sw * r->ld, w, r->y + at,
               r->place.pixel, (int)rows, (int)lbi_least(r->k->cols, r->o - panel * r->k->cols), &e);
}

/* Panels first .. last - 1 over tiles of the block. */
static void panels_of(const run *r, const block *b, const float *x) {
    int64_t cols = r->k->cols, tiles = lbi_over(b->cols, r->k->rows), each = lbi_over(b->cols, tiles);
    const float *weights = r->weights + b->group * r->panels * r->deep * cols;
    if (r->small) {
        for (int64_t i = 0; i < b->rows; i++)
            for (int64_t j = 0; j < b->cols; j += each)
                for (int64_t panel = b->first; panel < b->last; panel++) one_tile(r, b, panel, 0, i, j, lbi_least(each, b->cols - j), x, weights + panel * r->deep * cols);
        return;
    }
    for (int64_t panel = b->first; panel < b->last; panel++) {
        const float *w = weights + panel * r->deep * cols;
        for (int64_t s = 0; s < r->steps; s++) {
            for (int64_t i = 0; i < b->rows; i++)
                for (int64_t j = 0; j < b->cols; j += each) one_tile(r, b, panel, s, i, j, lbi_least(each, b->cols - j), x, w);
            for (int64_t i = r->step[s]; i < r->step[s + 1]; i++) w += r->piece[i].count * cols;
        }
    }
}

static void one_block(const run *r, int64_t number, float *patch) {
    const lbi_conv *p = &r->p;
    block b = block_of(r, number);
    const float *x = patch;
    if (r->direct) x = r->x + ((b.image * p->h + b.y * p->sh) * p->w + b.x * p->sw) * p->c;
    else bring(r, &b, patch);
    panels_of(r, &b, x + b.group * r->c);
    if (r->after == LB_ACT_NONE) return;
    int64_t first = b.group * r->o + b.first * r->k->cols, count = lbi_least(b.last * r->k->cols, r->o) - b.first * r->k->cols;
    for (int64_t i = 0; i < b.rows * b.cols; i++) lbi_act_plane(r->after, r->y + place_of(r, &b, i / b.cols, i % b.cols) + first, count, 0);
}

/* Work memory: ends, lists, a patch for each thread, and weights that are not kept. */
static float *memory(run *r, int threads, float **kept, float **patches) {
    int64_t wide = r->p.groups * r->panels * r->k->cols, deep = PANEL / (r->k->cols * (int64_t)sizeof(float));
    int64_t pieces = r->p.kh * r->p.kw * (r->c * r->p.kw / deep + 3),
            lists = lbi_over((pieces * (int64_t)(sizeof(lbi_last_piece) + sizeof(int64_t))) / (int64_t)sizeof(float) + 2 * SLACK, SLACK) * SLACK;
    r->patch = lbi_over(r->patch, SLACK) * SLACK;
    int64_t weights = wide * r->deep + SLACK;
    float *work = lbi_work_take((size_t)(2 * wide + lists + r->patch * threads + (kept ? 0 : weights)) * sizeof *work);
    if (!work) return NULL;
    r->scale = work;
    r->bias = r->scale + wide;
    r->piece = (lbi_last_piece *)(void *)(r->bias + wide);
    r->step = (int64_t *)(void *)(r->piece + pieces);
    *patches = r->bias + wide + lists;
    r->weights = !kept ? *patches + r->patch * threads : *kept ? *kept : lb_alloc_aligned((size_t)weights * sizeof *work);
    if (r->weights) return work;
    lbi_work_give(work);
    return NULL;
}

bool lbi_last_conv(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y) {
    return lbi_last_conv_to(p, images, x, planes, w, kept, end, y, NULL);
}

bool lbi_last_conv_to(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y, const lbi_last_place *place) {
    run r = {.k = lbi_last_kernel_now(), .p = *p, .x = x, .y = y, .add = end->add, .adds = end->beta != 0, .planes = planes, .images = images};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || p->o < 1 || p->c < 1) return false;
    if (images == 0) return true;
    plan(&r, place, threads);
    if (lbi_last_in_tile(end->act)) r.act = end->act;
    else r.after = end->act;
    float *patches = NULL, *work = memory(&r, threads, kept, &patches);
    if (!work) return false;
    bool packed = kept && *kept == r.weights;
    cut(&r);
    r.small = r.steps == 1 && r.deep * r.panels * r.k->cols * (int64_t)sizeof(float) <= SMALL;
    pack_ends(&r, end);
    int64_t panels = p->groups * r.panels, blocks = r.images * r.down * r.across * p->groups * r.parts;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (packed ? 0 : panels); i++) pack(&r, w, i);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < blocks; i++) one_block(&r, i, patches + r.patch * omp_get_thread_num());
    }
    if (kept) *kept = r.weights;
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels' gradient of convolutions with channels last, of floats in three parts by AMX: dw[u,v][o][c] = sum over pixels k of g[k][o] x[k + (u,v)][c]. A chunk of pictures (or of their rows) is
 * laid out as forward patches are (last_axis.h), so that a tap is a distance between numbers of k, and pictures go in couples, so that the two of a pair of k are the same pixel of both and every tap finds
 * whole lines: g by channels, [o][k][2], zero where k is margin, and x as [k][c][2]. A task, 32 channels of g by 32 of x, is a row of products for each tap, all from panels that stay in L2; what a chain
 * of steps sums is added to the sums of all chunks. Floor: 170 multiply-adds a cycle; x and g parted once. */
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/kernels/last_axis.h"
#include "tensor/kernels/last_bf16.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

/* CHAIN: steps that tiles sum in a row. NEAR: bytes of a chunk at least. FLAT: pixels of a row where kernels of 1x1 make of all pictures two. */
enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, BLOCK = LBI_BF16_BLOCK, PARTS = LBI_BF16_PARTS, CHAIN = 36, NEAR = 2 << 20, FLAT = 256, LINE = 64 };

typedef struct run {
    lbi_conv p;
    const float *x, *g;
    float *gw;
    bool fresh;
    int64_t couples;                   /* of pictures */
    int64_t size_x, size_g, all_x, all_g; /* pixels of a picture, of all */
    lbi_axis down, across;
    int64_t taps, left, right;         /* blocks of 32 channels of g and of x */
    int64_t together, rows, bands;     /* couples and rows of a chunk, chunks of a couple */
    int64_t ld, most;                  /* numbers of a channel of g; steps of a chunk at most */
    int64_t plane, lines;              /* numbers of k of a phase, of all phases */
    int64_t *at, *tap;                 /* [CHAIN]: of steps; [taps]: where a tap's first number of k is */
    uint16_t *turned;                  /* [PARTS][left * BLOCK][ld] */
    uint32_t *pairs;                   /* [2 * right][PARTS][lines][SIDE] */
    float *sums, *zeros;               /* [left][right][BLOCK of g][taps][BLOCK of x]; [right * BLOCK] */
    int64_t own;                       /* numbers of a thread's memory */
    float *mine;
    bool lost;                         /* something had no parts */
} run;

typedef struct chunk {
    int64_t couple, couples, y, rows, count; /* count: numbers of k */
} chunk;

static chunk chunk_of(const run *r, int64_t i) {
    chunk c = {.couple = i / r->bands * r->together, .y = i % r->bands * r->rows};
    c.couples = lbi_least(r->together, r->couples - c.couple);
    c.rows = lbi_least(r->rows, r->p.y - c.y);
    c.count = ((c.couples - 1) * r->down.pitch + c.rows) * r->across.pitch;
    return c;
}

/* ---- plan ---- */

/* Kernels of 1x1: all pixels are those of two pictures. */
static void flatten(run *r) {
    lbi_conv *p = &r->p;
    if (p->kh != 1 || p->kw != 1 || p->sh != 1 || p->sw != 1 || p->y != p->h || p->x != p->w || p->pt || p->pl) return;
    r->size_x = r->size_g = lbi_over(r->all_x, 2);
    r->couples = 1;
    p->w = p->x = lbi_least(FLAT, r->size_x);
    p->h = p->y = lbi_over(r->size_x, p->w);
}

static void plan(run *r, int64_t images) {
    lbi_conv *p = &r->p;
    r->size_x = p->h * p->w;
    r->size_g = p->y * p->x;
    r->all_x = images * r->size_x;
    r->all_g = images * r->size_g;
    r->couples = lbi_over(images, 2);
    flatten(r);
    r->down = lbi_axis_of(p->y, p->h, p->kh, p->sh, p->dh, p->pt, true);
    r->across = lbi_axis_of(p->x, p->w, p->kw, p->sw, p->dw, p->pl, true);
    r->taps = p->kh * p->kw;
    r->left = lbi_over(p->o, BLOCK);
    r->right = lbi_over(p->c, BLOCK);
    int64_t phases = r->down.phases * r->across.phases, sums = r->left * r->right * r->taps * BLOCK * BLOCK * (int64_t)sizeof(float);
    int64_t row = (r->left + r->right * phases) * BLOCK * r->across.pitch * 2 * PARTS * (int64_t)sizeof(uint16_t), couple = r->down.pitch * row, near = lbi_most(NEAR, sums);
    r->together = lbi_least(r->couples, lbi_most(1, near / couple));
    r->bands = couple <= near ? 1 : lbi_over(p->y, lbi_most(1, near / row - r->down.reach));
    r->rows = lbi_over(p->y, r->bands);
    r->bands = lbi_over(p->y, r->rows);
    r->most = lbi_over(((r->together - 1) * r->down.pitch + r->rows) * r->across.pitch, SIDE);
    r->ld = r->most * DEPTH + (r->most % 2 == 0 ? DEPTH : 0);
    r->plane = lbi_up(r->most * SIDE + r->down.reach * r->across.pitch + r->across.reach, SIDE);
    r->lines = phases * r->plane;
    r->own = lbi_most(lbi_up(2 * BLOCK * r->across.pitch + LINE, LINE), BLOCK * BLOCK);
}

static bool memory(run *r, int threads) {
    int64_t at = lbi_up(2 * (CHAIN + r->taps), LINE), turned = lbi_up(PARTS * r->left * BLOCK * r->ld / 2, LINE),
            pairs = 2 * r->right * PARTS * r->lines * SIDE, sums = r->left * r->right * r->taps * BLOCK * BLOCK, zeros = r->right * BLOCK;
    float *work = lbi_work_take((size_t)(at + turned + pairs + sums + zeros + r->own * threads) * sizeof *work);
    if (!work) return false;
    r->at = (int64_t *)(void *)work;
    r->tap = r->at + CHAIN;
    r->turned = (uint16_t *)(void *)(work + at);
    r->pairs = (uint32_t *)(void *)(work + at + turned);
    r->sums = work + at + turned + pairs;
    r->zeros = r->sums + sums;
    r->mine = r->zeros + zeros;
    memset(r->zeros, 0, (size_t)zeros * sizeof *r->zeros);
    for (int64_t s = 0; s < CHAIN; s++) r->at[s] = s * DEPTH;
    for (int64_t t = 0; t < r->taps; t++) {
        int64_t down = t / r->p.kw * r->p.dh, across = t % r->p.kw * r->p.dw, phase = down % r->down.step * r->across.phases + across % r->across.step;
        r->tap[t] = phase * r->plane + down / r->down.step * r->across.pitch + across / r->across.step;
    }
    return true;
}

/* ---- g ---- */

/* 32 channels of row i of one picture of the couples: [channel][pitch], zero in margins. */
static void turn_row(const run *r, const chunk *k, int64_t block, int64_t i, int64_t which, float *to) {
    const lbi_conv *p = &r->p;
    int64_t couple = k->couples > 1 ? i / r->down.pitch : 0, y = i - couple * r->down.pitch, image = 2 * (k->couple + couple) + which, first = image * r->size_g + (k->y + y) * p->x;
    int64_t n = lbi_least(p->x, lbi_least((image + 1) * r->size_g, r->all_g) - first), channels = lbi_least(BLOCK, p->o - block * BLOCK);
    if (n > 0) lbi_turn(to, (int)r->across.pitch, r->g + first * p->o + block * BLOCK, p->o, (int)n, channels);
    else memset(to, 0, (size_t)(channels * r->across.pitch) * sizeof *to);
}

/* Row i of 32 channels in parts, and with the last one what is read behind it. some: [2][BLOCK][pitch]. */
LBI_BF16_WIDE static bool channels_of(const run *r, const chunk *k, int64_t block, int64_t i, float *some) {
    int64_t pitch = r->across.pitch, layer = r->left * BLOCK * r->ld, behind = (i + 1) * pitch == k->count ? lbi_up(k->count, SIDE) - k->count : 0;
    uint16_t *to = r->turned + block * BLOCK * r->ld + 2 * i * pitch;
    float *other = some + BLOCK * pitch;
    __m512 seen = _mm512_setzero_ps();
    __m512i part[PARTS];
    turn_row(r, k, block, i, 0, some); /* and some numbers behind */
    turn_row(r, k, block, i, 1, other);
    for (int64_t c = 0; c < lbi_least(BLOCK, r->p.o - block * BLOCK); c++, to += r->ld) {
        for (int64_t j = 0; j < pitch; j += SIDE) {
            __mmask16 mask = lbi_bf16_first(pitch - j);
            lbi_bf16_three(_mm512_maskz_loadu_ps(mask, some + c * pitch + j), _mm512_maskz_loadu_ps(mask, other + c * pitch + j), true, part, &seen);
            for (int64_t q = 0; q < PARTS; q++) _mm512_mask_storeu_epi32(to + q * layer + 2 * j, mask, part[q]);
        }
        for (int64_t q = 0; q < PARTS; q++) memset(to + q * layer + 2 * pitch, 0, (size_t)(2 * behind) * sizeof *to);
    }
    return lbi_bf16_all_seen(seen);
}

/* ---- x ---- */

/* Number n of a phase's k in one picture of its couple: a pixel, or zeros. */
static const float *pixel_of(const run *r, const chunk *k, int64_t phase, int64_t n, int64_t which) {
    const lbi_conv *p = &r->p;
    int64_t i = n / r->across.pitch, col = n % r->across.pitch * r->across.step + phase % r->across.phases - r->across.before, all = (k->couples - 1) * r->down.pitch + k->rows + r->down.reach;
    int64_t couple = k->couples > 1 ? lbi_least(i / r->down.pitch, k->couples - 1) : 0,
            row = k->y * r->down.stride + (i - couple * r->down.pitch) * r->down.step + phase / r->across.phases - r->down.before;
    int64_t image = 2 * (k->couple + couple) + which, at = image * r->size_x + row * p->w + col;
    return i >= all || col < 0 || col >= p->w || row < 0 || row >= p->h || at >= lbi_least((image + 1) * r->size_x, r->all_x) ? r->zeros : r->x + at * p->c;
}

/* 16 numbers of k, all panels. */
LBI_BF16_WIDE static bool pair_step(const run *r, const chunk *k, int64_t step) {
    const float *pixel[SIDE][2];
    int64_t phase = step * SIDE / r->plane;
    __m512 seen = _mm512_setzero_ps();
    __m512i part[PARTS];
    for (int64_t i = 0; i < 2 * SIDE; i++) pixel[i / 2][i % 2] = pixel_of(r, k, phase, step * SIDE + i / 2 - phase * r->plane, i % 2);
    for (int64_t o = 0; o < 2 * r->right; o++) {
        uint32_t *to = r->pairs + (o * PARTS * r->lines + step * SIDE) * SIDE;
        __mmask16 mask = lbi_bf16_first(r->p.c - o * SIDE);
        for (int64_t i = 0; i < SIDE; i++) {
            lbi_bf16_three(_mm512_maskz_loadu_ps(mask, pixel[i][0] + o * SIDE), _mm512_maskz_loadu_ps(mask, pixel[i][1] + o * SIDE), true, part, &seen);
            for (int64_t q = 0; q < PARTS; q++) _mm512_storeu_si512(to + (q * r->lines + i) * SIDE, part[q]);
        }
    }
    return lbi_bf16_all_seen(seen);
}

/* ---- products ---- */

/* Sums of a chain, [32][32], to those of all of it; beside the next products. */
static void finish(const run *r, const float *fresh, float *to, bool first) {
    for (int64_t i = 0; to && i < BLOCK; i++) {
        if (first) memcpy(to + i * r->taps * BLOCK, fresh + i * BLOCK, BLOCK * sizeof *to);
        else lbi_add_row(to + i * r->taps * BLOCK, fresh + i * BLOCK, BLOCK);
    }
}

static void one_task(const run *r, const chunk *k, int64_t task, bool first, float *fresh) {
    int64_t left = task / r->right, right = task % r->right, steps = lbi_over(k->count, SIDE), chain = lbi_over(steps, lbi_over(steps, CHAIN)), panel = PARTS * r->lines * SIDE;
    const uint16_t *a = r->turned + left * BLOCK * r->ld;
    const uint32_t *b = r->pairs + 2 * right * panel;
    float *sums = r->sums + task * r->taps * BLOCK * BLOCK, *before = NULL;
    for (int64_t s = 0; s < steps; s += chain)
        for (int64_t t = 0; t < r->taps; t++) {
            const uint16_t *from = a + s * DEPTH;
            const uint32_t *pairs = b + (r->tap[t] + s * SIDE) * SIDE;
            const lbi_bf16_factors f = {.a = from,
                                        .a2 = r->p.o - left * BLOCK > SIDE ? from + SIDE * r->ld : NULL,
                                        .at = r->at,
                                        .ld = r->ld,
                                        .steps = lbi_least(chain, steps - s),
                                        .b = pairs,
                                        .b2 = r->p.c - right * BLOCK > SIDE ? pairs + panel : NULL,
                                        .whole = true,
                                        .apart = r->left * BLOCK * r->ld,
                                        .b_apart = r->lines * SIDE};
            lbi_bf16_sum(true, &f, NULL);
            finish(r, fresh, before, first && (t > 0 ? s == 0 : s == chain));
            lbi_bf16_store(true, &f, fresh, false);
            before = sums + t * BLOCK;
        }
    finish(r, fresh, before, first && steps <= chain);
}

static void leave(const run *r, int64_t task) {
    const lbi_conv *p = &r->p;
    int64_t o0 = task / r->right * BLOCK, c0 = task % r->right * BLOCK, count = lbi_least(BLOCK, p->c - c0);
    for (int64_t o = 0; o < lbi_least(BLOCK, p->o - o0); o++) {
        float *to = r->gw + ((o0 + o) * p->c + c0) * r->taps;
        const float *from = r->sums + (task * BLOCK + o) * r->taps * BLOCK;
        for (int64_t c = 0; c < count; c++)
            for (int64_t t = 0; t < r->taps; t++, to++) *to = (r->fresh ? 0 : *to) + from[t * BLOCK + c];
    }
}

/* Lays out a chunk, on all threads of a region. */
static void lay_out(run *r, const chunk *k, float *mine) {
    int64_t rows = k->count / r->across.pitch;
    bool parted = true;
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < r->left * rows; i++) parted &= channels_of(r, k, i / rows, i % rows, mine);
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < r->lines / SIDE; i++) parted &= pair_step(r, k, i);
    if (!parted) {
#pragma omp atomic write
        r->lost = true;
    }
#pragma omp barrier
}

bool lbi_last_parts_kernels_worth(const lbi_conv *p, int64_t images) {
    enum { FEW = 32, PIXELS = 512 };
    return lbi_cpu() >= LBI_CPU_AMX && p->groups == 1 && p->c >= FEW && p->o >= FEW && p->kh * p->kw > 1 && images * p->y * p->x >= PIXELS;
}

bool lbi_last_parts_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh) {
    run r = {.p = *p, .x = x, .g = g, .gw = gw, .fresh = fresh};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (lbi_cpu() < LBI_CPU_AMX || p->groups != 1 || p->y < 1 || p->x < 1 || images < 1 || p->c < 1 || p->o < 1) return false;
    plan(&r, images);
    if (!memory(&r, threads)) return false;
    int64_t chunks = lbi_over(r.couples, r.together) * r.bands;
#pragma omp parallel num_threads(threads)
    {
        float *mine = r.mine + r.own * omp_get_thread_num();
        lbi_bf16_begin(true);
        for (int64_t i = 0; i < chunks; i++) {
            const chunk k = chunk_of(&r, i);
            lay_out(&r, &k, mine);
            if (r.lost) break;
#pragma omp for schedule(static)
            for (int64_t t = 0; t < r.left * r.right; t++) one_task(&r, &k, t, i == 0, mine);
        }
        lbi_bf16_end(true);
#pragma omp for schedule(static)
        for (int64_t t = 0; t < (r.lost ? 0 : r.left * r.right); t++) leave(&r, t);
    }
    lbi_work_give(r.at);
    return !r.lost;
}
#else
bool lbi_last_parts_kernels_worth(const lbi_conv *p, int64_t images) { return false; }
bool lbi_last_parts_kernels(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh) { return false; }
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of convolutions with channels last.
 * Input: the convolution of g with kernels turned round and inputs for outputs. A stride takes it apart into stride_h * stride_w such ones, each
 * with the kernel elements that reach its part of the picture, written where that part lies.
 * Kernel: dw[(u,v,c)][o] = sum over pixels of x[pixel + (u,v)][c] g[pixel][o]: a line (u,v,c) is a row of a tile, what a pixel brings is its number
 * times a vector of g. A task is some lines over all pixels, so no two add to one number; its sums stay in L2. Floor: the multiply-add peak. */
#include <omp.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/conv_turn.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_bf16.h"
#include "tensor/kernels/last_bf16_map.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* ---- input ---- */

/* Zeros where no kernel element reaches. */
static void clear(const lbi_conv *p, int64_t images, lbi_turned rows, lbi_turned cols, int64_t a, int64_t b, float *gx) {
    for (int64_t n = 0; n < images * rows.count; n++)
        for (int64_t j = 0; j < cols.count; j++) {
            int64_t row = p->sh * (rows.first + n % rows.count) + a - p->pt, col = p->sw * (cols.first + j) + b - p->pl;
            memset(gx + ((n / rows.count * p->h + row) * p->w + col) * p->c, 0, (size_t)p->c * sizeof *gx);
        }
}

static bool one_part(const lbi_conv *p, int64_t images, const float *g, const float *w, int64_t a, int64_t b, float *gx, bool fresh, bool parts) {
    lbi_turned rows = lbi_turned_of(p->h, p->kh, p->sh, p->pt, a), cols = lbi_turned_of(p->w, p->kw, p->sw, p->pl, b);
    bool whole = p->sh == 1 && p->sw == 1, ok;
    if (rows.count <= 0 || cols.count <= 0) return true;
    if (rows.taps == 0 || cols.taps == 0) {
        if (fresh) clear(p, images, rows, cols, a, b, gx);
        return true;
    }
    lbi_conv t = lbi_turned_conv(p, &rows, &cols);
    float *turned = lbi_work_take((size_t)(p->c * (p->o / p->groups) * rows.taps * cols.taps) * sizeof *turned);
    if (!turned) return false;
    lbi_turn_kernels(p, w, a, b, rows.taps, cols.taps, turned);
    float *to = gx + ((p->sh * rows.first + a - p->pt) * p->w + p->sw * cols.first + b - p->pl) * p->c;
    lbi_gemm_end end = {.beta = fresh ? 0 : 1}, more = {.add = fresh ? NULL : gx};
    lbi_last_place place = {p->h * p->w * p->c, p->sh * p->w * p->c, p->sw * p->c};
    if (parts && lbi_last_parts_worth(&t, images) && lbi_last_parts(&t, images, g, false, turned, NULL, &end, whole ? gx : to, whole ? NULL : &place)) ok = true;
    else if (whole && lbi_last_winograd_deep_worth(&t, images)) ok = lbi_last_winograd_deep(&t, images, g, turned, &more, gx);
    else if (whole && lbi_winograd_worth(&t, images)) ok = lbi_last_winograd(&t, images, g, turned, NULL, &more, gx);
    else ok = lbi_last_conv_to(&t, images, g, false, turned, NULL, &end, whole ? gx : to, whole ? NULL : &place);
    lbi_work_give(turned);
    return ok;
}

lbi_conv_done lbi_last_input(const lbi_conv *p, int64_t images, const float *g, const float *w, float *gx, bool fresh) {
    if (!lbi_last_can() || p->y < 1 || p->x < 1 || images < 1 || !lbi_turns(p)) return LBI_CONV_NOT_DONE;
    /* What is added to what stands in gx must not be half done. */
    bool parts = lbi_cpu() >= LBI_CPU_AMX && (fresh || (lbi_bf16_parted(g, images * p->y * p->x * p->o) && lbi_bf16_parted(w, p->o * (p->c / p->groups) * p->kh * p->kw)));
    for (int64_t a = 0; a < p->sh; a++)
        for (int64_t b = 0; b < p->sw; b++)
            if (!one_part(p, images, g, w, a, b, gx, fresh, parts)) return a == 0 && b == 0 ? LBI_CONV_NOT_DONE : LBI_CONV_BROKEN;
    return LBI_CONV_DONE;
}

/* ---- kernel ---- */

enum { SUMS = 512 * 1024, BLOCK = 256, NARROW = 28, SLACK = 16, ACROSS = 16 }; /* bytes of a task's sums; pixels at a time; channels below which a line is a whole kernel row */

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *g;
    float *gw;
    bool fresh, narrow;
    int64_t images, panels, wide;     /* panels of O; numbers of a line's sums */
    int64_t ld, pitch, plane;         /* of x or its padded copy */
    int64_t each, tasks;              /* channels of a task, or kernel rows if narrow */
} run;

/* Lines that lie side by side: those of kernel element (u,v) and channels c .. c + count - 1; v counts on if narrow. */
typedef struct piece {
    int64_t u, v, c, count;
} piece;

static int64_t pieces_of(const run *r, int64_t task) { return r->narrow ? lbi_least(r->each, r->p->kh - task * r->each) : r->p->kh * r->p->kw; }

static piece piece_of(const run *r, int64_t task, int64_t i) {
    const lbi_conv *p = r->p;
    if (r->narrow) return (piece){task * r->each + i, 0, 0, p->kw * p->c};
    return (piece){i / p->kw, i % p->kw, task * r->each, lbi_least(r->each, p->c - task * r->each)};
}

/* One piece's lines over rows y .. y + rows - 1 of an image. */
static void lines_of(const run *r, int64_t image, int64_t y, int64_t rows, const piece *q, float *sums) {
    const lbi_conv *p = r->p;
    const float *x = r->x + image * r->plane + (y * p->sh + q->u * p->dh) * r->pitch + q->v * p->dw * r->ld + q->c, *g = r->g + (image * p->y + y) * p->x * p->o;
    int64_t tiles = lbi_over(q->count, r->k->rows), each = lbi_over(q->count, tiles);
    for (int64_t panel = 0; panel < r->panels; panel++)
        for (int64_t i = 0; i < q->count; i += each)
            r->k->lines(rows, p->x, x + i, p->sh * r->pitch, p->sw * r->ld, g + panel * r->k->cols, p->x * p->o, p->o, sums + i * r->wide + panel * r->k->cols,
                        r->wide, (int)lbi_least(each, q->count - i), (int)lbi_least(r->k->cols, p->o - panel * r->k->cols));
}

/* Sums of a task into the gradient, some channels of the result at a time, so that its lines fill up in the cache. */
static void leave(const run *r, int64_t task, const float *sums) {
    const lbi_conv *p = r->p;
    for (int64_t o0 = 0; o0 < p->o; o0 += ACROSS) {
        const float *from = sums + o0;
        for (int64_t i = 0; i < pieces_of(r, task); i++) {
            piece q = piece_of(r, task, i);
            for (int64_t j = 0; j < q.count; j++, from += r->wide) {
                int64_t c = r->narrow ? j % p->c : q.c + j, v = r->narrow ? j / p->c : q.v;
                float *to = r->gw + (o0 * p->c + c) * p->kh * p->kw + q.u * p->kw + v;
                for (int64_t o = 0; o < lbi_least(ACROSS, p->o - o0); o++, to += p->c * p->kh * p->kw) *to = (r->fresh ? 0 : *to) + from[o];
            }
        }
    }
}

static void one_task(const run *r, int64_t task, float *sums) {
    const lbi_conv *p = r->p;
    int64_t lines = 0, rows = lbi_most(1, BLOCK / p->x);
    for (int64_t i = 0; i < pieces_of(r, task); i++) lines += piece_of(r, task, i).count;
    memset(sums, 0, (size_t)(lines * r->wide) * sizeof *sums);
    for (int64_t n = 0; n < r->images; n++)
        for (int64_t y = 0; y < p->y; y += rows) {
            float *to = sums;
            for (int64_t i = 0; i < pieces_of(r, task); i++) {
                piece q = piece_of(r, task, i);
                lines_of(r, n, y, lbi_least(rows, p->y - y), &q, to);
                to += q.count * r->wide;
            }
        }
    leave(r, task, sums);
}

/* A row of the padded picture. */
static void pad_row(const run *r, const float *x, bool planes, int64_t image, int64_t row, float *to) {
    const lbi_conv *p = r->p;
    int64_t from = row - p->pt, wide = r->pitch / r->ld, n = lbi_least(p->w, wide - p->pl);
    if (from < 0 || from >= p->h || n <= 0) {
        memset(to, 0, (size_t)r->pitch * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)(p->pl * p->c) * sizeof *to);
    to += p->pl * p->c;
    if (planes)
        for (int64_t c = 0; c < p->c; c++)
            for (int64_t j = 0; j < n; j++) to[j * p->c + c] = x[((image * p->c + c) * p->h + from) * p->w + j];
    else memcpy(to, x + (image * p->h + from) * p->w * p->c, (size_t)(n * p->c) * sizeof *to);
    memset(to + n * p->c, 0, (size_t)((wide - p->pl - n) * p->c) * sizeof *to);
}

static void plan(run *r, int threads) {
    const lbi_conv *p = r->p;
    r->panels = lbi_over(p->o, r->k->cols);
    r->wide = r->panels * r->k->cols;
    r->narrow = p->c < NARROW && p->dw == 1;
    int64_t lines = lbi_most(r->k->rows, SUMS / (r->wide * (int64_t)sizeof(float))), whole = r->narrow ? p->kh : p->c, row = r->narrow ? p->kw * p->c : p->kh * p->kw;
    r->each = lbi_most(1, lbi_least(lines / row, lbi_over(whole, threads)));
    if (!r->narrow) r->each = lbi_most(r->each, lbi_least(p->c, r->k->rows));
    r->tasks = lbi_over(whole, r->each);
}

/* Their sums are written and read once a block of tiles, which pays from fewer pixels on than the transforms of kernels do. */
static bool by_winograd(const lbi_conv *p, int64_t images) {
    enum { CHANNELS = 32, PIXELS = 512, SIDE = 7 };
    return !p->exact && lbi_winograd_can(p) && p->c >= CHANNELS && p->o >= CHANNELS && p->y >= SIDE && p->x >= SIDE && images * p->y * p->x >= PIXELS;
}

bool lbi_last_kernels(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *g, float *gw, bool fresh) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .g = g, .gw = gw, .fresh = fresh, .images = images, .ld = p->c, .pitch = p->w * p->c};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || p->groups != 1 || p->y < 1 || p->x < 1 || images < 1) return false;
    if (!planes && lbi_last_parts_kernels_worth(p, images) && lbi_last_parts_kernels(p, images, x, g, gw, fresh)) return true;
    if (!planes && by_winograd(p, images) && lbi_last_winograd_kernels(p, images, x, g, gw, fresh)) return true;
    plan(&r, threads);
    int64_t high = (p->y - 1) * p->sh + (p->kh - 1) * p->dh + 1, across = (p->x - 1) * p->sw + (p->kw - 1) * p->dw + 1;
    bool pads = planes || p->pt > 0 || p->pl > 0 || high > p->h || across > p->w;
    if (pads) r.pitch = across * p->c;
    else high = p->h;
    r.plane = high * r.pitch;
    int64_t sums = r.each * (r.narrow ? p->kw * p->c : p->kh * p->kw) * r.wide, copy = pads ? images * r.plane + SLACK : 0;
    float *work = lbi_work_take((size_t)(copy + sums * threads) * sizeof *work);
    if (!work) return false;
    float *padded = work + sums * threads;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (pads ? images * high : 0); i++) pad_row(&r, x, planes, i / high, i % high, padded + i * r.pitch);
#pragma omp single
        if (pads) r.x = padded;
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r.tasks; i++) one_task(&r, i, work + sums * omp_get_thread_num());
    }
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A block is a band of output rows. It is done in strips of a few pixels from top to bottom, all channels of a pixel at a time: memory is read and
 * written in runs, and a strip's rows are still near when the next output row wants them. Nothing is copied or padded: where a border is in reach,
 * kernel elements beyond it are left out. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { NEAR = 256 * 1024, SHARES = 4 }; /* bytes of a band's input; bands for each thread */

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *add;
    float *y;
    lb_act after;
    int64_t images, rows, down; /* rows of a band, bands of an image */
    int64_t low, high;          /* output columns that see no border: low .. high - 1 */
    lbi_last_strip strip;
} run;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t over(int64_t n, int64_t by) { return (n + by - 1) / by; }

static void plan(run *r, int threads) {
    const lbi_conv *p = r->p;
    int64_t reach = (p->kw - 1) * p->dw;
    r->low = least(p->x, over(p->pl, p->sw));
    r->high = p->w - 1 - reach + p->pl < 0 ? 0 : (p->w - 1 - reach + p->pl) / p->sw + 1;
    r->high = most(r->low, least(r->high, p->x));
    r->down = over(p->y * p->sh * p->w * p->c * (int64_t)sizeof(float), NEAR);
    r->down = least(p->y, most(r->down, over((int64_t)threads * SHARES, r->images)));
    r->rows = over(p->y, r->down);
    r->down = over(p->y, r->rows);
    r->strip = (lbi_last_strip){.kh = p->kh, .kw = p->kw, .step = p->sw, .apart = p->dw, .channels = p->c, .ld = p->c};
}

/* Kernels times their scale, turned. */
static void pack(const run *r, const float *w, const lbi_gemm_end *end, float *weights, float *bias) {
    int64_t lanes = r->k->lanes, taps = r->p->kh * r->p->kw;
    for (int64_t c = 0; c < over(r->p->c, lanes) * lanes; c++) {
        bool in = c < r->p->c;
        float scale = in && end->row_scale ? end->row_scale[c] : 1;
        bias[c] = in && end->row_bias ? end->row_bias[c] : 0;
        for (int64_t t = 0; t < taps; t++) weights[(c / lanes * taps + t) * lanes + c % lanes] = in ? w[c * taps + t] * scale : 0;
    }
}

/* Output pixels x .. x + n - 1 of row y. */
static void pixels(const run *r, int64_t image, int64_t y, int64_t x, int64_t n) {
    const lbi_conv *p = r->p;
    const float *row[LBI_LAST_DEEP];
    lbi_last_strip s = r->strip;
    int64_t top = y * p->sh - p->pt, left = x * p->sw - p->pl, v0 = left < 0 ? over(-left, p->dw) : 0, v1 = least(p->kw, left >= p->w ? 0 : over(p->w - left, p->dw));
    s.first = top < 0 ? over(-top, p->dh) : 0;
    s.last = least(p->kh, top >= p->h ? 0 : over(p->h - top, p->dh));
    for (int64_t u = s.first; u < s.last; u++) row[u] = r->x + ((image * p->h + top + u * p->dh) * p->w + left) * p->c;
    r->k->depth(&s, row, v0, v1, n, r->y + ((image * p->y + y) * p->x + x) * p->c);
}

static void one_block(const run *r, int64_t number) {
    const lbi_conv *p = r->p;
    int64_t image = number / r->down, y = number % r->down * r->rows, rows = least(r->rows, p->y - y), at = (image * p->y + y) * p->x * p->c, n = rows * p->x * p->c;
    for (int64_t x = 0, step; x < p->x; x += step) {
        step = x < r->low || x >= r->high ? 1 : least(LBI_LAST_STRIP, r->high - x);
        for (int64_t i = 0; i < rows; i++) pixels(r, image, y + i, x, step);
    }
    if (r->add) lbi_add_row(r->y + at, r->add + at, n);
    if (r->after != LB_ACT_NONE) lbi_act_plane(r->after, r->y + at, n, 0);
}

bool lbi_last_depth(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .y = y, .add = end->add, .images = images};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || p->kh > LBI_LAST_DEEP) return false;
    if (images == 0 || p->c == 0) return true;
    plan(&r, threads);
    if (!end->add && lbi_last_in_tile(end->act)) r.strip.act = end->act;
    else r.after = end->act;
    int64_t wide = over(p->c, r.k->lanes) * r.k->lanes;
    float *work = lbi_work_take((size_t)(wide * (p->kh * p->kw + 1)) * sizeof *work);
    if (!work) return false;
    pack(&r, w, end, work + wide, work);
    r.strip.bias = work;
    r.strip.w = work + wide;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < images * r.down; i++) one_block(&r, i);
    lbi_work_give(work);
    return true;
}
#endif

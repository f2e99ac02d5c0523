/* SPDX-License-Identifier: Apache-2.0 */
/* A block is a band of output rows. It is done in strips of a few pixels from top to bottom, all channels of a pixel at a time: memory is read and
 * written in runs, and a strip's rows are still near when the next output row wants them. Nothing is copied or padded: where a border is in reach,
 * kernel elements beyond it are left out. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/kernels/last_depth.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { NEAR = 256 * 1024, CLOSE = 24 * 1024, SHARES = 4 }; /* bytes of a band's input; of rows that stay in L1 from one output row to the next; bands for each thread */

typedef struct run {
    lbi_last_depth_plan d;
    const float *x, *add;
    float *y;
    lb_act after;
    int64_t images, rows, down; /* rows of a band, bands of an image */
} run;

lbi_last_depth_plan lbi_last_depth_plan_of(const lbi_conv *p, lb_act act) {
    lbi_last_depth_plan d = {.k = lbi_last_kernel_now(), .p = p};
    bool near = p->kh * p->w * p->c * (int64_t)sizeof(float) <= CLOSE;
    d.step = near ? p->x : lbi_over(p->x, lbi_over(p->x, LBI_LAST_STRIP));
    d.strip = (lbi_last_strip){.kh = p->kh, .kw = p->kw, .step = p->sw, .apart = p->dw, .channels = p->c, .ld = p->c, .act = act, .ld_rounded = lbi_up(p->c, LBI_BF16_DEPTH)};
    return d;
}

size_t lbi_last_depth_work(const lbi_last_depth_plan *d) { return (size_t)(lbi_over(d->p->c, d->k->lanes) * d->k->lanes * (d->p->kh * d->p->kw + 1)); }

/* Kernels times their scale, turned. */
void lbi_last_depth_pack(lbi_last_depth_plan *d, const float *w, const float *scale, const float *shift, float *work) {
    int64_t lanes = d->k->lanes, taps = d->p->kh * d->p->kw, wide = lbi_over(d->p->c, lanes) * lanes;
    float *weights = work + wide;
    for (int64_t c = 0; c < wide; c++) {
        bool in = c < d->p->c;
        float by = in && scale ? scale[c] : 1;
        work[c] = in && shift ? shift[c] : 0;
        for (int64_t t = 0; t < taps; t++) weights[(c / lanes * taps + t) * lanes + c % lanes] = in ? w[c * taps + t] * by : 0;
    }
    d->strip.bias = work;
    d->strip.w = weights;
}

void lbi_last_depth_pixels(const lbi_last_depth_plan *d, const float *const *rows, int64_t y, int64_t x, int64_t n, float *to, uint16_t *rounded) {
    const lbi_conv *p = d->p;
    const float *row[LBI_LAST_DEEP];
    lbi_last_strip s = d->strip;
    int64_t top = y * p->sh - p->pt, left = x * p->sw - p->pl;
    s.first = top < 0 ? lbi_over(-top, p->dh) : 0;
    s.last = lbi_least(p->kh, top >= p->h ? 0 : lbi_over(p->h - top, p->dh));
    s.y = to;
    s.rounded = rounded;
    for (int64_t u = s.first; u < s.last; u++) row[u] = rows[u] + left * p->c;
    d->k->depth(&s, row, -left, p->w - left, n);
}

static void plan(run *r, int threads) {
    const lbi_conv *p = r->d.p;
    r->down = lbi_over(p->y * p->sh * p->w * p->c * (int64_t)sizeof(float), NEAR);
    r->down = lbi_least(p->y, lbi_most(r->down, lbi_over((int64_t)threads * SHARES, r->images)));
    r->rows = lbi_over(p->y, r->down);
    r->down = lbi_over(p->y, r->rows);
}

static void pixels(const run *r, int64_t image, int64_t y, int64_t x, int64_t n) {
    const lbi_conv *p = r->d.p;
    const float *rows[LBI_LAST_DEEP];
    for (int64_t u = 0, at; u < p->kh; u++) {
        at = y * p->sh - p->pt + u * p->dh;
        rows[u] = at >= 0 && at < p->h ? r->x + (image * p->h + at) * p->w * p->c : NULL;
    }
    lbi_last_depth_pixels(&r->d, rows, y, x, n, r->y + ((image * p->y + y) * p->x + x) * p->c, NULL);
}

static void one_block(const run *r, int64_t number) {
    const lbi_conv *p = r->d.p;
    int64_t image = number / r->down, y = number % r->down * r->rows, rows = lbi_least(r->rows, p->y - y), at = (image * p->y + y) * p->x * p->c, n = rows * p->x * p->c;
    for (int64_t x = 0, step; x < p->x; x += step) {
        step = lbi_least(r->d.step, p->x - x);
        for (int64_t i = 0; i < rows; i++) pixels(r, image, y + i, x, step);
    }
    if (r->add) lbi_add_row(r->y + at, r->add + at, n);
    if (r->after != LB_ACT_NONE) lbi_act_plane(r->after, r->y + at, n, 0);
}

bool lbi_last_depth(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    bool within = !end->add && lbi_last_in_tile(end->act);
    run r = {.d = lbi_last_depth_plan_of(p, within ? end->act : LB_ACT_NONE), .x = x, .y = y, .add = end->add, .images = images, .after = within ? LB_ACT_NONE : end->act};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.d.k || p->kh > LBI_LAST_DEEP) return false;
    if (images == 0 || p->c == 0) return true;
    plan(&r, threads);
    float *work = lbi_work_take(lbi_last_depth_work(&r.d) * sizeof *work);
    if (!work) return false;
    lbi_last_depth_pack(&r.d, w, end->row_scale, end->row_bias, work);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < images * r.down; i++) one_block(&r, i);
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A block is a band of output rows; for each vector of channels its input rows pass through a ring of as many as the kernel is high, padded and with
 * nothing between the pixels, so that it stays in L1. */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { NEAR = 256 * 1024, SHARES = 4, SLACK = 16, HIGH = 64 }; /* bytes of a band's input; bands for each thread; most rows of a kernel */

typedef struct run {
    const lbi_last_kernel *k;
    const lbi_conv *p;
    const float *x, *add;
    float *y;
    bool planes;
    lb_act act, after;
    int64_t images, rows, down, groups; /* rows of a band, bands of an image, vectors of channels */
    int64_t taps, ring, wide;           /* rows of the ring, numbers of a row */
    float *weights, *bias;              /* [groups][taps][lanes], [groups][lanes] */
} run;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t over(int64_t n, int64_t by) { return (n + by - 1) / by; }

static void plan(run *r, int threads) {
    const lbi_conv *p = r->p;
    int64_t lanes = r->k->lanes, pixels = (p->x - 1) * p->sw + (p->kw - 1) * p->dw + 1;
    r->taps = p->kh * p->kw;
    r->groups = over(p->c, lanes);
    r->ring = (p->kh - 1) * p->dh + 1;
    r->wide = pixels * lanes + SLACK;
    r->down = over(p->y * p->sh * p->w * p->c * (int64_t)sizeof(float), NEAR);
    r->down = least(p->y, most(r->down, over((int64_t)threads * SHARES, r->images)));
    r->rows = over(p->y, r->down);
    r->down = over(p->y, r->rows);
}

/* Kernels times their scale, turned. */
static void pack(const run *r, const float *w, const lbi_gemm_end *end) {
    int64_t lanes = r->k->lanes;
    for (int64_t c = 0; c < r->groups * lanes; c++) {
        bool in = c < r->p->c;
        float scale = in && end->row_scale ? end->row_scale[c] : 1;
        r->bias[c] = in && end->row_bias ? end->row_bias[c] : 0;
        for (int64_t t = 0; t < r->taps; t++) r->weights[(c / lanes * r->taps + t) * lanes + c % lanes] = in ? w[c * r->taps + t] * scale : 0;
    }
}

/* Row `row` of the picture as vectors, zeros outside. */
static void bring(const run *r, int64_t image, int64_t first, int count, int64_t row, float *to) {
    const lbi_conv *p = r->p;
    int64_t lanes = r->k->lanes, pixels = (r->wide - SLACK) / lanes, n = least(p->w, pixels - p->pl);
    if (row < 0 || row >= p->h || n <= 0) {
        memset(to, 0, (size_t)(pixels * lanes) * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)(p->pl * lanes) * sizeof *to);
    to += p->pl * lanes;
    if (r->planes) lbi_turn(to, (int)lanes, r->x + ((image * p->c + first) * p->h + row) * p->w, p->h * p->w, count, n);
    else r->k->gather(to, r->x + ((image * p->h + row) * p->w) * p->c + first, p->c, n, count);
    memset(to + n * lanes, 0, (size_t)((pixels - p->pl - n) * lanes) * sizeof *to);
}

/* Output rows y .. y + rows - 1 of a vector of channels. */
static void band(const run *r, int64_t image, int64_t y, int64_t rows, int64_t group, float *ring) {
    const lbi_conv *p = r->p;
    int64_t lanes = r->k->lanes, first = group * lanes, top = y * p->sh - p->pt, have = top;
    int count = (int)least(lanes, p->c - first);
    const float *row[HIGH];
    for (int64_t i = 0; i < rows; i++) {
        int64_t from = top + i * p->sh;
        for (have = most(have, from); have < from + r->ring; have++) bring(r, image, first, count, have, ring + (have - top) % r->ring * r->wide);
        for (int64_t u = 0; u < p->kh; u++) row[u] = ring + (from - top + u * p->dh) % r->ring * r->wide;
        r->k->depth(row, p->kh, p->kw, p->sw, p->dw, r->weights + group * r->taps * lanes, r->bias + first, r->act, r->y + ((image * p->y + y + i) * p->x) * p->c + first, p->c, p->x, count);
    }
}

static void one_block(const run *r, int64_t number, float *ring) {
    const lbi_conv *p = r->p;
    int64_t image = number / r->down, y = number % r->down * r->rows, rows = least(r->rows, p->y - y), at = (image * p->y + y) * p->x * p->c, n = rows * p->x * p->c;
    for (int64_t g = 0; g < r->groups; g++) band(r, image, y, rows, g, ring);
    if (r->add) lbi_add_row(r->y + at, r->add + at, n);
    if (r->after != LB_ACT_NONE) lbi_act_plane(r->after, r->y + at, n, 0);
}

bool lbi_last_depth(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, const lbi_gemm_end *end, float *y) {
    run r = {.k = lbi_last_kernel_now(), .p = p, .x = x, .y = y, .add = end->add, .planes = planes, .images = images};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (!r.k || p->kh > HIGH) return false;
    if (images == 0 || p->c == 0) return true;
    plan(&r, threads);
    if (!end->add && lbi_last_in_tile(end->act)) r.act = end->act;
    else r.after = end->act;
    int64_t lanes = r.k->lanes, each = r.ring * r.wide;
    float *work = lbi_work_take((size_t)(r.groups * lanes * (r.taps + 1) + each * threads) * sizeof *work);
    if (!work) return false;
    r.bias = work;
    r.weights = work + r.groups * lanes;
    float *rings = r.weights + r.groups * lanes * r.taps;
    pack(&r, w, end);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < images * r.down; i++) one_block(&r, i, rings + each * omp_get_thread_num());
    lbi_work_give(work);
    return true;
}
#endif

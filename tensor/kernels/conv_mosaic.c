/* SPDX-License-Identifier: Apache-2.0 */
/* A task is some rows of results of one picture. Its part of the mosaic stands in between with a row for each channel and place in the window, in L2: the
 * product's result, or one of its factors. */
#include "tensor/kernels/conv_mosaic.h"
#include <omp.h>
#include <string.h>
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/work.h"

enum { ROOM = 1 << 16, FEW = 1 << 20, MOST_TAPS = 16 }; /* numbers in between; multiply-adds for which one thread is enough */

typedef struct plan {
    int64_t places, area; /* rows in between: channels times places of a window; results of a picture */
    int64_t pieces, tasks, room;
    int threads;
} plan;

/* Rows first .. first + rows - 1 of the results of a picture. */
typedef struct part {
    int64_t image, first, rows, count;
} part;

bool lbi_mosaic_worth(const lbi_conv *p) {
#ifdef LB_DOUBLE
    return false;
#else
    int64_t taps = p->kh * p->kw;
    bool tiled = p->kh == p->sh && p->kw == p->sw && p->dh == 1 && p->dw == 1 && p->pt == 0 && p->pl == 0 && p->h == p->y * p->kh && p->w == p->x * p->kw;
    return tiled && p->groups == 1 && taps > 1 && taps <= MOST_TAPS && lbi_gemm_kernel_now();
#endif
}

static plan plan_of(const lbi_conv *p, int64_t images) {
    plan r = {.places = p->c * p->kh * p->kw, .area = p->y * p->x};
    int64_t rows = ROOM / (r.places * p->x);
    rows = rows < 1 ? 1 : rows;
    r.pieces = (p->y + rows - 1) / rows;
    r.tasks = images * r.pieces;
    r.room = (r.places * ((p->y + r.pieces - 1) / r.pieces) * p->x + 15) / 16 * 16;
    r.threads = omp_in_parallel() || images * r.area * p->o * r.places < FEW ? 1 : omp_get_max_threads();
    return r;
}

static part part_of(const plan *r, const lbi_conv *p, int64_t task) {
    int64_t piece = task % r->pieces, first = piece * p->y / r->pieces, rows = (piece + 1) * p->y / r->pieces - first;
    return (part){task / r->pieces, first, rows, rows * p->x};
}

/* One line of the picture from `wide` rows that lie `ld` apart, n numbers of each, and back. */
LBI_LEVELS static void weave(lb_real *restrict line, const lb_real *restrict rows, int64_t ld, int64_t wide, int64_t n) {
    const lb_real *restrict second = rows + ld;
    if (wide == 1) memcpy(line, rows, (size_t)n * sizeof *line);
    else if (wide == 2)
        for (int64_t q = 0; q < n; q++) line[2 * q] = rows[q], line[2 * q + 1] = second[q];
    else
        for (int64_t q = 0; q < n; q++)
            for (int64_t v = 0; v < wide; v++) line[q * wide + v] = rows[v * ld + q];
}

LBI_LEVELS static void unweave(const lb_real *restrict line, lb_real *restrict rows, int64_t ld, int64_t wide, int64_t n) {
    lb_real *restrict second = rows + ld;
    if (wide == 1) memcpy(rows, line, (size_t)n * sizeof *line);
    else if (wide == 2)
        for (int64_t q = 0; q < n; q++) rows[q] = line[2 * q], second[q] = line[2 * q + 1];
    else
        for (int64_t q = 0; q < n; q++)
            for (int64_t v = 0; v < wide; v++) rows[v * ld + q] = line[q * wide + v];
}

/* Calls one of both for all lines of a part. to_picture: between -> picture. */
static void move(const lbi_conv *p, part at, lb_real *picture, lb_real *between, bool to_picture) {
    for (int64_t c = 0; c < p->c; c++)
        for (int64_t r = 0; r < at.rows; r++)
            for (int64_t u = 0; u < p->kh; u++) {
                lb_real *line = picture + ((at.image * p->c + c) * p->h + (at.first + r) * p->kh + u) * p->w;
                lb_real *rows = between + (c * p->kh + u) * p->kw * at.count + r * p->x;
                if (to_picture) weave(line, rows, at.count, p->kw, p->x);
                else unweave(line, rows, at.count, p->kw, p->x);
            }
}

bool lbi_mosaic_spread(const lbi_conv *p, int64_t images, const lb_real *y, const lb_real *w, const lb_real *bias, lb_real *x) {
    plan r = plan_of(p, images);
    lb_real *work = lbi_work_take((size_t)(r.room * r.threads + r.places) * sizeof *work), *biases = work + r.room * r.threads;
    if (!work) return false;
    for (int64_t j = 0; bias && j < r.places; j++) biases[j] = bias[j / (p->kh * p->kw)];
    const lbi_gemm_end end = {.row_bias = bias ? biases : NULL};
#pragma omp parallel for num_threads(r.threads) if (r.threads > 1)
    for (int64_t i = 0; i < r.tasks; i++) {
        part at = part_of(&r, p, i);
        lb_real *between = work + r.room * omp_get_thread_num();
        lbi_gemm_to(true, false, r.places, at.count, p->o, w, r.places, y + at.image * p->o * r.area + at.first * p->x, r.area, &end, between, at.count);
        move(p, at, x, between, true);
    }
    lbi_work_give(work);
    return true;
}

/* Threads sum the kernel's gradient over tasks of their own; their sums are added in order, so that a number of threads gives one result. */
bool lbi_mosaic_gather(const lbi_conv *p, int64_t images, const lb_real *g, const lb_real *w, const lb_real *y, lb_real *gy, bool fresh_y, lb_real *gw,
                       bool fresh_w) {
    plan r = plan_of(p, images);
    int64_t kernel = gw ? p->o * r.places : 0, own = r.room + (kernel + 15) / 16 * 16;
    lb_real *work = lbi_work_take((size_t)(own * r.threads) * sizeof *work);
    if (!work) return false;
    for (int t = 0; t < r.threads; t++) memset(work + own * t + r.room, 0, (size_t)kernel * sizeof *work);
#pragma omp parallel for num_threads(r.threads) schedule(static) if (r.threads > 1)
    for (int64_t i = 0; i < r.tasks; i++) {
        part at = part_of(&r, p, i);
        lb_real *between = work + own * omp_get_thread_num();
        int64_t from = at.image * p->o * r.area + at.first * p->x;
        move(p, at, (lb_real *)(uintptr_t)g, between, false);
        if (gy) lbi_gemm(false, false, p->o, at.count, r.places, w, r.places, between, at.count, fresh_y ? 0 : 1, gy + from, r.area);
        if (gw) lbi_gemm(false, true, p->o, r.places, at.count, y + from, r.area, between, at.count, 1, between + r.room, r.places);
    }
    for (int64_t j = 0; gw && j < kernel; j++) {
        lb_real sum = fresh_w ? 0 : gw[j];
        for (int t = 0; t < r.threads; t++) sum += work[own * t + r.room + j];
        gw[j] = sum;
    }
    lbi_work_give(work);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/conv_point.h"
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { RUN = 512, SMALL = 256, FEW = 1 << 20 }; /* pixels of a run; of an image that is copied; multiply-adds for which one thread is enough */

/* Pixels of a run: `images` whole ones (copied, ld = their pixels side by side), or pixels from `first` of one. */
typedef struct pixels {
    int64_t image, images, first, count;
} pixels;

typedef struct plan {
    int64_t each, runs, per;   /* pixels of an image; runs in all; images of a run, or 0: runs of an image */
    int64_t images, pieces;
} plan;

static int threads_of(const lbi_conv *p, int64_t images) { return omp_in_parallel() || images * p->o * p->c * p->y * p->x < FEW ? 1 : omp_get_max_threads(); }

static plan plan_of(const lbi_conv *p, int64_t images, int threads) {
    plan r = {.each = p->y * p->x, .images = images};
    if (r.each < SMALL && images > 1) {
        r.per = (RUN + r.each - 1) / r.each;
        r.runs = (images + r.per - 1) / r.per;
        r.runs = (r.runs + threads - 1) / threads * threads; /* as many for each thread */
        r.per = (images + r.runs - 1) / r.runs;
        r.runs = (images + r.per - 1) / r.per;
    } else {
        r.pieces = (r.each + RUN - 1) / RUN;
        r.runs = images * r.pieces;
    }
    return r;
}

static pixels pixels_of(const plan *r, int64_t i) {
    if (r->per) {
        int64_t first = i * r->per, left = r->images - first, count = left < r->per ? left : r->per;
        return (pixels){first, count, 0, count * r->each};
    }
    int64_t piece = i % r->pieces, first = piece * r->each / r->pieces, end = (piece + 1) * r->each / r->pieces;
    return (pixels){i / r->pieces, 0, first, end - first};
}

/* Images [images][C][each] to [C][images * each] and back. */
static void side_by_side(const plan *r, const pixels *at, int64_t channels, const float *from, float *to) {
    for (int64_t i = 0; i < at->images; i++)
        for (int64_t c = 0; c < channels; c++) lbi_copy_row(to + c * at->count + i * r->each, from + ((at->image + i) * channels + c) * r->each, r->each);
}

static void apart(const plan *r, const pixels *at, int64_t channels, const float *from, const float *add, float *to) {
    for (int64_t i = 0; i < at->images; i++)
        for (int64_t c = 0; c < channels; c++) {
            int64_t place = ((at->image + i) * channels + c) * r->each;
            const float *row = from + c * at->count + i * r->each;
            if (!add) {
                lbi_copy_row(to + place, row, r->each);
                continue;
            }
            if (add != to) lbi_copy_row(to + place, add + place, r->each);
            lbi_add_row(to + place, row, r->each);
        }
}

/* Where the run's numbers lie: copied to `own`, or in place. */
static const float *run_of(const plan *r, const pixels *at, int64_t channels, const float *x, float *own) {
    if (!r->per) return x + at->image * channels * r->each + at->first;
    side_by_side(r, at, channels, x, own);
    return own;
}

bool lbi_point_worth(const lbi_conv *p, int64_t images) {
    int64_t n = p->y * p->x, width = 32;
    return p->groups == 1 && p->kh == 1 && p->kw == 1 && p->sh == 1 && p->sw == 1 && p->pt == 0 && p->pl == 0 && p->y == p->h && p->x == p->w && images > 1 &&
           n < SMALL && n % width != 0 && lbi_gemm_kernel_now();
}

/* Pictures of one pixel are the rows of a matrix as they lie. */
static void rows_forward(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    lbi_gemm_end e = {.col_bias = end->row_bias, .add = end->add, .ld_add = p->o, .act = end->act, .bf16 = end->bf16};
    lbi_gemm_to(false, true, images, p->o, p->c, x, p->c, w, p->c, &e, y, p->o);
}

static void rows_backward(const lbi_conv *p, int64_t images, const float *x, const float *w, const float *g, float *gx, bool fresh_x, float *gw, bool fresh_w) {
    if (gw) lbi_gemm(true, false, p->o, p->c, images, g, p->o, x, p->c, fresh_w ? 0 : 1, gw, p->c);
    if (gx) lbi_gemm(false, false, images, p->c, p->o, g, p->o, w, p->c, fresh_x ? 0 : 1, gx, p->c);
}

bool lbi_point_forward(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    if (p->y * p->x == 1 && !end->row_scale) return rows_forward(p, images, x, w, end, y), true;
    int threads = threads_of(p, images);
    plan r = plan_of(p, images, threads);
    int64_t ld = r.per ? r.per * r.each : 0, in = (p->c * ld + 31) / 16 * 16, out = (p->o * ld + 31) / 16 * 16;
    float *work = lbi_work_take((size_t)((in + out) * threads) * sizeof *work);
    if (!work) return false;
    bool after = r.per && end->add; /* the addition, and what follows it, come when the images are apart again */
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < r.runs; i++) {
        pixels at = pixels_of(&r, i);
        float *own = work + (in + out) * omp_get_thread_num(), *to = r.per ? own + in : y + at.image * p->o * r.each + at.first;
        int64_t step = r.per ? at.count : r.each;
        lbi_gemm_end e = {.row_scale = end->row_scale,
                          .row_bias = end->row_bias,
                          .add = end->add && !after ? end->add + at.image * p->o * r.each + at.first : NULL,
                          .ld_add = r.each,
                          .act = after ? LB_ACT_NONE : end->act,
                          .bf16 = end->bf16};
        lbi_gemm_to(false, false, p->o, at.count, p->c, w, p->c, run_of(&r, &at, p->c, x, own), step, &e, to, step);
        if (!r.per) continue;
        apart(&r, &at, p->o, to, end->add, y);
        if (after) lbi_act_plane(end->act, y + at.image * p->o * r.each, at.images * p->o * r.each, 0);
    }
    lbi_work_give(work);
    return true;
}

bool lbi_point_backward(const lbi_conv *p, int64_t images, const float *x, const float *w, const float *g, float *gx, bool fresh_x, float *gw, bool fresh_w) {
    if (p->y * p->x == 1) return rows_backward(p, images, x, w, g, gx, fresh_x, gw, fresh_w), true;
    int threads = threads_of(p, images);
    plan r = plan_of(p, images, threads);
    int64_t ld = r.per ? r.per * r.each : 0, in = (p->c * ld + 31) / 16 * 16, out = (p->o * ld + 31) / 16 * 16, kernel = gw ? (p->o * p->c + 15) / 16 * 16 : 0, own = in + out + kernel;
    float *work = lbi_work_take((size_t)(own * threads) * sizeof *work);
    if (!work) return false;
#pragma omp parallel num_threads(threads)
    {
        float *mine = work + own * omp_get_thread_num(), *sum = mine + in + out;
        if (gw) memset(sum, 0, (size_t)kernel * sizeof *sum);
#pragma omp for schedule(static) /* so that a number of threads gives one result */
        for (int64_t i = 0; i < r.runs; i++) {
            pixels at = pixels_of(&r, i);
            int64_t step = r.per ? at.count : r.each;
            const float *slope = run_of(&r, &at, p->o, g, mine + in);
            if (gw) lbi_gemm(false, true, p->o, p->c, at.count, slope, step, run_of(&r, &at, p->c, x, mine), step, 1, sum, p->c);
            if (!gx) continue;
            float *to = r.per ? mine : gx + at.image * p->c * r.each + at.first;
            lbi_gemm(true, false, p->c, at.count, p->o, w, p->c, slope, step, r.per || fresh_x ? 0 : 1, to, step);
            if (r.per) apart(&r, &at, p->c, to, fresh_x ? NULL : gx, gx);
        }
    }
    for (int64_t j = 0; gw && fresh_w && j < p->o * p->c; j++) gw[j] = 0;
    for (int t = 0; gw && t < threads; t++)
        for (int64_t j = 0; j < p->o * p->c; j++) gw[j] += work[own * t + in + out + j];
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of a convolution, without the matrix of patches.
 * Input: the convolution of g with kernels turned round and inputs for outputs. A stride takes it apart into stride_h * stride_w such ones, each
 * with the kernel elements that reach its part of the picture.
 * Kernel: dw[o,(c,u,v)] = sum over pixels of g[o,n] x[n + at(c,u,v)]: g is packed by pixels once, rows of patches are runs of padded pictures
 * (conv_pad.h) whose numbers are broadcast. Tasks are blocks of channels, so no two add to one number. Floor of both: the multiply-add peak. */
#include <omp.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/conv_turn.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

/* ---- input ---- */

static void spread(const lbi_conv *p, int64_t planes, lbi_turned rows, lbi_turned cols, int64_t a, int64_t b, const float *from, float *gx, bool fresh) {
#pragma omp parallel for if (planes * rows.count * cols.count > 65536)
    for (int64_t n = 0; n < planes; n++)
        for (int64_t i = 0; i < rows.count; i++) {
            float *to = gx + (n * p->h + p->sh * (rows.first + i) + a - p->pt) * p->w + p->sw * cols.first + b - p->pl;
            const float *row = from ? from + (n * rows.count + i) * cols.count : NULL;
            for (int64_t j = 0; j < cols.count; j++) to[j * p->sw] = (fresh ? 0 : to[j * p->sw]) + (row ? row[j] : 0);
        }
}

static bool one_part(const lbi_conv *p, int64_t images, const float *g, const float *w, int64_t a, int64_t b, float *gx, bool fresh) {
    lbi_turned rows = lbi_turned_of(p->h, p->kh, p->sh, p->pt, a), cols = lbi_turned_of(p->w, p->kw, p->sw, p->pl, b);
    bool whole = p->sh == 1 && p->sw == 1, ok = true;
    if (rows.count <= 0 || cols.count <= 0) return true;
    if (rows.taps == 0 || cols.taps == 0) {
        if (fresh) spread(p, images * p->c, rows, cols, a, b, NULL, gx, fresh);
        return true;
    }
    lbi_conv t = lbi_turned_conv(p, &rows, &cols);
    size_t kernels = (size_t)(p->c * (p->o / p->groups) * rows.taps * cols.taps), out = whole ? 0 : (size_t)(images * p->c * rows.count * cols.count);
    float *work = lbi_work_take((kernels + out) * sizeof *work);
    if (!work) return false;
    lbi_turn_kernels(p, w, a, b, rows.taps, cols.taps, work);
    lbi_gemm_end end = {.add = whole && !fresh ? gx : NULL, .ld_add = p->h * p->w};
    ok = lbi_conv_tiles(&t, images, g, work, &end, whole ? gx : work + kernels);
    if (ok && !whole) spread(p, images * p->c, rows, cols, a, b, work + kernels, gx, fresh);
    lbi_work_give(work);
    return ok;
}

lbi_conv_done lbi_conv_input(const lbi_conv *p, int64_t images, const float *g, const float *w, float *gx, bool fresh) {
    if (!lbi_gemm_kernel_now() || p->y < 1 || p->x < 1 || images < 1 || !lbi_turns(p)) return LBI_CONV_NOT_DONE;
    for (int64_t a = 0; a < p->sh; a++)
        for (int64_t b = 0; b < p->sw; b++)
            if (!one_part(p, images, g, w, a, b, gx, fresh)) return a == 0 && b == 0 ? LBI_CONV_NOT_DONE : LBI_CONV_BROKEN;
    return LBI_CONV_DONE;
}

/* ---- kernel ---- */

enum { PIXELS = 256, SUMS = 128 * 1024 }; /* pixels of one step (32 KB of packed g); numbers of a task's block of dw */

typedef struct run {
    const lbi_gemm_kernel *g;
    const lbi_conv *p;
    lbi_pad pad;
    int64_t images, c, o, taps;       /* of one group */
    int64_t flat, panels, block, blocks; /* pixels with rubbish; panels of outputs; channels of a task; tasks of a group */
    int32_t *at;                      /* [taps] */
    float *packed;                    /* [image][group][panel][flat][nr] */
    float *gw;
    bool fresh;
} run;

/* One panel of one image: g by pixels, zeros between the rows. Where padding is wider than the kernel reaches, rows are longer than they lie apart: what is left out there
 * belongs to patches of zeros. */
static void pack_gradient(const run *r, const float *g, int64_t number) {
    const lbi_conv *p = r->p;
    int width = r->g->nr;
    int64_t panel = number % r->panels, at = number / r->panels, first = panel * width, count = lbi_least(width, r->o - first), out = p->y * p->x,
            own = lbi_least(p->x, r->pad.pitch), gap = r->pad.pitch - own;
    const float *from = g + (at * r->o + first) * out;
    float *to = r->packed + number * r->flat * width;
    for (int64_t i = 0; i + 1 < p->y; i++, to += r->pad.pitch * width) {
        r->g->across(to, width, from + i * p->x, out, (int)count, own);
        memset(to + own * width, 0, (size_t)(gap * width) * sizeof *to);
    }
    r->g->across(to, width, from + (p->y - 1) * p->x, out, (int)count, p->x);
}

/* sums [lines][o] of channels first.. of a group, over all images. own: padded pictures, then sums, then pointers to lines. */
static void sum_block(const run *r, const float *x, int64_t group, int64_t first, int64_t count, float *pictures, float *sums, const float **lines) {
    const lbi_conv *p = r->p;
    int width = r->g->nr;
    int64_t all = count * r->taps, ld = r->panels * width;
    memset(sums, 0, (size_t)(all * ld) * sizeof *sums);
    for (int64_t n = 0; n < r->images; n++) {
        const float *from = x + (n * p->c + group * r->c + first) * p->h * p->w, *packed = r->packed + (n * p->groups + group) * r->panels * r->flat * width;
        for (int64_t c = 0; !r->pad.direct && c < count; c++) lbi_pad_channel(p, &r->pad, from + c * p->h * p->w, pictures + c * r->pad.channel);
        if (!r->pad.direct) memset(pictures + count * r->pad.channel, 0, (size_t)r->pad.slack * sizeof *pictures);
        const float *base = r->pad.direct ? from : pictures;
        for (int64_t f = 0; f < r->flat; f += PIXELS) {
            for (int64_t i = 0; i < all; i++) lines[i] = base + i / r->taps * r->pad.channel + r->at[i % r->taps] + f;
            for (int64_t q = 0; q < r->panels; q++)
                for (int64_t i = 0; i < all; i += r->g->mr)
                    r->g->tile_lines(lbi_least(PIXELS, r->flat - f), lines + i, packed + (q * r->flat + f) * width, sums + i * ld + q * width, ld, (int)lbi_least(r->g->mr, all - i), width);
        }
    }
    for (int64_t o = 0; o < r->o; o++) {
        float *to = r->gw + ((group * r->o + o) * r->c + first) * r->taps;
        for (int64_t i = 0; i < all; i++) to[i] = (r->fresh ? 0 : to[i]) + sums[i * ld + o];
    }
}

bool lbi_conv_kernel(const lbi_conv *p, int64_t images, const float *x, const float *g, float *gw, bool fresh) {
    run r = {.g = lbi_gemm_kernel_now(), .p = p, .pad = lbi_pad_of(p), .images = images, .c = p->c / p->groups, .o = p->o / p->groups, .taps = p->kh * p->kw, .gw = gw, .fresh = fresh};
    if (!r.g || p->y < 1 || p->x < 1 || images < 1 || r.pad.channel > INT32_MAX) return false;
    r.flat = (p->y - 1) * r.pad.pitch + p->x;
    r.panels = lbi_panels(r.o, r.g->nr);
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    int64_t ld = r.panels * r.g->nr, most = SUMS / (ld * r.taps), share = (r.c * p->groups + 2 * threads - 1) / (2 * threads);
    r.block = lbi_least(r.c, most < 1 ? 1 : lbi_least(most, share));
    r.blocks = (r.c + r.block - 1) / r.block;
    int64_t table = (r.taps + 63) / 64 * 64, panels = images * p->groups * r.panels, packed = panels * r.flat * r.g->nr + 64, lines = r.block * r.taps;
    int64_t pictures = r.pad.direct ? 0 : (r.block * r.pad.channel + r.pad.slack + 15) / 16 * 16, sums = lines * ld, own = (pictures + sums + 2 * lines + 63) / 16 * 16;
    float *work = lbi_work_take((size_t)(table + (packed + 15) / 16 * 16 + own * threads) * sizeof *work);
    if (!work) return false;
    r.at = (int32_t *)(void *)work;
    r.packed = work + table;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < p->kw; v++) r.at[u * p->kw + v] = (int32_t)lbi_pad_at(p, &r.pad, u, v);
#pragma omp parallel num_threads(threads)
    {
        float *mine = r.packed + (packed + 15) / 16 * 16 + own * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < panels; i++) pack_gradient(&r, g, i);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < p->groups * r.blocks; i++) {
            int64_t first = i % r.blocks * r.block;
            sum_block(&r, x, i / r.blocks, first, lbi_least(r.block, r.c - first), mine, mine + pictures, (const float **)(void *)(mine + pictures + sums));
        }
    }
    lbi_work_give(work);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution as a matrix product without the matrix of patches. y [O, Y*X] = w [O, C*kh*kw] * p, where row (c,u,v) of p is the picture
 * shifted by (u,v). With stride 1 in a picture whose rows are S apart, such a row is the picture's own memory from u*dh*S + v*dw on: a tile reads
 * it there, from the table `at`, and nothing is copied 9 times. What that needs:
 *   - zeros around the picture: a padded copy, one pass, in which the zeros right of a row are those left of the next one;
 *   - stride: the copy is split in stride_h * stride_w pictures, so that each again is read with steps of 1;
 *   - output rows are S apart too and the S - X numbers between them are rubbish: they are made in a buffer and leave it in one pass that
 *     also adds bias, addition and activation. A 1x1 kernel at stride 1 needs none of this.
 * Floor: 2 O C kh kw Y X operations at the multiply-add peak; the rubbish costs S/X - 1 (2% at 56 pixels, 13% at 7). */
#include <omp.h>
#include <string.h>
#include "tensor/kernels/act.h"
#include "tensor/kernels/conv_pad.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE

enum { FLAT = 640, FLAT_DEEP = 320, MANY = 256 }; /* numbers of an output row in one block; fewer where there are many of them */
enum { KC = 256, OFTEN = 56 };                     /* rows of patches at a time: a panel stays in L1; output channels from which it is packed */

typedef struct run {
    const lbi_gemm_kernel *g;
    const lbi_conv *p;
    const float *x;
    float *y;
    lbi_tile_end end;         /* of the first image */
    lb_act after, act;
    bool compact;             /* writes y itself */
    int64_t c, o, k, images;  /* channels and kernel numbers of one group */
    lbi_pad pad;
    int64_t space;            /* numbers of a padded image, with slack */
    int64_t rows, width, pitch; /* output rows, their numbers, how far apart they are made; a picture of one row is one of rows of one number */
    int64_t block_rows, blocks;
    int64_t band_rows;        /* output rows that are padded together: all, or as many as fit BAND */
    int64_t wide;             /* numbers of a block's buffer */
    bool packs;               /* panels of patches are copied: there are enough output channels to read them often */
    int32_t *at;              /* [k] */
    float *weights;           /* [groups][blocks of KC][panels][KC][mr] */
    int64_t weights_each;
} run;

/* Whole output rows per block, such that few of the last panel's columns are in vain. */
static int64_t rows_of_block(const run *r) {
    int64_t most = r->o > MANY ? FLAT_DEEP : FLAT, best = 1;
    double waste = 1e30;
    for (int64_t rows = 1; rows <= r->rows && (rows == 1 || rows * r->pitch <= most); rows++) {
        int64_t blocks = (r->rows + rows - 1) / rows, last = r->rows - (blocks - 1) * rows;
        double done = (double)(blocks - 1) * (double)lbi_panels((rows - 1) * r->pitch + r->width, r->g->nr) + (double)lbi_panels((last - 1) * r->pitch + r->width, r->g->nr);
        done += 0.02 * (double)blocks;
        if (done > waste) continue;
        waste = done;
        best = rows;
    }
    return best;
}

static void plan(run *r) {
    const lbi_conv *p = r->p;
    r->pad = lbi_pad_of(p);
    r->rows = p->y > 1 ? p->y : p->x;
    r->width = p->y > 1 ? p->x : 1;
    r->pitch = p->y > 1 ? r->pad.pitch : 1;
    r->compact = r->pitch == r->width;
    r->packs = r->o >= OFTEN;
    r->space = p->c * r->pad.channel + r->pad.slack;
    r->block_rows = rows_of_block(r);
    r->blocks = (r->rows + r->block_rows - 1) / r->block_rows;
    r->band_rows = r->rows;
}

/* One large picture for all threads: padded band by band, so that the copy stays small beside the picture. */
static void make_bands(run *r) {
    enum { BAND = 4 << 20 }; /* numbers */
    lbi_conv band = *r->p;
    if (r->pad.direct || r->p->pt < 1 || r->p->y == 1 || r->space <= BAND) return;
    int64_t row = r->p->c * r->pad.pitch * r->p->sh * r->p->sw, rows = BAND / row / r->block_rows * r->block_rows;
    r->band_rows = band.y = rows < 8 * r->block_rows ? 8 * r->block_rows : rows;
    r->pad = lbi_pad_of(&band);
    r->space = r->p->c * r->pad.channel + r->pad.slack;
}

static void fill_table(const run *r) {
    int64_t n = 0;
    for (int64_t c = 0; c < r->c; c++)
        for (int64_t u = 0; u < r->p->kh; u++)
            for (int64_t v = 0; v < r->p->kw; v++) r->at[n++] = (int32_t)(c * r->pad.channel + lbi_pad_at(r->p, &r->pad, u, v));
}

/* Of output rows `first` on. */
static void pad_channel(const run *r, const float *image, int64_t c, int64_t first, float *padded) {
    lbi_conv band = *r->p;
    band.pt -= first * band.sh;
    lbi_pad_channel(&band, &r->pad, image + c * r->p->h * r->p->w, padded + c * r->pad.channel);
    if (c == r->p->c - 1) memset(padded + r->p->c * r->pad.channel, 0, (size_t)r->pad.slack * sizeof *padded);
}

/* Rubbish between the rows goes; bias, addition and activation come. */
static void leave(const run *r, float *wide, int64_t ld, float *y, const lbi_tile_end *e, int64_t rows) {
    for (int64_t q = 0; q < r->o; q++)
        for (int64_t i = 0; i < rows; i++) {
            float *to = y + q * r->rows * r->width + i * r->width;
            if (e->add) lbi_add_row(wide + q * ld + i * r->pitch, e->add + q * e->ld_add + i * r->width, r->width); /* first: add may be y */
            lbi_copy_row(to, wide + q * ld + i * r->pitch, r->width);
            lbi_act_plane(r->act, to, r->width, e->row_bias ? e->row_bias[q] : 0);
        }
}

/* A panel of patches, [kc][nr], for products that read it often. */
static void pack_panel(const run *r, const float *b, const int32_t *at, int64_t kc, int cols, float *panel) {
    int width = r->g->nr;
    for (int64_t p = 0; p < kc; p++, panel += width) {
        lbi_copy_row(panel, b + at[p], cols);
        __builtin_prefetch(b + at[p] + width, 0, 2); /* the next panel comes while this one is worked on */
        __builtin_prefetch(b + at[p] + width + width / 2, 0, 2);
        for (int j = cols; j < width; j++) panel[j] = 0;
    }
}

/* Output rows first..first+rows-1 of group `group`; b: the group's (padded) picture, of output rows `from` on. */
static void make_block(const run *r, int64_t image, int64_t group, int64_t first, int64_t from, const float *b, float *wide) {
    const lbi_conv *p = r->p;
    int64_t rows = lbi_least(r->block_rows, r->rows - first), flat = (rows - 1) * r->pitch + r->width, out = p->y * p->x, place = (image * p->o + group * r->o) * out + first * r->width;
    int64_t ld = r->compact ? out : lbi_panels(r->block_rows * r->pitch, 16) * 16, padded = lbi_panels(r->o, r->g->mr) * r->g->mr;
    lbi_tile_end end = r->end, none = {0};
    float *c = r->compact ? r->y + place : wide, *panel = wide + r->wide;
    if (end.row_scale) end.row_scale += group * r->o;
    if (end.row_bias) end.row_bias += group * r->o;
    if (end.add) end.add += place;
    b += (first - from) * r->pitch;
    for (int64_t k0 = 0; k0 < r->k; k0 += KC) {
        int64_t kc = lbi_least(KC, r->k - k0);
        const float *a = r->weights + group * r->weights_each + padded * k0;
        bool done = k0 + kc == r->k;
        for (int64_t j = 0; j < flat; j += r->g->nr) {
            int cols = (int)lbi_least(r->g->nr, flat - j);
            if (r->packs) pack_panel(r, b + j, r->at + k0, kc, cols, panel);
            for (int64_t i = 0; i < r->o; i += r->g->mr) {
                lbi_tile_end e = r->compact && done ? end : none;
                int high = (int)lbi_least(r->g->mr, r->o - i);
                if (done && end.row_scale) e.row_scale = end.row_scale + i;
                if (e.row_bias) e.row_bias += i;
                if (e.add) e.add += i * e.ld_add + j;
                e.beta = k0 == 0 ? 0 : 1;
                if (r->packs) r->g->tile(kc, a + i * kc, panel, c + i * ld + j, ld, high, cols, &e);
                else r->g->tile_at(kc, a + i * kc, b + j, r->at + k0, c + i * ld + j, ld, high, cols, &e);
            }
        }
    }
    if (!r->compact) leave(r, wide, ld, r->y + place, &end, rows);
    else if (r->after != LB_ACT_NONE)
        for (int64_t q = 0; q < r->o; q++) lbi_act_plane(r->after, c + q * ld, flat, 0);
}

static void pack_weights(const run *r, const float *w, int64_t number) {
    int width = r->g->mr;
    int64_t panels = lbi_panels(r->o, width), group = number / panels, first = number % panels * width, padded = panels * width;
    for (int64_t k0 = 0; k0 < r->k; k0 += KC) {
        int64_t kc = lbi_least(KC, r->k - k0);
        float spill[KC * LBI_NR_MAX + 16]; /* packing may write beyond the panel */
        lbi_pack(r->g, spill, width, w + group * r->o * r->k, r->k, true, first, lbi_least(width, r->o - first), k0, kc);
        memcpy(r->weights + group * r->weights_each + padded * k0 + first * kc, spill, (size_t)(width * kc) * sizeof *spill);
    }
}

/* Work memory: table, weights, then for each thread a padded picture and a wide block; or one picture for all. */
static float *memory(run *r, int threads, bool by_image, size_t *pads, size_t *wide) {
    int64_t table = (r->k + 63) / 64 * 64, groups = r->p->groups;
    r->weights_each = (lbi_packed_size(r->o, r->k, r->g->mr) + 15) / 16 * 16;
    *pads = r->pad.direct ? 0 : (size_t)((r->space + 15) / 16 * 16);
    r->wide = r->compact ? 0 : r->o * (lbi_panels(r->block_rows * r->pitch, 16) * 16) + 64;
    *wide = (size_t)(r->wide + (r->packs ? KC * LBI_NR_MAX : 0));
    float *work = lbi_work_take(((size_t)(table + groups * r->weights_each) + *pads * (size_t)(by_image ? threads : 1) + *wide * (size_t)threads) * sizeof *work);
    if (!work) return NULL;
    r->at = (int32_t *)(void *)work;
    r->weights = work + table;
    return r->weights + groups * r->weights_each;
}

static void one_image(const run *r, int64_t image, float *pad, float *wide) {
    const lbi_conv *p = r->p;
    const float *x = r->x + image * p->c * p->h * p->w;
    for (int64_t c = 0; !r->pad.direct && c < p->c; c++) pad_channel(r, x, c, 0, pad);
    int64_t each = r->c * r->pad.channel;
    for (int64_t group = 0; group < p->groups; group++)
        for (int64_t b = 0; b < r->blocks; b++) make_block(r, image, group, b * r->block_rows, 0, (r->pad.direct ? x : pad) + group * each, wide);
}

bool lbi_conv_tiles(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, float *y) {
    run r = {.g = lbi_gemm_kernel_now(), .p = p, .x = x, .y = y, .c = p->c / p->groups, .o = p->o / p->groups, .images = images, .act = end->act};
    r.k = r.c * p->kh * p->kw;
    if (!r.g) return false;
    if (lbi_winograd_worth(p, images) && lbi_winograd(p, images, x, w, end, y)) return true;
    plan(&r);
    if (r.space > INT32_MAX || r.k == 0) return false;
    r.end = lbi_tile_end_of(end, &r.after);
    int64_t panels = lbi_panels(r.o, r.g->mr) * p->groups;
    bool small = (double)images * (double)(p->o * p->y * p->x) * (double)r.k < 1e6;
    int threads = small || omp_in_parallel() ? 1 : omp_get_max_threads();
    bool by_image = images >= threads;
    if (!by_image) make_bands(&r);
    int64_t bands = (r.rows + r.band_rows - 1) / r.band_rows;
    size_t pads, wide;
    float *own = memory(&r, threads, by_image, &pads, &wide);
    if (!own) return false;
    fill_table(&r);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *mine = own + (by_image ? pads + wide : wide) * (size_t)omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < panels; i++) pack_weights(&r, w, i);
        if (by_image) {
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < images; i++) one_image(&r, i, mine, mine + pads);
        } else {
            for (int64_t i = 0; i < images * bands; i++) {
                const float *image = x + i / bands * p->c * p->h * p->w;
                int64_t from = i % bands * r.band_rows, blocks = (lbi_least(r.band_rows, r.rows - from) + r.block_rows - 1) / r.block_rows;
                if (!r.pad.direct) {
#pragma omp for schedule(static)
                    for (int64_t c = 0; c < p->c; c++) pad_channel(&r, image, c, from, own);
                }
                int64_t each = r.c * r.pad.channel;
#pragma omp for schedule(dynamic)
                for (int64_t b = 0; b < blocks * p->groups; b++)
                    make_block(&r, i / bands, b / blocks, from + b % blocks * r.block_rows, from, (r.pad.direct ? image : own) + b / blocks * each,
                               mine + pads);
            }
        }
    }
    lbi_work_give(r.at);
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A block is some rows of a picture, or some whole small pictures. What it sees of them is rounded (or parted) once into a patch that stays in L2, with zeros around, channels rounded up to 32;
 * a stride splits the patch into phases, so that neighbouring results see neighbouring pixels. Then the 32 channels that 16 results in a row see through a tap are a tile as they lie in the
 * patch, and nothing is copied for a tap. Tiles run on over the ends of rows, where results are thrown away; pictures' margins lie on top of each other.
 * Where pixels have few channels (pictures themselves), a tap is a whole row of the kernel instead: a run of numbers, filled up to 32 with what comes next, whose weights are 0.
 * Floats in three parts have a patch of three layers, one behind the other, and weights of three pieces a step.
 * Floor: 1024 multiply-adds a cycle with AMX, 170 of floats in parts; x read and y written once, as float. */
#include "tensor/kernels/last_bf16.h"
#include <omp.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/last_axis.h"
#include "tensor/kernels/last_bf16_map.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, CLOSE = LBI_BF16_CLOSE, LINE = 64 };
/* Floats in parts: steps for which two panels of B stay in half of L2, from where they come fast enough; steps summed in a row, so that long sums are as exact as those of last_conv.c. */
enum { CLOSE_PARTS = 160, CHAIN = 18 };
/* Bytes of a patch, and of one whose weights are HEAVY, since each block reads them all; of weights that stay in L2 while all of them pass by a tile. Results of a block at least. */
enum { NEAR = 512 * 1024, FAR = 1024 * 1024, HEAVY = 1024 * 1024, SMALL = 640 * 1024, PIXELS = 64 };

typedef struct run {
    lbi_conv p;
    const float *x;
    lbi_gemm_end end;
    lbi_bf16_out out;
    lbi_last_place place;
    bool planes, tiles, lines, small;          /* x is [C,H,W]; AMX; results of a row alone are a line of tiles; all weights stay near */
    bool whole;                                /* a tap is a row of the kernel */
    int64_t images, full, wide, c;             /* numbers of a tap, also with filling; from a pixel of the patch to the next: an odd number of lines, so that 16 of them lie in as many sets of the caches */
    lbi_axis down, across;
    int64_t unit, row, plane;                  /* numbers of a patch between neighbouring results, between rows of results, of a phase */
    int64_t steps, pass, chain, panels;        /* tap by 32 channels; of a pass at most, of what tiles sum in a row; 32 channels of the result each */
    int64_t *at;                               /* [steps]: where they are in a patch */
    int64_t together, rows, bands;             /* pictures and rows of a block, blocks of a picture */
    int64_t parts, part;                       /* blocks that share a patch's results, and their panels */
    uint32_t *weights;                         /* [panels][2][steps][layers][PIECE] */
    int64_t layers, patch;                     /* parts of a number, 1: rounded; numbers of a layer of a thread's patch */
} run;

/* ---- plan ---- */

/* Kernels of 1x1: all pixels are rows of one picture. */
static void flatten(run *r) {
    lbi_conv *p = &r->p;
    if (r->planes || p->kh != 1 || p->kw != 1 || p->sh != 1 || p->sw != 1 || p->y != p->h || p->x != p->w || p->pt || p->pl) return;
    p->h = p->y = r->images * p->h * p->w;
    r->images = p->w = p->x = 1;
    r->place.row = r->place.pixel;
}

static void put_taps(run *r) {
    const lbi_conv *p = &r->p;
    int64_t n = 0;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < (r->whole ? 1 : p->kw); v++)
            for (int64_t k = 0; k < r->wide; k += DEPTH) {
                int64_t down = u * p->dh, across = v * p->dw, phase = down % r->down.step * r->across.phases + across % r->across.step;
                r->at[n++] = phase * r->plane + (down / r->down.step * r->across.pitch + across / r->across.step) * r->c + k;
            }
}

static int64_t weights_of(const run *r) { return r->panels * 2 * r->steps * r->layers * PIECE; }

static void divide(run *r, int threads) {
    const lbi_conv *p = &r->p;
    int64_t phases = r->down.phases * r->across.phases, row = r->across.pitch * r->c * phases * r->layers * (int64_t)sizeof(uint16_t),
            image = r->down.pitch * row, shares = threads > 1 ? 2 * threads : 1;
    int64_t near = weights_of(r) * (int64_t)sizeof(uint32_t) >= HEAVY ? FAR : NEAR, high = r->lines ? p->sh : 1;
    r->together = r->bands = 1;
    r->rows = p->y;
    if (!r->lines && r->images >= shares && 2 * image <= near) r->together = lbi_most(1, lbi_least(near / image, lbi_over(r->images, shares)));
    else {
        r->rows = lbi_most(near / (row * high) - r->down.reach, lbi_over(PIXELS, p->x));
        r->bands = lbi_over(p->y, r->rows);
        if (r->bands * r->images < shares) r->bands = lbi_most(1, lbi_least(lbi_over(shares, r->images), p->y * p->x / PIXELS));
        r->rows = lbi_over(p->y, lbi_least(r->bands, p->y));
        r->bands = lbi_over(p->y, r->rows);
    }
    int64_t blocks = lbi_over(r->images, r->together) * r->bands;
    r->parts = blocks >= shares ? 1 : lbi_least(r->panels, lbi_over(shares, blocks));
    r->part = lbi_over(r->panels, r->parts);
    r->parts = lbi_over(r->panels, r->part);
}

/* Patch rows of a phase that a block of `images` pictures has. */
static int64_t patch_rows(const run *r, int64_t images, int64_t rows) { return r->lines ? (rows - 1) * r->p.sh + r->p.dh * (r->p.kh - 1) + 1 : (images - 1) * r->down.pitch + rows + r->down.reach; }

static void plan(run *r, bool dense, int threads) {
    if (dense) flatten(r);
    const lbi_conv *p = &r->p;
    int64_t wide = lbi_up(p->c, DEPTH), whole_run = lbi_up(p->kw * p->c, DEPTH);
    r->whole = p->dw == 1 && p->c % DEPTH != 0 && whole_run < wide * p->kw;
    r->wide = r->whole ? whole_run : wide;
    r->full = r->whole ? p->kw * p->c : p->c;
    r->c = r->whole ? p->c : wide + (wide / DEPTH % 2 == 0 ? DEPTH : 0);
    r->lines = r->whole && (p->sh > 1 || p->sw > 1);
    r->down = lbi_axis_of(p->y, p->h, p->kh, p->sh, p->dh, p->pt, !r->whole);
    r->across = lbi_axis_of(p->x, p->w, p->kw, p->sw, p->dw, p->pl, !r->whole);
    r->steps = p->kh * (r->whole ? 1 : p->kw) * r->wide / DEPTH;
    r->pass = lbi_over(r->steps, lbi_over(r->steps, r->layers > 1 ? CLOSE_PARTS : CLOSE));
    r->chain = r->layers > 1 ? lbi_over(r->pass, lbi_over(r->pass, CHAIN)) : r->pass;
    r->panels = lbi_over(p->o, BLOCK);
    r->unit = (r->lines ? p->sw : 1) * r->c;
    r->row = (r->lines ? p->sh : 1) * r->across.pitch * r->c;
    r->small = r->pass == r->steps && weights_of(r) * (int64_t)sizeof(uint32_t) <= SMALL;
    divide(r, threads);
    r->plane = patch_rows(r, r->together, r->rows) * r->across.pitch * r->c + (r->across.reach + r->across.n - r->across.pitch) * r->c;
    int64_t over = (BLOCK + 1) * r->unit + DEPTH; /* what tiles read beyond */
    r->patch = lbi_up(r->down.phases * r->across.phases * r->plane + over, LINE);
}

/* ---- weights ---- */

/* Where number k of a kernel, (c, tap), is among those of its steps. */
static int64_t deep_of(const run *r, int64_t k) {
    const lbi_conv *p = &r->p;
    int64_t taps = p->kh * p->kw, i = k % taps;
    return i / p->kw * (r->steps * DEPTH / p->kh) + i % p->kw * (r->whole ? p->c : r->wide) + k / taps;
}

/* 32 channels of the result, as products read them. lines: [steps * DEPTH][BLOCK]. */
static bool pack(const run *r, const float *w, int64_t panel, float *lines) {
    enum { DEEP = 128 };
    const lbi_conv *p = &r->p;
    float some[DEEP * BLOCK + SIDE];
    int64_t all = p->c * p->kh * p->kw, count = lbi_least(BLOCK, p->o - panel * BLOCK), piece = r->layers * PIECE;
    uint32_t *to = r->weights + panel * 2 * r->steps * piece;
    bool parted = true;
    memset(lines, 0, (size_t)(BLOCK * r->steps * DEPTH) * sizeof *lines);
    for (int64_t k0 = 0; k0 < all; k0 += DEEP) {
        int64_t n = lbi_least(DEEP, all - k0);
        lbi_turn(some, BLOCK, w + panel * BLOCK * all + k0, all, (int)count, n);
        for (int64_t k = 0; k < n; k++) memcpy(lines + deep_of(r, k0 + k) * BLOCK, some + k * BLOCK, (size_t)count * sizeof *lines);
    }
    for (int64_t s = 0; s < 2 * r->steps; s++) parted &= lbi_bf16_step(to + s * piece, lines + s % r->steps * DEPTH * BLOCK + s / r->steps * SIDE, BLOCK, r->layers > 1);
    return parted;
}

static void pack_ends(run *r, float *scale, float *bias) {
    for (int64_t i = 0; i < r->panels * BLOCK; i++) {
        scale[i] = i < r->p.o && r->end.row_scale ? r->end.row_scale[i] : 1;
        bias[i] = i < r->p.o && r->end.row_bias ? r->end.row_bias[i] : 0;
    }
    r->out.scale = scale;
    r->out.bias = bias;
}

/* ---- a patch ---- */

typedef struct block {
    int64_t image, images, y, rows, first, last; /* panels first .. last - 1 */
} block;

static block block_of(const run *r, int64_t i) {
    block b = {.first = i % r->parts * r->part};
    i /= r->parts;
    b.y = i % r->bands * r->rows;
    b.image = i / r->bands * r->together;
    b.images = lbi_least(r->together, r->images - b.image);
    b.rows = lbi_least(r->rows, r->p.y - b.y);
    b.last = lbi_least(b.first + r->part, r->panels);
    return b;
}

static void clear(const run *r, uint16_t *to, int64_t numbers) {
    for (int64_t i = 0; i < r->layers && numbers > 0; i++) memset(to + i * r->patch, 0, (size_t)numbers * sizeof *to);
}

/* n pixels, `apart` numbers between their first ones, to a patch. @return whether they have parts, where those are asked for. */
static bool pixels(const run *r, const float *from, int64_t n, int64_t apart, uint16_t *to) { return lbi_bf16_pixels(from, n, apart, r->p.c, to, r->c, r->layers > 1 ? r->patch : 0); }

/* A phase's part of a row of the picture. */
static bool bring_row(const run *r, const float *row, int64_t phase, uint16_t *to) {
    const lbi_axis *a = &r->across;
    int64_t end, from, first = lbi_axis_inside(a, phase, &end, &from);
    clear(r, to, first * r->c);
    bool parted = pixels(r, row + from * r->p.c, end - first, a->step * r->p.c, to + first * r->c);
    clear(r, to + end * r->c, (a->pitch - end) * r->c);
    return parted;
}

/* What the block sees of its pictures. turned: a row with channels last. */
static bool bring(const run *r, const block *b, uint16_t *patch, float *turned) {
    const lbi_conv *p = &r->p;
    const lbi_axis *down = &r->down, *across = &r->across;
    int64_t rows = patch_rows(r, b->images, b->rows), line = across->pitch * r->c, each = b->images > 1 ? down->pitch : rows;
    bool parted = true;
    for (int64_t phase = 0; phase < down->phases; phase++)
        for (int64_t i = 0; i < rows; i++) {
            int64_t image = lbi_least(i / each, b->images - 1), row = b->y * down->stride + (i - image * each) * down->step + phase - down->before;
            uint16_t *to = patch + phase * across->phases * r->plane + i * line;
            bool in = row >= 0 && row < p->h;
            const float *from = r->x + (b->image + image) * p->c * p->h * p->w + (in ? row * p->w * (r->planes ? 1 : p->c) : 0);
            if (in && r->planes) {
                lbi_turn(turned, (int)p->c, from, p->h * p->w, (int)p->c, p->w);
                from = turned;
            }
            for (int64_t q = 0; q < across->phases; q++, to += r->plane) {
                if (in) parted &= bring_row(r, from, q, to);
                else clear(r, to, line);
            }
        }
    int64_t behind = (across->reach + across->n - across->pitch) * r->c;
    for (int64_t q = 0; q < down->phases * across->phases; q++) clear(r, patch + q * r->plane + rows * line, behind);
    int64_t end = (down->phases * across->phases - 1) * r->plane + rows * line + behind;
    clear(r, patch + end, lbi_least(r->patch - end, LINE));
    return parted;
}

/* Pixels that lie in the patch as in x: 1x1. */
static bool plain(const run *r) {
    return r->images == 1 && r->across.pitch == 1 && r->across.size == 1 && r->down.reach == 0 && r->down.before == 0 && r->down.step == 1 && r->p.kw == 1 &&
           !r->planes;
}

/* ---- results ---- */

/* A tile's place: where its first row is in the patch, how many it has, and what result that is. */
typedef struct spot {
    int64_t at, count, image, y, x;
} spot;

static int64_t tiles_of(const run *r, const block *b) {
    int64_t last = (b->images - 1) * r->down.pitch + b->rows - 1;
    return r->lines ? b->rows * lbi_over(r->p.x, BLOCK) : lbi_over(last * r->across.pitch + r->p.x, BLOCK);
}

static spot spot_of(const run *r, const block *b, int64_t tile) {
    if (r->lines) {
        int64_t each = lbi_over(r->p.x, BLOCK), y = tile / each, x = tile % each * BLOCK;
        return (spot){y * r->row + x * r->unit, lbi_least(BLOCK, r->p.x - x), 0, y, x};
    }
    int64_t first = tile * BLOCK, row = first / r->across.pitch, all = ((b->images - 1) * r->down.pitch + b->rows - 1) * r->across.pitch + r->p.x;
    return (spot){first * r->unit, lbi_least(BLOCK, all - first), row / r->down.pitch, row % r->down.pitch, first % r->across.pitch};
}

/* The sums of a tile that are results, to y. */
static void leave(const run *r, const block *b, const spot *at, const float *from, int64_t panel) {
    const lbi_conv *p = &r->p;
    int64_t image = at->image, y = at->y, x = at->x;
    if (plain(r)) { /* its rows, of one pixel, lie as pixels do */
        lbi_bf16_put(&r->out, from, lbi_least(at->count, b->rows - y), (b->y + y) * r->place.row, panel * BLOCK);
        return;
    }
    for (int64_t i = 0, n; i < at->count; i += n) {
        n = lbi_least(at->count - i, r->lines ? p->x : r->across.pitch - x);
        if (y < b->rows && x < p->x)
            lbi_bf16_put(&r->out, from + i * BLOCK, lbi_least(n, p->x - x),
                         (b->image + image) * r->place.image + (b->y + y) * r->place.row + x * r->place.pixel, panel * BLOCK);
        x = 0;
        if (++y < r->down.pitch || b->images == 1) continue;
        y = 0;
        image++;
    }
}

/* Sums of a tile that are finished beside the next products: `more` is added, and those of all steps are put. */
typedef struct waiting {
    spot at;
    int64_t panel;
    float *sums;
    const float *more;
    bool done;
} waiting;

static void finish(const run *r, const block *b, waiting *w) {
    if (w->sums && w->more) lbi_add_row(w->sums, w->more, BLOCK * BLOCK);
    if (w->sums && w->done) leave(r, b, &w->at, w->sums, w->panel);
    w->sums = NULL;
}

/* A pass over a tile, from `step` on. fresh: sums of a chain, which are added to earlier ones. */
static void products(const run *r, const block *b, const uint16_t *patch, const spot *at, int64_t panel, int64_t step, waiting *w, float *fresh, float *to) {
    int64_t piece = r->layers * PIECE, end = lbi_least(step + r->pass, r->steps);
    int tap = (int)(r->wide / DEPTH);
    const uint16_t *a = patch + at->at;
    for (int64_t s = step; s < end; s += r->chain) {
        const uint32_t *weights = r->weights + (panel * 2 * r->steps + s) * piece;
        lbi_bf16_factors f = {.a = a,
                              .a2 = at->count > SIDE ? a + SIDE * r->unit : NULL,
                              .at = r->at + s,
                              .ld = r->unit,
                              .steps = lbi_least(r->chain, end - s),
                              .tail = lbi_bf16_tail(r->full),
                              .tap = tap,
                              .phase = (int)(s % tap),
                              .b = weights,
                              .b2 = r->p.o - panel * BLOCK > SIDE ? weights + r->steps * piece : NULL,
                              .whole = r->layers > 1,
                              .apart = r->patch};
        bool add = s > 0 && r->layers == 1, apart = s > 0 && !add;
        lbi_bf16_sum(r->tiles, &f, add ? to : NULL);
        finish(r, b, w);
        lbi_bf16_store(r->tiles, &f, apart ? fresh : to, add);
        *w = (waiting){*at, panel, to, apart ? fresh : NULL, s + f.steps >= r->steps};
    }
}

/* sums: [1 + tiles][BLOCK][BLOCK], or two of them where no pass follows another. @return false, and nothing is done: what it sees has no parts. */
static bool one_block(const run *r, int64_t number, uint16_t *patch, float *sums, float *turned) {
    enum { EACH = BLOCK * BLOCK };
    block b = block_of(r, number);
    waiting w = {.sums = NULL};
    int64_t tiles = tiles_of(r, &b), each = r->pass < r->steps ? EACH : 0;
    if (!(plain(r) ? pixels(r, r->x + b.y * r->p.c, b.rows, r->p.c, patch) : bring(r, &b, patch, turned))) return false;
    for (int64_t i = 0; r->small && i < tiles; i++) {
        spot at = spot_of(r, &b, i);
        for (int64_t panel = b.first; panel < b.last; panel++) products(r, &b, patch, &at, panel, 0, &w, sums, sums + EACH);
    }
    for (int64_t panel = b.first; !r->small && panel < b.last; panel++)
        for (int64_t step = 0; step < r->steps; step += r->pass)
            for (int64_t i = 0; i < tiles; i++) {
                spot at = spot_of(r, &b, i);
                products(r, &b, patch, &at, panel, step, &w, sums, sums + EACH + i * each);
            }
    finish(r, &b, &w);
    return true;
}

/* ---- all of it ---- */

/* Numbers as floats: lists and ends, then each thread's patch, sums and row. */
typedef struct room {
    float *work, *own;
    int64_t patch, sums, each;
} room;

static bool memory(run *r, int threads, float **kept, room *m) {
    const block whole = {.images = r->together, .rows = r->rows};
    int64_t at = lbi_up(r->steps * 2, LINE), ends = lbi_up(2 * r->panels * BLOCK, LINE), weights = weights_of(r);
    m->patch = lbi_up(r->patch * r->layers / 2, LINE);
    m->sums = (1 + (r->pass < r->steps ? tiles_of(r, &whole) : 1)) * BLOCK * BLOCK;
    int64_t lines = lbi_up(r->planes ? r->p.c * r->p.w + LINE : 0, LINE);
    m->each = lbi_most(m->patch + m->sums + lines, lbi_up(BLOCK * r->steps * DEPTH, LINE));
    m->work = lbi_work_take((size_t)(at + ends + m->each * threads + (kept ? 0 : weights)) * sizeof(float));
    if (!m->work) return false;
    r->at = (int64_t *)(void *)m->work;
    pack_ends(r, m->work + at, m->work + at + r->panels * BLOCK);
    m->own = m->work + at + ends;
    float *to = !kept ? m->own + m->each * threads : *kept ? *kept : lb_alloc_aligned((size_t)weights * sizeof(float));
    r->weights = (uint32_t *)(void *)to;
    if (to && kept) *kept = to;
    if (!to) lbi_work_give(m->work);
    return to != NULL;
}

/* Packs weights unless they are, then makes all blocks. @return false: something has no parts. */
static bool all_of_it(const run *r, const float *w, const room *m, int threads) {
    int64_t blocks = lbi_over(r->images, r->together) * r->bands * r->parts;
    bool parted = true;
#pragma omp parallel num_threads(threads)
    {
        float *mine = m->own + m->each * omp_get_thread_num();
#pragma omp for schedule(static) reduction(&& : parted)
        for (int64_t i = 0; i < (w ? r->panels : 0); i++) parted = pack(r, w, i, mine) && parted;
        lbi_bf16_begin(r->tiles);
#pragma omp for schedule(dynamic) reduction(&& : parted)
        for (int64_t i = 0; i < blocks; i++) parted = parted && one_block(r, i, (uint16_t *)(void *)mine, mine + m->patch, mine + m->patch + m->sums);
        lbi_bf16_end(r->tiles);
    }
    return parted;
}

static bool convolve(run *r, const float *w, float **kept, const lbi_last_place *place) {
    const lbi_conv *p = &r->p;
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (p->groups != 1 || p->o < 1 || p->c < 1) return false;
    if (r->images == 0) return true;
    r->place = place ? *place : (lbi_last_place){p->y * p->x * p->o, p->x * p->o, p->o};
    r->out.apart = r->place.pixel;
    plan(r, !place, threads);
    bool packed = kept && *kept;
    room m;
    if (!memory(r, threads, kept, &m)) return false;
    put_taps(r);
    bool done = all_of_it(r, packed ? NULL : w, &m, threads);
    lbi_work_give(m.work);
    if (!done && kept && !packed) {
        lb_free(*kept);
        *kept = NULL;
    }
    return done;
}

bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images) {
    if (lbi_cpu() < LBI_CPU_BF16 || p->groups != 1 || p->exact || p->o < SIDE / 2) return false;
    if (lbi_cpu() >= LBI_CPU_AMX) return true;
    /* Dot products are twice as fast as multiply-adds, so patches of which half is filling gain nothing. */
    return p->c * p->kh * p->kw >= DEPTH && !lbi_winograd_worth(p, images) && !lbi_last_winograd_deep_worth(p, images);
}

bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y) {
    run r = {.p = *p, .x = x, .end = *end, .out = {.add = end->add, .y = y, .o = p->o, .act = end->act}, .planes = planes, .images = images, .tiles = lbi_cpu() >= LBI_CPU_AMX, .layers = 1};
    return lbi_cpu() >= LBI_CPU_BF16 && convolve(&r, w, kept, NULL);
}

bool lbi_last_parts_worth(const lbi_conv *p, int64_t images) {
    enum {
        FEW = 48,
        MANY = 192
    }; /* with fewer channels parting and putting cost more than the products gain; from many on Winograd's way gains nothing on them, and its kernels are 2.7
          times as large */
    return lbi_cpu() >= LBI_CPU_AMX && p->groups == 1 && p->o >= FEW && p->c >= FEW && (lbi_least(p->c, p->o) >= MANY || !lbi_winograd_worth(p, images));
}

bool lbi_last_parted(const float *x, int64_t n) {
    enum { EACH = 1 << 16 };
    bool parted = true;
#pragma omp parallel for reduction(&& : parted) if (!omp_in_parallel() && n > EACH)
    for (int64_t i = 0; i < n; i += EACH) parted = parted && lbi_bf16_parted(x + i, lbi_least(EACH, n - i));
    return parted;
}

bool lbi_last_parts(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y, const lbi_last_place *place) {
    run r = {.p = *p,
             .x = x,
             .end = *end,
             .out = {.add = end->beta != 0 ? y : end->add, .y = y, .o = p->o, .act = end->act},
             .planes = planes,
             .images = images,
             .tiles = true,
             .layers = LBI_BF16_PARTS};
    return lbi_cpu() >= LBI_CPU_AMX && convolve(&r, w, kept, place);
}
#else
bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images) { return false; }
bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y) { return false; }
bool lbi_last_parts_worth(const lbi_conv *p, int64_t images) { return false; }
bool lbi_last_parted(const float *x, int64_t n) { return false; }
bool lbi_last_parts(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y, const lbi_last_place *place) { return false; }
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A block is some rows of a picture, or some whole small pictures. What it sees of them is rounded once into a patch that stays in L2, with zeros around, channels rounded up to 32;
 * a stride splits the patch into phases, so that neighbouring results see neighbouring pixels. Then the 32 channels that 16 results in a row see through a tap are a tile as they lie in the
 * patch, and nothing is copied for a tap. Tiles run on over the ends of rows, where results are thrown away; pictures' margins lie on top of each other.
 * Where pixels have few channels (pictures themselves), a tap is a whole row of the kernel instead: a run of numbers, filled up to 32 with what comes next, whose weights are 0.
 * Floor: 1024 multiply-adds a cycle with AMX; x read and y written once, as float. */
#include "tensor/kernels/last_bf16.h"
#include <omp.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/last_bf16_map.h"
#include "tensor/kernels/turn.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, CLOSE = LBI_BF16_CLOSE, LINE = 64 };
/* Bytes of a patch, and of one whose weights are HEAVY, since each block reads them all; of weights that stay in L2 while all of them pass by a tile. Results of a block at least. */
enum { NEAR = 512 * 1024, FAR = 1024 * 1024, HEAVY = 1024 * 1024, SMALL = 640 * 1024, PIXELS = 64 };

/* An axis of the pictures as patches hold it. */
typedef struct axis {
    int64_t n, size, kernel, stride, apart, before; /* results, pixels, taps, their distances, pixels of margin */
    int64_t phases, step;                           /* pixels of a phase lie `step` apart: the stride, or 1 with one phase */
    int64_t reach;                                  /* pixels of a phase beyond those of the results */
    int64_t pitch;                                  /* pixels from one picture (or row) of a patch to the next */
} axis;

typedef struct run {
    lbi_conv p;
    const float *x;
    lbi_gemm_end end;
    lbi_bf16_out out;
    bool planes, tiles, lines, small;          /* x is [C,H,W]; AMX; results of a row alone are a line of tiles; all weights stay near */
    int64_t images, c;                         /* c: numbers of a pixel of the patch */
    axis down, across;
    int64_t unit, row, plane;                  /* numbers of a patch between neighbouring results, between rows of results, of a phase */
    int64_t steps, pass, panels;               /* tap by 32 channels; of a pass at most; 32 channels of the result each */
    int64_t *at;                               /* [steps]: where they are in a patch */
    int64_t together, rows, bands;             /* pictures and rows of a block, blocks of a picture */
    int64_t parts, part;                       /* blocks that share a patch's results, and their panels */
    uint32_t *weights;                         /* [panels][2][steps][PIECE] */
    int64_t patch;                             /* numbers of a thread's memory */
} run;

/* ---- plan ---- */

/* Pixels after a picture that are margin of this one and of the next: the next one begins so much earlier. */
static int64_t shared(const axis *a) {
    for (int64_t share = a->reach; share > 0; share--) {
        bool empty = true;
        for (int64_t phase = 0; phase < a->phases && empty; phase++)
            for (int64_t i = 0; i < share; i++) empty = empty && i * a->step + phase < a->before && (a->n + a->reach - share + i) * a->step + phase - a->before >= a->size;
        if (empty) return share;
    }
    return 0;
}

static axis axis_of(int64_t n, int64_t size, int64_t kernel, int64_t stride, int64_t apart, int64_t before, bool split) {
    axis a = {n, size, kernel, stride, apart, before, split ? lbi_least(stride, (kernel - 1) * apart + 1) : 1, split ? stride : 1, 0, 0};
    a.reach = split ? (kernel - 1) * apart / stride : (n - 1) * stride + (kernel - 1) * apart + 1 - n;
    a.pitch = n + a.reach - shared(&a);
    return a;
}

/* Kernels of 1x1: all pixels are rows of one picture. */
static void flatten(run *r) {
    lbi_conv *p = &r->p;
    if (r->planes || p->kh != 1 || p->kw != 1 || p->sh != 1 || p->sw != 1 || p->y != p->h || p->x != p->w || p->pt || p->pl) return;
    p->h = p->y = r->images * p->h * p->w;
    r->images = p->w = p->x = 1;
}

static void put_taps(run *r) {
    const lbi_conv *p = &r->p;
    bool whole = r->c == p->c && r->c % DEPTH != 0; /* rows of the kernel */
    int64_t n = 0, length = whole ? lbi_up(p->kw * p->c, DEPTH) : r->c;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < (whole ? 1 : p->kw); v++)
            for (int64_t k = 0; k < length; k += DEPTH) {
                int64_t down = u * p->dh, across = v * p->dw, phase = down % r->down.step * r->across.phases + across % r->across.step;
                r->at[n++] = phase * r->plane + (down / r->down.step * r->across.pitch + across / r->across.step) * r->c + k;
            }
}

static void divide(run *r, int threads) {
    const lbi_conv *p = &r->p;
    int64_t phases = r->down.phases * r->across.phases, row = r->across.pitch * r->c * phases * (int64_t)sizeof(uint16_t), image = r->down.pitch * row, shares = threads > 1 ? 2 * threads : 1;
    int64_t near = r->panels * r->steps * 2 * PIECE * (int64_t)sizeof(uint32_t) >= HEAVY ? FAR : NEAR, high = r->lines ? p->sh : 1;
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

static void plan(run *r, int threads) {
    flatten(r);
    const lbi_conv *p = &r->p;
    int64_t wide = lbi_up(p->c, DEPTH), whole_run = lbi_up(p->kw * p->c, DEPTH);
    bool whole = p->dw == 1 && p->c % DEPTH != 0 && whole_run < wide * p->kw; /* rows of the kernel are taps */
    r->c = whole ? p->c : wide;
    r->lines = whole && (p->sh > 1 || p->sw > 1);
    r->down = axis_of(p->y, p->h, p->kh, p->sh, p->dh, p->pt, !whole);
    r->across = axis_of(p->x, p->w, p->kw, p->sw, p->dw, p->pl, !whole);
    r->steps = p->kh * (whole ? whole_run : wide * p->kw) / DEPTH;
    r->pass = lbi_over(r->steps, lbi_over(r->steps, CLOSE));
    r->panels = lbi_over(p->o, BLOCK);
    r->unit = (r->lines ? p->sw : 1) * r->c;
    r->row = (r->lines ? p->sh : 1) * r->across.pitch * r->c;
    r->small = r->pass == r->steps && r->panels * r->steps * 2 * PIECE * (int64_t)sizeof(uint32_t) <= SMALL;
    divide(r, threads);
    r->plane = patch_rows(r, r->together, r->rows) * r->across.pitch * r->c + (r->across.reach + r->across.n - r->across.pitch) * r->c;
    int64_t over = (BLOCK + 1) * r->unit + DEPTH; /* what tiles read beyond */
    r->patch = lbi_up(r->down.phases * r->across.phases * r->plane + over, LINE);
}

/* ---- weights ---- */

/* 32 channels of the result: [tap][channel] of each in a row, then as products read them. */
static void pack(const run *r, const float *w, int64_t panel, float *lines) {
    const lbi_conv *p = &r->p;
    int64_t taps = p->kh * p->kw, k = r->steps * DEPTH, count = lbi_least(BLOCK, p->o - panel * BLOCK);
    int64_t tap = r->c, row = r->c % DEPTH == 0 ? r->c * p->kw : k / p->kh; /* numbers between taps, and rows of them */
    memset(lines, 0, (size_t)(count * k) * sizeof *lines);
    for (int64_t o = 0; o < count; o++)
        for (int64_t c = 0; c < p->c; c++) {
            const float *from = w + ((panel * BLOCK + o) * p->c + c) * taps;
            for (int64_t i = 0; i < taps; i++) lines[o * k + i / p->kw * row + i % p->kw * tap + c] = from[i];
        }
    lbi_bf16_pack(r->weights + panel * 2 * r->steps * PIECE, lines, count, k);
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

static void clear(uint16_t *to, int64_t pixels, int64_t c) {
    if (pixels > 0) memset(to, 0, (size_t)(pixels * c) * sizeof *to);
}

/* A phase's part of a row of the picture. */
static void bring_row(const run *r, const float *row, int64_t phase, uint16_t *to) {
    const axis *a = &r->across;
    int64_t channels = r->p.c, first = a->before > phase ? lbi_over(a->before - phase, a->step) : 0, end = lbi_least(a->pitch, lbi_over(a->size + a->before - phase, a->step));
    if (end < first) first = end = lbi_least(first, a->pitch);
    clear(to, first, r->c);
    lbi_bf16_pixels(row + (first * a->step + phase - a->before) * channels, end - first, a->step * channels, channels, to + first * r->c, r->c);
    clear(to + end * r->c, a->pitch - end, r->c);
}

/* What the block sees of its pictures. turned: a row with channels last. */
static void bring(const run *r, const block *b, uint16_t *patch, float *turned) {
    const lbi_conv *p = &r->p;
    const axis *down = &r->down, *across = &r->across;
    int64_t rows = patch_rows(r, b->images, b->rows), line = across->pitch * r->c, each = b->images > 1 ? down->pitch : rows;
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
                if (in) bring_row(r, from, q, to);
                else clear(to, across->pitch, r->c);
            }
        }
    for (int64_t q = 0; q < down->phases * across->phases; q++) clear(patch + q * r->plane + rows * line, across->reach + across->n - across->pitch, r->c);
    uint16_t *rest = patch + (down->phases * across->phases - 1) * r->plane + rows * line + (across->reach + across->n - across->pitch) * r->c;
    clear(rest, patch + r->patch - rest < LINE ? patch + r->patch - rest : LINE, 1);
}

/* Pixels that lie in the patch as in x: 1x1. */
static bool plain(const run *r) { return r->across.pitch == 1 && r->across.size == 1 && r->down.reach == 0 && r->down.before == 0 && r->down.step == 1 && r->p.kw == 1 && !r->planes; }

/* ---- results ---- */

/* A tile's place: where its first row is in the patch, how many it has, and what result that is. */
typedef struct place {
    int64_t at, count, image, y, x;
} place;

static int64_t tiles_of(const run *r, const block *b) {
    int64_t last = (b->images - 1) * r->down.pitch + b->rows - 1;
    return r->lines ? b->rows * lbi_over(r->p.x, BLOCK) : lbi_over(last * r->across.pitch + r->p.x, BLOCK);
}

static place place_of(const run *r, const block *b, int64_t tile) {
    if (r->lines) {
        int64_t each = lbi_over(r->p.x, BLOCK), y = tile / each, x = tile % each * BLOCK;
        return (place){y * r->row + x * r->unit, lbi_least(BLOCK, r->p.x - x), 0, y, x};
    }
    int64_t first = tile * BLOCK, row = first / r->across.pitch, all = ((b->images - 1) * r->down.pitch + b->rows - 1) * r->across.pitch + r->p.x;
    return (place){first * r->unit, lbi_least(BLOCK, all - first), row / r->down.pitch, row % r->down.pitch, first % r->across.pitch};
}

/* The sums of a tile that are results, to y. */
static void leave(const run *r, const block *b, const place *at, const float *from, int64_t panel) {
    const lbi_conv *p = &r->p;
    int64_t image = at->image, y = at->y, x = at->x;
    for (int64_t i = 0, n; i < at->count; i += n) {
        n = lbi_least(at->count - i, r->lines ? p->x : r->across.pitch - x);
        if (y < b->rows && x < p->x) lbi_bf16_put(&r->out, from + i * BLOCK, lbi_least(n, p->x - x), ((b->image + image) * p->y + b->y + y) * p->x + x, panel * BLOCK);
        x = 0;
        if (++y < r->down.pitch || b->images == 1) continue;
        y = 0;
        image++;
    }
}

static void products(const run *r, const uint16_t *patch, const place *at, int64_t panel, int64_t step, float *to) {
    const uint32_t *w = r->weights + (panel * 2 * r->steps + step) * PIECE;
    const uint16_t *a = patch + at->at;
    lbi_bf16_factors f = {.a = a, .a2 = at->count > SIDE ? a + SIDE * r->unit : NULL, .at = r->at + step, .ld = r->unit, .steps = lbi_least(r->pass, r->steps - step), .b = w, .b2 = r->p.o - panel * BLOCK > SIDE ? w + r->steps * PIECE : NULL};
    lbi_bf16_block(r->tiles, &f, to, step > 0);
}

/* sums: [tiles][BLOCK][BLOCK], or one of them where no pass follows another. */
static void one_block(const run *r, int64_t number, uint16_t *patch, float *sums, float *turned) {
    block b = block_of(r, number);
    int64_t tiles = tiles_of(r, &b), each = r->pass < r->steps ? BLOCK * BLOCK : 0;
    if (plain(r)) lbi_bf16_pixels(r->x + b.y * r->p.c, b.rows, r->p.c, r->p.c, patch, r->c);
    else bring(r, &b, patch, turned);
    for (int64_t i = 0; r->small && i < tiles; i++) {
        place at = place_of(r, &b, i);
        for (int64_t panel = b.first; panel < b.last; panel++) {
            products(r, patch, &at, panel, 0, sums);
            leave(r, &b, &at, sums, panel);
        }
    }
    for (int64_t panel = b.first; !r->small && panel < b.last; panel++)
        for (int64_t step = 0; step < r->steps; step += r->pass)
            for (int64_t i = 0; i < tiles; i++) {
                place at = place_of(r, &b, i);
                products(r, patch, &at, panel, step, sums + i * each);
                if (step + r->pass >= r->steps) leave(r, &b, &at, sums + i * each, panel);
            }
}

/* ---- all of it ---- */

/* Numbers as floats: lists and ends, then each thread's patch, sums and row. */
typedef struct room {
    float *work, *own;
    int64_t patch, sums, each;
} room;

static bool memory(run *r, int threads, float **kept, room *m) {
    const block whole = {.images = r->together, .rows = r->rows};
    int64_t at = lbi_up(r->steps * 2, LINE), ends = lbi_up(2 * r->panels * BLOCK, LINE), weights = r->panels * 2 * r->steps * PIECE;
    m->patch = lbi_up(r->patch / 2, LINE);
    m->sums = (r->pass < r->steps ? tiles_of(r, &whole) : 1) * BLOCK * BLOCK;
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

bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images) {
    if (lbi_cpu() < LBI_CPU_BF16 || p->groups != 1 || p->exact || p->o < SIDE / 2) return false;
    return lbi_cpu() >= LBI_CPU_AMX || !lbi_winograd_worth(p, images);
}

bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y) {
    run r = {.p = *p, .x = x, .end = *end, .out = {.add = end->add, .y = y, .o = p->o, .act = end->act}, .planes = planes, .images = images, .tiles = lbi_cpu() >= LBI_CPU_AMX};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (lbi_cpu() < LBI_CPU_BF16 || p->groups != 1 || p->o < 1 || p->c < 1) return false;
    if (images == 0) return true;
    plan(&r, threads);
    bool packed = kept && *kept;
    room m;
    if (!memory(&r, threads, kept, &m)) return false;
    put_taps(&r);
    int64_t blocks = lbi_over(r.images, r.together) * r.bands * r.parts;
#pragma omp parallel num_threads(threads)
    {
        float *mine = m.own + m.each * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (packed ? 0 : r.panels); i++) pack(&r, w, i, mine);
        lbi_bf16_begin(r.tiles);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < blocks; i++) one_block(&r, i, (uint16_t *)(void *)mine, mine + m.patch, mine + m.patch + m.sums);
        lbi_bf16_end(r.tiles);
    }
    lbi_work_give(m.work);
    return true;
}
#else
bool lbi_last_bf16_worth(const lbi_conv *p, int64_t images) { return false; }
bool lbi_last_bf16(const lbi_conv *p, int64_t images, const float *x, bool planes, const float *w, float **kept, const lbi_gemm_end *end, float *y) { return false; }
#endif
#endif

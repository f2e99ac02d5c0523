/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attend_parts.h"
#ifdef LB_DOUBLE
bool lbi_attend_parts(const lbi_attend *a, uint8_t **done) { return *done = NULL, false; }
bool lbi_attend_parts_back(const lbi_attend *a, uint8_t **done) { return *done = NULL, false; }
#else
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/attend_scores.h"
#include "tensor/kernels/attend_parts.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/parts.h"
#include "tensor/precision.h"

enum {
    SIDE = LBI_BF16_SIDE,
    DEPTH = LBI_BF16_DEPTH,
    BLOCK = LBI_BF16_BLOCK,
    TILE = BLOCK * BLOCK,
    KEYS = 256,    /* of a tile */
    QUERIES = 128, /* of a block of the backward pass */
    LANES = QUERIES / BLOCK,
    CHUNK = 128,   /* queries for which packing keys and values a second time is cheap */
    NARROW = 32,   /* widths below are better off without */
    SMALL = 300000 /* multiply-adds of a head, likewise */
};

typedef struct plan {
    lbi_scores lanes;
    const lbi_attend *a;
    int parts;
    int64_t piece; /* of a panel for a step */
} plan;

static bool plan_of(plan *p, const lbi_attend *a) {
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    bool rounded = lb_tape_bf16(a->call->tape) && lbi_cut_known(1);
    *p = (plan){.lanes = {a, g}, .a = a, .parts = rounded ? 1 : LBI_BF16_PARTS};
    p->piece = p->parts * LBI_BF16_PIECE;
    return g && g->nr == BLOCK && lbi_cut_known(p->parts) && a->d >= NARROW && a->e >= NARROW && a->l * a->s * (a->d + a->e) >= SMALL && a->s >= SIDE && a->n * a->h > 0;
}

static int64_t steps(int64_t k) { return lbi_over(k, DEPTH); }

/* ---- panels ---- */

static uint32_t *panels_room(const plan *p, float *at, int64_t *used, int64_t lines, int64_t k) { return (uint32_t *)(void *)lbi_scores_part(at, used, lbi_over(lines, SIDE) * steps(k) * p->piece); }

/* Panels of `lines` lines from x on. @return are they tame, if they are rounded? Parts have been looked at before. */
static bool pack(const plan *p, bool left, uint32_t *to, lbi_cut_lines x, int64_t lines, int64_t k, float scale) {
    bool tame = true;
    for (int64_t j = 0; j < lines; j += SIDE, to += steps(k) * p->piece) {
        tame = lbi_cut_panel(p->parts, left, to, &x, lbi_least(SIDE, lines - j), k, scale) && tame;
        x.x += SIDE * (x.across ? x.ld : 1);
    }
    return tame;
}

/* Rows of a tensor as lines; or its columns. */
static lbi_cut_lines rows_as(const lbi_attend_rows *x, int64_t n, int64_t h, int64_t row, bool columns) { return (lbi_cut_lines){lbi_attend_row(x, n, h, row), x->ld, x->transposed == columns}; }

/* ---- what the next head reads ----
 * Rows lie in memory or far caches, and products leave those idle: a few rows come near with every block. */

enum { WANTED = 3, AT_A_TIME = 10 }; /* rows a block: those of a head of 197 come in time for the next one */

typedef struct wanted {
    struct {
        const char *at;
        int64_t ld, rows, bytes;
    } of[WANTED];
    int count, now;
    int64_t row;
} wanted;

static void want(wanted *w, const float *at, int64_t ld, int64_t rows, int64_t width) {
    enum { SIZE = sizeof(float) };
    w->of[w->count].at = (const char *)at;
    w->of[w->count].ld = ld * SIZE;
    w->of[w->count].rows = rows;
    w->of[w->count++].bytes = width * SIZE;
}

static void want_rows(wanted *w, const lbi_attend_rows *x, int64_t n, int64_t h, int64_t row, int64_t rows, int64_t width) {
    want(w, lbi_attend_row(x, n, h, row), x->ld, x->transposed ? width : rows, x->transposed ? rows : width);
}

static void fetch_some(wanted *w) {
    enum { LINE = 64 };
    for (int i = 0; i < AT_A_TIME && w->now < w->count; i++) {
        const char *at = w->of[w->now].at + w->row * w->of[w->now].ld;
        for (int64_t k = 0; k < w->of[w->now].bytes; k += LINE) __builtin_prefetch(at + k, 0, 2);
        if (++w->row < w->of[w->now].rows) continue;
        w->row = 0;
        w->now++;
    }
}

/* ---- products ---- */

/* Panels of a product: where they begin, what lies between two, and how many lines there are. */
typedef struct side {
    const uint32_t *at;
    int64_t apart, lines;
} side;

/* Line `first` and the 31 after it of the left one, by all of the right one. */
static void block(const plan *p, wanted *next, const side *left, int64_t first, const side *right, int64_t column, int64_t k, float *to) {
    const uint32_t *a = left->at + first / SIDE * left->apart, *b = right->at + column / SIDE * right->apart;
    fetch_some(next);
    lbi_cut_block(p->parts, a, first + SIDE < left->lines ? a + left->apart : NULL, b, column + SIDE < right->lines ? b + right->apart : NULL, steps(k), to);
}

/* The same to sums of tiles before, which are added outside: a long sum made of several loses fewer digits. own: a block. */
static void sum_up(const plan *p, wanted *next, const side *left, int64_t first, const side *right, int64_t k, float *to, float *own, bool fresh) {
    block(p, next, left, first, right, 0, k, fresh ? to : own);
    if (!fresh) lbi_cut_add(own, to, BLOCK, BLOCK, BLOCK);
}

/* ---- what has parts ---- */

static bool rows_tame(const lbi_attend_rows *x, int64_t n, int64_t h, int64_t row, int64_t count, int64_t width) {
    return lbi_cut_tame(lbi_attend_row(x, n, h, row), x->ld, x->transposed ? width : count, x->transposed ? count : width);
}

static bool group_tame(const lbi_attend *a, int64_t n, int64_t group, int64_t first, int64_t count) {
    bool tame = rows_tame(&a->k, n, group, 0, a->s, a->d) && rows_tame(&a->v, n, group, 0, a->s, a->e);
    for (int64_t h = group * (a->h / a->g); tame && h < (group + 1) * (a->h / a->g); h++) tame = rows_tame(&a->q, n, h, first, count, a->d);
    return tame;
}

static bool all_done(const lbi_attend *a, const uint8_t *done) { return !memchr(done, 0, (size_t)(a->n * a->g)); }

/* One for every head of keys, all `value`. */
static uint8_t *marks(const lbi_attend *a, int value) {
    uint8_t *done = lb_scratch(a->call, (size_t)(a->n * a->g));
    if (done) memset(done, value, (size_t)(a->n * a->g));
    return done;
}

/* Three tiles, or rows of queries. */
static int64_t spare_room(const plan *p) { return lbi_most(3 * lbi_scores_room(KEYS * BLOCK), BLOCK * lbi_most(p->a->d, p->a->e)); }

/* ---- forward ---- */

typedef struct forward_work {
    uint32_t *keys, *values, *query, *weights; /* left [keys][d], left [e][keys], right [d][queries], right [keys of a tile][queries] */
    float *scores, *result, *spare;            /* [keys][queries], [e][queries] */
    wanted *next;
} forward_work;

/* With at = NULL: numbers in all. */
static int64_t forward_room(const plan *p, forward_work *w, float *at) {
    const lbi_attend *a = p->a;
    int64_t used = 0;
    w->keys = panels_room(p, at, &used, a->s, a->d);
    w->values = panels_room(p, at, &used, a->e, a->s);
    w->query = panels_room(p, at, &used, BLOCK, a->d);
    w->weights = panels_room(p, at, &used, BLOCK, KEYS);
    w->scores = lbi_scores_part(at, &used, KEYS * BLOCK);
    w->result = lbi_scores_part(at, &used, lbi_up(a->e, BLOCK) * BLOCK);
    w->spare = lbi_scores_part(at, &used, spare_room(p));
    return used;
}

/* A tile of scores becomes weights, as right panels. */
static void weigh(const plan *p, const forward_work *w, const lbi_scores_at *at, lbi_scores_sums *sums, const float *shift) {
    int64_t apart = steps(at->cols) * p->piece;
    if (p->a->o->dropout == 0) {
        lbi_cut_weigh(p->parts, w->scores, at->cols, at->width, shift, sums->sum, w->weights, apart);
        return;
    }
    lbi_attend_cols_exp(w->scores, at->cols, BLOCK, at->width, shift, sums->sum);
    lbi_scores_drop(&p->lanes, at, w->scores, w->spare);
    for (int64_t j = 0; j < at->cols; j += BLOCK) lbi_cut_factors(p->parts, w->scores + j * BLOCK, lbi_least(BLOCK, at->cols - j), at->width, NULL, 0, w->weights + steps(j) * p->piece, apart);
}

/* Up to 32 queries from l0 on. @return false: they are not tame. */
static bool queries_forward(const plan *p, const forward_work *w, int64_t n, int64_t h, int64_t l0, int64_t count) {
    const lbi_attend *a = p->a;
    const side keys = {w->keys, steps(a->d) * p->piece, a->s}, query = {w->query, steps(a->d) * p->piece, count};
    lbi_scores_sums sums;
    float shift[LBI_NR_MAX];
    int64_t lo, hi;
    bool first = true;
    lbi_scores_at at = {n, h, l0, count, 0, 0, lbi_scores_width(count)};
    lbi_scores_begin(&sums);
    if (!pack(p, false, w->query, rows_as(&a->q, n, h, l0, false), count, a->d, (float)a->o->scale)) return false;
    lbi_attend_sight(a, l0, l0 + count, &lo, &hi);
    for (at.s0 = 0; at.s0 < a->s; at.s0 += KEYS) {
        at.cols = lbi_least(KEYS, a->s - at.s0);
        if (lbi_attend_out_of_sight(a, at.s0, at.cols, lo, hi)) continue;
        for (int64_t j = 0; j < at.cols; j += BLOCK) block(p, w->next, &keys, at.s0 + j, &query, 0, a->d, w->scores + j * BLOCK);
        lbi_scores_dress(&p->lanes, &at, w->scores, NULL, w->spare);
        lbi_scores_top(&p->lanes, &at, w->scores, &sums, w->result, first, shift);
        weigh(p, w, &at, &sums, shift);
        const side values = {w->values + steps(at.s0) * p->piece, steps(a->s) * p->piece, a->e}, weights = {w->weights, steps(at.cols) * p->piece, count};
        for (int64_t e = 0; e < a->e; e += BLOCK) sum_up(p, w->next, &values, e, &weights, at.cols, w->result + e * BLOCK, w->spare, first);
        first = false;
    }
    if (first) memset(w->result, 0, (size_t)(a->e * BLOCK) * sizeof(float));
    lbi_scores_give(&p->lanes, &at, w->result, &sums, w->spare);
    return true;
}

static void want_forward(const lbi_attend *a, wanted *next, int64_t n, int64_t group) {
    want_rows(next, &a->k, n, group, 0, a->s, a->d);
    want_rows(next, &a->v, n, group, 0, a->s, a->e);
    want_rows(next, &a->q, n, group * (a->h / a->g), 0, a->l, a->d);
}

/* Queries first .. last - 1 of the heads that read one head of keys. */
static bool group_forward(const plan *p, const forward_work *w, int64_t n, int64_t group, int64_t first, int64_t last) {
    const lbi_attend *a = p->a;
    if (p->parts > 1 && !group_tame(a, n, group, first, last - first)) return false;
    bool tame = pack(p, true, w->keys, rows_as(&a->k, n, group, 0, false), a->s, a->d, 1) && pack(p, true, w->values, rows_as(&a->v, n, group, 0, true), a->e, a->s, 1);
    for (int64_t h = group * (a->h / a->g); h < (group + 1) * (a->h / a->g); h++)
        for (int64_t l = first; tame && l < last; l += BLOCK) tame = queries_forward(p, w, n, h, l, lbi_least(BLOCK, last - l));
    return tame;
}

bool lbi_attend_parts(const lbi_attend *a, uint8_t **out) {
    plan p;
    *out = NULL;
    if (!plan_of(&p, a)) return false;
    int64_t heads = a->n * a->g, most = lbi_over(a->l, CHUNK);
    int threads = lbi_attend_threads(a, a->n * a->h * most, a->d + a->e);
    int64_t chunks = threads == 1 || heads >= 2 * threads ? 1 : lbi_least(most, lbi_over(4 * threads, heads)), per = lbi_up(lbi_over(a->l, chunks), BLOCK);
    forward_work none;
    int64_t size = forward_room(&p, &none, NULL);
    float *all = lb_scratch(a->call, (size_t)(size * threads) * sizeof *all);
    uint8_t *done = all ? marks(a, 1) : NULL;
    if (!done) return true;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        forward_work w;
        (void)forward_room(&p, &w, all + omp_get_thread_num() * size);
        lbi_bf16_begin(p.parts > 1 || lbi_cut_known(LBI_BF16_PARTS));
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < heads * chunks; i++) {
            int64_t head = i / chunks, first = i % chunks * per, last = lbi_least(a->l, first + per);
            wanted next = {0};
            w.next = &next;
            if (chunks == 1 && head + threads < heads) want_forward(a, &next, (head + threads) / a->g, (head + threads) % a->g);
            if (first >= last || group_forward(&p, &w, head / a->g, head % a->g, first, last)) continue;
#pragma omp atomic write
            done[head] = 0;
        }
        lbi_bf16_end(p.parts > 1 || lbi_cut_known(LBI_BF16_PARTS));
    }
    *out = done;
    return all_done(a, done);
}

/* ---- backward ---- */

typedef struct back_work {
    uint32_t *keys, *keys_wide, *values;    /* left: [keys][d] for scores, [d][keys] for dq, [keys][e] for dP */
    uint32_t *query, *grad;                 /* right: [d][queries], [e][queries] */
    uint32_t *query_rows, *grad_rows;       /* right: [queries][d], [queries][e] */
    uint32_t *p_left, *ds_left, *ds_right;  /* of a tile: left [keys][queries], right [keys][32 queries] */
    float *p, *ds, *slope, *sums, *spare;   /* 32 keys by 32 queries, p and ds two of them; slope only with a soft cap */
    float *dq;                              /* [LANES][d][32] */
    float z[QUERIES], delta[QUERIES];
    wanted *next; /* nothing: caches are full as it is */
} back_work;

/* With at = NULL: numbers in all. */
static int64_t back_room(const plan *p, back_work *w, float *at) {
    const lbi_attend *a = p->a;
    int64_t used = 0;
    w->keys = panels_room(p, at, &used, a->s, a->d);
    w->keys_wide = panels_room(p, at, &used, a->d, a->s);
    w->values = panels_room(p, at, &used, a->s, a->e);
    w->query = panels_room(p, at, &used, QUERIES, a->d);
    w->grad = panels_room(p, at, &used, QUERIES, a->e);
    w->query_rows = panels_room(p, at, &used, a->d, QUERIES);
    w->grad_rows = panels_room(p, at, &used, a->e, QUERIES);
    w->p_left = panels_room(p, at, &used, KEYS, QUERIES);
    w->ds_left = panels_room(p, at, &used, KEYS, QUERIES);
    w->ds_right = panels_room(p, at, &used, BLOCK, KEYS);
    w->p = lbi_scores_part(at, &used, 2 * TILE);
    w->ds = lbi_scores_part(at, &used, 2 * TILE);
    w->slope = a->o->softcap > 0 ? lbi_scores_part(at, &used, TILE) : NULL;
    w->sums = lbi_scores_part(at, &used, TILE);
    w->spare = lbi_scores_part(at, &used, spare_room(p));
    w->dq = lbi_scores_part(at, &used, LANES * lbi_up(a->d, BLOCK) * BLOCK);
    return used;
}

/* Queries l0..l0+rows-1 of map (n, h). */
typedef struct span {
    int64_t n, h, group, l0, rows;
} span;

static void span_begin(const plan *p, back_work *w, const span *b) {
    const lbi_attend *a = p->a;
    int64_t ld;
    const float *g = lbi_attend_result_row(a, a->call->gout[0], b->n, b->h, b->l0, &ld), *y = lbi_attend_result_row(a, a->call->out[0], b->n, b->h, b->l0, &ld);
    const float *z = lb_r(a->call->out[1]) + (b->n * a->h + b->h) * a->l + b->l0;
    for (int64_t i = 0; i < QUERIES; i++) {
        w->z[i] = i < b->rows ? z[i] : INFINITY;
        w->delta[i] = i < b->rows ? (float)lbi_attend_dot(g + i * ld, y + i * ld, a->e) : 0;
    }
    pack(p, false, w->query, rows_as(&a->q, b->n, b->h, b->l0, false), b->rows, a->d, (float)a->o->scale);
    pack(p, false, w->query_rows, rows_as(&a->q, b->n, b->h, b->l0, true), a->d, b->rows, (float)a->o->scale);
    pack(p, false, w->grad, (lbi_cut_lines){g, ld, true}, b->rows, a->e, 1);
    pack(p, false, w->grad_rows, (lbi_cut_lines){g, ld, false}, a->e, b->rows, 1);
}

/* 32 queries of a span by a tile of keys, 32 at a time: a block's scores and their gradient are made while those of the one before become factors, since tiles and vectors work side by side. */
typedef struct strip {
    const span *b;
    int lane;          /* of the 32s of the span */
    int64_t s0, cols;  /* the tile */
    lbi_scores_at at;  /* of the block in hand: its queries */
} strip;

static lbi_scores_at block_at(const strip *s, int64_t j) {
    lbi_scores_at at = s->at;
    at.s0 = s->s0 + j;
    at.cols = lbi_least(BLOCK, s->cols - j);
    return at;
}

static float *hand(float *two, int64_t j) { return two + j / BLOCK % 2 * TILE; }

static void start_scores(const plan *p, const back_work *w, const strip *s, int64_t j) {
    const side keys = {w->keys, steps(p->a->d) * p->piece, p->a->s}, query = {w->query, keys.apart, s->b->rows};
    if (j < s->cols) block(p, w->next, &keys, s->s0 + j, &query, s->lane * BLOCK, p->a->d, hand(w->p, j));
}

static void start_grads(const plan *p, const back_work *w, const strip *s, int64_t j) {
    const side values = {w->values, steps(p->a->e) * p->piece, p->a->s}, grad = {w->grad, values.apart, s->b->rows};
    if (j < s->cols) block(p, w->next, &values, s->s0 + j, &grad, s->lane * BLOCK, p->a->e, hand(w->ds, j));
}

/* To weights and the gradient of scores. */
static void finish_block(const plan *p, const back_work *w, const strip *s, int64_t j) {
    const lbi_scores_at at = block_at(s, j);
    float *m = hand(w->p, j), *ds = hand(w->ds, j);
    lbi_scores_dress(&p->lanes, &at, m, w->slope, w->spare);
    lbi_scores_drop(&p->lanes, &at, ds, w->spare);
    lbi_cut_slopes(m, ds, at.cols, at.width, w->z + s->lane * BLOCK, w->delta + s->lane * BLOCK);
    lbi_scores_drop(&p->lanes, &at, m, w->spare);
    lbi_scores_back(&p->lanes, &at, ds, w->slope, w->spare);
}

static void cut_block(const plan *p, const back_work *w, const strip *s, int64_t j) {
    const lb_call *c = p->a->call;
    int64_t apart = steps(s->b->rows) * p->piece, place = j / SIDE * apart + s->lane * p->piece, cols = lbi_least(BLOCK, s->cols - j);
    uint32_t *left = c->gin[1] ? w->ds_left + place : NULL, *right = c->gin[0] ? w->ds_right + steps(j) * p->piece : NULL;
    if (c->gin[2]) lbi_cut_factors(p->parts, hand(w->p, j), cols, s->at.width, w->p_left + place, apart, NULL, 0);
    if (left || right) lbi_cut_factors(p->parts, hand(w->ds, j), cols, s->at.width, left, apart, right, steps(s->cols) * p->piece);
}

static void strip_backward(const plan *p, const back_work *w, const strip *s) {
    start_scores(p, w, s, 0);
    start_grads(p, w, s, 0);
    for (int64_t j = 0; j < s->cols; j += BLOCK) {
        start_scores(p, w, s, j + BLOCK);
        finish_block(p, w, s, j);
        start_grads(p, w, s, j + BLOCK);
        cut_block(p, w, s, j);
    }
}

static lbi_scores_at lane_at(const span *b, int lane) {
    lbi_scores_at at = {.n = b->n, .h = b->h, .l0 = b->l0 + lane * BLOCK, .count = lbi_least(BLOCK, b->rows - lane * BLOCK)};
    at.width = lbi_scores_width(at.count);
    return at;
}

/* to [cols][width] += what a tile of keys gets from all queries of the span. */
static void keys_backward(const plan *p, const back_work *w, const span *b, const uint32_t *tile, const uint32_t *rows, float *to, int64_t width, int64_t cols) {
    const side left = {tile, steps(b->rows) * p->piece, cols}, right = {rows, left.apart, width};
    for (int64_t e = 0; e < width; e += BLOCK)
        for (int64_t j = 0; j < cols; j += BLOCK) {
            block(p, w->next, &left, j, &right, e, b->rows, w->sums);
            lbi_cut_add(w->sums, to + j * width + e, width, lbi_least(BLOCK, cols - j), lbi_least(BLOCK, width - e));
        }
}

static void span_backward(const plan *p, back_work *w, const span *b) {
    const lbi_attend *a = p->a;
    const lb_call *c = a->call;
    int64_t lo, hi, dq_size = lbi_up(a->d, BLOCK) * BLOCK;
    bool first = true;
    span_begin(p, w, b);
    lbi_attend_sight(a, b->l0, b->l0 + b->rows, &lo, &hi);
    for (int64_t s0 = 0; s0 < a->s; s0 += KEYS) {
        int64_t cols = lbi_least(KEYS, a->s - s0);
        if (lbi_attend_out_of_sight(a, s0, cols, lo, hi)) continue;
        for (int lane = 0; lane * BLOCK < b->rows; lane++) {
            const strip now = {b, lane, s0, cols, lane_at(b, lane)};
            strip_backward(p, w, &now);
            const side keys = {w->keys_wide + steps(s0) * p->piece, steps(a->s) * p->piece, a->d}, ds = {w->ds_right, steps(cols) * p->piece, now.at.count};
    for (int64_t d = 0; c->gin[0] && d < a->d; d += BLOCK) sum_up(p, w->next, &keys, d, &ds, cols, w->dq + lane * dq_size + d * BLOCK, w->sums, first);
        }
        first = false;
        if (c->gin[2]) keys_backward(p, w, b, w->p_left, w->grad_rows, lbi_attend_grad_row(c->gin[2], b->n, b->group, s0), a->e, cols);
        if (c->gin[1]) keys_backward(p, w, b, w->ds_left, w->query_rows, lbi_attend_grad_row(c->gin[1], b->n, b->group, s0), a->d, cols);
    }
    lbi_attend_clear(a, 0, b->n, b->h, b->l0, b->rows);
    for (int lane = 0; !first && c->gin[0] && lane * BLOCK < b->rows; lane++) {
        const lbi_scores_at at = lane_at(b, lane);
        lbi_scores_give_dq(&p->lanes, &at, w->dq + lane * dq_size, w->spare);
    }
}

static bool group_backward(const plan *p, back_work *w, int64_t n, int64_t group) {
    const lbi_attend *a = p->a;
    int64_t share = a->h / a->g, ld;
    bool tame = group_tame(a, n, group, 0, a->l);
    for (int64_t h = group * share; tame && h < (group + 1) * share; h++) {
        const float *g = lbi_attend_result_row(a, a->call->gout[0], n, h, 0, &ld);
        tame = lbi_cut_tame(g, ld, a->l, a->e);
    }
    if (!tame) return false;
    for (int i = 1; i < 3; i++) lbi_attend_clear(a, i, n, group, 0, a->s);
    pack(p, true, w->keys, rows_as(&a->k, n, group, 0, false), a->s, a->d, 1);
    pack(p, true, w->values, rows_as(&a->v, n, group, 0, false), a->s, a->e, 1);
    if (a->call->gin[0]) pack(p, true, w->keys_wide, rows_as(&a->k, n, group, 0, true), a->d, a->s, 1);
    for (int64_t h = group * share; h < (group + 1) * share; h++)
        for (int64_t l = 0; l < a->l; l += QUERIES) span_backward(p, w, &(span){n, h, group, l, lbi_least(QUERIES, a->l - l)});
    return true;
}

bool lbi_attend_parts_back(const lbi_attend *a, uint8_t **out) {
    plan p;
    *out = NULL;
    if (!plan_of(&p, a)) return false;
    back_work none;
    lbi_attend_units units = lbi_attend_units_of(a);
    int threads = lbi_attend_threads(a, units.count, a->d + a->e);
    int64_t size = back_room(&p, &none, NULL);
    float *all = lb_scratch(a->call, (size_t)(size * threads) * sizeof *all);
    uint8_t *done = all ? marks(a, 0) : NULL;
    if (!done) return true;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        back_work w;
        wanted nothing = {0};
        w.next = &nothing;
        (void)back_room(&p, &w, all + omp_get_thread_num() * size);
        lbi_bf16_begin(lbi_cut_known(LBI_BF16_PARTS));
#pragma omp for schedule(dynamic)
        for (int64_t u = 0; u < units.count; u++) {
            lbi_attend_span s = lbi_attend_unit(a, &units, u);
            for (int64_t n = s.n0; n < s.n1; n++)
                for (int64_t group = s.h0 * a->g / a->h; group * a->h < s.h1 * a->g; group++) done[n * a->g + group] = group_backward(&p, &w, n, group);
        }
        lbi_bf16_end(lbi_cut_known(LBI_BF16_PARTS));
    }
    *out = done;
    return all_done(a, done);
}
#endif

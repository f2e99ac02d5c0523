/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attend_packed.h"
#ifdef LB_DOUBLE
bool lbi_attend_packed(const lbi_attend *a) { return false; }
bool lbi_attend_packed_back(const lbi_attend *a) { return false; }
#else
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/attend_scores.h"
#include "tensor/attend_parts.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"

enum {
    KEYS = 252,    /* of a tile: a multiple of the rows of both kernels' tiles */
    QUERIES = 64,  /* of a block of the backward pass */
    CHUNK = 128,   /* queries for which packing keys and values a second time is cheap */
    PANELS = QUERIES / 16,
    LANES = LBI_NR_MAX
};

typedef struct plan {
    lbi_scores lanes;
    const lbi_attend *a; /* as in lanes */
    const lbi_gemm_kernel *g;
    int64_t blocks;              /* of keys */
    int64_t by_key, by_width[2]; /* numbers of a packed block: keys by d; of d and of e by keys */
} plan;

static plan plan_of(const lbi_attend *a, const lbi_gemm_kernel *g) {
    plan p = {.lanes = {a, g}, .a = a, .g = g, .blocks = (a->s + KEYS - 1) / KEYS, .by_key = KEYS};
    p.by_width[0] = lbi_panels(a->d, g->mr) * g->mr * KEYS;
    p.by_width[1] = lbi_panels(a->e, g->mr) * g->mr * KEYS;
    return p;
}

static bool suits(const lbi_attend *a, const lbi_gemm_kernel *g) { return g && 2 * a->l >= g->nr && a->s > 0 && a->n * a->h > 0; }

/* Matrix op(A) of keys or values of head `group`: lines are keys and k their width, or the other way round. */
static void pack_heads(const plan *p, float *to, int64_t block_size, const lbi_attend_rows *x, int64_t width, int64_t n, int64_t group, bool by_key) {
    for (int64_t b = 0; b < p->blocks; b++, to += block_size) {
        int64_t s0 = b * KEYS, cols = lbi_least(KEYS, p->a->s - s0);
        lbi_pack(p->g, to, p->g->mr, lbi_attend_row(x, n, group, s0), x->ld, by_key != x->transposed, 0, by_key ? cols : width, 0, by_key ? width : cols);
    }
}

/* op(B) for products that sum over the width: [width][nr] of queries, or rows of gradient, l0... */
static void pack_queries(const plan *p, float *to, const float *rows, int64_t ld, bool transposed, int64_t count, int64_t width) {
    lbi_pack(p->g, to, p->g->nr, rows, ld, !transposed, 0, count, 0, width);
}

/* to [rows][lanes] = A B, or to +=; a: packed panels of `rows` lines and k numbers. A long sum is made of several, which lose fewer digits. */
static void lanes_product(const plan *p, int64_t rows, int64_t k, const float *a, const float *b, float *to, int width, bool add) {
    enum { SUM = 96, LAST = 128 };
    int mr = p->g->mr, nr = p->g->nr;
    for (int64_t i = 0; i < rows; i += mr)
        for (int64_t from = 0, some; from < k; from += some) {
            const lbi_tile_end end = {.beta = add || from > 0 ? 1 : 0};
            some = k - from <= LAST ? k - from : SUM;
            p->g->tile(some, a + i * k + from * mr, b + from * nr, to + i * nr, nr, (int)lbi_least(mr, rows - i), width, &end);
        }
}

/* ---- memory ---- */

/* Three tiles, or rows of queries. */
static int64_t spare_room(const plan *p) {
    int64_t tiles = 3 * lbi_scores_room(KEYS * p->g->nr), rows = p->g->nr * (p->a->d > p->a->e ? p->a->d : p->a->e);
    return tiles > rows ? tiles : rows;
}

/* ---- forward ---- */

typedef struct forward_work {
    float *keys, *values, *query, *scores, *result, *spare;
} forward_work;

/* With at = NULL: numbers in all. */
static int64_t forward_parts(const plan *p, forward_work *w, float *at) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr;
    int64_t used = 0;
    w->keys = lbi_scores_part(at, &used, p->blocks * p->by_key * a->d);
    w->values = lbi_scores_part(at, &used, p->blocks * p->by_width[1]);
    w->query = lbi_scores_part(at, &used, nr * a->d);
    w->scores = lbi_scores_part(at, &used, KEYS * nr);
    w->result = lbi_scores_part(at, &used, nr * a->e);
    w->spare = lbi_scores_part(at, &used, spare_room(p));
    return used;
}

/* Up to nr queries from l0 on. */
static void lanes_forward(const plan *p, const forward_work *w, int64_t n, int64_t h, int64_t l0, int64_t count) {
    const lbi_attend *a = p->a;
    lbi_scores_sums sums;
    float shift[LANES];
    int64_t lo, hi;
    bool first = true;
    lbi_scores_at at = {n, h, l0, count, 0, 0, lbi_scores_width(count)};
    lbi_scores_begin(&sums);
    pack_queries(p, w->query, lbi_attend_row(&a->q, n, h, l0), a->q.ld, a->q.transposed, count, a->d);
    lbi_attend_scale(w->query, p->g->nr * a->d, (float)a->o->scale);
    lbi_attend_sight(a, l0, l0 + count, &lo, &hi);
    for (int64_t b = 0; b < p->blocks; b++) {
        at.s0 = b * KEYS;
        at.cols = lbi_least(KEYS, a->s - at.s0);
        if (lbi_attend_out_of_sight(a, at.s0, at.cols, lo, hi)) continue;
        lanes_product(p, at.cols, a->d, w->keys + b * p->by_key * a->d, w->query, w->scores, at.width, false);
        lbi_scores_dress(&p->lanes, &at, w->scores, NULL, w->spare);
        lbi_scores_top(&p->lanes, &at, w->scores, &sums, w->result, first, shift);
        lbi_attend_cols_exp(w->scores, at.cols, p->g->nr, at.width, shift, sums.sum);
        lbi_scores_drop(&p->lanes, &at, w->scores, w->spare);
        lanes_product(p, a->e, at.cols, w->values + b * p->by_width[1], w->scores, w->result, at.width, !first);
        first = false;
    }
    if (first) memset(w->result, 0, (size_t)(a->e * p->g->nr) * sizeof(float));
    lbi_scores_give(&p->lanes, &at, w->result, &sums, w->spare);
}

bool lbi_attend_packed(const lbi_attend *a) {
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    uint8_t *done;
    if (!suits(a, g)) return false;
    if (lbi_attend_parts(a, &done)) return true;
    plan p = plan_of(a, g);
    int threads = lbi_attend_threads(a, a->n * a->h * ((a->l + CHUNK - 1) / CHUNK), a->d + a->e);
    int64_t heads = a->n * a->g, chunks = threads == 1 || heads >= 2 * threads ? 1 : lbi_least((a->l + CHUNK - 1) / CHUNK, lbi_panels(4 * threads, (int)heads));
    int64_t per = lbi_panels(lbi_panels(a->l, (int)chunks), g->nr) * g->nr;
    forward_work none;
    int64_t size = forward_parts(&p, &none, NULL);
    float *all = lb_scratch(a->call, (size_t)(size * threads) * sizeof *all);
    if (!all) return true;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < heads * chunks; i++) {
        int64_t n = i / chunks / a->g, group = i / chunks % a->g, first = i % chunks * per, last = lbi_least(a->l, first + per), share = a->h / a->g;
        if (first >= last || (done && done[i / chunks])) continue;
        forward_work w;
        (void)forward_parts(&p, &w, all + omp_get_thread_num() * size);
        pack_heads(&p, w.keys, p.by_key * a->d, &a->k, a->d, n, group, true);
        pack_heads(&p, w.values, p.by_width[1], &a->v, a->e, n, group, false);
        for (int64_t h = group * share; h < (group + 1) * share; h++)
            for (int64_t l = first; l < last; l += g->nr) lanes_forward(&p, &w, n, h, l, lbi_least(g->nr, last - l));
    }
    return true;
}

/* ---- backward ---- */

typedef struct back_work {
    float *keys, *keys_wide, *values;                /* [keys][d] for scores, [d][keys] for dq, [keys][e] for dP */
    float *query[PANELS], *grad[PANELS];             /* [d][nr], [e][nr] */
    float *query_rows, *grad_rows;                   /* [queries][nr] by panels of d and e */
    float *p[PANELS], *ds[PANELS], *slope[PANELS];   /* tiles; slope only with a soft cap */
    float *dq[PANELS];                               /* [d][nr] */
    float *turned, *spare;                           /* turned: [keys][queries] in panels of mr */
    float z[QUERIES], delta[QUERIES];
} back_work;

/* With at = NULL: numbers in all. */
static int64_t back_parts(const plan *p, back_work *w, float *at) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr, panels = QUERIES / nr;
    int64_t used = 0, tile = KEYS * nr;
    w->keys = lbi_scores_part(at, &used, p->blocks * p->by_key * a->d);
    w->keys_wide = lbi_scores_part(at, &used, p->blocks * p->by_width[0]);
    w->values = lbi_scores_part(at, &used, p->blocks * p->by_key * a->e);
    w->query_rows = lbi_scores_part(at, &used, lbi_panels(a->d, nr) * nr * QUERIES);
    w->grad_rows = lbi_scores_part(at, &used, lbi_panels(a->e, nr) * nr * QUERIES);
    w->turned = lbi_scores_part(at, &used, (KEYS + p->g->mr) * QUERIES);
    w->spare = lbi_scores_part(at, &used, spare_room(p));
    for (int i = 0; i < panels; i++) {
        w->query[i] = lbi_scores_part(at, &used, nr * a->d);
        w->grad[i] = lbi_scores_part(at, &used, nr * a->e);
        w->dq[i] = lbi_scores_part(at, &used, nr * a->d);
        w->p[i] = lbi_scores_part(at, &used, tile);
        w->ds[i] = lbi_scores_part(at, &used, tile);
        w->slope[i] = a->o->softcap > 0 ? lbi_scores_part(at, &used, tile) : NULL;
    }
    return used;
}

/* Queries l0..l0+rows-1 of map (n, h), and the gradient of their results. */
typedef struct block {
    int64_t n, h, group, l0, rows;
} block;

static void block_begin(const plan *p, back_work *w, const block *b) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr;
    int64_t ld;
    const float *g = lbi_attend_result_row(a, a->call->gout[0], b->n, b->h, b->l0, &ld), *y = lbi_attend_result_row(a, a->call->out[0], b->n, b->h, b->l0, &ld);
    const float *q = lbi_attend_row(&a->q, b->n, b->h, b->l0), *z = lb_r(a->call->out[1]) + (b->n * a->h + b->h) * a->l + b->l0;
    for (int64_t i = 0; i < QUERIES; i++) {
        w->z[i] = i < b->rows ? z[i] : INFINITY;
        w->delta[i] = i < b->rows ? (float)lbi_attend_dot(g + i * ld, y + i * ld, a->e) : 0;
    }
    for (int64_t i = 0; i * nr < b->rows; i++) {
        int64_t count = lbi_least(nr, b->rows - i * nr);
        pack_queries(p, w->query[i], q + i * nr * (a->q.transposed ? 1 : a->q.ld), a->q.ld, a->q.transposed, count, a->d);
        lbi_attend_scale(w->query[i], nr * a->d, (float)a->o->scale);
        pack_queries(p, w->grad[i], g + i * nr * ld, ld, false, count, a->e);
        memset(w->dq[i], 0, (size_t)(nr * a->d) * sizeof(float));
    }
    lbi_pack(p->g, w->query_rows, nr, q, a->q.ld, a->q.transposed, 0, a->d, 0, b->rows);
    lbi_attend_scale(w->query_rows, lbi_panels(a->d, nr) * nr * b->rows, (float)a->o->scale);
    lbi_pack(p->g, w->grad_rows, nr, g, ld, false, 0, a->e, 0, b->rows);
}

/* Weights and the gradient of scores of one panel of queries and block of keys; dq += what they bring. */
static void lanes_backward(const plan *p, const back_work *w, int i, int64_t key_block, const lbi_scores_at *at) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr;
    float unused[LANES] = {0}, *m = w->p[i], *ds = w->ds[i];
    lanes_product(p, at->cols, a->d, w->keys + key_block * p->by_key * a->d, w->query[i], m, at->width, false);
    lbi_scores_dress(&p->lanes, at, m, w->slope[i], w->spare);
    lbi_attend_cols_exp(m, at->cols, nr, at->width, w->z + i * nr, unused);
    lanes_product(p, at->cols, a->e, w->values + key_block * p->by_key * a->e, w->grad[i], ds, at->width, false);
    lbi_scores_drop(&p->lanes, at, ds, w->spare);
    lbi_attend_cols_back(ds, m, at->cols, nr, at->width, w->delta + i * nr);
    lbi_scores_drop(&p->lanes, at, m, w->spare);
    lbi_scores_back(&p->lanes, at, ds, w->slope[i], w->spare);
    if (a->call->gin[0]) lanes_product(p, a->d, at->cols, w->keys_wide + key_block * p->by_width[0], ds, w->dq[i], at->width, true);
}

/* to [cols][width] += tile^T rows: what a block of keys gets from all queries of the block. */
static void keys_backward(const plan *p, const back_work *w, const block *b, float *const *tile, const float *rows, float *to, int64_t width, int64_t cols) {
    const lbi_tile_end end = {.beta = 1};
    int mr = p->g->mr, nr = p->g->nr;
    for (int64_t j = 0; j < cols; j += mr)
        for (int64_t q = 0; q < b->rows; q += nr)
            p->g->across(w->turned + j * b->rows + q * mr, mr, tile[q / nr] + j * nr, nr, (int)lbi_least(mr, cols - j), lbi_least(nr, b->rows - q));
    for (int64_t e = 0; e < width; e += nr)
        for (int64_t j = 0; j < cols; j += mr)
            p->g->tile(b->rows, w->turned + j * b->rows, rows + e * b->rows, to + j * width + e, width, (int)lbi_least(mr, cols - j), (int)lbi_least(nr, width - e), &end);
}

static void block_backward(const plan *p, back_work *w, const block *b) {
    const lbi_attend *a = p->a;
    const lb_call *c = a->call;
    int nr = p->g->nr;
    int64_t lo, hi;
    block_begin(p, w, b);
    lbi_attend_sight(a, b->l0, b->l0 + b->rows, &lo, &hi);
    for (int64_t k = 0; k < p->blocks; k++) {
        lbi_scores_at at = {.n = b->n, .h = b->h, .s0 = k * KEYS, .cols = lbi_least(KEYS, a->s - k * KEYS)};
        if (lbi_attend_out_of_sight(a, at.s0, at.cols, lo, hi)) continue;
        for (int i = 0; i * nr < b->rows; i++) {
            at.l0 = b->l0 + i * nr;
            at.count = lbi_least(nr, b->rows - i * nr);
            at.width = lbi_scores_width(at.count);
            lanes_backward(p, w, i, k, &at);
        }
        if (c->gin[2]) keys_backward(p, w, b, w->p, w->grad_rows, lbi_attend_grad_row(c->gin[2], b->n, b->group, at.s0), a->e, at.cols);
        if (c->gin[1]) keys_backward(p, w, b, w->ds, w->query_rows, lbi_attend_grad_row(c->gin[1], b->n, b->group, at.s0), a->d, at.cols);
    }
    for (int i = 0; c->gin[0] && i * nr < b->rows; i++) {
        const lbi_scores_at at = {.n = b->n, .h = b->h, .l0 = b->l0 + i * nr, .count = lbi_least(nr, b->rows - i * nr)};
        lbi_scores_give_dq(&p->lanes, &at, w->dq[i], w->spare);
    }
}

/* done: heads of keys that are, NULL: none. */
static void unit_backward(const plan *p, back_work *w, const lbi_attend_span *span, const uint8_t *done) {
    const lbi_attend *a = p->a;
    for (int64_t n = span->n0; n < span->n1; n++)
        for (int64_t h = span->h0, last = -1; h < span->h1; h++) {
            int64_t group = h * a->g / a->h;
            if (done && done[n * a->g + group]) continue;
            if (group != last) {
                lbi_attend_clear_group(a, n, group);
                pack_heads(p, w->keys, p->by_key * a->d, &a->k, a->d, n, group, true);
                pack_heads(p, w->keys_wide, p->by_width[0], &a->k, a->d, n, group, false);
                pack_heads(p, w->values, p->by_key * a->e, &a->v, a->e, n, group, true);
            }
            last = group;
            for (int64_t l = 0; l < a->l; l += QUERIES) block_backward(p, w, &(block){n, h, group, l, lbi_least(QUERIES, a->l - l)});
        }
}

bool lbi_attend_packed_back(const lbi_attend *a) {
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    uint8_t *done;
    if (!suits(a, g)) return false;
    if (lbi_attend_parts_back(a, &done)) return true;
    plan p = plan_of(a, g);
    back_work none;
    lbi_attend_units units = lbi_attend_units_of(a);
    int threads = lbi_attend_threads(a, units.count, a->d + a->e);
    int64_t size = back_parts(&p, &none, NULL);
    float *all = lb_scratch(a->call, (size_t)(size * threads) * sizeof *all);
    if (!all) return true;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        back_work w;
        (void)back_parts(&p, &w, all + omp_get_thread_num() * size);
#pragma omp for schedule(dynamic)
        for (int64_t u = 0; u < units.count; u++) {
            lbi_attend_span span = lbi_attend_unit(a, &units, u);
            unit_backward(&p, &w, &span, done);
        }
    }
    return true;
}
#endif

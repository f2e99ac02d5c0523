/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/attend_packed.h"
#ifdef LB_DOUBLE
bool lbi_attend_packed(const lbi_attend *a) { return false; }
bool lbi_attend_packed_back(const lbi_attend *a) { return false; }
#else
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/kernels/attend.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_block.h"

enum {
    KEYS = 252,    /* of a tile: a multiple of the rows of both kernels' tiles */
    QUERIES = 64,  /* of a block of the backward pass */
    CHUNK = 128,   /* queries for which packing keys and values a second time is cheap */
    PANELS = QUERIES / 16,
    LANES = LBI_NR_MAX,
    SLACK = 16     /* packing writes beyond */
};

/* Numbers of a buffer, whole cache lines. */
static int64_t room(int64_t n) { return (n + SLACK + 15) / 16 * 16; }

/* Of `count` queries, the lanes that are computed. */
static int width_of(int64_t count) { return (int)((count + LBI_ATTEND_LANES - 1) / LBI_ATTEND_LANES * LBI_ATTEND_LANES); }

typedef struct plan {
    const lbi_attend *a;
    const lbi_gemm_kernel *g;
    int64_t blocks;              /* of keys */
    int64_t by_key, by_width[2]; /* numbers of a packed block: keys by d; of d and of e by keys */
} plan;

static plan plan_of(const lbi_attend *a, const lbi_gemm_kernel *g) {
    plan p = {.a = a, .g = g, .blocks = (a->s + KEYS - 1) / KEYS, .by_key = KEYS};
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
static void pack_queries(const plan *p, float *to, const float *rows, int64_t ld, bool transposed, int64_t count, int64_t width) { lbi_pack(p->g, to, p->g->nr, rows, ld, !transposed, 0, count, 0, width); }

/* ---- tiles of scores ---- */

/* The part of a tile that is not a product: queries l0..l0+count-1 of map (n, h), keys s0.... */
typedef struct place {
    int64_t n, h, l0, count, s0, cols;
    int width;
} place;

/* keys x lanes from numbers that lie `step` apart along queries and side by side along keys; else one at a time. */
static void turned(const plan *p, const place *at, float *to, const float *from, int64_t step_l, int64_t step_s) {
    int nr = p->g->nr;
    if (step_s == 1) {
        p->g->across(to, nr, from, step_l, (int)at->count, at->cols);
        return;
    }
    for (int64_t j = 0; j < at->cols; j++)
        for (int64_t q = 0; q < nr; q++) to[j * nr + q] = q < at->count ? from[q * step_l + j * step_s] : 0;
}

static void add_numbers(const plan *p, const place *at, float *m, float *spare, const float *from, int64_t step_l, int64_t step_s) {
    int nr = p->g->nr;
    if (step_l != 0) {
        turned(p, at, spare, from, step_l, step_s);
        lbi_attend_add(m, at->cols * nr, spare, 1);
        return;
    }
    for (int64_t j = 0; j < at->cols; j++) lbi_attend_add(m + j * nr, at->width, from + j * step_s, 0);
}

/* Hides keys by the mask. spare: two tiles. */
static void hide(const plan *p, const place *at, float *m, float *spare) {
    const lb_tensor *mask = p->a->mask;
    lbi_attend_place x = lbi_attend_place_of(mask, at->n, at->h, at->l0, at->s0);
    const int64_t *large = mask->dtype == LB_I64 ? (const int64_t *)mask->data + x.at : NULL;
    const uint8_t *small = (const uint8_t *)mask->data + x.at;
    int nr = p->g->nr;
    if (x.step_l == 0) {
        for (int64_t j = 0; j < at->cols; j++)
            if (!(large ? large[j * x.step_s] != 0 : small[j * x.step_s] != 0))
                for (int q = 0; q < at->width; q++) m[j * nr + q] = -INFINITY;
        return;
    }
    float *rows = spare + room(KEYS * nr);
    for (int64_t q = 0; q < at->count; q++)
        for (int64_t j = 0; j < at->cols; j++) {
            int64_t i = q * x.step_l + j * x.step_s;
            rows[q * at->cols + j] = large ? large[i] != 0 : small[i] != 0;
        }
    p->g->across(spare, nr, rows, at->cols, (int)at->count, at->cols);
    lbi_attend_keep(m, spare, at->cols * nr);
}

/* Hides keys by the causal rule and the window. */
static void hide_out_of_sight(const plan *p, const place *at, float *m) {
    int64_t lo, hi, prefix = p->a->o->prefix, nr = p->g->nr;
    for (int64_t q = 0; q < at->count; q++) {
        lbi_attend_sight(p->a, at->l0 + q, at->l0 + q + 1, &lo, &hi);
        if (hi < prefix) hi = prefix;
        int64_t first = (prefix > at->s0 ? prefix : at->s0) - at->s0, before = lbi_least(lo - at->s0, at->cols), after = hi > at->s0 ? hi - at->s0 : 0;
        for (int64_t j = first; j < before; j++) m[j * nr + q] = -INFINITY;
        for (int64_t j = after; j < at->cols; j++) m[j * nr + q] = -INFINITY;
    }
}

/* From scale q k^T to scores. */
static void dress(const plan *p, const place *at, float *m, float *slope, float *spare) {
    const lbi_attend *a = p->a;
    if (a->o->softcap > 0) lbi_attend_cap(m, at->cols * p->g->nr, 1, (float)a->o->softcap, slope);
    if (a->bias) {
        lbi_attend_place x = lbi_attend_place_of(a->bias, at->n, at->h, at->l0, at->s0);
        add_numbers(p, at, m, spare, lb_r(a->bias) + x.at, x.step_l, x.step_s);
    }
    if (a->relative) {
        const lb_tensor *r = a->relative;
        int64_t from = (r->shape[0] > 1 ? at->h : 0) * r->stride[0] + (at->s0 - at->l0 + a->l - 1) * r->stride[1];
        add_numbers(p, at, m, spare, lb_r(r) + from, -r->stride[1], r->stride[1]);
    }
    if (a->mask) hide(p, at, m, spare);
    if (a->o->causal || a->o->window > 0) hide_out_of_sight(p, at, m);
}

/* The dropout of weights. rows: room for a tile. */
static void drop(const plan *p, const place *at, float *m, float *rows) {
    int nr = p->g->nr;
    if (p->a->o->dropout == 0) return;
    for (int64_t i = 0; i < at->count * at->cols; i++) rows[i] = 1;
    lbi_attend_drop(p->a, at->n, at->h, at->l0, at->count, at->s0, at->cols, rows, at->cols);
    for (int64_t j = 0; j < at->cols; j++)
        for (int64_t q = 0; q < at->count; q++) m[j * nr + q] *= rows[q * at->cols + j];
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

/* The next `n` numbers of memory that begins at `at`; NULL when only sizes are asked for. */
static float *part(float *at, int64_t *used, int64_t n) {
    float *x = at ? at + *used : NULL;
    *used += room(n);
    return x;
}

/* Three tiles, or rows of queries. */
static int64_t spare_room(const plan *p) {
    int64_t tiles = 3 * room(KEYS * p->g->nr), rows = p->g->nr * (p->a->d > p->a->e ? p->a->d : p->a->e);
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
    w->keys = part(at, &used, p->blocks * p->by_key * a->d);
    w->values = part(at, &used, p->blocks * p->by_width[1]);
    w->query = part(at, &used, nr * a->d);
    w->scores = part(at, &used, KEYS * nr);
    w->result = part(at, &used, nr * a->e);
    w->spare = part(at, &used, spare_room(p));
    return used;
}

/* Brings the sums up to date with a tile of scores, which become weights. */
static void take_in(const plan *p, const place *at, const forward_work *w, float *most, float *sum, bool first) {
    int nr = p->g->nr;
    float top[LANES], shift[LANES], fade[LANES];
    bool fades = false;
    memcpy(top, most, sizeof top);
    lbi_attend_cols_max(w->scores, at->cols, nr, at->width, top);
    for (int q = 0; q < at->width; q++) {
        shift[q] = top[q] == -INFINITY ? 0 : top[q]; /* all hidden so far: weights become 0 */
        fade[q] = most[q] - shift[q];
        fades = fades || (most[q] != top[q] && most[q] != -INFINITY);
    }
    memcpy(most, top, sizeof top);
    if (fades && !first) {
        float none[LANES] = {0}, total[LANES] = {0};
        lbi_attend_cols_exp(fade, 1, nr, at->width, none, total);
        for (int q = 0; q < at->width; q++) sum[q] *= fade[q];
        lbi_attend_cols_scale(w->result, p->a->e, nr, at->width, fade);
    }
    lbi_attend_cols_exp(w->scores, at->cols, nr, at->width, shift, sum);
}

/* Sums to rows of y, and the logarithm of each sum. */
static void give_out(const plan *p, const place *at, const forward_work *w, const float *most, const float *sum) {
    const lbi_attend *a = p->a;
    float by[LANES];
    int64_t ld, e = a->e;
    float *y = lbi_attend_result_row(a, a->call->out[0], at->n, at->h, at->l0, &ld), *z = lb_r(a->call->out[1]) + (at->n * a->h + at->h) * a->l + at->l0;
    for (int q = 0; q < at->width; q++) by[q] = sum[q] == 0 ? 0 : 1 / sum[q];
    lbi_attend_cols_scale(w->result, e, p->g->nr, at->width, by);
    p->g->across(w->spare, (int)e, w->result, p->g->nr, (int)e, at->count);
    for (int64_t i = 0; i < at->count; i++) {
        z[i] = sum[i] == 0 ? INFINITY : most[i] + (float)log((double)sum[i]); /* infinity: exp(score - z) is 0 */
        if (sum[i] == 0) memset(y + i * ld, 0, (size_t)e * sizeof *y);
        else memcpy(y + i * ld, w->spare + i * e, (size_t)e * sizeof *y);
    }
}

/* Up to nr queries from l0 on. */
static void lanes_forward(const plan *p, const forward_work *w, int64_t n, int64_t h, int64_t l0, int64_t count) {
    const lbi_attend *a = p->a;
    float most[LANES], sum[LANES] = {0};
    int64_t lo, hi;
    bool first = true;
    place at = {n, h, l0, count, 0, 0, width_of(count)};
    for (int q = 0; q < LANES; q++) most[q] = -INFINITY;
    pack_queries(p, w->query, lbi_attend_row(&a->q, n, h, l0), a->q.ld, a->q.transposed, count, a->d);
    lbi_attend_scale(w->query, p->g->nr * a->d, (float)a->o->scale);
    lbi_attend_sight(a, l0, l0 + count, &lo, &hi);
    for (int64_t b = 0; b < p->blocks; b++) {
        at.s0 = b * KEYS;
        at.cols = lbi_least(KEYS, a->s - at.s0);
        if (lbi_attend_out_of_sight(a, at.s0, at.cols, lo, hi)) continue;
        lanes_product(p, at.cols, a->d, w->keys + b * p->by_key * a->d, w->query, w->scores, at.width, false);
        dress(p, &at, w->scores, NULL, w->spare);
        take_in(p, &at, w, most, sum, first);
        drop(p, &at, w->scores, w->spare);
        lanes_product(p, a->e, at.cols, w->values + b * p->by_width[1], w->scores, w->result, at.width, !first);
        first = false;
    }
    if (first) memset(w->result, 0, (size_t)(a->e * p->g->nr) * sizeof(float));
    give_out(p, &at, w, most, sum);
}

bool lbi_attend_packed(const lbi_attend *a) {
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    if (!suits(a, g)) return false;
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
        if (first >= last) continue;
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
    w->keys = part(at, &used, p->blocks * p->by_key * a->d);
    w->keys_wide = part(at, &used, p->blocks * p->by_width[0]);
    w->values = part(at, &used, p->blocks * p->by_key * a->e);
    w->query_rows = part(at, &used, lbi_panels(a->d, nr) * nr * QUERIES);
    w->grad_rows = part(at, &used, lbi_panels(a->e, nr) * nr * QUERIES);
    w->turned = part(at, &used, (KEYS + p->g->mr) * QUERIES);
    w->spare = part(at, &used, spare_room(p));
    for (int i = 0; i < panels; i++) {
        w->query[i] = part(at, &used, nr * a->d);
        w->grad[i] = part(at, &used, nr * a->e);
        w->dq[i] = part(at, &used, nr * a->d);
        w->p[i] = part(at, &used, tile);
        w->ds[i] = part(at, &used, tile);
        w->slope[i] = a->o->softcap > 0 ? part(at, &used, tile) : NULL;
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
static void lanes_backward(const plan *p, const back_work *w, int i, int64_t key_block, const place *at) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr;
    float unused[LANES] = {0}, *m = w->p[i], *ds = w->ds[i];
    lanes_product(p, at->cols, a->d, w->keys + key_block * p->by_key * a->d, w->query[i], m, at->width, false);
    dress(p, at, m, w->slope[i], w->spare);
    lbi_attend_cols_exp(m, at->cols, nr, at->width, w->z + i * nr, unused);
    lanes_product(p, at->cols, a->e, w->values + key_block * p->by_key * a->e, w->grad[i], ds, at->width, false);
    drop(p, at, ds, w->spare);
    lbi_attend_cols_back(ds, m, at->cols, nr, at->width, w->delta + i * nr);
    drop(p, at, m, w->spare);
    if (a->to_bias || a->to_relative) {
        p->g->across(w->spare, (int)at->cols, ds, nr, (int)at->cols, at->count);
        lbi_attend_back_biases(a, at->n, at->h, at->l0, at->count, at->s0, at->cols, w->spare, at->cols);
    }
    if (w->slope[i]) lbi_attend_times(ds, w->slope[i], at->cols * nr);
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

static void give_dq(const plan *p, const back_work *w, const block *b) {
    const lbi_attend *a = p->a;
    int nr = p->g->nr;
    for (int64_t i = 0; i * nr < b->rows; i++) {
        int64_t count = lbi_least(nr, b->rows - i * nr);
        float *to = lbi_attend_grad_row(a->call->gin[0], b->n, b->h, b->l0 + i * nr);
        lbi_attend_scale(w->dq[i], nr * a->d, (float)a->o->scale);
        p->g->across(w->spare, (int)a->d, w->dq[i], nr, (int)a->d, count);
        lbi_attend_add(to, count * a->d, w->spare, 1);
    }
}

static void block_backward(const plan *p, back_work *w, const block *b) {
    const lbi_attend *a = p->a;
    const lb_call *c = a->call;
    int nr = p->g->nr;
    int64_t lo, hi;
    block_begin(p, w, b);
    lbi_attend_sight(a, b->l0, b->l0 + b->rows, &lo, &hi);
    for (int64_t k = 0; k < p->blocks; k++) {
        place at = {.n = b->n, .h = b->h, .s0 = k * KEYS, .cols = lbi_least(KEYS, a->s - k * KEYS)};
        if (lbi_attend_out_of_sight(a, at.s0, at.cols, lo, hi)) continue;
        for (int i = 0; i * nr < b->rows; i++) {
            at.l0 = b->l0 + i * nr;
            at.count = lbi_least(nr, b->rows - i * nr);
            at.width = width_of(at.count);
            lanes_backward(p, w, i, k, &at);
        }
        if (c->gin[2]) keys_backward(p, w, b, w->p, w->grad_rows, lbi_attend_grad_row(c->gin[2], b->n, b->group, at.s0), a->e, at.cols);
        if (c->gin[1]) keys_backward(p, w, b, w->ds, w->query_rows, lbi_attend_grad_row(c->gin[1], b->n, b->group, at.s0), a->d, at.cols);
    }
    if (c->gin[0]) give_dq(p, w, b);
}

static void unit_backward(const plan *p, back_work *w, const lbi_attend_span *span) {
    const lbi_attend *a = p->a;
    for (int64_t n = span->n0; n < span->n1; n++)
        for (int64_t h = span->h0, last = -1; h < span->h1; h++) {
            int64_t group = h * a->g / a->h;
            if (group != last) {
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
    if (!suits(a, g)) return false;
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
            unit_backward(&p, &w, &span);
        }
    }
    return true;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metric.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "tensor/product.h"

#define METRIC(id) extern const lb_metric lb_metric_##id;
#include "eval/metrics.def"
#undef METRIC
static const lb_head *const members[] = {
#define METRIC(id) (const lb_head *)&lb_metric_##id,
#include "eval/metrics.def"
#undef METRIC
};
const lb_family lb_metrics = {.name = "metrics", .text = "scores of named tensors", .def = "eval/metrics.def", .dir = "eval/metrics", .count = (int)LB_COUNT(members), .members = members};

enum { QUERY_BLOCK = 1024, TARGET_BLOCK = 2048 }; /* of QUERY_BLOCK * TARGET_BLOCK scores at a time; the factors are read once a block */

/* Calls fn for each block of similarities of queries [q, q+nq) with targets [t, t+nt), row-major in s. */
typedef void block_fn(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s);

static lb_status blocks(const float *query, int64_t n, const float *target, int64_t m, int64_t dim, block_fn *fn, void *ctx) {
    float *s = lb_alloc((size_t)((n < QUERY_BLOCK ? n : QUERY_BLOCK) * (m < TARGET_BLOCK ? m : TARGET_BLOCK)) + 1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    for (int64_t q = 0; q < n; q += QUERY_BLOCK) {
        int64_t nq = n - q < QUERY_BLOCK ? n - q : QUERY_BLOCK;
        for (int64_t t = 0; t < m; t += TARGET_BLOCK) {
            int64_t nt = m - t < TARGET_BLOCK ? m - t : TARGET_BLOCK;
            lb_row_products(s, query + q * dim, nq, target + t * dim, nt, dim);
            fn(ctx, q, nq, t, nt, s);
        }
    }
    lb_free(s);
    return LB_OK;
}

/* ---- ranks: the scores of the positives first; then each target counts for the positives that it stands before ---- */

typedef struct positive {
    float score;
    int64_t index;
} positive;

typedef struct rank_state {
    const int64_t *positives;
    int64_t per_query;
    positive *sorted; /* [N,P]: best first */
    int64_t *before;  /* [N,P]: targets that stand before this positive and after the one ahead of it */
} rank_state;

static bool ahead(float score, int64_t index, const positive *p) { return score > p->score || (score == p->score && index < p->index); }

static int by_rank(const void *a, const void *b) {
    const positive *x = a, *y = b;
    return ahead(x->score, x->index, y) ? -1 : ahead(y->score, y->index, x);
}

static int64_t used(const int64_t *positives, int64_t per_query) {
    int64_t n = 0;
    while (n < per_query && positives[n] >= 0) n++;
    return n;
}

static void take_scores(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    rank_state *r = ctx;
    for (int64_t i = 0; i < nq; i++)
        for (int64_t k = 0; k < r->per_query; k++) {
            int64_t p = r->positives[(q + i) * r->per_query + k];
            if (p >= t && p < t + nt) r->sorted[(q + i) * r->per_query + k] = (positive){s[i * nt + p - t], p};
        }
}

static int64_t count_ahead(const float *s, int64_t n, int64_t first, const positive *p) {
    int64_t above = 0, equal = 0;
    for (int64_t j = 0; j < n; j++) above += s[j] > p->score;
    for (int64_t j = 0; j < n && first + j < p->index; j++) equal += s[j] == p->score;
    return above + equal;
}

static void count_before(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    rank_state *r = ctx;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < nq; i++) {
        const positive *sorted = r->sorted + (q + i) * r->per_query;
        int64_t n = used(r->positives + (q + i) * r->per_query, r->per_query), *before = r->before + (q + i) * r->per_query;
        if (n == 1) {
            before[0] += count_ahead(s + i * nt, nt, t, sorted);
            continue;
        }
        for (int64_t j = 0; j < nt; j++) {
            int64_t lo = 0, hi = n; /* the first positive that target j stands before */
            while (lo < hi) {
                int64_t mid = (lo + hi) / 2;
                if (ahead(s[i * nt + j], t + j, &sorted[mid])) hi = mid;
                else lo = mid + 1;
            }
            if (lo < n) before[lo]++;
        }
    }
}

lb_status lb_ranks(int64_t *out, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, const int64_t *positives, int64_t per_query) {
    lb_status st = LB_OK;
    positive *sorted = lb_alloc((size_t)(n * per_query) + 1, sizeof *sorted);
    rank_state r = {positives, per_query, sorted, out};
    if (!sorted) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        int64_t have = used(positives + i * per_query, per_query);
        bool inside = have > 0;
        for (int64_t k = 0; k < have; k++) inside = inside && positives[i * per_query + k] < m;
        if (!inside) {
            st = lb_fail(LB_E_ARG, "retrieval: query %lld has no positive among %lld targets", (long long)i, (long long)m);
            goto done;
        }
    }
    memset(out, 0, (size_t)(n * per_query) * sizeof *out);
    LB_TRY(blocks(query, n, target, m, dim, take_scores, &r));
    for (int64_t i = 0; i < n; i++) qsort(sorted + i * per_query, (size_t)used(positives + i * per_query, per_query), sizeof *sorted, by_rank);
    LB_TRY(blocks(query, n, target, m, dim, count_before, &r));
    for (int64_t i = 0; i < n; i++) {
        int64_t *rank = out + i * per_query, have = used(positives + i * per_query, per_query);
        for (int64_t k = 1; k < have; k++) rank[k] += rank[k - 1];
        for (int64_t k = have; k < per_query; k++) rank[k] = -1;
    }
done:
    lb_free(sorted);
    return st;
}

/* ---- top k by insertion: targets come in index order, so an equal later score never passes an earlier one ---- */

typedef struct top_state {
    int64_t k, first, *index;
    float *score;
    int64_t *have;
} top_state;

enum { STRIDE = 64 };

/* The first j from `from` on where s[j] > bound, by strides of which most hold none. */
static int64_t next_above(const float *s, int64_t from, int64_t n, float bound) {
    int64_t j = from;
    for (; j + STRIDE <= n; j += STRIDE) {
        int any = 0;
        for (int l = 0; l < STRIDE; l++) any |= s[j + l] > bound;
        if (any) break;
    }
    while (j < n && !(s[j] > bound)) j++;
    return j;
}

static void insert(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    top_state *r = ctx;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < nq; i++) {
        int64_t *index = r->index + (q + i) * r->k, *have = &r->have[q + i];
        float *score = r->score + (q + i) * r->k;
        const float *row = s + i * nt;
        for (int64_t j = 0; j < nt; j++) {
            if (*have == r->k && (j = next_above(row, j, nt, score[r->k - 1])) == nt) break;
            int64_t at = *have < r->k ? (*have)++ : r->k - 1;
            for (; at > 0 && row[j] > score[at - 1]; at--) {
                score[at] = score[at - 1];
                index[at] = index[at - 1];
            }
            score[at] = row[j];
            index[at] = r->first + t + j;
        }
    }
}

lb_status lb_top_k_add(int64_t *index, float *score, int64_t *have, const float *query, int64_t n, const float *target, int64_t first, int64_t m, int64_t dim, int64_t k) {
    if (k < 1) return lb_fail(LB_E_ARG, "top k: 1 or more wanted, got %lld", (long long)k);
    top_state r = {k, first, index, score, have};
    return blocks(query, n, target, m, dim, insert, &r);
}

lb_status lb_top_k(int64_t *out_index, float *out_score, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, int64_t k) {
    if (k < 1 || k > m) return lb_fail(LB_E_ARG, "top k: 1 <= k <= %lld wanted, got %lld", (long long)m, (long long)k);
    float *score = out_score ? out_score : lb_alloc((size_t)(n * k) + 1, sizeof *score);
    int64_t *have = lb_calloc((size_t)n + 1, sizeof *have);
    lb_status st = score && have ? lb_top_k_add(out_index, score, have, query, n, target, 0, m, dim, k) : LB_E_NOMEM;
    if (!out_score) lb_free(score);
    lb_free(have);
    return st;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

const lb_tensor *lb_metric_find(int nin, const lb_metric_input *in, const char *name) {
    for (int i = 0; i < nin; i++)
        if (strcmp(in[i].name, name) == 0) return in[i].x;
    return NULL;
}

void lb_bootstrap_draw(int64_t *out, int64_t n, uint64_t seed, int64_t d) {
    lb_rng r = lb_rng_make(seed, (uint64_t)d);
    for (int64_t i = 0; i < n; i++) out[i] = lb_rng_below(&r, n);
}

bool lb_interval(double *lo, double *hi, double *values, int64_t n) {
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i])) values[m++] = values[i];
    *lo = *hi = NAN;
    if (m == 0) return false;
    qsort(values, (size_t)m, sizeof *values, by_value);
    *lo = values[(int64_t)(0.025 * (double)(m - 1) + 0.5)];
    *hi = values[(int64_t)(0.975 * (double)(m - 1) + 0.5)];
    return true;
}

void lb_put_range(lb_value *out, const char *key, double lo, double hi) {
    char name[64];
    lb_value *range = lb_value_list();
    lb_list_real(range, lo);
    lb_list_real(range, hi);
    snprintf(name, sizeof name, "%s_95", key);
    lb_map_put(out, name, range);
}

void lb_bootstrap(double *lo, double *hi, const double *values, int64_t n, int64_t draws, uint64_t seed) {
    *lo = *hi = NAN;
    double *means = n > 0 && draws > 0 ? lb_alloc((size_t)draws, sizeof *means) : NULL;
    if (!means) return;
    for (int64_t d = 0; d < draws; d++) {
        lb_rng r = lb_rng_make(seed, (uint64_t)d);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += values[lb_rng_below(&r, n)];
        means[d] = sum / (double)n;
    }
    (void)lb_interval(lo, hi, means, draws);
    lb_free(means);
}

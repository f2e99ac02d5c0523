/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metric.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"

#define METRIC(id) extern const lb_metric lb_metric_##id;
#include "eval/metrics.def"
#undef METRIC
static const lb_head *const members[] = {
#define METRIC(id) (const lb_head *)&lb_metric_##id,
#include "eval/metrics.def"
#undef METRIC
};
const lb_family lb_metrics = {.name = "metrics", .text = "scores of named tensors", .def = "eval/metrics.def", .dir = "eval/metrics", .count = (int)LB_COUNT(members), .members = members};

enum { QUERY_BLOCK = 256, TARGET_BLOCK = 4096 };

/* Calls fn for each block of similarities of queries [q, q+nq) with targets [t, t+nt), row-major in s. */
typedef void block_fn(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s);

static lb_status blocks(const float *query, int64_t n, const float *target, int64_t m, int64_t dim, block_fn *fn, void *ctx) {
    float *s = lb_alloc((size_t)QUERY_BLOCK * TARGET_BLOCK, sizeof *s);
    if (!s) return LB_E_NOMEM;
    for (int64_t q = 0; q < n; q += QUERY_BLOCK) {
        int64_t nq = n - q < QUERY_BLOCK ? n - q : QUERY_BLOCK;
        for (int64_t t = 0; t < m; t += TARGET_BLOCK) {
            int64_t nt = m - t < TARGET_BLOCK ? m - t : TARGET_BLOCK;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)nq, (int)nt, (int)dim, 1.0f, query + q * dim, (int)dim, target + t * dim, (int)dim, 0.0f, s, (int)nt);
            fn(ctx, q, nq, t, nt, s);
        }
    }
    lb_free(s);
    return LB_OK;
}

/* ---- ranks: first the score of the best positive, then how many targets stand before it ---- */

typedef struct rank_state {
    const int64_t *positives;
    int64_t per_query;
    float *best;      /* score of the best positive */
    int64_t *best_at; /* its index; of equal scores the lowest */
    int64_t *rank;
} rank_state;

static void find_best(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    rank_state *r = ctx;
    for (int64_t i = 0; i < nq; i++)
        for (int64_t k = 0; k < r->per_query; k++) {
            int64_t p = r->positives[(q + i) * r->per_query + k];
            if (p < t || p >= t + nt) continue;
            float v = s[i * nt + p - t];
            if (r->best_at[q + i] < 0 || v > r->best[q + i] || (v == r->best[q + i] && p < r->best_at[q + i])) {
                r->best[q + i] = v;
                r->best_at[q + i] = p;
            }
        }
}

static void count_before(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    rank_state *r = ctx;
    for (int64_t i = 0; i < nq; i++) {
        float v = r->best[q + i];
        int64_t at = r->best_at[q + i], before = 0;
        for (int64_t j = 0; j < nt; j++) before += s[i * nt + j] > v || (s[i * nt + j] == v && t + j < at);
        r->rank[q + i] += before;
    }
}

lb_status lb_ranks(int64_t *out, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, const int64_t *positives, int64_t per_query) {
    lb_status st = LB_OK;
    float *best = lb_calloc((size_t)n + 1, sizeof *best);
    int64_t *best_at = lb_alloc((size_t)n + 1, sizeof *best_at);
    rank_state r = {positives, per_query, best, best_at, out};
    if (!best || !best_at) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        best_at[i] = -1;
        out[i] = 0;
    }
    LB_TRY(blocks(query, n, target, m, dim, find_best, &r));
    for (int64_t i = 0; i < n; i++)
        if (best_at[i] < 0) {
            st = lb_fail(LB_E_ARG, "retrieval: query %lld has no positive among %lld targets", (long long)i, (long long)m);
            goto done;
        }
    LB_TRY(blocks(query, n, target, m, dim, count_before, &r));
done:
    lb_free(best);
    lb_free(best_at);
    return st;
}

/* ---- top k by insertion: targets come in index order, so an equal later score never passes an earlier one ---- */

typedef struct top_state {
    int64_t k, *index;
    float *score;
    int64_t *have;
} top_state;

static void insert(void *ctx, int64_t q, int64_t nq, int64_t t, int64_t nt, const float *s) {
    top_state *r = ctx;
    for (int64_t i = 0; i < nq; i++) {
        int64_t *index = r->index + (q + i) * r->k, *have = &r->have[q + i];
        float *score = r->score + (q + i) * r->k;
        for (int64_t j = 0; j < nt; j++) {
            float v = s[i * nt + j];
            if (*have == r->k && !(v > score[r->k - 1])) continue;
            int64_t at = *have < r->k ? (*have)++ : r->k - 1;
            for (; at > 0 && v > score[at - 1]; at--) {
                score[at] = score[at - 1];
                index[at] = index[at - 1];
            }
            score[at] = v;
            index[at] = t + j;
        }
    }
}

lb_status lb_top_k(int64_t *out_index, float *out_score, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, int64_t k) {
    if (k < 1 || k > m) return lb_fail(LB_E_ARG, "top k: 1 <= k <= %lld wanted, got %lld", (long long)m, (long long)k);
    lb_status st = LB_OK;
    float *score = out_score ? out_score : lb_alloc((size_t)(n * k) + 1, sizeof *score);
    int64_t *have = lb_calloc((size_t)n + 1, sizeof *have);
    top_state r = {k, out_index, score, have};
    st = score && have ? blocks(query, n, target, m, dim, insert, &r) : LB_E_NOMEM;
    if (!out_score) lb_free(score);
    lb_free(have);
    return st;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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
    qsort(means, (size_t)draws, sizeof *means, by_value);
    *lo = means[(int64_t)(0.025 * (double)(draws - 1) + 0.5)];
    *hi = means[(int64_t)(0.975 * (double)(draws - 1) + 0.5)];
    lb_free(means);
}

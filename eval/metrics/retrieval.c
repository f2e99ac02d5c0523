/* SPDX-License-Identifier: Apache-2.0 */
/* Picture-text retrieval. A query counts for R@k when any positive is among its first k targets; ties: higher score, then lower
 * index. Scores are inner products of L2-normalised rows in f32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/metric.h"

typedef struct options {
    int64_t bootstrap;
    int64_t seed;
} options;

static const lb_param params[] = {
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the resamples"),
    LB_PARAM_END};

static lb_status normalised(float **out, const lb_tensor *x) {
    int64_t n = x->shape[0], d = x->shape[1];
    if (!(*out = lb_alloc((size_t)(n * d) + 1, sizeof **out))) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = 0; k < d; k++) {
            double v = lb_get_at(x, i * d + k);
            if (!isfinite(v)) return lb_fail(LB_E_NUMERIC, "retrieval: row %lld holds a value that is not finite", (long long)i);
            sum += v * v;
        }
        double by = sum > 0 ? 1 / sqrt(sum) : 0;
        for (int64_t k = 0; k < d; k++) (*out)[i * d + k] = (float)(lb_get_at(x, i * d + k) * by);
    }
    return LB_OK;
}

typedef struct named {
    int64_t id, index;
} named;

static int by_id(const void *a, const void *b) {
    const named *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int64_t first_of(const named *sorted, int64_t n, int64_t id) {
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = (lo + hi) / 2;
        if (sorted[mid].id < id) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* positives[i]: targets with the query's id, padded with -1. */
static lb_status positives_of(int64_t **out, int64_t *per_query, const lb_tensor *query, const lb_tensor *target) {
    int64_t n = query->shape[0], m = target->shape[0], most = 1;
    named *sorted = lb_alloc((size_t)m + 1, sizeof *sorted);
    if (!sorted) return LB_E_NOMEM;
    for (int64_t j = 0; j < m; j++) sorted[j] = (named){(int64_t)lb_get_at(target, j), j};
    qsort(sorted, (size_t)m, sizeof *sorted, by_id);
    for (int64_t j = 0, run = 0; j < m; j++) {
        run = j > 0 && sorted[j].id == sorted[j - 1].id ? run + 1 : 1;
        if (run > most) most = run;
    }
    *out = lb_alloc((size_t)(n * most) + 1, sizeof **out);
    for (int64_t i = 0; *out && i < n; i++) {
        int64_t id = (int64_t)lb_get_at(query, i), k = 0;
        for (int64_t j = first_of(sorted, m, id); j < m && sorted[j].id == id; j++) (*out)[i * most + k++] = sorted[j].index;
        while (k < most) (*out)[i * most + k++] = -1;
    }
    lb_free(sorted);
    *per_query = most;
    return *out ? LB_OK : LB_E_NOMEM;
}

static int by_int(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

typedef struct direction {
    double recall[3], lo[3], hi[3], median, mean_reciprocal, mean_average;
} direction;
static const int64_t depths[3] = {1, 5, 10};

/* Mean over a query's positives of the precision at each one's rank. */
static double average_precision(const int64_t *rank, int64_t per) {
    double sum = 0;
    int64_t n = 0;
    for (; n < per && rank[n] >= 0; n++) sum += (double)(n + 1) / (double)(rank[n] + 1);
    return sum / (double)n;
}

static lb_status one_way(direction *out, const options *o, const float *query, const lb_tensor *query_id, const float *target, const lb_tensor *target_id, int64_t dim) {
    lb_status st = LB_OK;
    int64_t n = query_id->shape[0], per = 0, *positives = NULL, *rank = NULL;
    double *hit = lb_alloc((size_t)n + 1, sizeof *hit);
    if (!hit) return LB_E_NOMEM;
    LB_TRY(positives_of(&positives, &per, query_id, target_id));
    if (!(rank = lb_alloc((size_t)(n * per) + 1, sizeof *rank))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_ranks(rank, query, n, target, target_id->shape[0], dim, positives, per));
    out->mean_reciprocal = out->mean_average = 0;
    for (int64_t i = 0; i < n; i++) {
        out->mean_average += 100 * average_precision(rank + i * per, per) / (double)n;
        rank[i] = rank[i * per]; /* the best one's from here on */
        out->mean_reciprocal += 1.0 / (double)(rank[i] + 1) / (double)n;
    }
    for (int d = 0; d < 3; d++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += hit[i] = rank[i] < depths[d] ? 100.0 : 0.0;
        out->recall[d] = sum / (double)n;
        out->lo[d] = out->hi[d] = NAN;
        if (o->bootstrap > 0) lb_bootstrap(&out->lo[d], &out->hi[d], hit, n, o->bootstrap, (uint64_t)o->seed);
    }
    qsort(rank, (size_t)n, sizeof *rank, by_int);
    out->median = (n % 2 ? (double)rank[n / 2] : 0.5 * (double)(rank[n / 2 - 1] + rank[n / 2])) + 1;
done:
    lb_free(positives);
    lb_free(rank);
    lb_free(hit);
    return st;
}

static void put(lb_value *out, const char *name, const direction *d) {
    lb_value *v = lb_value_map();
    char key[16];
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "r%lld", (long long)depths[i]);
        lb_map_real(v, key, d->recall[i]);
        if (!isnan(d->lo[i])) lb_put_range(v, key, d->lo[i], d->hi[i]);
    }
    lb_map_real(v, "median_rank", d->median);
    lb_map_real(v, "mrr", d->mean_reciprocal);
    lb_map_real(v, "map", d->mean_average);
    lb_map_put(out, name, v);
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    static const options defaults = {1000, 0};
    const options *o = cfg ? cfg : &defaults;
    const lb_tensor *image = lb_metric_find(nin, in, "image"), *text = lb_metric_find(nin, in, "text"), *image_id = lb_metric_find(nin, in, "image_id"), *text_id = lb_metric_find(nin, in, "text_id");
    lb_status st = LB_OK;
    float *a = NULL, *b = NULL;
    direction i2t, t2i;
    if (!image || !text || !image_id || !text_id) return lb_fail(LB_E_ARG, "retrieval wants image, text, image_id, text_id");
    if (image->rank != 2 || text->rank != 2 || image->shape[1] != text->shape[1] || image_id->shape[0] != image->shape[0] || text_id->shape[0] != text->shape[0])
        return lb_fail(LB_E_SHAPE, "retrieval: image [N,D], text [M,D], image_id [N], text_id [M] wanted");
    if (image->shape[0] == 0 || text->shape[0] == 0) return lb_fail(LB_E_ARG, "retrieval: no items to score");
    LB_TRY(normalised(&a, image));
    LB_TRY(normalised(&b, text));
    LB_TRY(one_way(&i2t, o, a, image_id, b, text_id, image->shape[1]));
    LB_TRY(one_way(&t2i, o, b, text_id, a, image_id, image->shape[1]));
    put(out, "image_to_text", &i2t);
    put(out, "text_to_image", &t2i);
    for (int d = 0; d < 3; d++) {
        char key[16];
        snprintf(key, sizeof key, "r%lld", (long long)depths[d]);
        lb_map_real(out, key, 0.5 * (i2t.recall[d] + t2i.recall[d]));
    }
    lb_map_int(out, "images", image->shape[0]);
    lb_map_int(out, "texts", text->shape[0]);
    lb_map_text(out, "ties", "higher score, then lower index");
done:
    lb_free(a);
    lb_free(b);
    return st;
}

LB_METRIC(retrieval) = {.id = "retrieval", .title = "R@1/5/10, mAP, median rank and mean reciprocal rank between pictures and texts, both ways",
                        .source = "CLIP_benchmark, metrics/zeroshot_retrieval.py (definition); open_clip_train/metrics.py (ties)", .params = params, .params_size = sizeof(options),
                        .sig = "image[N,D] text[M,D] image_id[N]:i64 text_id[M]:i64", .score = score};

/* SPDX-License-Identifier: Apache-2.0 */
/* Scores. A family of metrics (eval/metrics/<id>.c) over named tensors, plain data. */
#ifndef LB_EVAL_METRIC_H
#define LB_EVAL_METRIC_H
#include "base/registry.h"
#include "base/value.h"
#include "tensor/tensor.h"
LB_BEGIN

typedef struct lb_metric_input {
    const char *name;
    const lb_tensor *x;
} lb_metric_input;

typedef struct lb_metric {
    LB_HEAD;
    const char *sig; /* "query[N,D] target[M,D] positives[N,P]:i64 -> " */
    /* Fills a map of named scores with counts and the rules applied (ties, empty cases). Thread-safe. */
    lb_status (*score)(lb_value *out, const void *cfg, int nin, const lb_metric_input *in);
} lb_metric;
#define LB_METRIC(name) const lb_metric lb_metric_##name
extern LB_API const lb_family lb_metrics;

/** Ranks (0 = first) of each query's positives by inner product, blocked, f32, rising along P; ties: higher score, then lower index. positives:
 *  target indices [N,P], -1 = unused and last in a row; ranks of unused places are -1. A query without any is LB_E_ARG. All threads. */
LB_API LB_MUST_USE lb_status lb_ranks(int64_t *out, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, const int64_t *positives, int64_t per_query);
/** The first k targets of each query, out_index [n,k], out_score [n,k] (may be NULL). Same rule. Memory: some 4 MB and the
 *  results, whatever n and m. All threads. */
LB_API LB_MUST_USE lb_status lb_top_k(int64_t *out_index, float *out_score, const float *query, int64_t n, const float *target, int64_t m, int64_t dim, int64_t k);
/** The same over targets that come in parts: those of rows first .. first+m-1. have[n] starts at zeros; what is there of index and score [n,k]
 *  is have[i] rows of query i, best first. Parts come in rising order. */
LB_API LB_MUST_USE lb_status lb_top_k_add(int64_t *index, float *score, int64_t *have, const float *query, int64_t n, const float *target, int64_t first, int64_t m, int64_t dim, int64_t k);
/** The input of that name, or NULL. */
LB_API const lb_tensor *lb_metric_find(int nin, const lb_metric_input *in, const char *name);

/** Cases of resample d, out[n] in 0..n-1: a function of (seed, d). */
LB_API void lb_bootstrap_draw(int64_t *out, int64_t n, uint64_t seed, int64_t d);
/** The middle 95 % of n resampled scores, NaN left out; reorders them. @return false when there are none */
LB_API bool lb_interval(double *lo, double *hi, double *values, int64_t n);
/** Puts the 95 % interval [lo, hi] of the score `key` under key_95. */
LB_API void lb_put_range(lb_value *out, const char *key, double lo, double hi);
/** Half-width free percentile bootstrap of a mean: lo, hi at 95%, `draws` resamples from seed. */
LB_API void lb_bootstrap(double *lo, double *hi, const double *values, int64_t n, int64_t draws, uint64_t seed);

LB_END
#endif

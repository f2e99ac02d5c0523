/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest neighbours by cosine: the k most similar training rows vote, each with weight exp(similarity / temperature) (DINO's evaluation,
 * Caron et al., arXiv:2104.14294) or 1. Ties: among neighbours lower index, among classes lower class. */
#include <math.h>
#include <string.h>
#include "eval/metric.h"
#include "eval/rows.h"

typedef struct options {
    int64_t k, bootstrap, seed;
    const char *weights;
    double temperature;
} options;

static const lb_param params[] = {
    LB_PARAM(options, k, 20, 1, 100000, "1", "neighbours"),
    LB_PARAM_TEXT(options, weights, "similarity", "similarity|uniform", "of a neighbour's vote"),
    LB_PARAM(options, temperature, 0.07, LB_ABOVE_0, 1e6, "1", "of similarity weights"),
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the resamples"),
    LB_PARAM_END};

static lb_status votes(double *hit, double *hit5, const options *o, const lb_rows *train, const lb_rows *test, int64_t classes) {
    lb_status st = LB_OK;
    int64_t k = o->k < train->n ? o->k : train->n, *index = lb_alloc((size_t)(test->n * k) + 1, sizeof *index);
    float *similarity = lb_alloc((size_t)(test->n * k) + 1, sizeof *similarity);
    double *vote = lb_alloc((size_t)classes, sizeof *vote);
    if (!index || !similarity || !vote) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_top_k(index, similarity, test->x, test->n, train->x, train->n, train->width, k));
    for (int64_t i = 0; i < test->n; i++) {
        memset(vote, 0, (size_t)classes * sizeof *vote);
        for (int64_t j = 0; j < k; j++) vote[train->label[index[i * k + j]]] += strcmp(o->weights, "uniform") == 0 ? 1 : exp(similarity[i * k + j] / o->temperature);
        int64_t before = 0, want = test->label[i];
        for (int64_t c = 0; c < classes; c++) before += vote[c] > vote[want] || (vote[c] == vote[want] && c < want);
        hit[i] = before == 0 ? 100 : 0;
        hit5[i] = before < 5 ? 100 : 0;
    }
done:
    lb_free(index);
    lb_free(similarity);
    lb_free(vote);
    return st;
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_rows train = {0}, test = {0};
    double *hit = NULL;
    LB_TRY(lb_rows_pair(&train, &test, "knn", nin, in));
    int64_t classes = lb_rows_classes(&train, &test);
    lb_rows_normalise(&train);
    lb_rows_normalise(&test);
    if (!(hit = lb_alloc((size_t)test.n * 2, sizeof *hit))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(votes(hit, hit + test.n, o, &train, &test, classes));
    lb_put_mean(out, "top1", hit, test.n, o->bootstrap, (uint64_t)o->seed);
    if (classes > 5) lb_put_mean(out, "top5", hit + test.n, test.n, o->bootstrap, (uint64_t)o->seed);
    lb_map_int(out, "k", o->k < train.n ? o->k : train.n);
    lb_map_int(out, "train", train.n);
    lb_map_int(out, "items", test.n);
    lb_map_int(out, "classes", classes);
    lb_map_text(out, "ties", "neighbours: lower index; classes: lower class");
done:
    lb_free(hit);
    lb_rows_free(&train);
    lb_rows_free(&test);
    return st;
}

LB_METRIC(knn) = {.id = "knn", .title = "Classification by nearest neighbours", .source = "Caron et al., arXiv:2104.14294", .params = params, .params_size = sizeof(options),
                  .sig = "train[M,D] train_label[M]:i64 test[N,D] test_label[N]:i64", .score = score};

/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/rows.h"
#include <math.h>
#include <stdio.h>

static lb_status take(lb_rows *r, const char *metric, const char *name, int nin, const lb_metric_input *in) {
    char label_name[32];
    snprintf(label_name, sizeof label_name, "%s_label", name);
    const lb_tensor *x = lb_metric_find(nin, in, name), *label = lb_metric_find(nin, in, label_name);
    if (!x || !label) return lb_fail(LB_E_ARG, "%s wants %s and %s", metric, name, label_name);
    if (x->rank != 2 || label->rank != 1 || label->shape[0] != x->shape[0]) return lb_fail(LB_E_SHAPE, "%s: %s [N,D] and %s [N] wanted", metric, name, label_name);
    if (x->shape[0] == 0 || x->shape[1] == 0) return lb_fail(LB_E_ARG, "%s: %s has no rows", metric, name);
    *r = (lb_rows){.n = x->shape[0], .width = x->shape[1], .x = lb_alloc((size_t)lb_numel(x), sizeof *r->x), .label = lb_alloc((size_t)x->shape[0], sizeof *r->label)};
    if (!r->x || !r->label) return LB_E_NOMEM;
    for (int64_t i = 0; i < r->n; i++) {
        double l = lb_get_at(label, i);
        if (!(l >= 0 && l < 1e9)) return lb_fail(LB_E_ARG, "%s: %s %g of row %lld is no class", metric, label_name, l, (long long)i);
        r->label[i] = (int64_t)l;
        for (int64_t k = 0; k < r->width; k++) {
            double v = lb_get_at(x, i * r->width + k);
            if (!isfinite(v)) return lb_fail(LB_E_NUMERIC, "%s: row %lld of %s holds a value that is not finite", metric, (long long)i, name);
            r->x[i * r->width + k] = (float)v;
        }
    }
    return LB_OK;
}

lb_status lb_rows_pair(lb_rows *train, lb_rows *test, const char *metric, int nin, const lb_metric_input *in) {
    lb_status st = LB_OK;
    LB_TRY(take(train, metric, "train", nin, in));
    LB_TRY(take(test, metric, "test", nin, in));
    if (train->width != test->width) st = lb_fail(LB_E_SHAPE, "%s: train rows have %lld values, test rows %lld", metric, (long long)train->width, (long long)test->width);
done:
    return st;
}

void lb_rows_free(lb_rows *r) {
    lb_free(r->x);
    lb_free(r->label);
    *r = (lb_rows){0};
}

void lb_rows_normalise(lb_rows *r) {
    for (int64_t i = 0; i < r->n; i++) {
        float *row = r->x + i * r->width;
        double sum = 0;
        for (int64_t k = 0; k < r->width; k++) sum += (double)row[k] * row[k];
        double by = sum > 0 ? 1 / sqrt(sum) : 0;
        for (int64_t k = 0; k < r->width; k++) row[k] = (float)(row[k] * by);
    }
}

int64_t lb_rows_classes(const lb_rows *a, const lb_rows *b) {
    int64_t most = 0;
    for (int64_t i = 0; i < a->n; i++) most = a->label[i] > most ? a->label[i] : most;
    for (int64_t i = 0; i < b->n; i++) most = b->label[i] > most ? b->label[i] : most;
    return most + 1;
}

void lb_put_mean(lb_value *out, const char *key, const double *values, int64_t n, int64_t draws, uint64_t seed) {
    double sum = 0, lo, hi;
    for (int64_t i = 0; i < n; i++) sum += values[i];
    lb_map_real(out, key, sum / (double)n);
    if (draws == 0) return;
    lb_bootstrap(&lo, &hi, values, n, draws, seed);
    lb_put_range(out, key, lo, hi);
}

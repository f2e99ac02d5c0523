/* SPDX-License-Identifier: Apache-2.0 */
/* Zero-shot classification: each template's embedding is normalised, a class is the normalised mean over its templates; a picture's
 * classes are ordered by inner product (ties: lower index). Reported: top-1, top-5, mean per-class recall, in percent. */
#include <math.h>
#include <string.h>
#include "eval/metric.h"

static void normalise(float *row, int64_t d) {
    double sum = 0;
    for (int64_t k = 0; k < d; k++) sum += (double)row[k] * row[k];
    double by = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t k = 0; k < d; k++) row[k] = (float)(row[k] * by);
}

/* [C,T,D] -> [C,D] */
static float *classifier(const lb_tensor *x) {
    int64_t c = x->shape[0], t = x->shape[1], d = x->shape[2];
    float *out = lb_calloc((size_t)(c * d) + 1, sizeof *out), *row = lb_alloc((size_t)d + 1, sizeof *row);
    for (int64_t i = 0; out && row && i < c; i++) {
        for (int64_t k = 0; k < t; k++) {
            for (int64_t j = 0; j < d; j++) row[j] = (float)lb_get_at(x, (i * t + k) * d + j);
            normalise(row, d);
            for (int64_t j = 0; j < d; j++) out[i * d + j] += row[j] / (float)t;
        }
        normalise(out + i * d, d);
    }
    lb_free(row);
    return out;
}

static lb_status tally(lb_value *out, const int64_t *first, int64_t k, const lb_tensor *label, int64_t classes) {
    int64_t n = label->shape[0], top1 = 0, top5 = 0, used = 0;
    double *right = lb_calloc((size_t)classes * 2 + 1, sizeof *right), mean = 0;
    if (!right) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        int64_t want = (int64_t)lb_get_at(label, i), at = -1;
        if (want < 0 || want >= classes) {
            lb_free(right);
            return lb_fail(LB_E_ARG, "zeroshot: label %lld of item %lld is outside 0..%lld", (long long)want, (long long)i, (long long)classes - 1);
        }
        for (int64_t j = k; j-- > 0;)
            if (first[i * k + j] == want) at = j;
        top1 += at == 0;
        top5 += at >= 0 && at < 5;
        right[want] += at == 0;
        right[classes + want]++;
    }
    for (int64_t c = 0; c < classes; c++)
        if (right[classes + c] > 0) {
            mean += right[c] / right[classes + c];
            used++;
        }
    lb_map_real(out, "top1", 100.0 * (double)top1 / (double)n);
    lb_map_real(out, "top5", 100.0 * (double)top5 / (double)n);
    lb_map_real(out, "mean_class_recall", used ? 100.0 * mean / (double)used : 0);
    lb_map_int(out, "items", n);
    lb_map_int(out, "classes", classes);
    lb_map_int(out, "classes_seen", used);
    lb_free(right);
    return LB_OK;
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    (void)cfg;
    lb_status st = LB_OK;
    const lb_tensor *image = lb_metric_find(nin, in, "image"), *texts = lb_metric_find(nin, in, "class"), *label = lb_metric_find(nin, in, "label");
    if (!image || !texts || !label) return lb_fail(LB_E_ARG, "zeroshot wants image, class, label");
    if (image->rank != 2 || texts->rank != 3 || texts->shape[2] != image->shape[1] || label->shape[0] != image->shape[0])
        return lb_fail(LB_E_SHAPE, "zeroshot: image [N,D], class [C,T,D], label [N] wanted");
    if (image->shape[0] == 0 || texts->shape[0] == 0 || texts->shape[1] == 0) return lb_fail(LB_E_ARG, "zeroshot: no items, classes or templates to score");
    int64_t n = image->shape[0], d = image->shape[1], c = texts->shape[0], k = c < 5 ? c : 5;
    float *query = lb_alloc((size_t)(n * d) + 1, sizeof *query), *target = classifier(texts);
    int64_t *first = lb_alloc((size_t)(n * k) + 1, sizeof *first);
    if (!query || !target || !first) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n * d; i++) query[i] = (float)lb_get_at(image, i);
    LB_TRY(lb_top_k(first, NULL, query, n, target, c, d, k));
    st = tally(out, first, k, label, c);
done:
    lb_free(query);
    lb_free(target);
    lb_free(first);
    return st;
}

LB_METRIC(zeroshot) = {.id = "zeroshot", .title = "zero-shot classification by class texts: top-1, top-5, mean per-class recall",
                       .source = "open_clip, zero_shot_classifier.py; CLIP_benchmark, zeroshot_classification.py", .sig = "image[N,D] class[C,T,D] label[N]:i64", .score = score};

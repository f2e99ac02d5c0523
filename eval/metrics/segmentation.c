/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentations of one size as tensors; eval/segmentation.h takes cases of any size one after the other. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eval/metric.h"
#include "eval/segmentation.h"

typedef struct options {
    int64_t classes, background, ignore, bootstrap, seed;
    bool boundary;
    double tolerance, percentile;
} options;

static const lb_param params[] = {
    LB_PARAM(options, classes, 2, 1, 255, "1", "labels are 0 .. classes - 1"),
    LB_PARAM(options, background, 0, -1, 254, "1", "class that is no foreground; -1: every class is"),
    LB_PARAM(options, ignore, -1, -1, 255, "1", "label of the truth that does not count; -1: none"),
    LB_PARAM_FLAG(options, boundary, true, "surfaces too: NSD and HD95"),
    LB_PARAM(options, tolerance, 2, 0, 1e9, "mm", "of NSD, in the unit of the spacing"),
    LB_PARAM(options, percentile, 95, LB_ABOVE_0, 100, "%", "of the Hausdorff distance"),
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples of cases for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the resamples"),
    LB_PARAM_END};

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    const options *o = cfg;
    const lb_tensor *truth = lb_metric_find(nin, in, "truth"), *guess = lb_metric_find(nin, in, "guess"), *spacing = lb_metric_find(nin, in, "spacing");
    lb_status st = LB_OK;
    lb_segmentation *s = NULL;
    lb_class_counts *counts = NULL;
    uint8_t *labels = NULL;
    if (!truth || !guess) return lb_fail(LB_E_ARG, "segmentation wants truth and guess");
    int rank = truth->rank - 1;
    int64_t n = truth->shape[0], size = 1;
    bool same = rank == guess->rank - 1;
    for (int d = 0; same && d <= rank; d++) same = truth->shape[d] == guess->shape[d];
    if (!same || rank < 2 || rank > 3) return lb_fail(LB_E_SHAPE, "segmentation: truth and guess [N,H,W] or [N,D,H,W] of one shape wanted");
    if (spacing && lb_numel(spacing) != rank) return lb_fail(LB_E_SHAPE, "segmentation: a spacing for each of %d axes wanted", rank);
    for (int d = 1; d <= rank; d++) size *= truth->shape[d];
    lb_segmentation_options so = {.classes = o->classes, .background = o->background, .ignore = o->ignore, .boundary = o->boundary,
                                  .tolerance = o->tolerance, .percentile = o->percentile, .bootstrap = o->bootstrap, .seed = (uint64_t)o->seed};
    LB_TRY(lb_segmentation_new(&s, &so));
    counts = lb_alloc((size_t)o->classes, sizeof *counts);
    labels = lb_alloc((size_t)size * 2 + 1, 1);
    if (!counts || !labels) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "case %lld", (long long)i);
        lb_segmentation_case c = {.key = key, .truth = labels, .guess = labels + size, .rank = rank};
        for (int d = 0; d < rank; d++) {
            c.shape[d] = truth->shape[d + 1];
            c.spacing[d] = spacing ? lb_get_at(spacing, d) : 1;
        }
        for (int64_t j = 0; j < size; j++) {
            double a = lb_get_at(truth, i * size + j), b = lb_get_at(guess, i * size + j), wrong = a >= 0 && a <= 255 ? b : a;
            if (!(wrong >= 0 && wrong <= 255)) {
                st = lb_fail(LB_E_ARG, "segmentation: %s: label %g is outside 0..255", key, wrong);
                goto done;
            }
            labels[j] = (uint8_t)a;
            labels[size + j] = (uint8_t)b;
        }
        LB_TRY(lb_segmentation_count(s, &c, counts));
        LB_TRY(lb_segmentation_add(s, key, counts));
    }
    st = lb_segmentation_score(out, s, NULL);
done:
    lb_free(labels);
    lb_free(counts);
    lb_segmentation_free(s);
    return st;
}

LB_METRIC(segmentation) = {.id = "segmentation", .title = "Dice, IoU, NSD and HD95 per class and mean, under the rules of nnU-Net, mmsegmentation, SMP and MONAI",
                           .source = "Isensee et al., Nature Methods 18, 2021; Nikolov et al., arXiv:1809.04430", .params = params, .params_size = sizeof(options),
                           .sig = "truth[N,H,W]:i64 guess[N,H,W]:i64 spacing[A]?", .score = score};

/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, METRIC(mine) in eval/metrics.def. A metric sees named plain tensors and says with its numbers by which rules
 * they were made. This one: the share of right labels, with a bootstrap interval. */
#include <string.h>
#include "eval/metric.h"

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    const lb_tensor *guess = NULL, *label = NULL;
    double lo, hi, sum = 0;
    (void)cfg;
    for (int i = 0; i < nin; i++) {
        if (strcmp(in[i].name, "guess") == 0) guess = in[i].x;
        if (strcmp(in[i].name, "label") == 0) label = in[i].x;
    }
    if (!guess || !label) return lb_fail(LB_E_ARG, "accuracy wants guess and label");
    int64_t n = lb_numel(label);
    if (n == 0 || lb_numel(guess) != n) return lb_fail(LB_E_SHAPE, "accuracy: %lld guesses for %lld labels", (long long)lb_numel(guess), (long long)n);
    double *right = lb_alloc((size_t)n, sizeof *right);
    if (!right) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) sum += right[i] = lb_get_at(guess, i) == lb_get_at(label, i);
    lb_bootstrap(&lo, &hi, right, n, 1000, 0);
    lb_map_real(out, "accuracy", 100 * sum / (double)n);
    lb_map_real(out, "accuracy_lo", 100 * lo);
    lb_map_real(out, "accuracy_hi", 100 * hi);
    lb_map_int(out, "items", n);
    lb_free(right);
    return LB_OK;
}

LB_METRIC(template) = {.id = "template", .title = "share of right labels", .source = "", .sig = "guess[N]:i64 label[N]:i64 ->", .score = score};

/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled feature rows, as the metrics that fit something to features take them. */
#ifndef LB_EVAL_ROWS_H
#define LB_EVAL_ROWS_H
#include "eval/metric.h"
LB_BEGIN

typedef struct lb_rows {
    int64_t n, width;
    float *x;
    int64_t *label;
} lb_rows;

/** Inputs train, train_label, test, test_label; every value finite, labels from 0 on. Release both, also after a failure. */
LB_API LB_MUST_USE lb_status lb_rows_pair(lb_rows *train, lb_rows *test, const char *metric, int nin, const lb_metric_input *in);
LB_API void lb_rows_free(lb_rows *r);
LB_API void lb_rows_normalise(lb_rows *r); /* to length 1; zeros stay */
LB_API int64_t lb_rows_classes(const lb_rows *a, const lb_rows *b);

/** Puts the mean of values under key and its bootstrap interval under key_95 (draws 0: none). */
LB_API void lb_put_mean(lb_value *out, const char *key, const double *values, int64_t n, int64_t draws, uint64_t seed);

LB_END
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LB_EVAL_SEGMENTATION_PRIVATE_H
#define LB_EVAL_SEGMENTATION_PRIVATE_H
#include "eval/segmentation.h"

struct lb_segmentation {
    lb_segmentation_options o;
    int64_t n, cap;
    char **key;
    lb_class_counts *at; /* [n][classes] */
};

/* Sums that leave NaN out. */
typedef struct lbi_mean {
    double sum;
    int64_t n;
} lbi_mean;
void lbi_mean_add(lbi_mean *m, double x);
double lbi_mean_of(const lbi_mean *m); /* NaN of nothing */

/* Puts the map "rules". */
void lbi_segmentation_rules(lb_value *out, const lb_segmentation *s);
void lbi_percent(lb_value *map, const char *key, double x);

#endif

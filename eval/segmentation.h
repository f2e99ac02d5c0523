/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of segmentations, one case after the other, from counts per class and, where asked, from surfaces.
 *
 * Of class c in a case: Dice = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN); 0/0 (absent in both) is NaN and left out of means, absent
 * in one alone is 0. The main numbers follow nnU-Net (mean over cases, then over the foreground classes); the same counts under the rules
 * of mmsegmentation, segmentation_models.pytorch and MONAI stand beside them (eval/segmentation_rules.c). */
#ifndef LB_EVAL_SEGMENTATION_H
#define LB_EVAL_SEGMENTATION_H
#include "base/value.h"
LB_BEGIN

typedef struct lb_segmentation_options {
    int64_t classes;    /* labels 0 .. classes - 1; at most 255 */
    int64_t background; /* class that is no foreground; -1: none */
    int64_t ignore;     /* label of the truth whose voxels do not count; -1: none */
    bool boundary;      /* surfaces too: NSD and HD95 */
    double tolerance;   /* NSD's, in the unit of the spacing */
    double percentile;  /* of the Hausdorff distance, in percent */
    int64_t bootstrap;  /* resamples of cases for the 95 % intervals; 0: none */
    uint64_t seed;
} lb_segmentation_options;
#define LB_SEGMENTATION_DEFAULTS {.classes = 2, .ignore = -1, .boundary = true, .tolerance = 2, .percentile = 95, .bootstrap = 1000}

/* A case: labels of truth and guess, of two or three dimensions. */
typedef struct lb_segmentation_case {
    const char *key;
    const uint8_t *truth, *guess;
    int rank;
    int64_t shape[3];
    double spacing[3]; /* per axis; zeros: 1 */
} lb_segmentation_case;

/* Of one class in one case. nsd and hd are NaN without `boundary`. */
typedef struct lb_class_counts {
    int64_t tp, fp, fn;
    double nsd, hd;
} lb_class_counts;

typedef struct lb_segmentation lb_segmentation;

LB_API LB_MUST_USE lb_status lb_segmentation_new(lb_segmentation **out, const lb_segmentation_options *o);
LB_API void lb_segmentation_free(lb_segmentation *s);
/** Counts of a case into out[classes]. A label outside the classes is LB_E_ARG, with the case and the value. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_segmentation_count(const lb_segmentation *s, const lb_segmentation_case *c, lb_class_counts *out);
/** Keeps the counts of a case. One thread at a time; scores do not depend on the order of the cases but for the last digits of means. */
LB_API LB_MUST_USE lb_status lb_segmentation_add(lb_segmentation *s, const char *key, const lb_class_counts *counts);
/** Fills a map: `dice`, `iou`, `nsd`, `hd95` with `_95` intervals, `per_class` (by names[c], or the number), `rules`, `cases`, and which rule
 *  was used for what is empty. Percent, but for hd95. names may be NULL. */
LB_API LB_MUST_USE lb_status lb_segmentation_score(lb_value *out, const lb_segmentation *s, const char *const *names);
/** Case by case as CSV: key, class, tp, fp, fn, dice, iou, nsd, hd95. */
LB_API LB_MUST_USE lb_status lb_segmentation_csv(lb_buf *out, const lb_segmentation *s, const char *const *names);

LB_API double lb_dice(const lb_class_counts *c);
LB_API double lb_iou(const lb_class_counts *c);

LB_END
#endif

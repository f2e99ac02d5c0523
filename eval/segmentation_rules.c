/* SPDX-License-Identifier: Apache-2.0 */
/* One set of counts under the rules that published numbers were made by:
 *  nnunet  nnunetv2/evaluation/evaluate_predictions.py: per case, 0/0 left out; mean over cases, then over foreground classes
 *  mmseg   mmseg/evaluation/metrics/iou_metric.py: totals over the data set; mean over all classes, 0/0 left out
 *  smp     segmentation_models_pytorch/metrics/functional.py: named reductions over all classes, 0/0 = 1 (but in micro)
 *  monai   DiceMetric, MeanIoU, HausdorffDistanceMetric: a class that the truth lacks is left out; mean over a case's foreground classes, then
 *          over cases */
#include <math.h>
#include "eval/segmentation_private.h"

typedef double value_of(const lb_class_counts *c);

static void add(lb_class_counts *sum, const lb_class_counts *c) {
    sum->tp += c->tp;
    sum->fp += c->fp;
    sum->fn += c->fn;
}

static lb_class_counts total(const lb_segmentation *s, int64_t k) {
    lb_class_counts sum = {0};
    for (int64_t i = 0; i < s->n; i++) add(&sum, &s->at[i * s->o.classes + k]);
    return sum;
}

static double nnunet(const lb_segmentation *s, value_of *value) {
    lbi_mean all = {0};
    for (int64_t k = 0; k < s->o.classes; k++) {
        lbi_mean m = {0};
        if (k == s->o.background) continue;
        for (int64_t i = 0; i < s->n; i++) lbi_mean_add(&m, value(&s->at[i * s->o.classes + k]));
        lbi_mean_add(&all, lbi_mean_of(&m));
    }
    return lbi_mean_of(&all);
}

static double recall(const lb_class_counts *c) { return c->tp + c->fn ? (double)c->tp / (double)(c->tp + c->fn) : NAN; }

static void mmseg(lb_value *out, const lb_segmentation *s) {
    lb_value *v = lb_value_map();
    lbi_mean dice = {0}, iou = {0}, accuracy = {0};
    lb_class_counts all = {0};
    for (int64_t k = 0; k < s->o.classes; k++) {
        lb_class_counts c = total(s, k);
        lbi_mean_add(&dice, lb_dice(&c));
        lbi_mean_add(&iou, lb_iou(&c));
        lbi_mean_add(&accuracy, recall(&c));
        add(&all, &c);
    }
    lbi_percent(v, "aAcc", recall(&all));
    lbi_percent(v, "mIoU", lbi_mean_of(&iou));
    lbi_percent(v, "mAcc", lbi_mean_of(&accuracy));
    lbi_percent(v, "mDice", lbi_mean_of(&dice));
    lb_map_put(out, "mmseg", v);
}

static double or_one(double x) { return isnan(x) ? 1 : x; }

static void smp(lb_value *out, const char *name, const lb_segmentation *s, value_of *value) {
    lb_value *v = lb_value_map();
    double macro = 0, by_image = 0, by_both = 0, n = (double)s->n, classes = (double)s->o.classes;
    lb_class_counts all = {0};
    for (int64_t k = 0; k < s->o.classes; k++) {
        lb_class_counts c = total(s, k);
        macro += or_one(value(&c)) / classes;
        add(&all, &c);
    }
    for (int64_t i = 0; i < s->n; i++) {
        lb_class_counts image = {0};
        for (int64_t k = 0; k < s->o.classes; k++) {
            const lb_class_counts *c = &s->at[i * s->o.classes + k];
            by_both += or_one(value(c)) / (n * classes);
            add(&image, c);
        }
        by_image += or_one(value(&image)) / n;
    }
    lbi_percent(v, "micro", value(&all));
    lbi_percent(v, "macro", macro);
    lbi_percent(v, "micro-imagewise", by_image);
    lbi_percent(v, "macro-imagewise", by_both);
    lb_map_put(out, name, v);
}

static double hd(const lb_class_counts *c) { return c->hd; }

/* not_nan / nan rule of do_metric_reduction("mean"); HD95 is infinite where a class is missing on one side, and so is its mean. */
static double monai(const lb_segmentation *s, value_of *value, bool truth_only) {
    lbi_mean all = {0};
    for (int64_t i = 0; i < s->n; i++) {
        lbi_mean m = {0};
        for (int64_t k = 0; k < s->o.classes; k++) {
            const lb_class_counts *c = &s->at[i * s->o.classes + k];
            if (k != s->o.background && (!truth_only || c->tp + c->fn > 0)) lbi_mean_add(&m, value(c));
        }
        lbi_mean_add(&all, lbi_mean_of(&m));
    }
    return lbi_mean_of(&all);
}

void lbi_segmentation_rules(lb_value *out, const lb_segmentation *s) {
    lb_value *rules = lb_value_map(), *v = lb_value_map();
    lbi_percent(v, "dice", nnunet(s, lb_dice));
    lbi_percent(v, "iou", nnunet(s, lb_iou));
    lb_map_put(rules, "nnunet", v);
    mmseg(rules, s);
    v = lb_value_map();
    smp(v, "dice", s, lb_dice);
    smp(v, "iou", s, lb_iou);
    lb_map_put(rules, "smp", v);
    v = lb_value_map();
    lbi_percent(v, "dice", monai(s, lb_dice, true));
    lbi_percent(v, "iou", monai(s, lb_iou, true));
    if (s->o.boundary) lb_map_real(v, "hd95", monai(s, hd, false));
    lb_map_put(rules, "monai", v);
    lb_map_put(out, "rules", rules);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Classification from scores: top-k, precision, recall and F1 per class and in three means, confusion, calibration (expected calibration
 * error over equal bins of confidence: Guo et al., arXiv:1706.04599), log loss, Brier score, area under ROC and average precision one class
 * against the rest. Ties: lower class index first. Names and 0/0 = 0 as in scikit-learn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/rows.h"

typedef struct options {
    const char *from;
    int64_t bins, bootstrap, seed;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, from, "logits", "logits|probabilities", "what the scores are; logits go through a softmax"),
    LB_PARAM(options, bins, 15, 1, 10000, "1", "bins of the calibration error"),
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the resamples"),
    LB_PARAM_END};

typedef struct job {
    int64_t n, classes;
    double *p; /* [N,C] */
    int64_t *label, *guess, *place; /* place: how many classes stand before the label */
    int64_t *confusion; /* [truth][guess] */
} job;

static void softmax(double *row, int64_t n) {
    double top = row[0], sum = 0;
    for (int64_t k = 1; k < n; k++) top = fmax(top, row[k]);
    for (int64_t k = 0; k < n; k++) sum += row[k] = exp(row[k] - top);
    for (int64_t k = 0; k < n; k++) row[k] /= sum;
}

static lb_status fill(job *j, const options *o, const lb_tensor *scores, const lb_tensor *label) {
    bool logits = strcmp(o->from, "logits") == 0;
    for (int64_t i = 0; i < j->n; i++) {
        double *row = j->p + i * j->classes, want = lb_get_at(label, i);
        if (!(want >= 0 && want < (double)j->classes)) return lb_fail(LB_E_ARG, "classify: label %g of item %lld is outside 0..%lld", want, (long long)i, (long long)j->classes - 1);
        for (int64_t k = 0; k < j->classes; k++) {
            row[k] = lb_get_at(scores, i * j->classes + k);
            if (isnan(row[k]) || (!logits && !(row[k] >= 0 && row[k] <= 1 + 1e-6)))
                return lb_fail(LB_E_NUMERIC, "classify: score %g of item %lld, class %lld, is no %s", row[k], (long long)i, (long long)k,
                               logits ? "number" : "probability");
        }
        j->label[i] = (int64_t)want;
        j->guess[i] = 0;
        j->place[i] = 0;
        for (int64_t k = 0; k < j->classes; k++) {
            if (row[k] > row[j->guess[i]]) j->guess[i] = k;
            j->place[i] += row[k] > row[j->label[i]] || (row[k] == row[j->label[i]] && k < j->label[i]);
        }
        if (logits) softmax(row, j->classes);
        j->confusion[j->label[i] * j->classes + j->guess[i]]++;
    }
    return LB_OK;
}

static void put_top(lb_value *out, const job *j, const options *o, const char *key, int64_t k, double *hit) {
    for (int64_t i = 0; i < j->n; i++) hit[i] = j->place[i] < k ? 100 : 0;
    lb_put_mean(out, key, hit, j->n, o->bootstrap, (uint64_t)o->seed);
}

/* ---- one class against the rest ---- */

typedef struct scored {
    double score;
    bool positive;
} scored;

static int by_score(const void *a, const void *b) {
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

/* Area under ROC (equal scores count half) and average precision, sum of (R_k - R_{k-1}) P_k over distinct scores. NaN without both kinds. */
static void areas(double *roc, double *ap, scored *s, int64_t n) {
    int64_t positives = 0, seen = 0, hits = 0;
    double area = 0, precision = 0;
    for (int64_t i = 0; i < n; i++) positives += s[i].positive;
    qsort(s, (size_t)n, sizeof *s, by_score);
    for (int64_t i = 0; i < n;) {
        int64_t right = 0, from = i;
        for (; i < n && s[i].score == s[from].score; i++) right += s[i].positive;
        int64_t wrong = i - from - right;
        area += (double)wrong * ((double)hits + 0.5 * (double)right);
        seen += i - from;
        hits += right;
        precision += (double)right * (double)hits / (double)seen;
    }
    *roc = positives > 0 && positives < n ? area / ((double)positives * (double)(n - positives)) : NAN;
    *ap = positives > 0 ? precision / (double)positives : NAN;
}

typedef struct means {
    double precision, recall, f1, weighted_precision, weighted_recall, weighted_f1, roc, ap, class_recall;
    int64_t shown, roc_n, ap_n, seen;
} means;

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

static lb_status per_class(lb_value *out, const job *j, means *m) {
    lb_value *list = lb_value_list();
    scored *s = lb_alloc((size_t)j->n, sizeof *s);
    for (int64_t k = 0; s && k < j->classes; k++) {
        double tp = (double)j->confusion[k * j->classes + k], of_truth = 0, of_guess = 0, roc, ap;
        for (int64_t i = 0; i < j->classes; i++) {
            of_truth += (double)j->confusion[k * j->classes + i];
            of_guess += (double)j->confusion[i * j->classes + k];
        }
        for (int64_t i = 0; i < j->n; i++) s[i] = (scored){j->p[i * j->classes + k], j->label[i] == k};
        areas(&roc, &ap, s, j->n);
        double precision = ratio(tp, of_guess), recall = ratio(tp, of_truth), f1 = ratio(2 * tp, of_truth + of_guess);
        lb_value *v = lb_value_map();
        lb_map_int(v, "class", k);
        lb_map_real(v, "precision", 100 * precision);
        lb_map_real(v, "recall", 100 * recall);
        lb_map_real(v, "f1", 100 * f1);
        lb_map_real(v, "auroc", 100 * roc);
        lb_map_real(v, "ap", 100 * ap);
        lb_map_int(v, "items", (int64_t)of_truth);
        lb_list_put(list, v);
        if (of_truth + of_guess > 0) { /* classes that occur, as scikit-learn takes its labels from the data */
            m->precision += precision;
            m->recall += recall;
            m->f1 += f1;
            m->shown++;
        }
        if (of_truth > 0) {
            m->class_recall += recall;
            m->seen++;
        }
        m->weighted_precision += of_truth * precision / (double)j->n;
        m->weighted_recall += of_truth * recall / (double)j->n;
        m->weighted_f1 += of_truth * f1 / (double)j->n;
        if (!isnan(roc)) m->roc += roc, m->roc_n++;
        if (!isnan(ap)) m->ap += ap, m->ap_n++;
    }
    lb_map_put(out, "per_class", list);
    lb_status st = s ? LB_OK : LB_E_NOMEM;
    lb_free(s);
    return st;
}

static void put_means(lb_value *out, const means *m) {
    lb_value *v = lb_value_map();
    double n = (double)m->shown;
    lb_map_real(v, "precision", 100 * ratio(m->precision, n));
    lb_map_real(v, "recall", 100 * ratio(m->recall, n));
    lb_map_real(v, "f1", 100 * ratio(m->f1, n));
    lb_map_put(out, "macro", v);
    v = lb_value_map();
    lb_map_real(v, "precision", 100 * m->weighted_precision);
    lb_map_real(v, "recall", 100 * m->weighted_recall);
    lb_map_real(v, "f1", 100 * m->weighted_f1);
    lb_map_put(out, "weighted", v);
    lb_map_real(out, "balanced_accuracy", 100 * ratio(m->class_recall, (double)m->seen));
    lb_map_real(out, "auroc", m->roc_n ? 100 * m->roc / (double)m->roc_n : NAN);
    lb_map_real(out, "map", m->ap_n ? 100 * m->ap / (double)m->ap_n : NAN);
}

/* Bins (0, 1/B], (1/B, 2/B], ... of the confidence in the guess. */
static lb_status calibration(lb_value *out, const job *j, int64_t bins) {
    double *sum = lb_calloc((size_t)bins * 3, sizeof *sum), ece = 0, worst = 0, nll = 0, brier = 0;
    if (!sum) return LB_E_NOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        const double *row = j->p + i * j->classes;
        double sure = row[j->guess[i]];
        int64_t bin = (int64_t)ceil(sure * (double)bins) - 1;
        bin = bin < 0 ? 0 : bin >= bins ? bins - 1 : bin;
        sum[bin] += sure;
        sum[bins + bin] += j->guess[i] == j->label[i];
        sum[2 * bins + bin]++;
        nll -= log(fmax(row[j->label[i]], 2.220446049250313e-16)) / (double)j->n;
        for (int64_t k = 0; k < j->classes; k++) {
            double d = row[k] - (k == j->label[i]);
            brier += d * d / (double)j->n;
        }
    }
    for (int64_t b = 0; b < bins; b++) {
        double n = sum[2 * bins + b], gap = n > 0 ? fabs(sum[b] - sum[bins + b]) / n : 0;
        ece += gap * n / (double)j->n;
        worst = fmax(worst, gap);
    }
    lb_map_real(out, "ece", 100 * ece);
    lb_map_real(out, "mce", 100 * worst);
    lb_map_real(out, "log_loss", nll);
    lb_map_real(out, "brier", brier);
    lb_free(sum);
    return LB_OK;
}

static lb_value *confusion_of(const job *j) {
    lb_value *rows = lb_value_list();
    for (int64_t i = 0; i < j->classes; i++) {
        lb_value *row = lb_value_list();
        for (int64_t k = 0; k < j->classes; k++) lb_list_int(row, j->confusion[i * j->classes + k]);
        lb_list_put(rows, row);
    }
    return rows;
}

enum { MOST_SHOWN = 200 }; /* a confusion matrix beyond that is nothing to look at */

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    const options *o = cfg;
    const lb_tensor *scores = lb_metric_find(nin, in, "scores"), *label = lb_metric_find(nin, in, "label");
    lb_status st = LB_OK;
    if (!scores || !label) return lb_fail(LB_E_ARG, "classify wants scores and label");
    if (scores->rank != 2 || label->rank != 1 || label->shape[0] != scores->shape[0]) return lb_fail(LB_E_SHAPE, "classify: scores [N,C] and label [N] wanted");
    if (scores->shape[0] == 0 || scores->shape[1] == 0) return lb_fail(LB_E_ARG, "classify: no items or no classes to score");
    job j = {.n = scores->shape[0], .classes = scores->shape[1]};
    means m = {0};
    double *hit = lb_alloc((size_t)j.n, sizeof *hit);
    j.p = lb_alloc((size_t)(j.n * j.classes), sizeof *j.p);
    j.label = lb_alloc((size_t)j.n * 3, sizeof *j.label);
    j.confusion = lb_calloc((size_t)(j.classes * j.classes), sizeof *j.confusion);
    if (!hit || !j.p || !j.label || !j.confusion) {
        st = LB_E_NOMEM;
        goto done;
    }
    j.guess = j.label + j.n;
    j.place = j.guess + j.n;
    LB_TRY(fill(&j, o, scores, label));
    put_top(out, &j, o, "top1", 1, hit);
    if (j.classes > 5) put_top(out, &j, o, "top5", 5, hit);
    LB_TRY(calibration(out, &j, o->bins));
    LB_TRY(per_class(out, &j, &m));
    put_means(out, &m);
    if (j.classes <= MOST_SHOWN) lb_map_put(out, "confusion", confusion_of(&j));
    lb_map_int(out, "items", j.n);
    lb_map_int(out, "classes", j.classes);
    lb_map_text(out, "ties", "lower class index");
done:
    lb_free(hit);
    lb_free(j.p);
    lb_free(j.label);
    lb_free(j.confusion);
    return st;
}

LB_METRIC(classify) = {.id = "classify", .title = "Classification: top-k, precision, recall and F1, confusion, calibration, AUROC, average precision",
                       .source = "scikit-learn 1.x (definitions); Guo et al., arXiv:1706.04599 (calibration)", .params = params, .params_size = sizeof(options),
                       .sig = "scores[N,C] label[N]:i64", .score = score};

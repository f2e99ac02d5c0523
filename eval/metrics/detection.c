/* SPDX-License-Identifier: Apache-2.0 */
/* Detection: average precision and recall by COCO's rules (pycocotools/cocoeval.py): per class, detections of an image by falling score, at
 * most 1, 10 or 100, each takes the free true box of highest overlap at or above the threshold; crowds take any number and count as neither
 * hit nor miss; boxes outside an area range do not count. Precision is made falling, read at 101 recalls; means over classes that occur. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/metric.h"

enum { THRESHOLDS = 10, RECALLS = 101, AREAS = 4 };
static const int64_t most[3] = {1, 10, 100};
static const double area_from[AREAS] = {0, 0, 32 * 32, 96 * 96}, area_to[AREAS] = {1e10, 32 * 32, 96 * 96, 1e10};

typedef struct box {
    double x, y, w, h, score, area;
    int64_t image, class, order;
    bool crowd, ignored;
} box;

typedef struct boxes {
    box *at;
    int64_t n;
} boxes;

static int64_t number(const lb_tensor *x, int64_t i) { return (int64_t)lb_get_at(x, i); }

static lb_status take(boxes *out, const char *what, const lb_tensor *box_of, const lb_tensor *image, const lb_tensor *class, const lb_tensor *score, const lb_tensor *crowd) {
    if (!box_of || !image || !class) return lb_fail(LB_E_ARG, "detection wants %s boxes with image and class", what);
    int64_t n = box_of->shape[0];
    if (box_of->rank != 2 || box_of->shape[1] != 4 || lb_numel(image) != n || lb_numel(class) != n || (score && lb_numel(score) != n) || (crowd && lb_numel(crowd) != n))
        return lb_fail(LB_E_SHAPE, "detection: %s boxes [N,4] with N of each of the others wanted", what);
    if (!(out->at = lb_alloc((size_t)n + 1, sizeof *out->at))) return LB_E_NOMEM;
    out->n = n;
    for (int64_t i = 0; i < n; i++) {
        double v[4], s = score ? lb_get_at(score, i) : 0;
        for (int k = 0; k < 4; k++) v[k] = lb_get_at(box_of, i * 4 + k);
        if (!(v[2] >= v[0] && v[3] >= v[1]) || isnan(s)) return lb_fail(LB_E_ARG, "detection: %s box %lld is %g %g %g %g, want x1 y1 x2 y2 and a score", what, (long long)i, v[0], v[1], v[2], v[3]);
        out->at[i] = (box){v[0], v[1], v[2] - v[0], v[3] - v[1], s, (v[2] - v[0]) * (v[3] - v[1]), number(image, i), number(class, i), i, crowd && number(crowd, i) != 0, false};
    }
    return LB_OK;
}

static int by_place(const void *a, const void *b) {
    const box *x = a, *y = b;
    if (x->class != y->class) return x->class < y->class ? -1 : 1;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static double overlap(const box *d, const box *t) {
    double w = fmin(d->x + d->w, t->x + t->w) - fmax(d->x, t->x), h = fmin(d->y + d->h, t->y + t->h) - fmax(d->y, t->y);
    if (w <= 0 || h <= 0) return 0;
    double both = w * h, all = t->crowd ? d->w * d->h : d->w * d->h + t->w * t->h - both;
    return both / all;
}

/* A judged detection of one class: outcome per threshold. */
typedef struct judged {
    double score;
    int64_t order;
    int8_t hit[THRESHOLDS]; /* 1 hit, 0 miss, -1 does not count */
} judged;

typedef struct tally {
    judged *at;
    int64_t n, truths; /* truths that count */
} tally;

/* One image and class: d by falling score, the true boxes t with the ignored ones last (tidx). */
static void judge(tally *out, const box *d, int64_t nd, box *t, int64_t nt, int area, int64_t limit, bool *taken, int64_t *tidx) {
    int64_t kept = 0;
    for (int64_t j = 0; j < nt; j++) t[j].ignored = t[j].crowd || t[j].area < area_from[area] || t[j].area > area_to[area];
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < nt; j++)
            if (t[j].ignored == (pass == 1)) tidx[kept++] = j;
    for (int64_t j = 0; j < nt; j++) out->truths += !t[j].ignored;
    int64_t first = out->n, n = nd < limit ? nd : limit;
    for (int64_t i = 0; i < n; i++) out->at[out->n++] = (judged){.score = d[i].score, .order = first + i};
    for (int k = 0; k < THRESHOLDS; k++) {
        memset(taken, 0, (size_t)nt * sizeof *taken);
        for (int64_t i = 0; i < n; i++) {
            double best = fmin(0.5 + 0.05 * k, 1 - 1e-10);
            int64_t match = -1;
            for (int64_t j = 0; j < nt; j++) {
                const box *truth = &t[tidx[j]];
                if (taken[tidx[j]] && !truth->crowd) continue;
                if (match >= 0 && !t[match].ignored && truth->ignored) break;
                double o = overlap(&d[i], truth);
                if (o < best) continue;
                best = o;
                match = tidx[j];
            }
            bool outside = d[i].area < area_from[area] || d[i].area > area_to[area];
            if (match >= 0) taken[match] = true;
            out->at[first + i].hit[k] = match >= 0 ? (t[match].ignored ? -1 : 1) : outside ? -1 : 0;
        }
    }
}

static int by_score(const void *a, const void *b) {
    const judged *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Adds a class's precision at the recalls and its last recall, per threshold. */
static void accumulate(tally *c, double *precision, double *recall, double *room) {
    qsort(c->at, (size_t)c->n, sizeof *c->at, by_score);
    for (int k = 0; k < THRESHOLDS; k++) {
        int64_t hits = 0, misses = 0, n = 0;
        double *p = room, *r = room + c->n;
        for (int64_t i = 0; i < c->n; i++) {
            hits += c->at[i].hit[k] == 1;
            misses += c->at[i].hit[k] == 0;
            r[n] = (double)hits / (double)c->truths;
            p[n++] = (double)hits / ((double)(hits + misses) + 2.220446049250313e-16);
        }
        recall[k] += n ? r[n - 1] : 0;
        for (int64_t i = n - 1; i > 0; i--)
            if (p[i] > p[i - 1]) p[i - 1] = p[i];
        int64_t at = 0;
        for (int j = 0; j < RECALLS; j++) {
            while (at < n && r[at] < j / 100.0) at++;
            if (at < n) precision[k] += p[at] / RECALLS;
        }
    }
}

typedef struct result {
    double ap[THRESHOLDS], ar[THRESHOLDS]; /* means over classes */
    int64_t classes;
} result;

static lb_status run(result *out, boxes *d, boxes *t, int area, int64_t limit) {
    lb_status st = LB_OK;
    memset(out, 0, sizeof *out);
    tally c = {.at = lb_alloc((size_t)d->n + 1, sizeof *c.at)};
    double *room = lb_alloc((size_t)d->n * 2 + 1, sizeof *room);
    bool *taken = lb_alloc((size_t)t->n + 1, sizeof *taken);
    int64_t *tidx = lb_alloc((size_t)t->n + 1, sizeof *tidx);
    if (!c.at || !room || !taken || !tidx) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0, j = 0; i < d->n || j < t->n;) {
        int64_t class = j >= t->n || (i < d->n && d->at[i].class < t->at[j].class) ? d->at[i].class : t->at[j].class;
        c.n = c.truths = 0;
        while ((i < d->n && d->at[i].class == class) || (j < t->n && t->at[j].class == class)) {
            bool has_d = i < d->n && d->at[i].class == class, has_t = j < t->n && t->at[j].class == class;
            int64_t image = !has_t || (has_d && d->at[i].image < t->at[j].image) ? d->at[i].image : t->at[j].image, di = i, tj = j;
            while (i < d->n && d->at[i].class == class && d->at[i].image == image) i++;
            while (j < t->n && t->at[j].class == class && t->at[j].image == image) j++;
            judge(&c, d->at + di, i - di, t->at + tj, j - tj, area, limit, taken, tidx);
        }
        if (c.truths == 0) continue;
        accumulate(&c, out->ap, out->ar, room);
        out->classes++;
    }
done:
    lb_free(c.at);
    lb_free(room);
    lb_free(taken);
    lb_free(tidx);
    return st;
}

static double mean_of(const double *x, const result *r) {
    double sum = 0;
    for (int k = 0; k < THRESHOLDS; k++) sum += x[k];
    return r->classes ? 100 * sum / (THRESHOLDS * (double)r->classes) : NAN;
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    static const char *const areas[AREAS] = {"", "_small", "_medium", "_large"};
    (void)cfg;
    lb_status st = LB_OK;
    boxes d = {0}, t = {0};
    result r;
    char key[32];
    LB_TRY(take(&d, "found", lb_metric_find(nin, in, "box"), lb_metric_find(nin, in, "image"), lb_metric_find(nin, in, "class"), lb_metric_find(nin, in, "score"), NULL));
    LB_TRY(take(&t, "true", lb_metric_find(nin, in, "true_box"), lb_metric_find(nin, in, "true_image"), lb_metric_find(nin, in, "true_class"), NULL, lb_metric_find(nin, in, "crowd")));
    if (t.n == 0) {
        st = lb_fail(LB_E_ARG, "detection: no true boxes to score against");
        goto done;
    }
    qsort(d.at, (size_t)d.n, sizeof *d.at, by_place);
    qsort(t.at, (size_t)t.n, sizeof *t.at, by_place);
    for (int a = 0; a < AREAS; a++) {
        LB_TRY(run(&r, &d, &t, a, most[2]));
        snprintf(key, sizeof key, "ap%s", areas[a]);
        lb_map_real(out, key, mean_of(r.ap, &r));
        if (a == 0) {
            lb_map_real(out, "ap50", r.classes ? 100 * r.ap[0] / (double)r.classes : NAN);
            lb_map_real(out, "ap75", r.classes ? 100 * r.ap[5] / (double)r.classes : NAN);
            lb_map_int(out, "classes", r.classes);
        }
        snprintf(key, sizeof key, "ar%s", areas[a]);
        lb_map_real(out, key, mean_of(r.ar, &r));
    }
    for (int k = 0; k < 2; k++) {
        LB_TRY(run(&r, &d, &t, 0, most[k]));
        lb_map_real(out, k == 0 ? "ar_1" : "ar_10", mean_of(r.ar, &r));
    }
    lb_map_int(out, "boxes", d.n);
    lb_map_int(out, "true_boxes", t.n);
done:
    lb_free(d.at);
    lb_free(t.at);
    return st;
}

LB_METRIC(detection) = {.id = "detection", .title = "Average precision and recall of boxes, by COCO's rules", .source = "pycocotools 2.0, cocoeval.py",
                        .sig = "box[N,4] score[N] image[N]:i64 class[N]:i64 true_box[M,4] true_image[M]:i64 true_class[M]:i64 crowd[M]:i64?", .score = score};

/* SPDX-License-Identifier: Apache-2.0 */
/* Detection: average precision and recall by COCO's rules (pycocotools/cocoeval.py): per class, detections of an image by falling score, at
 * most 1, 10 or 100, each takes the free true box of highest overlap at or above the threshold; crowds take any number and count as neither
 * hit nor miss; boxes outside an area range do not count. Precision is made falling, read at 101 recalls; means over classes that occur.
 * Intervals: images that have boxes are drawn anew, with their boxes; the judging of an image does not depend on the others. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/metric.h"

typedef struct options {
    int64_t bootstrap, seed;
} options;

static const lb_param params[] = {
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples of images for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the resamples"),
    LB_PARAM_END};

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

/* A judged detection: outcome per threshold. */
typedef struct judged {
    double score;
    int64_t order, image;
    int8_t hit[THRESHOLDS]; /* 1 hit, 0 miss, -1 does not count */
} judged;

typedef struct class_of {
    int64_t first, n;            /* its detections, by falling score */
    int64_t first_truth, truths; /* images of the true boxes that count */
} class_of;

typedef struct judgement {
    judged *at;
    int64_t n, *truth, ntruths; /* truth: an image per true box that counts */
    class_of *class;
    int64_t nclasses, most; /* most: detections of a class */
} judgement;

static void close_judgement(judgement *j) {
    lb_free(j->at);
    lb_free(j->truth);
    lb_free(j->class);
    *j = (judgement){0};
}

/* One image and class: d by falling score, the true boxes t with the ignored ones last (tidx). */
static void judge(judgement *out, const box *d, int64_t nd, box *t, int64_t nt, int area, int64_t limit, bool *taken, int64_t *tidx) {
    int64_t kept = 0;
    for (int64_t j = 0; j < nt; j++) t[j].ignored = t[j].crowd || t[j].area < area_from[area] || t[j].area > area_to[area];
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < nt; j++)
            if (t[j].ignored == (pass == 1)) tidx[kept++] = j;
    for (int64_t j = 0; j < nt; j++)
        if (!t[j].ignored) out->truth[out->ntruths++] = t[j].image;
    int64_t first = out->n, n = nd < limit ? nd : limit;
    for (int64_t i = 0; i < n; i++) out->at[out->n++] = (judged){.score = d[i].score, .order = first + i, .image = d[i].image};
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

static lb_status judge_all(judgement *out, boxes *d, boxes *t, int area, int64_t limit) {
    lb_status st = LB_OK;
    bool *taken = lb_alloc((size_t)t->n + 1, sizeof *taken);
    int64_t *tidx = lb_alloc((size_t)t->n + 1, sizeof *tidx);
    *out = (judgement){.at = lb_alloc((size_t)d->n + 1, sizeof *out->at), .truth = lb_alloc((size_t)t->n + 1, sizeof *out->truth), .class = lb_alloc((size_t)(d->n + t->n) + 1, sizeof *out->class)};
    if (!out->at || !out->truth || !out->class || !taken || !tidx) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0, j = 0; i < d->n || j < t->n;) {
        int64_t class = j >= t->n || (i < d->n && d->at[i].class < t->at[j].class) ? d->at[i].class : t->at[j].class;
        class_of c = {.first = out->n, .first_truth = out->ntruths};
        while ((i < d->n && d->at[i].class == class) || (j < t->n && t->at[j].class == class)) {
            bool has_d = i < d->n && d->at[i].class == class, has_t = j < t->n && t->at[j].class == class;
            int64_t image = !has_t || (has_d && d->at[i].image < t->at[j].image) ? d->at[i].image : t->at[j].image, di = i, tj = j;
            while (i < d->n && d->at[i].class == class && d->at[i].image == image) i++;
            while (j < t->n && t->at[j].class == class && t->at[j].image == image) j++;
            judge(out, d->at + di, i - di, t->at + tj, j - tj, area, limit, taken, tidx);
        }
        c.n = out->n - c.first;
        c.truths = out->ntruths - c.first_truth;
        if (c.truths == 0) continue;
        qsort(out->at + c.first, (size_t)c.n, sizeof *out->at, by_score);
        out->most = c.n > out->most ? c.n : out->most;
        out->class[out->nclasses++] = c;
    }
done:
    lb_free(taken);
    lb_free(tidx);
    return st;
}

/* ---- scores of images that each count so many times (NULL = once); copies of a detection in a row are one step of the curve ---- */

typedef struct result {
    double ap[THRESHOLDS], ar[THRESHOLDS]; /* sums, then means over classes */
    int64_t classes;
} result;

/* Adds a class's precision at the recalls and its last recall, per threshold. room: 2 n. */
static void accumulate(result *out, const judged *at, int64_t count, int64_t truths, const int64_t *times, double *room) {
    for (int k = 0; k < THRESHOLDS; k++) {
        int64_t hits = 0, misses = 0, n = 0;
        double *p = room, *r = room + count;
        for (int64_t i = 0; i < count; i++) {
            int64_t copies = times ? times[at[i].image] : 1;
            if (copies == 0) continue;
            hits += at[i].hit[k] == 1 ? copies : 0;
            misses += at[i].hit[k] == 0 ? copies : 0;
            r[n] = (double)hits / (double)truths;
            p[n++] = (double)hits / ((double)(hits + misses) + 2.220446049250313e-16);
        }
        out->ar[k] += n ? r[n - 1] : 0;
        for (int64_t i = n - 1; i > 0; i--)
            if (p[i] > p[i - 1]) p[i - 1] = p[i];
        int64_t to = 0;
        for (int j = 0; j < RECALLS; j++) {
            while (to < n && r[to] < j / 100.0) to++;
            if (to < n) out->ap[k] += p[to] / RECALLS;
        }
    }
}

static void sum_up(result *out, const judgement *j, const int64_t *times, double *room) {
    memset(out, 0, sizeof *out);
    for (int64_t c = 0; c < j->nclasses; c++) {
        const class_of *of = &j->class[c];
        int64_t truths = times ? 0 : of->truths;
        for (int64_t i = 0; times && i < of->truths; i++) truths += times[j->truth[of->first_truth + i]];
        if (truths == 0) continue;
        accumulate(out, j->at + of->first, of->n, truths, times, room);
        out->classes++;
    }
    for (int k = 0; k < THRESHOLDS; k++) {
        out->ap[k] = out->classes ? 100 * out->ap[k] / (double)out->classes : NAN;
        out->ar[k] = out->classes ? 100 * out->ar[k] / (double)out->classes : NAN;
    }
}

static double mean_of(const double x[THRESHOLDS]) {
    double sum = 0;
    for (int k = 0; k < THRESHOLDS; k++) sum += x[k];
    return sum / THRESHOLDS;
}

static lb_status run(result *out, boxes *d, boxes *t, int area, int64_t limit) {
    judgement j;
    lb_status st = judge_all(&j, d, t, area, limit);
    double *room = st == LB_OK ? lb_alloc((size_t)j.most * 2 + 1, sizeof *room) : NULL;
    if (room) sum_up(out, &j, NULL, room);
    else if (st == LB_OK) st = LB_E_NOMEM;
    lb_free(room);
    close_judgement(&j);
    return st;
}

/* ---- intervals ---- */

enum { SHOWN = 4 };
static const char *const shown[SHOWN] = {"ap", "ap50", "ap75", "ar"};

/* Resample `draw`: values[key * draws + draw]. */
static lb_status resample(double *values, const judgement *j, int64_t images, const options *o, int64_t draw) {
    int64_t *drawn = lb_alloc((size_t)images, sizeof *drawn), *times = lb_calloc((size_t)images, sizeof *times);
    double *room = lb_alloc((size_t)j->most * 2 + 1, sizeof *room);
    lb_status st = drawn && times && room ? LB_OK : LB_E_NOMEM;
    if (st == LB_OK) {
        result r;
        lb_bootstrap_draw(drawn, images, (uint64_t)o->seed, draw);
        for (int64_t i = 0; i < images; i++) times[drawn[i]]++;
        sum_up(&r, j, times, room);
        const double value[SHOWN] = {mean_of(r.ap), r.ap[0], r.ap[5], mean_of(r.ar)};
        for (int k = 0; k < SHOWN; k++) values[k * o->bootstrap + draw] = value[k];
    }
    lb_free(drawn);
    lb_free(times);
    lb_free(room);
    return st;
}

static lb_status intervals(lb_value *out, boxes *d, boxes *t, int64_t images, const options *o) {
    judgement j;
    double *values = lb_alloc((size_t)(SHOWN * o->bootstrap) + 1, sizeof *values);
    lb_status st = judge_all(&j, d, t, 0, most[2]);
    if (!values && st == LB_OK) st = LB_E_NOMEM;
    if (st == LB_OK) {
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < o->bootstrap; i++) {
            lb_status mine = resample(values, &j, images, o, i);
#pragma omp critical(detection)
            if (mine != LB_OK) st = mine;
        }
    }
    for (int k = 0; k < SHOWN && st == LB_OK; k++) {
        double lo, hi;
        if (lb_interval(&lo, &hi, values + k * o->bootstrap, o->bootstrap)) lb_put_range(out, shown[k], lo, hi);
    }
    lb_free(values);
    close_judgement(&j);
    return st;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Images by their place in the order of their numbers. */
static lb_status number_images(boxes *d, boxes *t, int64_t *images) {
    int64_t n = 0, all = d->n + t->n, *id = lb_alloc((size_t)all + 1, sizeof *id);
    boxes *both[2] = {d, t};
    if (!id) return LB_E_NOMEM;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < both[k]->n; i++) id[n++] = both[k]->at[i].image;
    qsort(id, (size_t)all, sizeof *id, by_number);
    n = 0;
    for (int64_t i = 0; i < all; i++)
        if (n == 0 || id[i] != id[n - 1]) id[n++] = id[i];
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < both[k]->n; i++) both[k]->at[i].image = (int64_t *)bsearch(&both[k]->at[i].image, id, (size_t)n, sizeof *id, by_number) - id;
    lb_free(id);
    *images = n;
    return LB_OK;
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    static const char *const areas[AREAS] = {"", "_small", "_medium", "_large"};
    const options usual = {.bootstrap = 1000}, *o = cfg ? cfg : &usual;
    lb_status st = LB_OK;
    boxes d = {0}, t = {0};
    int64_t images = 0;
    result r;
    char key[32];
    LB_TRY(take(&d, "found", lb_metric_find(nin, in, "box"), lb_metric_find(nin, in, "image"), lb_metric_find(nin, in, "class"), lb_metric_find(nin, in, "score"), NULL));
    LB_TRY(take(&t, "true", lb_metric_find(nin, in, "true_box"), lb_metric_find(nin, in, "true_image"), lb_metric_find(nin, in, "true_class"), NULL, lb_metric_find(nin, in, "crowd")));
    if (t.n == 0) {
        st = lb_fail(LB_E_ARG, "detection: no true boxes to score against");
        goto done;
    }
    LB_TRY(number_images(&d, &t, &images));
    qsort(d.at, (size_t)d.n, sizeof *d.at, by_place);
    qsort(t.at, (size_t)t.n, sizeof *t.at, by_place);
    for (int a = 0; a < AREAS; a++) {
        LB_TRY(run(&r, &d, &t, a, most[2]));
        snprintf(key, sizeof key, "ap%s", areas[a]);
        lb_map_real(out, key, mean_of(r.ap));
        if (a == 0) {
            lb_map_real(out, "ap50", r.ap[0]);
            lb_map_real(out, "ap75", r.ap[5]);
            lb_map_int(out, "classes", r.classes);
        }
        snprintf(key, sizeof key, "ar%s", areas[a]);
        lb_map_real(out, key, mean_of(r.ar));
    }
    for (int k = 0; k < 2; k++) {
        LB_TRY(run(&r, &d, &t, 0, most[k]));
        lb_map_real(out, k == 0 ? "ar_1" : "ar_10", mean_of(r.ar));
    }
    if (o->bootstrap > 0) LB_TRY(intervals(out, &d, &t, images, o));
    lb_map_int(out, "images", images);
    lb_map_int(out, "boxes", d.n);
    lb_map_int(out, "true_boxes", t.n);
done:
    lb_free(d.at);
    lb_free(t.at);
    return st;
}

LB_METRIC(detection) = {.id = "detection",
                        .title = "Average precision and recall of boxes, by COCO's rules",
                        .source = "pycocotools 2.0, cocoeval.py",
                        .params = params,
                        .params_size = sizeof(options),
                        .sig = "box[N,4] score[N] image[N]:i64 class[N]:i64 true_box[M,4] true_image[M]:i64 true_class[M]:i64 crowd[M]:i64?",
                        .score = score};

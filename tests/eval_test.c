/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics over recorded inputs (tests/data/eval/make.py), their refusals, and identities of ranks, neighbours and distances. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/value.h"
#include "eval/metric.h"
#include "eval/segmentation.h"
#include "eval/surface.h"
#include "tests/check.h"

/* ---- recorded ---- */

static lb_tensor read_tensor(const lb_value *v) {
    const lb_value *shape = lb_get(v, "shape"), *values = lb_get(v, "values");
    bool whole = strcmp(lb_get_text(v, "type", ""), "i64") == 0;
    lb_tensor x = {.dtype = whole ? LB_I64 : LB_F32, .rank = (int)shape->count};
    int64_t step = 1;
    for (int d = x.rank - 1; d >= 0; d--) {
        x.shape[d] = shape->items[d]->integer;
        x.stride[d] = step;
        step *= x.shape[d];
    }
    void *data = lb_alloc((size_t)step + 1, 8);
    for (int64_t i = 0; i < step; i++) {
        const lb_value *item = values->items[i];
        double number = item->kind == LB_V_INT ? (double)item->integer : item->real;
        if (whole) ((int64_t *)data)[i] = (int64_t)number;
        else ((float *)data)[i] = (float)number;
    }
    x.data = data;
    return x;
}

static lb_status score_with(lb_value *out, const char *metric, const lb_value *params, int nin, const lb_metric_input *in) {
    const lb_metric *m = (const lb_metric *)lb_family_at(&lb_metrics, metric);
    void *cfg = lb_calloc(1, m->params_size + 1);
    lb_status st = lb_params_from_value(m->params, cfg, params);
    if (st == LB_OK) st = m->score(out, cfg, nin, in);
    lb_params_free(m->params, cfg);
    lb_free(cfg);
    return st;
}

static double number_of(const lb_value *v) { return !v || v->kind == LB_V_NULL ? NAN : v->kind == LB_V_INT ? (double)v->integer : v->real; }

static const lb_value *follow(const lb_value *v, const char *path) {
    char part[64];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        memcpy(part, path, n);
        part[n] = 0;
        v = v->kind == LB_V_LIST ? (atoi(part) < v->count ? v->items[atoi(part)] : NULL) : lb_get(v, part);
        path += n + (path[n] == '.');
    }
    return v;
}

static void recorded(void) {
    lb_value *cases = NULL;
    if (!CHECK_OK(lb_json_read(&cases, check_data("eval/cases.json")))) return;
    for (int64_t c = 0; c < cases->count; c++) {
        const lb_value *one = cases->items[c], *inputs = lb_get(one, "inputs"), *want = lb_get(one, "want");
        lb_tensor x[10];
        lb_metric_input in[10];
        lb_value *out = lb_value_map();
        check_begin("%s", lb_get_text(one, "name", ""));
        for (int64_t i = 0; i < inputs->count; i++) {
            x[i] = read_tensor(inputs->items[i]);
            in[i] = (lb_metric_input){inputs->keys[i], &x[i]};
        }
        if (CHECK_OK(score_with(out, lb_get_text(one, "metric", ""), lb_get(one, "params"), (int)inputs->count, in)))
            for (int64_t k = 0; k < want->count; k++) {
                double right = number_of(want->items[k]), got = number_of(follow(out, want->keys[k]));
                if (isnan(right)) CHECK(isnan(got) || isinf(got));
                else check_near(got, right, lb_get_real(one, "rtol", 0) * fmax(1, fabs(right)), __FILE__, __LINE__, want->keys[k]);
            }
        for (int64_t i = 0; i < inputs->count; i++) lb_free(x[i].data);
        lb_value_free(out);
        check_end();
    }
    lb_value_free(cases);
}

/* ---- identities ---- */

/* A distance transform against all pairs. */
static void distances(void) {
    enum { D = 5, H = 9, W = 11, N = D * H * W };
    static const int64_t shape[3] = {D, H, W};
    static const double spacing[3] = {2.5, 0.7, 1.3};
    uint8_t set[N];
    double got[N];
    for (int trial = 0; trial < 20; trial++) {
        lb_rng r = lb_rng_make(7, (uint64_t)trial);
        for (int i = 0; i < N; i++) set[i] = lb_rng_below(&r, 100) < (trial % 5) * 10;
        CHECK_OK(lb_distance_transform(got, set, 3, shape, spacing));
        for (int i = 0; i < N; i++) {
            double best = INFINITY;
            for (int j = 0; j < N; j++) {
                double z = (i / (H * W) - j / (H * W)) * spacing[0], y = (i / W % H - j / W % H) * spacing[1], x = (i % W - j % W) * spacing[2];
                if (set[j]) best = fmin(best, z * z + y * y + x * x);
            }
            if (!CHECK(got[i] == best || fabs(got[i] - best) < 1e-12 * best)) return;
        }
    }
}

/* Ranks and neighbours of small whole numbers (many ties) against sorting every row. */
static void ranks(void) {
    enum { N = 37, M = 9001, D = 3, P = 4, K = 25 };
    static float query[N * D], target[M * D];
    static int64_t positives[N * P], rank[N * P], top[N * K];
    lb_rng r = lb_rng_make(3, 1);
    for (int i = 0; i < N * D; i++) query[i] = (float)lb_rng_below(&r, 5) - 2;
    for (int i = 0; i < M * D; i++) target[i] = (float)lb_rng_below(&r, 7) - 3;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < P; k++) positives[i * P + k] = k <= i % P ? lb_rng_below(&r, M / P) * P + k : -1;
    CHECK_OK(lb_ranks(rank, query, N, target, M, D, positives, P));
    CHECK_OK(lb_top_k(top, NULL, query, N, target, M, D, K));
    for (int i = 0; i < N; i++) {
        static int64_t place[M];
        memset(place, 0, sizeof place);
        static float s[M];
        for (int j = 0; j < M; j++) s[j] = query[i * D] * target[j * D] + query[i * D + 1] * target[j * D + 1] + query[i * D + 2] * target[j * D + 2];
        int64_t want[P], n = 0;
        for (int k = 0; k <= i % P; k++) {
            int64_t p = positives[i * P + k], before = 0;
            for (int j = 0; j < M; j++) before += s[j] > s[p] || (s[j] == s[p] && j < p);
            int64_t at = n++;
            for (; at > 0 && want[at - 1] > before; at--) want[at] = want[at - 1];
            want[at] = before;
        }
        for (int k = 0; k < P; k++) CHECK_INT(rank[i * P + k], k < n ? want[k] : -1);
        for (int k = 0; k < K; k++) {
            int64_t before = 0, p = top[i * K + k];
            for (int j = 0; j < M; j++) before += s[j] > s[p] || (s[j] == s[p] && j < p);
            CHECK_INT(before, k);
        }
    }
}

/* Counts of many classes by pairs equal those of few by lanes, at sizes around a lane's and its limit. */
static void counts(void) {
    enum { N = 64 * 300 + 17 };
    static uint8_t truth[N], guess[N];
    for (int64_t classes = 2; classes <= 40; classes += 19) {
        lb_rng r = lb_rng_make(5, (uint64_t)classes);
        for (int i = 0; i < N; i++) {
            truth[i] = (uint8_t)(lb_rng_below(&r, 10) == 0 ? 200 : lb_rng_below(&r, classes));
            guess[i] = (uint8_t)lb_rng_below(&r, classes);
        }
        lb_segmentation_options o = LB_SEGMENTATION_DEFAULTS;
        o.classes = classes;
        o.ignore = 200;
        o.boundary = false;
        lb_segmentation *s = NULL;
        lb_class_counts got[64];
        CHECK_OK(lb_segmentation_new(&s, &o));
        for (int64_t n = N - 70; n <= N; n += 7) {
            lb_segmentation_case c = {.key = "one", .truth = truth, .guess = guess, .rank = 2, .shape = {1, n}};
            CHECK_OK(lb_segmentation_count(s, &c, got));
            for (int64_t k = 0; k < classes; k++) {
                int64_t tp = 0, fp = 0, fn = 0;
                for (int64_t i = 0; i < n; i++) {
                    if (truth[i] == 200) continue;
                    tp += truth[i] == k && guess[i] == k;
                    fp += truth[i] != k && guess[i] == k;
                    fn += truth[i] == k && guess[i] != k;
                }
                CHECK_INT(got[k].tp, tp);
                CHECK_INT(got[k].fp, fp);
                CHECK_INT(got[k].fn, fn);
            }
        }
        guess[N - 3] = (uint8_t)classes;
        truth[N - 3] = 0;
        lb_segmentation_case c = {.key = "odd.png", .truth = truth, .guess = guess, .rank = 2, .shape = {1, N}};
        CHECK_FAILS(lb_segmentation_count(s, &c, got), LB_E_ARG, "odd.png: the prediction holds the label");
        lb_segmentation_free(s);
    }
}

/* Nothing on one side or on both. */
static void empty_masks(void) {
    static const uint8_t none[16] = {0}, some[16] = {[5] = 1, [6] = 1, [9] = 1};
    lb_surface s[2];
    lb_mask_pair m = {none, none, 2, {4, 4}, {1, 1}};
    CHECK_OK(lb_surface_edges(s, &m));
    CHECK(isnan(lb_hausdorff(s, 95)) && isnan(lb_mean_surface_distance(s)));
    lb_surfaces_free(s);
    m.guess = some;
    CHECK_OK(lb_surface_elements(s, &m));
    CHECK(isinf(lb_robust_hausdorff(s, 95)));
    CHECK_NEAR(lb_surface_dice(s, 100), 0, 0);
    lb_surfaces_free(s);
    m.truth = some;
    CHECK_OK(lb_surface_elements(s, &m));
    CHECK_NEAR(lb_surface_dice(s, 0), 1, 0);
    CHECK_NEAR(lb_robust_hausdorff(s, 95), 0, 0);
    lb_surfaces_free(s);
    m.spacing[1] = 0;
    CHECK_FAILS(lb_surface_edges(s, &m), LB_E_ARG, "axis 1");
}

static lb_tensor rows_of(const float *x, int64_t n, int64_t d) { return (lb_tensor){.dtype = LB_F32, .rank = 2, .shape = {n, d}, .stride = {d, 1}, .data = (void *)(uintptr_t)x}; }

static lb_tensor labels_of(const int64_t *x, int64_t n) { return (lb_tensor){.dtype = LB_I64, .rank = 1, .shape = {n}, .stride = {1}, .data = (void *)(uintptr_t)x}; }

/* Scores with parameters as JSON; to be freed. */
static lb_value *scored(const char *metric, const char *params, int nin, const lb_metric_input *in) {
    lb_value *out = lb_value_map(), *given = NULL;
    if (CHECK_OK(lb_json_parse(&given, params, strlen(params), metric))) CHECK_OK(score_with(out, metric, given, nin, in));
    lb_value_free(given);
    return out;
}

static void check_number(const lb_value *out, const char *path, double want, double tol) {
    check_near(number_of(follow(out, path)), want, tol, __FILE__, __LINE__, path);
}

/* Four items by hand. Of class 1 three of four pairs stand in order. Two are .9 sure and right, two .6 sure and wrong: gaps of .1 and .6, each for half. */
static void classified(void) {
    static const float p[] = {0.1F, 0.9F, 0.4F, 0.6F, 0.6F, 0.4F, 0.9F, 0.1F};
    static const int64_t label[] = {1, 0, 1, 0};
    lb_tensor x = rows_of(p, 4, 2), l = labels_of(label, 4);
    lb_value *out = scored("classify", "{\"from\": \"probabilities\", \"bins\": 4, \"bootstrap\": 0}", 2, (lb_metric_input[]){{"scores", &x}, {"label", &l}});
    check_number(out, "per_class.0.auroc", 75, 0);
    check_number(out, "per_class.1.auroc", 75, 0);
    check_number(out, "auroc", 75, 0);
    check_number(out, "ece", 35, 1e-5); /* of floats */
    check_number(out, "mce", 60, 1e-5);
    lb_value_free(out);
}

/* Seven classes of one neighbour each, with a vote each: the order of the classes decides, so a label stands behind those before it. */
static void neighbours(void) {
    enum { CLASSES = 7 };
    static float x[CLASSES * CLASSES];
    static const int64_t label[CLASSES] = {0, 1, 2, 3, 4, 5, 6};
    for (int i = 0; i < CLASSES; i++) x[i * CLASSES + i] = 1;
    lb_tensor rows = rows_of(x, CLASSES, CLASSES), l = labels_of(label, CLASSES);
    const lb_metric_input in[] = {{"train", &rows}, {"train_label", &l}, {"test", &rows}, {"test_label", &l}};
    lb_value *out = scored("knn", "{\"weights\": \"uniform\", \"bootstrap\": 0}", 4, in);
    check_number(out, "top1", 100.0 / CLASSES, 1e-12);
    check_number(out, "top5", 500.0 / CLASSES, 1e-12);
    check_number(out, "k", CLASSES, 0); /* of 20 */
    lb_value_free(out);
}

/* Texts of six classes along the axes, of two lengths; pictures nearest to class 0, then 1, and so on. */
static void zero_shot(void) {
    enum { CLASSES = 6, ITEMS = 5 };
    static float texts[CLASSES * 2 * CLASSES], pictures[ITEMS * CLASSES];
    int64_t label[ITEMS] = {0, 0, 1, 4, 5};
    for (int c = 0; c < CLASSES; c++)
        for (int k = 0; k < 2; k++) texts[(2 * c + k) * CLASSES + c] = k ? 3 : 0.5F;
    for (int i = 0; i < ITEMS * CLASSES; i++) pictures[i] = (float)(CLASSES - i % CLASSES);
    lb_tensor x = rows_of(pictures, ITEMS, CLASSES), l = labels_of(label, ITEMS);
    lb_tensor named = {.dtype = LB_F32, .rank = 3, .shape = {CLASSES, 2, CLASSES}, .stride = {2 * CLASSES, CLASSES, 1}, .data = texts};
    const lb_metric_input in[] = {{"image", &x}, {"class", &named}, {"label", &l}};
    lb_value *out = scored("zeroshot", "{}", 3, in);
    check_number(out, "top1", 40, 0);
    check_number(out, "top5", 80, 0);
    check_number(out, "mean_class_recall", 25, 0);
    check_number(out, "items", ITEMS, 0);
    check_number(out, "classes", CLASSES, 0);
    check_number(out, "classes_seen", 4, 0);
    label[3] = CLASSES;
    CHECK_FAILS(score_with(out, "zeroshot", NULL, 3, in), LB_E_ARG, "zeroshot: label 6 of item 3 is outside 0..5");
    named.shape[1] = 0;
    CHECK_FAILS(score_with(out, "zeroshot", NULL, 3, in), LB_E_ARG, "zeroshot: no items, classes or templates to score");
    named.shape[2] = CLASSES - 1;
    CHECK_FAILS(score_with(out, "zeroshot", NULL, 3, in), LB_E_SHAPE, "zeroshot: image [N,D], class [C,T,D], label [N] wanted");
    CHECK_FAILS(score_with(out, "zeroshot", NULL, 2, in), LB_E_ARG, "zeroshot wants image, class, label");
    lb_value_free(out);
}

/* Two pictures and three texts along two axes: the second picture's text lies beside the first, whose second text lies beside the second. */
static void both_ways(void) {
    static const float pictures[] = {1, 0, 0, 1}, texts[] = {1, 0, 1, 0.1F, 0, 1};
    static const int64_t picture_id[] = {0, 1}, text_id[] = {0, 1, 0};
    lb_tensor x = rows_of(pictures, 2, 2), y = rows_of(texts, 3, 2), a = labels_of(picture_id, 2), b = labels_of(text_id, 3);
    lb_value *out = scored("retrieval", "{\"bootstrap\": 0}", 4, (lb_metric_input[]){{"image", &x}, {"text", &y}, {"image_id", &a}, {"text_id", &b}});
    check_number(out, "image_to_text.r1", 50, 1e-12);
    check_number(out, "image_to_text.median_rank", 1.5, 0);
    check_number(out, "image_to_text.mrr", 0.75, 1e-12);
    check_number(out, "text_to_image.r1", 100.0 / 3, 1e-12);
    check_number(out, "text_to_image.median_rank", 2, 0);
    check_number(out, "text_to_image.mrr", 2.0 / 3, 1e-12);
    check_number(out, "r1", (50 + 100.0 / 3) / 2, 1e-12);
    lb_value_free(out);
}

/* Two thirds of one class, sides `far` apart: a weak probe knows the larger class alone, so the choice is the weakest that sees the sides. Weights of a fit to
 * n rows at +-d grow to c n d / 2 at most, and tell d from -d when that times d is of the size of the offset, log 2. */
static void probe_chooses(void) {
    enum { N = 60 };
    static const double far[] = {1e4, 1e-3}, least[] = {1e-6, 1e3}, most[] = {1e-6, 1e6};
    int64_t label[N];
    float x[N];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < N; i++) {
            label[i] = i % 3 == 0;
            x[i] = (float)(label[i] ? far[k] : -far[k]);
        }
        lb_tensor rows = rows_of(x, N, 1), l = labels_of(label, N);
        const lb_metric_input in[] = {{"train", &rows}, {"train_label", &l}, {"test", &rows}, {"test_label", &l}};
        lb_value *out = scored("probe", "{\"search\": true, \"bootstrap\": 0, \"tolerance\": 1e-9}", 4, in);
        double c = number_of(follow(out, "c"));
        if (!CHECK(c >= least[k] * 0.999 && c <= most[k] * 1.001)) printf("     %g\n", c);
        check_number(out, "top1", 100, 0);
        lb_value_free(out);
    }
}

/* The order statistics 0.025 and 0.975 of the way; NaN counts nowhere. A bootstrap of a share p of n has a standard error of sqrt(p (1 - p) / n). */
static void intervals(void) {
    double x[45], lo, hi, shares[400];
    int n = 0;
    for (int i = 0; i < 45; i++) x[i] = i % 11 == 10 ? NAN : (double)(n++ * 17 % 41); /* 0 .. 40, mixed */
    CHECK_INT(n, 41);
    CHECK(lb_interval(&lo, &hi, x, 45));
    CHECK_NEAR(lo, 1, 0);
    CHECK_NEAR(hi, 39, 0);
    CHECK(!lb_interval(&lo, &hi, (double[]){NAN, NAN}, 2) && isnan(lo) && isnan(hi));
    for (int i = 0; i < 400; i++) shares[i] = i % 2;
    lb_bootstrap(&lo, &hi, shares, 400, 4000, 1);
    CHECK_NEAR(lo, 0.5 - 1.96 * 0.025, 0.005); /* steps of 1 / 400 */
    CHECK_NEAR(hi, 0.5 + 1.96 * 0.025, 0.005);
    lb_bootstrap(&lo, &hi, shares, 400, 0, 1);
    CHECK(isnan(lo) && isnan(hi));
}

/* One square against itself and another, four columns away: so far is the farthest, whichever of the two is the truth. */
static void far_surfaces(void) {
    static const uint8_t one[32] = {[9] = 1}, two[32] = {[9] = 1, [13] = 1};
    static const uint8_t *const sides[2] = {one, two};
    for (int k = 0; k < 2; k++) {
        lb_surface s[2];
        lb_mask_pair m = {sides[k], sides[1 - k], 2, {4, 8}, {1, 1}};
        CHECK_OK(lb_surface_edges(s, &m));
        CHECK_NEAR(lb_hausdorff(s, 100), 4, 0);
        lb_surfaces_free(s);
        CHECK_OK(lb_surface_elements(s, &m));
        CHECK_NEAR(lb_robust_hausdorff(s, 100), 4, 0);
        lb_surfaces_free(s);
        int64_t labels[2][32];
        for (int i = 0; i < 64; i++) labels[i / 32][i % 32] = sides[i / 32 == 0 ? k : 1 - k][i % 32];
        lb_tensor truth = {.dtype = LB_I64, .rank = 3, .shape = {1, 4, 8}, .stride = {32, 8, 1}, .data = labels[0]}, guess = truth;
        guess.data = labels[1];
        const lb_metric_input in[] = {{"truth", &truth}, {"guess", &guess}};
        lb_value *out = scored("segmentation", "{\"percentile\": 100, \"bootstrap\": 0}", 2, in);
        check_number(out, "hd95", 4, 0);
        check_number(out, "rules.monai.hd95", 4, 0);
        lb_value_free(out);
        out = scored("segmentation", "{\"boundary\": false, \"bootstrap\": 0}", 2, in);
        CHECK(!follow(out, "rules.monai.hd95") && follow(out, "rules.monai.dice"));
        lb_value_free(out);
    }
}

static void segmentation_refusals(void) {
    static const struct {
        double tolerance, percentile;
    } wrong[] = {{-1, 95}, {NAN, 95}, {2, 0}, {2, 100.5}, {2, NAN}};
    lb_segmentation *s = NULL;
    for (size_t k = 0; k < LB_COUNT(wrong); k++) {
        lb_segmentation_options o = LB_SEGMENTATION_DEFAULTS;
        o.tolerance = wrong[k].tolerance;
        o.percentile = wrong[k].percentile;
        CHECK_FAILS(lb_segmentation_new(&s, &o), LB_E_ARG, "a tolerance of at least 0 and a percentile in (0, 100] wanted");
    }
    lb_segmentation_options o = LB_SEGMENTATION_DEFAULTS;
    o.classes = 256;
    CHECK_FAILS(lb_segmentation_new(&s, &o), LB_E_ARG, "1 to 255 classes wanted, got 256");
    o.classes = 3;
    o.ignore = 2;
    CHECK_FAILS(lb_segmentation_new(&s, &o), LB_E_ARG, "the label to ignore, 2, is one of the 3 classes");
    o.ignore = 256;
    CHECK_FAILS(lb_segmentation_new(&s, &o), LB_E_ARG, "the label to ignore, 256, is above 255");
    o.ignore = -1;
    o.background = 3;
    CHECK_FAILS(lb_segmentation_new(&s, &o), LB_E_ARG, "background 3 is none of the 3 classes");
}

static void refusals(void) {
    static const float x[4] = {1, 2, NAN, 4}, good[4] = {1, 2, 3, 4};
    static const int64_t bad[2] = {0, 2}, fine[2] = {0, 1};
    lb_value *out = lb_value_map();
    lb_tensor s = rows_of(good, 2, 2), nan = rows_of(x, 2, 2), l = labels_of(bad, 2), ok = labels_of(fine, 2);
    CHECK_FAILS(score_with(out, "classify", NULL, 2, (lb_metric_input[]){{"scores", &s}, {"label", &l}}), LB_E_ARG, "label 2 of item 1");
    CHECK_FAILS(score_with(out, "classify", NULL, 1, (lb_metric_input[]){{"scores", &s}}), LB_E_ARG, "label");
    CHECK_FAILS(score_with(out, "classify", NULL, 2, (lb_metric_input[]){{"scores", &nan}, {"label", &ok}}), LB_E_NUMERIC, "item 1, class 0");
    CHECK_FAILS(score_with(out, "knn", NULL, 4, (lb_metric_input[]){{"train", &nan}, {"train_label", &ok}, {"test", &s}, {"test_label", &ok}}), LB_E_NUMERIC, "row 1 of train");
    CHECK_FAILS(score_with(out, "probe", NULL, 2, (lb_metric_input[]){{"train", &s}, {"train_label", &ok}}), LB_E_ARG, "test");
    lb_tensor short_of = labels_of(fine, 1), none = rows_of(good, 0, 2), no_label = labels_of(fine, 0);
    const lb_metric_input fewer[] = {{"train", &s}, {"train_label", &short_of}, {"test", &s}, {"test_label", &ok}};
    CHECK_FAILS(score_with(out, "knn", NULL, 4, fewer), LB_E_SHAPE, "knn: train [N,D] and train_label [N] wanted");
    const lb_metric_input flat[] = {{"train", &s}, {"train_label", &s}, {"test", &s}, {"test_label", &ok}};
    CHECK_FAILS(score_with(out, "probe", NULL, 4, flat), LB_E_SHAPE, "probe: train [N,D] and train_label [N] wanted");
    const lb_metric_input empty[] = {{"train", &none}, {"train_label", &no_label}, {"test", &s}, {"test_label", &ok}};
    CHECK_FAILS(score_with(out, "knn", NULL, 4, empty), LB_E_ARG, "knn: train has no rows");
    int64_t top[4];
    CHECK_FAILS(lb_top_k(top, NULL, good, 2, good, 2, 2, 3), LB_E_ARG, "top k: 1 <= k <= 2 wanted, got 3");
    CHECK_FAILS(lb_top_k(top, NULL, good, 2, good, 2, 2, 0), LB_E_ARG, "top k: 1 <= k <= 2 wanted, got 0");
    lb_value_free(out);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "eval",
                      (check_test[]){{"recorded", recorded},
                                     {"distances", distances},
                                     {"ranks", ranks},
                                     {"counts", counts},
                                     {"empty-masks", empty_masks},
                                     {"far-surfaces", far_surfaces},
                                     {"classified", classified},
                                     {"neighbours", neighbours},
                                     {"zero-shot", zero_shot},
                                     {"both-ways", both_ways},
                                     {"probe-chooses", probe_chooses},
                                     {"intervals", intervals},
                                     {"refusals", refusals},
                                     {"segmentation-refusals", segmentation_refusals},
                                     {0}});
}

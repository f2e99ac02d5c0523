/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eval/metric.h"
#include "eval/segmentation_private.h"
#include "eval/surface.h"

lb_status lb_segmentation_new(lb_segmentation **out, const lb_segmentation_options *o) {
    *out = NULL;
    if (o->classes < 1 || o->classes > 255) return lb_fail(LB_E_ARG, "segmentation: 1 to 255 classes wanted, got %lld", (long long)o->classes);
    if (o->ignore >= 0 && o->ignore < o->classes) return lb_fail(LB_E_ARG, "segmentation: the label to ignore, %lld, is one of the %lld classes", (long long)o->ignore, (long long)o->classes);
    if (o->ignore > 255) return lb_fail(LB_E_ARG, "segmentation: the label to ignore, %lld, is above 255", (long long)o->ignore);
    if (o->background >= o->classes) return lb_fail(LB_E_ARG, "segmentation: background %lld is none of the %lld classes", (long long)o->background, (long long)o->classes);
    if (!(o->tolerance >= 0) || !(o->percentile > 0 && o->percentile <= 100)) return lb_fail(LB_E_ARG, "segmentation: a tolerance of at least 0 and a percentile in (0, 100] wanted");
    lb_segmentation *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    s->o = *o;
    *out = s;
    return LB_OK;
}

void lb_segmentation_free(lb_segmentation *s) {
    if (!s) return;
    for (int64_t i = 0; i < s->n; i++) lb_free(s->key[i]);
    lb_free(s->key);
    lb_free(s->at);
    lb_free(s);
}

/* ---- counts ---- */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LEVELS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#else
#define LEVELS
#endif

enum { LANES = 64, ROUNDS = 255 };
typedef struct tally {
    int64_t truth, guess, both;
} tally;

/* Adds the bytes counted per lane to the wide counts, and clears them. */
static inline void widen(uint32_t *wide, uint8_t *lanes) {
    for (int l = 0; l < LANES; l++) wide[l] += lanes[l];
    memset(lanes, 0, LANES);
}

static int64_t sum_of(const uint32_t *wide) {
    int64_t sum = 0;
    for (int l = 0; l < LANES; l++) sum += wide[l];
    return sum;
}

/* Class k in the first rounds * LANES labels, a byte per lane and count for as many rounds as cannot overflow. */
LEVELS static void count_lanes(const uint8_t *t, const uint8_t *g, int64_t rounds, uint8_t k, int ignore, tally *sum) {
    uint8_t a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, left = (uint8_t)ignore, ignoring = ignore >= 0;
    uint32_t truth[LANES] = {0}, guess[LANES] = {0}, both[LANES] = {0};
    for (int64_t first = 0; first < rounds; first += ROUNDS) {
        for (int64_t r = first; r < rounds && r < first + ROUNDS; r++, t += LANES, g += LANES)
            for (int l = 0; l < LANES; l++) {
                uint8_t x = t[l] == k, y = (uint8_t)((g[l] == k) & !(ignoring & (t[l] == left)));
                a[l] = (uint8_t)(a[l] + x);
                b[l] = (uint8_t)(b[l] + y);
                c[l] = (uint8_t)(c[l] + (x & y));
            }
        widen(truth, a);
        widen(guess, b);
        widen(both, c);
    }
    *sum = (tally){sum_of(truth), sum_of(guess), sum_of(both)};
}

static tally count_class(const uint8_t *t, const uint8_t *g, int64_t n, uint8_t k, int ignore) {
    tally sum;
    count_lanes(t, g, n / LANES, k, ignore, &sum);
    for (int64_t i = n / LANES * LANES; i < n; i++) {
        bool x = t[i] == k, y = g[i] == k && t[i] != ignore;
        sum.truth += x;
        sum.guess += y;
        sum.both += x && y;
    }
    return sum;
}

/* Masks of 0 and 1: one pass for both classes. @return all labels or-ed */
LEVELS static uint8_t binary_lanes(const uint8_t *t, const uint8_t *g, int64_t rounds, tally *sum) {
    uint8_t a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, seen[LANES] = {0}, bits = 0;
    uint32_t truth[LANES] = {0}, guess[LANES] = {0}, both[LANES] = {0};
    for (int64_t first = 0; first < rounds; first += ROUNDS) {
        for (int64_t r = first; r < rounds && r < first + ROUNDS; r++, t += LANES, g += LANES)
            for (int l = 0; l < LANES; l++) {
                a[l] = (uint8_t)(a[l] + t[l]);
                b[l] = (uint8_t)(b[l] + g[l]);
                c[l] = (uint8_t)(c[l] + (t[l] & g[l]));
                seen[l] |= t[l] | g[l];
            }
        widen(truth, a);
        widen(guess, b);
        widen(both, c);
    }
    for (int l = 0; l < LANES; l++) bits |= seen[l];
    *sum = (tally){sum_of(truth), sum_of(guess), sum_of(both)};
    return bits;
}

/* @return false when a label is neither 0 nor 1 */
static bool count_binary(lb_class_counts *out, const uint8_t *t, const uint8_t *g, int64_t n) {
    tally sum;
    uint8_t bits = binary_lanes(t, g, n / LANES, &sum);
    for (int64_t i = n / LANES * LANES; i < n; i++) {
        sum.truth += t[i];
        sum.guess += g[i];
        sum.both += t[i] & g[i];
        bits |= t[i] | g[i];
    }
    out[1] = (lb_class_counts){.tp = sum.both, .fp = sum.guess - sum.both, .fn = sum.truth - sum.both};
    out[0] = (lb_class_counts){.tp = n - sum.truth - sum.guess + sum.both, .fp = out[1].fn, .fn = out[1].fp};
    return bits <= 1;
}

enum { FEW_CLASSES = 12 }; /* beyond, one pass over pairs of labels costs less than a pass a class */

static void count_few(lb_class_counts *out, const lb_segmentation_options *o, const uint8_t *t, const uint8_t *g, int64_t n) {
    for (int64_t k = 0; k < o->classes; k++) {
        tally c = count_class(t, g, n, (uint8_t)k, (int)o->ignore);
        out[k].tp = c.both;
        out[k].fp = c.guess - c.both;
        out[k].fn = c.truth - c.both;
    }
}

static lb_status count_many(lb_class_counts *out, const lb_segmentation_options *o, const uint8_t *t, const uint8_t *g, int64_t n) {
    int64_t *pairs = lb_calloc(256 * 256, sizeof *pairs);
    if (!pairs) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) pairs[t[i] << 8 | g[i]]++;
    for (int64_t k = 0; k < o->classes; k++) {
        out[k].tp = pairs[k << 8 | k];
        out[k].fp = out[k].fn = 0;
        for (int64_t j = 0; j < 256; j++) {
            if (j != k && j != o->ignore) out[k].fp += pairs[j << 8 | k];
            if (j != k) out[k].fn += pairs[k << 8 | j];
        }
    }
    lb_free(pairs);
    return LB_OK;
}

/* Every voxel is of a class, or ignored by the truth's label. */
static lb_status refuse_strangers(const lb_segmentation_options *o, const lb_segmentation_case *c, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (c->truth[i] == o->ignore) continue;
        int label = c->truth[i] >= o->classes ? c->truth[i] : c->guess[i];
        if (label >= o->classes)
            return lb_fail(LB_E_ARG, "segmentation: %s: the %s holds the label %d, classes are 0..%lld%s", c->key, c->truth[i] >= o->classes ? "truth" : "prediction", label, (long long)o->classes - 1,
                           o->classes == 2 && label == 255 ? " (a mask of 0 and 255 has to be made one of 0 and 1)" : "");
    }
    return LB_OK;
}

static bool all_counted(const lb_segmentation_options *o, const lb_class_counts *at, const uint8_t *truth, int64_t n) {
    int64_t of_truth = 0, of_guess = 0, ignored = o->ignore >= 0 ? count_class(truth, truth, n, (uint8_t)o->ignore, -1).truth : 0;
    for (int64_t k = 0; k < o->classes; k++) {
        of_truth += at[k].tp + at[k].fn;
        of_guess += at[k].tp + at[k].fp;
    }
    return of_truth + ignored == n && of_guess + ignored == n;
}

/* ---- surfaces of one class ---- */

static lb_status measure(lb_class_counts *at, const lb_segmentation_options *o, const lb_segmentation_case *c, int64_t k, uint8_t *truth, uint8_t *guess, int64_t n) {
    lb_status st = LB_OK;
    lb_surface s[2] = {{0}};
    lb_mask_pair m = {truth, guess, c->rank, {c->shape[0], c->shape[1], c->shape[2]}, {1, 1, 1}};
    for (int d = 0; d < c->rank; d++)
        if (c->spacing[d] != 0) m.spacing[d] = c->spacing[d];
    for (int64_t i = 0; i < n; i++) {
        truth[i] = c->truth[i] == k;
        guess[i] = c->guess[i] == k && c->truth[i] != o->ignore;
    }
    LB_TRY(lb_surface_elements(s, &m));
    at->nsd = lb_surface_dice(s, o->tolerance);
    lb_surfaces_free(s);
    LB_TRY(lb_surface_edges(s, &m));
    at->hd = lb_hausdorff(s, o->percentile);
done:
    lb_surfaces_free(s);
    return st;
}

lb_status lb_segmentation_count(const lb_segmentation *s, const lb_segmentation_case *c, lb_class_counts *out) {
    const lb_segmentation_options *o = &s->o;
    lb_status st = LB_OK;
    int64_t n = 1;
    uint8_t *truth = NULL, *guess = NULL;
    if (c->rank != 2 && c->rank != 3) return lb_fail(LB_E_SHAPE, "segmentation: %s: two or three dimensions wanted, got %d", c->key, c->rank);
    for (int d = 0; d < c->rank; d++) n *= c->shape[d];
    if (o->classes == 2 && o->ignore < 0) {
        if (!count_binary(out, c->truth, c->guess, n)) LB_TRY(refuse_strangers(o, c, n));
    } else {
        if (o->classes <= FEW_CLASSES) count_few(out, o, c->truth, c->guess, n);
        else LB_TRY(count_many(out, o, c->truth, c->guess, n));
        if (!all_counted(o, out, c->truth, n)) LB_TRY(refuse_strangers(o, c, n));
    }
    for (int64_t k = 0; k < o->classes; k++) out[k].nsd = out[k].hd = NAN;
    if (!o->boundary) goto done;
    truth = lb_alloc((size_t)n + 1, 1);
    guess = lb_alloc((size_t)n + 1, 1);
    if (!truth || !guess) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t k = 0; k < o->classes; k++)
        if (k != o->background && out[k].tp + out[k].fp + out[k].fn > 0) LB_TRY(measure(&out[k], o, c, k, truth, guess, n));
done:
    lb_free(truth);
    lb_free(guess);
    return st;
}

lb_status lb_segmentation_add(lb_segmentation *s, const char *key, const lb_class_counts *counts) {
    if (s->n == s->cap) {
        int64_t cap = s->cap ? 2 * s->cap : 64;
        char **keys = lb_realloc(s->key, (size_t)cap, sizeof *keys);
        if (keys) s->key = keys;
        lb_class_counts *at = keys ? lb_realloc(s->at, (size_t)(cap * s->o.classes), sizeof *at) : NULL;
        if (!at) return LB_E_NOMEM;
        s->at = at;
        s->cap = cap;
    }
    if (!(s->key[s->n] = lb_strdup(key))) return LB_E_NOMEM;
    memcpy(s->at + s->n * s->o.classes, counts, (size_t)s->o.classes * sizeof *counts);
    s->n++;
    return LB_OK;
}

/* ---- scores ---- */

double lb_dice(const lb_class_counts *c) {
    int64_t below = 2 * c->tp + c->fp + c->fn;
    return below ? 2.0 * (double)c->tp / (double)below : NAN;
}

double lb_iou(const lb_class_counts *c) {
    int64_t below = c->tp + c->fp + c->fn;
    return below ? (double)c->tp / (double)below : NAN;
}

static double nsd(const lb_class_counts *c) { return c->nsd; }

static double hd(const lb_class_counts *c) { return isinf(c->hd) ? NAN : c->hd; }

void lbi_mean_add(lbi_mean *m, double x) {
    if (isnan(x)) return;
    m->sum += x;
    m->n++;
}

double lbi_mean_of(const lbi_mean *m) { return m->n ? m->sum / (double)m->n : NAN; }

void lbi_percent(lb_value *map, const char *key, double x) { lb_map_real(map, key, 100 * x); }

typedef double value_of(const lb_class_counts *c);

/* Mean over the drawn cases, then over foreground classes: nnU-Net's. draw NULL = every case once. */
static double foreground(const lb_segmentation *s, value_of *value, const int64_t *draw) {
    lbi_mean all = {0};
    for (int64_t k = 0; k < s->o.classes; k++) {
        lbi_mean m = {0};
        if (k == s->o.background) continue;
        for (int64_t i = 0; i < s->n; i++) lbi_mean_add(&m, value(&s->at[(draw ? draw[i] : i) * s->o.classes + k]));
        lbi_mean_add(&all, lbi_mean_of(&m));
    }
    return lbi_mean_of(&all);
}

static const struct {
    const char *name;
    value_of *value;
    double scale;
} scores[] = {{"dice", lb_dice, 100}, {"iou", lb_iou, 100}, {"nsd", nsd, 100}, {"hd95", hd, 1}};

/* Percentiles of the score over cases drawn with putting back. */
static lb_status interval(lb_value *out, const char *key, const lb_segmentation *s, value_of *value, double scale) {
    double *drawn = lb_alloc((size_t)s->o.bootstrap, sizeof *drawn), lo, hi;
    int64_t *draw = lb_alloc((size_t)s->n + 1, sizeof *draw);
    lb_status st = drawn && draw ? LB_OK : LB_E_NOMEM;
    for (int64_t d = 0; st == LB_OK && d < s->o.bootstrap; d++) {
        lb_bootstrap_draw(draw, s->n, s->o.seed, d);
        drawn[d] = foreground(s, value, draw);
    }
    if (st == LB_OK && lb_interval(&lo, &hi, drawn, s->o.bootstrap)) lb_put_range(out, key, scale * lo, scale * hi);
    lb_free(drawn);
    lb_free(draw);
    return st;
}

static void class_name(char *dst, size_t cap, const char *const *names, int64_t k) {
    if (names) snprintf(dst, cap, "%s", names[k]);
    else snprintf(dst, cap, "%lld", (long long)k);
}

static lb_value *of_class(const lb_segmentation *s, int64_t k) {
    lb_value *v = lb_value_map();
    lb_class_counts sum = {0};
    int64_t present = 0, infinite = 0;
    lbi_mean mean[LB_COUNT(scores)] = {{0}};
    for (int64_t i = 0; i < s->n; i++) {
        const lb_class_counts *c = &s->at[i * s->o.classes + k];
        for (size_t j = 0; j < LB_COUNT(scores); j++) lbi_mean_add(&mean[j], scores[j].value(c));
        present += c->tp + c->fn > 0;
        infinite += isinf(c->hd) != 0;
        sum.tp += c->tp;
        sum.fp += c->fp;
        sum.fn += c->fn;
    }
    for (size_t j = 0; j < LB_COUNT(scores); j++)
        if (j < 2 || s->o.boundary) lb_map_real(v, scores[j].name, scores[j].scale * lbi_mean_of(&mean[j]));
    lb_map_int(v, "cases", present);
    if (s->o.boundary) lb_map_int(v, "hd95_infinite", infinite);
    lb_map_int(v, "tp", sum.tp);
    lb_map_int(v, "fp", sum.fp);
    lb_map_int(v, "fn", sum.fn);
    return v;
}

lb_status lb_segmentation_score(lb_value *out, const lb_segmentation *s, const char *const *names) {
    lb_status st = LB_OK;
    char name[128];
    if (s->n == 0) return lb_fail(LB_E_ARG, "segmentation: no cases to score");
    for (size_t j = 0; j < LB_COUNT(scores); j++) {
        if (j >= 2 && !s->o.boundary) continue;
        lb_map_real(out, scores[j].name, scores[j].scale * foreground(s, scores[j].value, NULL));
        if (s->o.bootstrap > 0) LB_TRY(interval(out, scores[j].name, s, scores[j].value, scores[j].scale));
    }
    lb_map_int(out, "cases", s->n);
    lb_map_int(out, "classes", s->o.classes);
    lb_value *per = lb_value_map();
    for (int64_t k = 0; k < s->o.classes; k++) {
        class_name(name, sizeof name, names, k);
        lb_map_put(per, name, of_class(s, k));
    }
    lb_map_put(out, "per_class", per);
    lbi_segmentation_rules(out, s);
    lb_map_text(out, "empty", "absent in truth and prediction: left out; in one of them: 0, and no HD95");
    if (s->o.boundary) lb_map_real(out, "nsd_tolerance", s->o.tolerance);
done:
    return st;
}

lb_status lb_segmentation_csv(lb_buf *out, const lb_segmentation *s, const char *const *names) {
    char name[128];
    lb_buf_format(out, "key,class,tp,fp,fn,dice,iou,nsd,hd95\n");
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = 0; k < s->o.classes; k++) {
            const lb_class_counts *c = &s->at[i * s->o.classes + k];
            class_name(name, sizeof name, names, k);
            bool quoted = strpbrk(s->key[i], ",\"\n\r") != NULL;
            if (quoted) lb_buf_format(out, "\"");
            for (const char *p = s->key[i]; *p; p++) lb_buf_add(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
            lb_buf_format(out, "%s,%s,%lld,%lld,%lld", quoted ? "\"" : "", name, (long long)c->tp, (long long)c->fp, (long long)c->fn);
            double v[4] = {lb_dice(c), lb_iou(c), c->nsd, c->hd};
            for (int j = 0; j < 4; j++) {
                if (isnan(v[j])) lb_buf_format(out, ",");
                else lb_buf_format(out, isinf(v[j]) ? ",inf" : ",%.9g", v[j]);
            }
            lb_buf_format(out, "\n");
        }
    return lb_buf_status(out);
}

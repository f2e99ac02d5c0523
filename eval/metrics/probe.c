/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probe: multinomial logistic regression on frozen features, minimising
 *     C sum_i -log softmax(W x_i + b)[y_i] + ||W||^2 / 2
 * to convergence (scikit-learn's LogisticRegression; the penalty leaves b alone). C may be a list, of which the best on `validation` rows,
 * or on a held-out fifth of the training rows, is taken: CLIP's protocol (Radford et al., arXiv:2103.00020, A.3). */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "eval/lbfgs.h"
#include "eval/rows.h"

typedef struct options {
    double c, tolerance;
    int64_t steps, bootstrap, seed;
    bool search, normalise;
} options;

static const lb_param params[] = {
    LB_PARAM(options, c, 1, LB_ABOVE_0, 1e12, "1", "inverse strength of the penalty"),
    LB_PARAM_FLAG(options, search, false, "choose c among 1e-6 .. 1e6 on a held-out fifth of the training rows"),
    LB_PARAM_FLAG(options, normalise, false, "rows to length 1 first"),
    LB_PARAM(options, tolerance, 1e-4, 0, 1, "1", "ends when no gradient of the mean is larger"),
    LB_PARAM(options, steps, 1000, 1, 10000000, "steps", "at most"),
    LB_PARAM(options, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "seed of the split and of the resamples"),
    LB_PARAM_END};

/* The mean over rows, with the penalty divided alike: x = [W (K,D), b (K)]. */
typedef struct fit {
    const float *x;       /* [n,D] */
    const int64_t *label;
    int64_t n, width, classes;
    double penalty;       /* 1 / (C n) */
    double *rows, *p;     /* [n,D] as doubles, [n,K] */
} fit;

static double loss(void *ctx, const double *x, double *grad) {
    fit *f = ctx;
    int n = (int)f->n, d = (int)f->width, k = (int)f->classes;
    const double *bias = x + f->classes * f->width;
    double *bias_grad = grad + f->classes * f->width, sum = 0;
    for (int64_t i = 0; i < f->n; i++) memcpy(f->p + i * f->classes, bias, (size_t)f->classes * sizeof *bias);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, k, d, 1, f->rows, d, x, d, 1, f->p, k);
    memset(bias_grad, 0, (size_t)f->classes * sizeof *bias_grad);
    for (int64_t i = 0; i < f->n; i++) {
        double *p = f->p + i * f->classes, top = p[0], total = 0;
        for (int64_t c = 1; c < f->classes; c++) top = fmax(top, p[c]);
        double wanted = p[f->label[i]] - top;
        for (int64_t c = 0; c < f->classes; c++) total += p[c] = exp(p[c] - top);
        sum += log(total) - wanted;
        for (int64_t c = 0; c < f->classes; c++) {
            p[c] = (p[c] / total - (c == f->label[i])) / (double)f->n;
            bias_grad[c] += p[c];
        }
    }
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, d, n, 1, f->p, k, f->rows, d, 0, grad, d);
    double square = 0;
    for (int64_t i = 0; i < f->classes * f->width; i++) {
        square += x[i] * x[i];
        grad[i] += f->penalty * x[i];
    }
    return sum / (double)f->n + 0.5 * f->penalty * square;
}

static void as_doubles(double *to, const lb_rows *r, const int64_t *pick, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < r->width; k++) to[i * r->width + k] = r->x[(pick ? pick[i] : i) * r->width + k];
}

/* Fits to the picked rows (NULL: all) from w on. */
static lb_status fit_rows(double *w, const options *o, double c, const lb_rows *r, const int64_t *pick, int64_t n, int64_t classes, bool *done, int64_t *taken) {
    lb_status st = LB_OK;
    int64_t *label = lb_alloc((size_t)n, sizeof *label);
    fit f = {.label = label, .n = n, .width = r->width, .classes = classes, .penalty = 1 / (c * (double)n),
             .rows = lb_alloc((size_t)(n * r->width), sizeof(double)), .p = lb_alloc((size_t)(n * classes), sizeof(double))};
    if (!label || !f.rows || !f.p) {
        st = LB_E_NOMEM;
        goto done;
    }
    as_doubles(f.rows, r, pick, n);
    for (int64_t i = 0; i < n; i++) label[i] = r->label[pick ? pick[i] : i];
    st = lb_lbfgs(w, classes * (r->width + 1), loss, &f, o->tolerance, o->steps, done, taken);
done:
    lb_free(label);
    lb_free(f.rows);
    lb_free(f.p);
    return st;
}

/* 100 where the label's class comes first (hit) and among five (hit5, may be NULL). */
static void judge(double *hit, double *hit5, const double *w, const lb_rows *r, const int64_t *pick, int64_t n, int64_t classes, double *z) {
    const double *bias = w + classes * r->width;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = pick ? pick[i] : i, want = r->label[row], before = 0;
        for (int64_t c = 0; c < classes; c++) {
            z[c] = bias[c];
            for (int64_t k = 0; k < r->width; k++) z[c] += w[c * r->width + k] * r->x[row * r->width + k];
        }
        for (int64_t c = 0; c < classes; c++) before += z[c] > z[want] || (z[c] == z[want] && c < want);
        hit[i] = before == 0 ? 100 : 0;
        if (hit5) hit5[i] = before < 5 ? 100 : 0;
    }
}

/* The best of 10^-6 .. 10^6 in half decades on a held-out fifth: a rising walk, each start from the fit before. */
static lb_status choose(double *best, const options *o, const lb_rows *train, int64_t classes, double *w, double *z) {
    lb_status st = LB_OK;
    int64_t held = train->n / 5, n = train->n - held, taken;
    bool done;
    double *hit = lb_alloc((size_t)held + 1, sizeof *hit), top = -1;
    int64_t *order = lb_alloc((size_t)train->n, sizeof *order);
    if (!hit || !order) {
        st = LB_E_NOMEM;
        goto done;
    }
    if (held == 0) {
        st = lb_fail(LB_E_ARG, "probe: %lld training rows are too few to choose c by", (long long)train->n);
        goto done;
    }
    lb_rng r = lb_rng_make((uint64_t)o->seed, 0);
    for (int64_t i = 0; i < train->n; i++) order[i] = i;
    for (int64_t i = train->n - 1; i > 0; i--) {
        int64_t k = lb_rng_below(&r, i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    memset(w, 0, (size_t)(classes * (train->width + 1)) * sizeof *w);
    for (int step = -12; step <= 12; step++) {
        double c = pow(10, 0.5 * step), right = 0;
        LB_TRY(fit_rows(w, o, c, train, order + held, n, classes, &done, &taken));
        judge(hit, NULL, w, train, order, held, classes, z);
        for (int64_t i = 0; i < held; i++) right += hit[i];
        if (right > top) {
            top = right;
            *best = c;
        }
    }
done:
    lb_free(hit);
    lb_free(order);
    return st;
}

static lb_status score(lb_value *out, const void *cfg, int nin, const lb_metric_input *in) {
    const options *o = cfg;
    lb_status st = LB_OK;
    lb_rows train = {0}, test = {0};
    double *w = NULL, *hit = NULL, c = o->c;
    int64_t taken = 0;
    bool converged = false;
    LB_TRY(lb_rows_pair(&train, &test, "probe", nin, in));
    int64_t classes = lb_rows_classes(&train, &test);
    if (o->normalise) {
        lb_rows_normalise(&train);
        lb_rows_normalise(&test);
    }
    w = lb_calloc((size_t)(classes * (train.width + 2)), sizeof *w); /* the last K: scores of a row */
    hit = lb_alloc((size_t)test.n * 2, sizeof *hit);
    if (!w || !hit) {
        st = LB_E_NOMEM;
        goto done;
    }
    double *z = w + classes * (train.width + 1);
    if (o->search) {
        LB_TRY(choose(&c, o, &train, classes, w, z));
        memset(w, 0, (size_t)(classes * (train.width + 1)) * sizeof *w);
    }
    LB_TRY(fit_rows(w, o, c, &train, NULL, train.n, classes, &converged, &taken));
    judge(hit, hit + test.n, w, &test, NULL, test.n, classes, z);
    lb_put_mean(out, "top1", hit, test.n, o->bootstrap, (uint64_t)o->seed);
    if (classes > 5) lb_put_mean(out, "top5", hit + test.n, test.n, o->bootstrap, (uint64_t)o->seed);
    lb_map_real(out, "c", c);
    lb_map_int(out, "steps", taken);
    lb_map_bool(out, "converged", converged);
    lb_map_int(out, "train", train.n);
    lb_map_int(out, "items", test.n);
    lb_map_int(out, "classes", classes);
done:
    lb_free(w);
    lb_free(hit);
    lb_rows_free(&train);
    lb_rows_free(&test);
    return st;
}

LB_METRIC(probe) = {.id = "probe", .title = "Linear probe of frozen features", .source = "Radford et al., arXiv:2103.00020, A.3; scikit-learn LogisticRegression", .params = params,
                    .params_size = sizeof(options), .sig = "train[M,D] train_label[M]:i64 test[N,D] test_label[N]:i64", .score = score};

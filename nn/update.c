/* SPDX-License-Identifier: Apache-2.0 */
/* Update rules, one function each; g is the gradient after scaling and clipping, x the parameter, t its own step number.
 * sgd, adam, adamw, rmsprop, adagrad: as torch.optim. lamb: You et al., arXiv:1904.00962, algorithm 2. lion: Chen et al., arXiv:2302.06675, algorithm 2.
 * adafactor: Shazeer and Stern, arXiv:1804.04235, algorithms 4 and 5, as transformers.Adafactor without relative steps. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "nn/optim_private.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/loops.h"

#ifdef LB_DOUBLE
#define ROOT sqrt
#else
#define ROOT sqrtf
#endif

lb_status lbi_state(lb_real **out, const lbi_update *u, const char *kind, int rank, const int64_t *shape, bool *fresh) {
    char name[320];
    lb_param_tensor *s = NULL;
    snprintf(name, sizeof name, "%s.%s", kind, u->p->name);
    if (fresh) *fresh = lb_store_find(u->state, name) == NULL;
    lb_status st = lb_store_add(&s, u->state, name, rank, shape, LB_INIT_ZEROS, 0);
    if (st == LB_OK) *out = s->x->data;
    return st;
}

/* State of the parameter's shape. */
static lb_status like(lb_real **out, const lbi_update *u, const char *kind, bool *fresh) { return lbi_state(out, u, kind, u->p->x->rank, u->p->x->shape, fresh); }

/* Steps a parameter has taken: its own, since parameters may be frozen or added between steps. */
static lb_status count_step(double *out, const lbi_update *u) {
    lb_real *t = NULL;
    lb_status st = lbi_state(&t, u, "step", 0, NULL, NULL);
    if (st == LB_OK) *out = (double)(*t += 1);
    return st;
}

/* Value and gradient of a parameter, as the loops read them. */
typedef struct view {
    lb_real *x;
    const lb_real *g;
    int64_t n;
    lb_real scale, most; /* most: clip_value, or infinity */
} view;

static view view_of(const lbi_update *u) {
    view v = {u->p->x->data, u->p->x->grad->data, lb_numel(u->p->x), (lb_real)u->scale, (lb_real)(u->clip_value > 0 ? u->clip_value : (double)INFINITY)};
    return v;
}

static inline lb_real gradient(const view *v, int64_t i) {
    lb_real g = v->g[i] * v->scale;
    g = g > v->most ? v->most : g;
    return g < -v->most ? -v->most : g;
}

static double square_sum(const lb_real *x, int64_t n) {
    double sum = 0;
#pragma omp parallel for simd reduction(+ : sum) if (n > 65536)
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

/* ---- rules ---- */

static lb_status sgd(const lbi_update *u) {
    lb_status st = LB_OK;
    lb_real *m = NULL, mu = (lb_real)u->c->momentum, lr = (lb_real)u->lr, add = (lb_real)u->decay;
    view v = view_of(u);
    bool first = false, ahead = u->c->nesterov;
    if (u->c->momentum > 0) LB_TRY(like(&m, u, "momentum", &first));
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) {
        lb_real g = gradient(&v, i) + add * v.x[i];
        if (m) {
            m[i] = first ? g : mu * m[i] + g;
            g = ahead ? g + mu * m[i] : m[i];
        }
        v.x[i] -= lr * g;
    }
done:
    return st;
}

/* adam adds the decay to the gradient, adamw shrinks x. */
typedef struct adam_job {
    const view *v;
    lb_real *m, *s, b1, b2, keep, add, rate, root, eps;
} adam_job;

LBI_LEVELS static void adam_range(const void *ctx, int64_t first, int64_t last) {
    const adam_job j = *(const adam_job *)ctx;
    const view v = *j.v;
    lb_real *restrict m = j.m, *restrict s = j.s, *restrict x = v.x;
    for (int64_t from = first, to; from < last; from = to) {
        to = lbi_step_end(from, last);
        lbi_fetch(v.g + to, LBI_AHEAD);
        lbi_fetch(m + to, LBI_AHEAD);
        lbi_fetch(s + to, LBI_AHEAD);
        lbi_fetch(x + to, LBI_AHEAD);
        for (int64_t i = from; i < to; i++) {
            lb_real g = gradient(&v, i) + j.add * x[i], mean = j.b1 * m[i] + (1 - j.b1) * g, square = j.b2 * s[i] + (1 - j.b2) * g * g;
            m[i] = mean;
            s[i] = square;
            x[i] = x[i] * j.keep - j.rate * mean / (ROOT(square) * j.root + j.eps);
        }
    }
}

static lb_status adam_with(const lbi_update *u, bool decoupled) {
    lb_status st = LB_OK;
    lb_real *m = NULL, *s = NULL;
    double steps = 0;
    LB_TRY(count_step(&steps, u));
    LB_TRY(like(&m, u, "exp_avg", NULL));
    LB_TRY(like(&s, u, "exp_avg_sq", NULL));
    const lb_optim_config *c = u->c;
    view v = view_of(u);
    adam_job j = {&v, m, s, (lb_real)c->beta1, (lb_real)c->beta2, decoupled ? (lb_real)(1 - u->lr * u->decay) : 1, decoupled ? 0 : (lb_real)u->decay, .eps = (lb_real)c->eps};
    j.rate = (lb_real)(u->lr / (1 - pow(c->beta1, steps)));
    j.root = (lb_real)(1 / sqrt(1 - pow(c->beta2, steps)));
    lbi_split(v.n, 4, adam_range, &j);
done:
    return st;
}

static lb_status adam(const lbi_update *u) { return adam_with(u, false); }
static lb_status adamw(const lbi_update *u) { return adam_with(u, true); }

/* Adam's direction and decay, as long as the parameter times lr (its length alone when either is 0). */
static lb_status lamb(const lbi_update *u) {
    lb_status st = LB_OK;
    lb_real *m = NULL, *s = NULL, *r = NULL;
    double steps = 0;
    view v = view_of(u);
    LB_TRY(count_step(&steps, u));
    LB_TRY(like(&m, u, "exp_avg", NULL));
    LB_TRY(like(&s, u, "exp_avg_sq", NULL));
    r = lb_alloc((size_t)v.n + 1, sizeof *r);
    if (!r) LB_TRY(LB_E_NOMEM);
    const lb_optim_config *c = u->c;
    lb_real b1 = (lb_real)c->beta1, b2 = (lb_real)c->beta2, decay = (lb_real)u->decay, eps = (lb_real)c->eps;
    lb_real first = (lb_real)(1 / (1 - pow(c->beta1, steps))), root = (lb_real)(1 / sqrt(1 - pow(c->beta2, steps)));
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) {
        lb_real g = gradient(&v, i);
        m[i] = b1 * m[i] + (1 - b1) * g;
        s[i] = b2 * s[i] + (1 - b2) * g * g;
        r[i] = first * m[i] / (ROOT(s[i]) * root + eps) + decay * v.x[i];
    }
    double x = sqrt(square_sum(v.x, v.n)), d = sqrt(square_sum(r, v.n));
    lb_real rate = (lb_real)(u->lr * (x > 0 && d > 0 ? x / d : 1));
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) v.x[i] -= rate * r[i];
done:
    lb_free(r);
    return st;
}

/* The sign of a mixture of momentum and gradient; the momentum follows with another mixture. */
static lb_status lion(const lbi_update *u) {
    lb_status st = LB_OK;
    lb_real *m = NULL;
    LB_TRY(like(&m, u, "exp_avg", NULL));
    view v = view_of(u);
    lb_real b1 = (lb_real)u->c->beta1, b2 = (lb_real)u->c->beta2, keep = (lb_real)(1 - u->lr * u->decay), lr = (lb_real)u->lr;
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) {
        lb_real g = gradient(&v, i), way = b1 * m[i] + (1 - b1) * g;
        v.x[i] = v.x[i] * keep - (way > 0 ? lr : way < 0 ? -lr : 0);
        m[i] = b2 * m[i] + (1 - b2) * g;
    }
done:
    return st;
}

static lb_status rmsprop(const lbi_update *u) {
    lb_status st = LB_OK;
    lb_real *s = NULL, *m = NULL;
    LB_TRY(like(&s, u, "square_avg", NULL));
    if (u->c->momentum > 0) LB_TRY(like(&m, u, "momentum", NULL));
    view v = view_of(u);
    lb_real a = (lb_real)u->c->beta2, mu = (lb_real)u->c->momentum, lr = (lb_real)u->lr, add = (lb_real)u->decay, eps = (lb_real)u->c->eps;
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) {
        lb_real g = gradient(&v, i) + add * v.x[i];
        s[i] = a * s[i] + (1 - a) * g * g;
        g = g / (ROOT(s[i]) + eps);
        if (m) g = m[i] = mu * m[i] + g;
        v.x[i] -= lr * g;
    }
done:
    return st;
}

static lb_status adagrad(const lbi_update *u) {
    lb_status st = LB_OK;
    lb_real *s = NULL;
    LB_TRY(like(&s, u, "sum", NULL));
    view v = view_of(u);
    lb_real lr = (lb_real)u->lr, add = (lb_real)u->decay, eps = (lb_real)u->c->eps;
#pragma omp parallel for simd if (v.n > 65536)
    for (int64_t i = 0; i < v.n; i++) {
        lb_real g = gradient(&v, i) + add * v.x[i];
        s[i] += g * g;
        v.x[i] -= lr * g / (ROOT(s[i]) + eps);
    }
done:
    return st;
}

/* ---- adafactor ---- */

enum { TINY = -30 }; /* power of ten added to squares, so that none is 0 */

/* g / root of the second moment, which is kept as means of rows and of columns of the last two axes. */
static lb_status factored(const lbi_update *u, const view *v, double keep, lb_real *to) {
    lb_status st = LB_OK;
    const lb_tensor *x = u->p->x;
    int64_t shape[LB_MAX_RANK], columns = x->shape[x->rank - 1], rows = x->shape[x->rank - 2], planes = v->n > 0 ? v->n / (rows * columns) : 0;
    lb_real *r = NULL, *c = NULL;
    double *sum = lb_alloc((size_t)columns + 1, sizeof *sum), tiny = pow(10, TINY);
    if (!sum) LB_TRY(LB_E_NOMEM);
    memcpy(shape, x->shape, sizeof shape);
    LB_TRY(lbi_state(&r, u, "row", x->rank - 1, shape, NULL));
    shape[x->rank - 2] = columns;
    LB_TRY(lbi_state(&c, u, "column", x->rank - 1, shape, NULL));
    for (int64_t p = 0; p < planes; p++) {
        double all = 0;
        memset(sum, 0, (size_t)columns * sizeof *sum);
        for (int64_t i = 0; i < rows; i++) {
            double row = 0;
            for (int64_t j = 0; j < columns; j++) {
                double g = (double)gradient(v, (p * rows + i) * columns + j), square = g * g + tiny;
                row += square;
                sum[j] += square;
            }
            lb_real *mean = &r[p * rows + i];
            *mean = (lb_real)(keep * (double)*mean + (1 - keep) * row / (double)columns);
            all += (double)*mean;
        }
        for (int64_t j = 0; j < columns; j++) c[p * columns + j] = (lb_real)(keep * (double)c[p * columns + j] + (1 - keep) * sum[j] / (double)rows);
        for (int64_t i = 0; i < rows; i++) {
            double by = 1 / sqrt((double)r[p * rows + i] / (all / (double)rows));
            for (int64_t j = 0; j < columns; j++) {
                int64_t at = (p * rows + i) * columns + j;
                to[at] = (lb_real)(by / sqrt((double)c[p * columns + j]) * (double)gradient(v, at));
            }
        }
    }
done:
    lb_free(sum);
    return st;
}

static lb_status unfactored(const lbi_update *u, const view *v, double keep, lb_real *to) {
    lb_status st = LB_OK;
    lb_real *s = NULL;
    double tiny = pow(10, TINY);
    LB_TRY(like(&s, u, "exp_avg_sq", NULL));
    for (int64_t i = 0; i < v->n; i++) {
        double g = (double)gradient(v, i);
        s[i] = (lb_real)(keep * (double)s[i] + (1 - keep) * (g * g + tiny));
        to[i] = (lb_real)(g / sqrt((double)s[i]));
    }
done:
    return st;
}

static lb_status adafactor(const lbi_update *u) {
    lb_status st = LB_OK;
    view v = view_of(u);
    double steps = 0;
    lb_real *to = lb_alloc((size_t)v.n + 1, sizeof *to), *m = NULL;
    if (!to) LB_TRY(LB_E_NOMEM);
    LB_TRY(count_step(&steps, u));
    double keep = 1 - pow(steps, -0.8), n = (double)(v.n > 0 ? v.n : 1), size = sqrt(square_sum(v.x, v.n) / n);
    double lr = u->c->scale_parameter ? u->lr * fmax(1e-3, size) : u->lr;
    LB_TRY(u->p->x->rank >= 2 ? factored(u, &v, keep, to) : unfactored(u, &v, keep, to));
    if (u->c->beta1 > 0) LB_TRY(like(&m, u, "exp_avg", NULL));
    double by = lr / fmax(1, sqrt(square_sum(to, v.n) / n));
    for (int64_t i = 0; i < v.n; i++) {
        double d = by * (double)to[i];
        if (m) d = (double)(m[i] = (lb_real)(u->c->beta1 * (double)m[i] + (1 - u->c->beta1) * d));
        v.x[i] = (lb_real)((double)v.x[i] * (1 - u->decay * lr) - d);
    }
done:
    lb_free(to);
    return st;
}

static const lbi_rule all[] = {
    {"adafactor", true, adafactor}, {"adagrad", false, adagrad}, {"adam", false, adam}, {"adamw", true, adamw},
    {"lamb", true, lamb}, {"lion", true, lion}, {"rmsprop", false, rmsprop}, {"sgd", false, sgd},
};

const lbi_rule *lbi_rule_find(const char *name) {
    for (size_t i = 0; name && i < LB_COUNT(all); i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}

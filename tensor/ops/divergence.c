/* SPDX-License-Identifier: Apache-2.0 */
/* Divergences of a student's distribution q = softmax(s / T) from a teacher's p = softmax(z / T), both given by logits; one pass forward, one
 * back, no distribution kept in memory. A row is sum_k f(p_k, q_k):
 *   forward KL        p (log p - log q)
 *   reverse KL        q (log q - log p)
 *   Jensen-Shannon    b p (log p - log m) + (1 - b) q (log q - log m),  m = b p + (1 - b) q;  0 at b = 0 and 1
 *   total variation   |p - q| / 2, slope 0 where equal
 *   skew forward      p (log p - log m),  m = b p + (1 - b) q
 *   skew reverse      q (log q - log m),  m = (1 - b) p + b q
 *   cross entropy     -p log q, and -p log m as in skew forward: the divergences without p log p
 * Rows may have weights w (constant): the mean is sum w row / sum w, 0 without any; a row of weight 0 may hold anything, NaN too.
 * A class whose logit is -inf on either side contributes 0 (f = 0); the softmaxes run over all classes.
 * ds_j = g / T (q_j f_q(j) - q_j sum_k q_k f_q(k)), dz_j = g / T (p_j f_p(j) - p_j sum_k p_k f_p(k)). Not multiplied by T^2. */
#include <math.h>
#include <string.h>
#include "tensor/classes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

typedef struct options {
    lb_divergence_kind kind;
    double temperature, share;
    int axis;
    lb_reduction reduction;
} options;

static bool shape(lb_call *c) {
    options o = *(const options *)c->params;
    if (!lbi_class_shape(c, c->in[0], &o.axis, c->out[1])) return false;
    if (!lb_same_shape(c->in[0], c->in[1])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the shapes of student and teacher differ");
        return false;
    }
    if (c->in[2] && !lb_same_shape(c->in[2], c->out[1])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "weights are wanted in the shape of the student without axis %d", o.axis);
        return false;
    }
    c->out[2]->dtype = c->out[3]->dtype = LB_REAL;
    c->out[2]->rank = c->out[1]->rank;
    for (int d = 0; d < c->out[1]->rank; d++) c->out[2]->shape[d] = c->out[1]->shape[d];
    c->out[3]->rank = 1; /* rows of dots, then of what the logarithms leave */
    c->out[3]->shape[0] = 3 * lb_numel(c->out[1]);
    lbi_class_loss_shape(c->out[0], c->out[1], o.reduction);
    return true;
}

/* One class: f, q f_q, p f_p. */
typedef struct term {
    lb_real f, q, p;
} term;

/* What makes one kind: constant where it is inlined. */
typedef struct rule {
    lb_divergence_kind kind;
    lb_real share;
} rule;

/* Logarithm of a sum of exponentials in two parts: one number would lose, at logits of 10^4, what the probabilities depend on. */
typedef struct logsum {
    lb_real most, rest;
} logsum;

static logsum parts_of(double x) { return (logsum){(lb_real)x, (lb_real)(x - (double)(lb_real)x)}; }
static inline lb_real less(lb_real x, logsum l) { return (x - l.most) - l.rest; }

__attribute__((always_inline)) static inline term term_of(rule r, lb_real s, lb_real z, logsum logsum_s, logsum logsum_z) {
    const lb_real least = sizeof(lb_real) == 4 ? (lb_real)1.2e-38 : (lb_real)2.3e-308; /* keeps logarithms finite where both have vanished */
    lb_real lq = less(s, logsum_s), lp = less(z, logsum_z), q = lbi_exp(lq), p = lbi_exp(lp), b = r.share, m, lm;
    bool dead = s == -INFINITY || z == -INFINITY || (r.kind == LB_JENSEN_SHANNON && (b == 0 || b == 1));
    lp = dead ? 0 : lp;
    lq = dead ? 0 : lq;
    term t = {0, 0, 0};
    switch (r.kind) {
    case LB_KL_FORWARD: t = (term){p * (lp - lq), -p, p * (lp - lq + 1)}; break;
    case LB_KL_REVERSE: t = (term){q * (lq - lp), q * (lq - lp + 1), -q}; break;
    case LB_JENSEN_SHANNON:
        m = b * p + (1 - b) * q;
        lm = lbi_log(m < least ? least : m);
        t.p = b * p * (lp - lm);
        t.q = (1 - b) * q * (lq - lm);
        t.f = t.p + t.q;
        break;
    case LB_TOTAL_VARIATION: t = (term){p > q ? (p - q) / 2 : (q - p) / 2, q > p ? q / 2 : q < p ? -q / 2 : 0, p > q ? p / 2 : p < q ? -p / 2 : 0}; break;
    case LB_SKEW_FORWARD:
        m = b * p + (1 - b) * q;
        m = m < least ? least : m;
        t.f = p * (lp - lbi_log(m));
        t.q = -(1 - b) * p * (q / m);
        t.p = t.f + p - b * p * (p / m);
        break;
    case LB_SKEW_REVERSE:
        m = (1 - b) * p + b * q;
        m = m < least ? least : m;
        t.f = q * (lq - lbi_log(m));
        t.p = -(1 - b) * q * (p / m);
        t.q = t.f + q - b * q * (q / m);
        break;
    case LB_SOFT_CROSS: t = (term){-p * lq, -p, -p * lq}; break;
    case LB_SKEW_CROSS:
        m = b * p + (1 - b) * q;
        m = m < least ? least : m;
        t.f = -p * lbi_log(m);
        t.q = -(1 - b) * p * (q / m);
        t.p = t.f - b * p * (p / m);
        break;
    }
    t.f = dead ? 0 : t.f;
    t.q = dead ? 0 : t.q;
    t.p = dead ? 0 : t.p;
    return t;
}

/* ---- one row ---- */

typedef struct row {
    const lb_real *s, *z;
    int64_t k;
    lb_real by;
    logsum logsum_s, logsum_z;
} row;

__attribute__((always_inline)) static inline double sum_kind(rule r, const row *w, double *dot_q) {
    double f = 0, q = 0;
    lb_real by = w->by;
    logsum ls = w->logsum_s, lz = w->logsum_z;
    const lb_real *s = w->s, *z = w->z;
#pragma omp simd reduction(+ : f, q)
    for (int64_t i = 0; i < w->k; i++) {
        term t = term_of(r, by * s[i], by * z[i], ls, lz);
        f += (double)t.f;
        q += (double)t.q;
    }
    *dot_q = q;
    return f;
}

__attribute__((always_inline)) static inline double dot_teacher(rule r, const row *w) {
    double p = 0;
    lb_real by = w->by;
    logsum ls = w->logsum_s, lz = w->logsum_z;
    const lb_real *s = w->s, *z = w->z;
#pragma omp simd reduction(+ : p)
    for (int64_t i = 0; i < w->k; i++) p += (double)term_of(r, by * s[i], by * z[i], ls, lz).p;
    return p;
}

__attribute__((always_inline)) static inline void back_kind(rule r, const row *w, lb_real *restrict gs, lb_real *restrict gz, lb_real g, lb_real dot_q) {
    lb_real by = w->by;
    logsum ls = w->logsum_s, lz = w->logsum_z;
    const lb_real *s = w->s, *z = w->z;
    if (gs)
        for (int64_t i = 0; i < w->k; i++) gs[i] = g * (term_of(r, by * s[i], by * z[i], ls, lz).q - dot_q * lbi_exp(less(by * s[i], ls)));
    if (!gz) return;
    lb_real dot_p = (lb_real)dot_teacher(r, w);
    for (int64_t i = 0; i < w->k; i++) gz[i] = g * (term_of(r, by * s[i], by * z[i], ls, lz).p - dot_p * lbi_exp(less(by * z[i], lz)));
}

LBI_LEVELS static double sum_row(rule r, const row *w, double *dot_q) {
    switch (r.kind) {
    case LB_KL_FORWARD: break; /* forward_row */
    case LB_KL_REVERSE: return sum_kind((rule){LB_KL_REVERSE, 0}, w, dot_q);
    case LB_JENSEN_SHANNON: return sum_kind((rule){LB_JENSEN_SHANNON, r.share}, w, dot_q);
    case LB_TOTAL_VARIATION: return sum_kind((rule){LB_TOTAL_VARIATION, 0}, w, dot_q);
    case LB_SKEW_FORWARD: return sum_kind((rule){LB_SKEW_FORWARD, r.share}, w, dot_q);
    case LB_SKEW_REVERSE: return sum_kind((rule){LB_SKEW_REVERSE, r.share}, w, dot_q);
    case LB_SOFT_CROSS: return sum_kind((rule){LB_SOFT_CROSS, 0}, w, dot_q);
    case LB_SKEW_CROSS: return sum_kind((rule){LB_SKEW_CROSS, r.share}, w, dot_q);
    }
    return 0;
}

LBI_LEVELS static void back_row(rule r, const row *w, lb_real *gs, lb_real *gz, lb_real g, lb_real dot_q) {
    switch (r.kind) {
    case LB_KL_FORWARD: back_kind((rule){LB_KL_FORWARD, 0}, w, gs, gz, g, dot_q); return;
    case LB_KL_REVERSE: back_kind((rule){LB_KL_REVERSE, 0}, w, gs, gz, g, dot_q); return;
    case LB_JENSEN_SHANNON: back_kind((rule){LB_JENSEN_SHANNON, r.share}, w, gs, gz, g, dot_q); return;
    case LB_TOTAL_VARIATION: back_kind((rule){LB_TOTAL_VARIATION, 0}, w, gs, gz, g, dot_q); return;
    case LB_SKEW_FORWARD: back_kind((rule){LB_SKEW_FORWARD, r.share}, w, gs, gz, g, dot_q); return;
    case LB_SKEW_REVERSE: back_kind((rule){LB_SKEW_REVERSE, r.share}, w, gs, gz, g, dot_q); return;
    case LB_SOFT_CROSS: back_kind((rule){LB_SOFT_CROSS, 0}, w, gs, gz, g, dot_q); return;
    case LB_SKEW_CROSS: back_kind((rule){LB_SKEW_CROSS, r.share}, w, gs, gz, g, dot_q); return;
    }
}

/* Forward KL in one pass after the maxima, which notes the sums of exponentials too: with e_k = exp(z_k - top),
 * sum p (log p - log q) = sum e (z - s) / sum e + (sum over live e / sum e) (logsum s - logsum z). */
LBI_LEVELS static double forward_row(row *w, double *dot_q) {
    const lb_real *s = w->s, *z = w->z;
    lb_real by = w->by, top_s = -INFINITY, top_z = -INFINITY;
    double sum_s = 0, sum_z = 0, live = 0, gap = 0;
#pragma omp simd reduction(max : top_s, top_z)
    for (int64_t i = 0; i < w->k; i++) {
        top_s = by * s[i] > top_s ? by * s[i] : top_s;
        top_z = by * z[i] > top_z ? by * z[i] : top_z;
    }
#pragma omp simd reduction(+ : sum_s, sum_z, live, gap)
    for (int64_t i = 0; i < w->k; i++) {
        lb_real a = by * s[i], b = by * z[i], e = lbi_exp(b - top_z);
        bool dead = a == -INFINITY || b == -INFINITY;
        lb_real kept = dead ? 0 : e, d = dead ? 0 : b - a;
        sum_s += (double)lbi_exp(a - top_s);
        sum_z += (double)e;
        live += (double)kept;
        gap += (double)(kept * d);
    }
    double logsum_s = (double)top_s + log(sum_s), logsum_z = (double)top_z + log(sum_z);
    w->logsum_s = parts_of(logsum_s);
    w->logsum_z = parts_of(logsum_z);
    *dot_q = -live / sum_z;
    return gap / sum_z + live / sum_z * (logsum_s - logsum_z);
}

/* ---- all rows ---- */

typedef struct job {
    const options *o;
    lbi_axes r;
    rule rule;
    lb_real *logsum_s, *logsum_z, *dot, *rest_s, *rest_z;
    const lb_real *weight; /* NULL = 1 */
    double *loss;
    const lb_tensor *g;
    double factor;
} job;

static double weight_of(const job *j, int64_t number) { return j->weight ? (double)j->weight[number] : 1; }

static job job_of(const lb_call *c) {
    const options *o = c->params;
    job j = {.o = o, .r = lbi_axes_of(c->in[0], o->axis < 0 ? o->axis + c->in[0]->rank : o->axis), .rule = {o->kind, (lb_real)o->share}, .factor = lbi_class_factor(c->out[1], o->reduction)};
    j.logsum_s = lb_r(c->out[1]);
    j.logsum_z = lb_r(c->out[2]);
    j.dot = lb_r(c->out[3]);
    j.rest_s = j.dot + lb_numel(c->out[1]);
    j.rest_z = j.rest_s + lb_numel(c->out[1]);
    j.weight = c->in[2] ? lb_r(c->in[2]) : NULL;
    if (!j.weight || o->reduction != LB_MEAN) return j;
    double sum = lbi_sum_row(j.weight, lb_numel(c->in[2]), 1);
    j.factor = sum != 0 ? 1 / sum : 0;
    return j;
}

static void value(const void *ctx, int64_t number, const lb_real *const *x, lb_real *const *y) {
    const job *j = ctx;
    row w = {x[0], x[1], j->r.n, (lb_real)(1 / j->o->temperature), {0, 0}, {0, 0}};
    double dot, weight = weight_of(j, number);
    j->loss[number] = 0;
    if (weight == 0) return;
    if (j->rule.kind == LB_KL_FORWARD) {
        j->loss[number] = weight * forward_row(&w, &dot);
    } else {
        w.logsum_s = parts_of(lbi_logsum_row(w.s, w.k, w.by));
        w.logsum_z = parts_of(lbi_logsum_row(w.z, w.k, w.by));
        j->loss[number] = weight * sum_row(j->rule, &w, &dot);
    }
    j->logsum_s[number] = w.logsum_s.most;
    j->logsum_z[number] = w.logsum_z.most;
    j->rest_s[number] = w.logsum_s.rest;
    j->rest_z[number] = w.logsum_z.rest;
    j->dot[number] = (lb_real)dot;
}

static void forward(lb_call *c) {
    job j = job_of(c);
    int64_t n = lb_numel(c->out[1]);
    j.loss = lb_scratch(c, (size_t)(n + 1) * sizeof *j.loss);
    if (!j.loss) return;
    lbi_class_rows(c, &(lbi_class_walk){.r = j.r, .x = {c->in[0], c->in[1]}, .run = value, .ctx = &j});
    lbi_class_finish(c->out[0], j.loss, n, j.o->reduction, j.factor);
}

static void slope(const void *ctx, int64_t number, const lb_real *const *x, lb_real *const *y) {
    const job *j = ctx;
    row w = {x[0], x[1], j->r.n, (lb_real)(1 / j->o->temperature), {j->logsum_s[number], j->rest_s[number]}, {j->logsum_z[number], j->rest_z[number]}};
    double weight = weight_of(j, number), g = weight * j->factor / j->o->temperature * lbi_class_gradient(j->g, number);
    for (int i = 0; weight == 0 && i < 2; i++)
        if (y[i]) memset(y[i], 0, (size_t)w.k * sizeof(lb_real));
    if (weight == 0) return;
    back_row(j->rule, &w, y[0], y[1], (lb_real)g, j->dot[number]);
}

static void backward(lb_call *c) {
    job j = job_of(c);
    if (!c->gout[0]) return;
    j.g = c->gout[0];
    lbi_class_rows(c, &(lbi_class_walk){.r = j.r, .x = {c->in[0], c->in[1]}, .y = {c->gin[0], c->gin[1]}, .fresh = {c->fresh[0], c->fresh[1]}, .run = slope, .ctx = &j});
}

static void drop_some(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[2]; i++) ((lb_real *)data[2])[i] = i % 3 == 1 ? 0 : (lb_real)(0.5 + fabs((double)((lb_real *)data[2])[i]));
}

static const options kl = {LB_KL_FORWARD, 4, 0, -1, LB_MEAN}, reverse = {LB_KL_REVERSE, 2, 0, 1, LB_NONE}, js = {LB_JENSEN_SHANNON, 1, 0.3, -1, LB_SUM},
                     cross = {LB_SOFT_CROSS, 2, 0, -1, LB_MEAN}, skew_cross = {LB_SKEW_CROSS, 1, 0.4, -1, LB_MEAN},
                     sum_planes = {LB_KL_REVERSE, 1, 0, 1, LB_SUM}, tv = {LB_TOTAL_VARIATION, 1, 0, -1, LB_BATCH_MEAN},
                     skew = {LB_SKEW_FORWARD, 1, 0.1, -1, LB_MEAN}, skewed = {LB_SKEW_REVERSE, 0.5, 0.2, 0, LB_MEAN};
static const lb_op_case cases[] = {
    {.name = "forward", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &kl},
    {.name = "reverse, planes, each", .rank = {3, 3, -1}, .shape = {{2, 3, 5}, {2, 3, 5}}, .params = &reverse},
    {.name = "js", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &js},
    {.name = "variation", .rank = {3, 3, -1}, .shape = {{2, 3, 4}, {2, 3, 4}}, .params = &tv},
    {.name = "skew forward", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &skew},
    {.name = "skew reverse, first axis", .rank = {2, 2, -1}, .shape = {{5, 4}, {5, 4}}, .params = &skewed},
    {.name = "cross", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &cross},
    {.name = "skew cross", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &skew_cross},
    {.name = "no rows", .rank = {2, 2, -1}, .shape = {{0, 5}, {0, 5}}, .params = &kl},
    {.name = "one row", .rank = {1, 1, -1}, .shape = {{6}, {6}}, .params = &kl},
    {.name = "weighted rows", .rank = {3, 3, 2}, .shape = {{2, 3, 4}, {2, 3, 4}, {2, 3}}, .params = &kl, .fill = drop_some},
    {.name = "weighted planes, sum", .rank = {3, 3, 2}, .shape = {{2, 4, 3}, {2, 4, 3}, {2, 3}}, .params = &sum_planes, .fill = drop_some},
    {.name = "large", .rank = {2, 2, -1}, .shape = {{67, 1003}, {67, 1003}}, .params = &kl},
};

LB_OP(divergence) = {.id = "divergence",
                     .title = "divergence of softened distributions given by logits",
                     .source = "arXiv:1503.02531, eq. (1); arXiv:2402.03898 (skew); torch.nn.functional.kl_div",
                     .sig = "student teacher weight? -> loss logsum_student logsum_teacher saved",
                     .results = 1,
                     .math = "sum f(softmax(z / T), softmax(s / T))",
                     .flags = LB_OP_SETS | LB_OP_NONSMOOTH,
                     .constant = 1u << 2,
                     .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(1) | LB_READS_OUT(2) | LB_READS_OUT(3),
                     .params_size = sizeof(options),
                     .shape = shape,
                     .forward = forward,
                     .backward = backward,
                     .cases = cases,
                     .case_count = LB_COUNT(cases)};

lb_tensor *lb_divergence(lb_tape *t, lb_tensor *student, lb_tensor *teacher, lb_tensor *weight, lb_divergence_kind kind, double temperature, double share, int axis, lb_reduction reduction) {
    if (!(temperature > 0)) return lb_tape_fail(t, LB_E_ARG, "divergence: the temperature is %g, above 0 is wanted", temperature);
    if (!(share >= 0 && share <= 1)) return lb_tape_fail(t, LB_E_ARG, "divergence: the share is %g, 0 to 1 is wanted", share);
    if (kind == LB_SKEW_FORWARD && share == 0) kind = LB_KL_FORWARD; /* the mixture is the other side: no logarithm of a sum is needed */
    if (kind == LB_SKEW_REVERSE && share == 0) kind = LB_KL_REVERSE;
    if (kind == LB_SKEW_CROSS && share == 0) kind = LB_SOFT_CROSS;
    return lb_apply(t, &lb_op_divergence, &(options){kind, temperature, share, axis, reduction}, sizeof(options), 3, (lb_tensor *[]){student, teacher, weight});
}

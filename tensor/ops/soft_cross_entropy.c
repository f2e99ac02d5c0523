/* SPDX-License-Identifier: Apache-2.0 */
/* Cross entropy of logits x against a distribution q over the classes, with class weights w (1 without) and smoothing s:
 *   row = -sum_k r_k log softmax(x)_k,  r_k = w_k ((1 - s) q_k + s / K).
 * With R = sum r: dx_k = g (R p_k - r_k), dq_k = -g (1 - s) w_k log p_k. The mean is over rows (as torch's, weights or not). */
#include "tensor/classes.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows.h"

typedef struct options {
    int axis;
    double smoothing;
    lb_reduction reduction;
} options;

static bool shape(lb_call *c) {
    options o = *(const options *)c->params;
    if (!lbi_class_shape(c, c->in[0], &o.axis, c->out[1])) return false;
    if (!lb_same_shape(c->in[0], c->in[1]) || (c->in[2] && c->in[2]->shape[0] != c->in[0]->shape[o.axis])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "the target is wanted in the shape of the logits, weights one for each class");
        return false;
    }
    lbi_class_loss_shape(c->out[0], c->out[1], o.reduction);
    return true;
}

typedef struct job {
    const options *o;
    lbi_axes r;
    const lb_real *weight;
    lb_real *logsum;
    double *loss;
    const lb_tensor *g;
    double factor;
    bool logits, target; /* whose gradient is wanted */
} job;

static job job_of(const lb_call *c) {
    const options *o = c->params;
    job j = {.o = o,
             .r = lbi_axes_of(c->in[0], o->axis < 0 ? o->axis + c->in[0]->rank : o->axis),
             .weight = c->in[2] ? lb_r(c->in[2]) : NULL,
             .logsum = lb_r(c->out[1]),
             .factor = lbi_class_factor(c->out[1], o->reduction)};
    return j;
}

/* r_k = weight_k (keep q_k + even) of one class. */
typedef struct shares {
    const lb_real *q, *weight;
    double keep, even;
} shares;

static shares shares_of(const job *j, const lb_real *q) { return (shares){q, j->weight, 1 - j->o->smoothing, j->o->smoothing / (double)j->r.n}; }

enum { LANES = 32 }; /* sums side by side */

LBI_ALWAYS double share(const shares *s, int64_t k, bool weighted) { return (weighted ? (double)s->weight[k] : 1) * (s->keep * (double)s->q[k] + s->even); }

LBI_ALWAYS double folded(double *lane) {
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* r (logsum - x), 0 where r is */
LBI_ALWAYS double cost(double r, lb_real x, double logsum) { return r != 0 ? r * (logsum - (double)x) : 0; }

LBI_ALWAYS double costs(const shares *s, const lb_real *x, int64_t n, double logsum, bool weighted) {
    double lane[LANES] = {0};
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++) lane[i] += cost(share(s, k + i, weighted), x[k + i], logsum);
    for (int i = 0; i < n - k; i++) lane[i] += cost(share(s, k + i, weighted), x[k + i], logsum);
    return folded(lane);
}

LBI_ALWAYS double all_shares(const shares *s, int64_t n, bool weighted) {
    double lane[LANES] = {0};
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++) lane[i] += share(s, k + i, weighted);
    for (int i = 0; i < n - k; i++) lane[i] += share(s, k + i, weighted);
    return folded(lane);
}

LBI_LEVELS_FUSED static double costs_of_row(shares s, const lb_real *x, int64_t n, double logsum) { return s.weight ? costs(&s, x, n, logsum, true) : costs(&s, x, n, logsum, false); }

LBI_LEVELS_FUSED static double shares_of_row(shares s, int64_t n) { return s.weight ? all_shares(&s, n, true) : all_shares(&s, n, false); }

/* y -= w (keep q + even) */
LBI_LEVELS_FUSED static void less_shares(lb_real *restrict y, shares s, int64_t n, lb_real keep, lb_real even) {
    const lb_real *restrict q = s.q, *restrict w = s.weight;
    if (w)
        for (int64_t k = 0; k < n; k++) y[k] -= w[k] * (keep * q[k] + even);
    else
        for (int64_t k = 0; k < n; k++) y[k] -= keep * q[k] + even;
}

static void value(const void *ctx, int64_t row, const lb_real *const *x, lb_real *const *y) {
    const job *j = ctx;
    double logsum = lbi_logsum_row(x[0], j->r.n, 1);
    j->logsum[row] = (lb_real)logsum;
    j->loss[row] = costs_of_row(shares_of(j, x[1]), x[0], j->r.n, logsum);
}

static void forward(lb_call *c) {
    job j = job_of(c);
    int64_t n = lb_numel(c->out[1]);
    j.loss = lb_scratch(c, (size_t)(n + 1) * sizeof *j.loss);
    if (!j.loss) return;
    lbi_class_rows(c, &(lbi_class_walk){.r = j.r, .x = {c->in[0], c->in[1]}, .run = value, .ctx = &j});
    lbi_class_finish(c->out[0], j.loss, n, j.o->reduction, j.factor);
}

static void slope(const void *ctx, int64_t row, const lb_real *const *x, lb_real *const *y) {
    const job *j = ctx;
    double g = j->factor * lbi_class_gradient(j->g, row), logsum = (double)j->logsum[row];
    shares r = shares_of(j, x[1]);
    if (j->logits) {
        lbi_soft_row(y[0], x[0], j->r.n, (lb_real)logsum, (lb_real)(g * shares_of_row(r, j->r.n)), 0);
        less_shares(y[0], r, j->r.n, (lb_real)(g * r.keep), (lb_real)(g * r.even));
    }
    for (int64_t k = 0; j->target && k < j->r.n; k++)
        y[1][k] = (lb_real)(g * (1 - j->o->smoothing) * (j->weight ? (double)j->weight[k] : 1) * (logsum - (double)x[0][k]));
}

static void backward(lb_call *c) {
    job j = job_of(c);
    if (!c->gout[0]) return;
    j.g = c->gout[0];
    j.logits = c->gin[0] != NULL;
    j.target = c->gin[1] != NULL;
    lbi_class_rows(c, &(lbi_class_walk){.r = j.r, .x = {c->in[0], c->in[1]}, .y = {c->gin[0], c->gin[1]}, .fresh = {c->fresh[0], c->fresh[1]}, .run = slope, .ctx = &j});
}

static const options plain = {1, 0, LB_MEAN}, smooth = {-1, 0.1, LB_SUM}, each = {1, 0.2, LB_NONE}, batch = {-1, 0, LB_BATCH_MEAN};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2, -1}, .shape = {{4, 5}, {4, 5}}, .params = &plain},
    {.name = "smoothed, weighted", .rank = {2, 2, 1}, .shape = {{6, 3}, {6, 3}, {3}}, .params = &smooth},
    {.name = "planes, each", .rank = {4, 4, 1}, .shape = {{2, 3, 2, 2}, {2, 3, 2, 2}, {3}}, .params = &each},
    {.name = "batch", .rank = {3, 3, -1}, .shape = {{2, 3, 4}, {2, 3, 4}}, .params = &batch},
    {.name = "no rows", .rank = {2, 2, -1}, .shape = {{0, 5}, {0, 5}}, .params = &plain},
    {.name = "large", .rank = {2, 2, -1}, .shape = {{130, 1003}, {130, 1003}}, .params = &plain, .lo = 0, .hi = 0.002},
};

LB_OP(soft_cross_entropy) = {.id = "soft_cross_entropy",
                             .title = "cross entropy of logits against a distribution",
                             .source = "torch.nn.functional.cross_entropy",
                             .sig = "logits target weight[K]? -> loss logsum",
                             .results = 1,
                             .math = "-sum w q log softmax(x)",
                             .flags = LB_OP_SETS,
                             .constant = 1u << 2,
                             .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(1),
                             .params_size = sizeof(options),
                             .shape = shape,
                             .forward = forward,
                             .backward = backward,
                             .cases = cases,
                             .case_count = LB_COUNT(cases)};

lb_tensor *lb_soft_cross_entropy(lb_tape *t, lb_tensor *logits, lb_tensor *target, lb_tensor *weight, int axis, double smoothing, lb_reduction reduction) {
    return lb_apply(t, &lb_op_soft_cross_entropy, &(options){axis, smoothing, reduction}, sizeof(options), 3, (lb_tensor *[]){logits, target, weight});
}

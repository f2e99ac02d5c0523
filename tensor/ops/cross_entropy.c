/* SPDX-License-Identifier: Apache-2.0 */
/* Of a row of logits x with label l, q = (1 - s) one-hot(l) + s / K and class weights w (1 without):
 *   row = -(1 - s) w_l log p_l - s / K sum_k w_k log p_k,  p = softmax(x).
 * Rows whose label is `ignore` count 0. The mean divides by the sum of w_l over the others (as torch does, smoothing or not); no row left: 0 (torch
 * gives NaN). With A = (1 - s) w_l + s / K sum w: dx_k = g (A p_k - s / K w_k - (1 - s) w_l [k = l]). */
#include <math.h>
#include <string.h>
#include "tensor/classes.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/kernels/rows.h"

enum { COLUMNS = 64, GATHERED = 96 }; /* rows that are done side by side when their classes do not lie so; the most classes that are copied (24 KiB) */

typedef struct options {
    int axis;
    int64_t ignore;
    double smoothing;
    lb_reduction reduction;
} options;

static bool shape(lb_call *c) {
    options o = *(const options *)c->params;
    const lb_tensor *label = c->in[1];
    if (!lbi_class_shape(c, c->in[0], &o.axis, c->out[1])) return false;
    if (c->in[2] && c->in[2]->shape[0] != c->in[0]->shape[o.axis]) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld weights for %lld classes", (long long)c->in[2]->shape[0], (long long)c->in[0]->shape[o.axis]);
        return false;
    }
    if (!lb_same_shape(label, c->out[1])) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "labels are wanted in the shape of the logits without axis %d", o.axis);
        return false;
    }
    lbi_class_loss_shape(c->out[0], c->out[1], o.reduction);
    return true;
}

/* What both directions know of a call. */
typedef struct job {
    const options *o;
    const int64_t *label;
    const lb_real *weight; /* NULL = 1 */
    double weights, even;  /* sum of them; s / K */
    lb_real *logsum;
    double *loss;          /* of each row */
    const lb_tensor *g;
    double factor;
} job;

static lbi_axes rows_of(const lb_call *c) {
    int axis = ((const options *)c->params)->axis, rank = c->in[0]->rank;
    return lbi_axes_of(c->in[0], axis < 0 ? axis + rank : axis);
}

/* How many labels are not `ignore`; *wrong: how many of those are no class. */
LBI_LEVELS static int64_t kept_labels(const int64_t *label, int64_t n, int64_t ignore, int64_t k, int64_t *wrong) {
    int64_t kept = 0, out = 0;
    for (int64_t i = 0; i < n; i++) {
        kept += label[i] != ignore;
        out += (label[i] != ignore) & ((label[i] < 0) | (label[i] >= k));
    }
    *wrong = out;
    return kept;
}

static void say_wrong(lb_call *c, int64_t ignore, int64_t k) {
    for (int64_t i = 0;; i++) {
        int64_t label = lb_i(c->in[1])[i];
        if (label == ignore || (label >= 0 && label < k)) continue;
        lb_tape_fail(c->tape, LB_E_ARG, "label %lld of row %lld is outside 0..%lld", (long long)label, (long long)i, (long long)k - 1);
        return;
    }
}

static double factor_of(const job *j, const lb_call *c, int64_t kept) {
    double sum = (double)kept;
    if (j->o->reduction != LB_MEAN) return lbi_class_factor(c->in[1], j->o->reduction);
    if (j->weight) sum = 0;
    for (int64_t i = 0, n = lb_numel(c->in[1]); j->weight && i < n; i++)
        if (j->label[i] != j->o->ignore) sum += (double)j->weight[j->label[i]];
    return sum != 0 ? 1 / sum : 0;
}

/* Fails the call where a label is no class. */
static bool job_of(job *to, lb_call *c) {
    lbi_axes r = rows_of(c);
    job j = {.o = c->params, .label = lb_i(c->in[1]), .weight = c->in[2] ? lb_r(c->in[2]) : NULL, .weights = (double)r.n, .logsum = lb_r(c->out[1])};
    int64_t wrong, kept = kept_labels(j.label, lb_numel(c->in[1]), j.o->ignore, r.n, &wrong);
    if (wrong > 0) {
        say_wrong(c, j.o->ignore, r.n);
        return false;
    }
    j.even = j.o->smoothing / (double)r.n;
    if (j.weight) j.weights = lbi_sum_row(j.weight, r.n, 1);
    j.factor = factor_of(&j, c, kept);
    *to = j;
    return true;
}

typedef struct walk {
    const job *j;
    int64_t k;
} walk;

static void value(const void *ctx, int64_t row, const lb_real *const *x, lb_real *const *y) {
    const walk *w = ctx;
    const job *j = w->j;
    int64_t label = j->label[row];
    double logsum = lbi_logsum_row(x[0], w->k, 1), s = j->o->smoothing;
    j->logsum[row] = (lb_real)logsum;
    j->loss[row] = 0;
    if (label == j->o->ignore) return;
    j->loss[row] = (1 - s) * (j->weight ? (double)j->weight[label] : 1) * (logsum - (double)x[0][label]);
    if (s > 0) j->loss[row] += j->even * (j->weights * logsum - (j->weight ? lbi_dot_row(x[0], j->weight, w->k) : lbi_sum_row(x[0], w->k, 1)));
}

/* ---- classes that are not the last axis: rows lie side by side ---- */

typedef struct columns {
    const job *j;
    lbi_axes r;
    const lb_real *x;
    lb_real *y;
    bool fresh;
} columns;

/* Item number i: rows *row .. + width - 1. @return where class 0 of the first stands */
static int64_t item(const columns *s, int64_t i, int64_t *row, int64_t *width) {
    int64_t blocks = (s->r.inner + COLUMNS - 1) / COLUMNS, at = i % blocks * COLUMNS, o = i / blocks;
    *width = s->r.inner - at < COLUMNS ? s->r.inner - at : COLUMNS;
    *row = o * s->r.inner + at;
    return o * s->r.n * s->r.inner + at;
}

/* Of columns of n numbers, `ld` apart; without weights four are added as they are, then in double. */
LBI_LEVELS static void weighted_sums(double *restrict sum, const lb_real *restrict x, int64_t n, int64_t ld, int64_t width, const lb_real *weight) {
    int64_t k = 0;
    for (; !weight && k + 4 <= n; k += 4)
        for (int64_t i = 0; i < width; i++) {
            const lb_real *at = x + k * ld + i;
            sum[i] += (double)((at[0] + at[ld]) + (at[2 * ld] + at[3 * ld]));
        }
    for (; k < n; k++) {
        double w = weight ? (double)weight[k] : 1;
        for (int64_t i = 0; i < width; i++) sum[i] += w * (double)x[k * ld + i];
    }
}

/* What is needed of the rows of an item. */
typedef struct parts {
    double sum[COLUMNS], share[COLUMNS];                /* of all numbers; the own class's share of the loss */
    lb_real own[COLUMNS], logsum[COLUMNS], counts[COLUMNS]; /* the own class's number; counts: 0 where the label is `ignore` */
} parts;

LBI_LEVELS static void losses(double *restrict loss, const parts *p, int64_t width, double even, double weights) {
    for (int64_t i = 0; i < width; i++) {
        double logsum = (double)p->logsum[i], v = p->share[i] * (logsum - (double)p->own[i]);
        if (even > 0) v += even * (weights * logsum - p->sum[i]);
        loss[i] = p->counts[i] > 0 ? v : 0;
    }
}

/* Columns of pictures lie a power of two apart, in few places of the caches: they are read once, into a block of its own; each on a page of its own, so the next columns are asked for. */
static const lb_real *gathered(lb_real *to, const lb_real *x, int64_t n, int64_t *ld, int64_t width) {
    if (n > GATHERED) return x;
    for (int64_t k = 0; k < n; k++) {
        lbi_fetch(x + k * *ld + width, COLUMNS);
        memcpy(to + k * COLUMNS, x + k * *ld, (size_t)width * sizeof *to);
    }
    *ld = COLUMNS;
    return to;
}

static void value_columns(const void *ctx, int64_t first, int64_t last) {
    const columns *s = ctx;
    const job *j = s->j;
    double even = j->o->smoothing > 0 ? j->even : 0, keep = 1 - j->o->smoothing;
    lb_real block[GATHERED * COLUMNS];
    for (int64_t b = first; b < last; b++) {
        int64_t row, width, at = item(s, b, &row, &width), ld = s->r.inner;
        const lb_real *x = gathered(block, s->x + at, s->r.n, &ld, width);
        parts p = {.sum = {0}};
        lbi_log_sums(p.logsum, x, s->r.n, ld, width);
        memcpy(j->logsum + row, p.logsum, (size_t)width * sizeof *p.logsum);
        if (even > 0) weighted_sums(p.sum, x, s->r.n, ld, width, j->weight);
        for (int64_t i = 0; i < width; i++) {
            bool counts = j->label[row + i] != j->o->ignore;
            int64_t label = counts ? j->label[row + i] : 0;
            p.counts[i] = counts;
            p.own[i] = x[label * ld + i];
            p.share[i] = keep * (j->weight ? (double)j->weight[label] : 1);
        }
        losses(j->loss + row, &p, width, even, j->weights);
    }
}

/* y (+)= a exp(x - logsum) - even w; 0 where a is 0 */
LBI_ALWAYS void slopes(lb_real *restrict y, const lb_real *restrict x, const columns *s, int64_t width, const lb_real *logsum, const lb_real *a, const lb_real *even, bool fresh) {
    const lb_real *weight = s->j->weight;
    for (int64_t k = 0; k < s->r.n; k++) {
        lb_real w = weight ? weight[k] : 1;
        for (int64_t i = 0; i < width; i++) {
            lb_real d = a[i] * lbi_exp(x[k * s->r.inner + i] - logsum[i]) - even[i] * w;
            d = a[i] != 0 ? d : 0;
            y[k * s->r.inner + i] = (fresh ? 0 : y[k * s->r.inner + i]) + d;
        }
    }
}

LBI_LEVELS_FUSED static void slope_block(lb_real *y, const lb_real *x, const columns *s, int64_t width, const lb_real *logsum, const lb_real *a, const lb_real *even) {
    if (s->fresh) slopes(y, x, s, width, logsum, a, even, true);
    else slopes(y, x, s, width, logsum, a, even, false);
}

static void slope_columns(const void *ctx, int64_t first, int64_t last) {
    const columns *s = ctx;
    const job *j = s->j;
    double smooth = j->o->smoothing > 0 ? j->even : 0;
    for (int64_t b = first; b < last; b++) {
        int64_t row, width, at = item(s, b, &row, &width);
        lb_real a[COLUMNS] = {0}, even[COLUMNS] = {0}, own[COLUMNS] = {0};
        for (int64_t i = 0; i < width; i++) {
            int64_t label = j->label[row + i];
            if (label == j->o->ignore) continue;
            double g = j->factor * lbi_class_gradient(j->g, row + i), mine = (1 - j->o->smoothing) * (j->weight ? (double)j->weight[label] : 1);
            a[i] = (lb_real)(g * (mine + smooth * j->weights));
            even[i] = (lb_real)(g * smooth);
            own[i] = (lb_real)(g * mine);
        }
        slope_block(s->y + at, s->x + at, s, width, j->logsum + row, a, even);
        for (int64_t i = 0; i < width; i++)
            if (j->label[row + i] != j->o->ignore) s->y[at + j->label[row + i] * s->r.inner + i] -= own[i];
    }
}

static void over_columns(const columns *s, void (*run)(const void *ctx, int64_t first, int64_t last)) {
    int64_t blocks = (s->r.inner + COLUMNS - 1) / COLUMNS;
    lbi_split(s->r.outer * blocks, 4 * s->r.n * (s->r.inner < COLUMNS ? s->r.inner : COLUMNS), run, s);
}

/* ---- calls ---- */

static void forward(lb_call *c) {
    job j;
    lbi_axes r = rows_of(c);
    int64_t n = lbi_class_count(&r);
    if (!job_of(&j, c)) return;
    j.loss = lb_scratch(c, (size_t)(n + 1) * sizeof *j.loss);
    if (!j.loss) return;
    if (r.inner > 1) over_columns(&(columns){&j, r, lb_r(c->in[0]), NULL, false}, value_columns);
    else lbi_class_rows(c, &(lbi_class_walk){.r = r, .x = {c->in[0]}, .run = value, .ctx = &(walk){&j, r.n}});
    lbi_class_finish(c->out[0], j.loss, n, j.o->reduction, j.factor);
}

static void slope(const void *ctx, int64_t row, const lb_real *const *x, lb_real *const *y) {
    const walk *w = ctx;
    const job *j = w->j;
    int64_t label = j->label[row];
    if (label == j->o->ignore) {
        memset(y[0], 0, (size_t)w->k * sizeof(lb_real));
        return;
    }
    double g = j->factor * lbi_class_gradient(j->g, row), s = j->o->smoothing;
    double own = (1 - s) * (j->weight ? (double)j->weight[label] : 1);
    lb_real a = (lb_real)(g * (own + j->even * j->weights)), even = (lb_real)(g * j->even);
    lbi_soft_row(y[0], x[0], w->k, j->logsum[row], a, j->weight ? 0 : -even);
    for (int64_t i = 0; j->weight && s > 0 && i < w->k; i++) y[0][i] -= even * j->weight[i];
    y[0][label] -= (lb_real)(g * own);
}

static void backward(lb_call *c) {
    job j;
    lbi_axes r = rows_of(c);
    if (!c->gin[0] || !c->gout[0] || !job_of(&j, c)) return;
    j.g = c->gout[0];
    if (r.inner > 1) over_columns(&(columns){&j, r, lb_r(c->in[0]), lb_r(c->gin[0]), c->fresh[0]}, slope_columns);
    else lbi_class_rows(c, &(lbi_class_walk){.r = r, .x = {c->in[0]}, .y = {c->gin[0]}, .fresh = {c->fresh[0]}, .run = slope, .ctx = &(walk){&j, r.n}});
}

static void positive(void *const *data, const int64_t *numel) {
    for (int64_t i = 0; i < numel[2]; i++) ((lb_real *)data[2])[i] = (lb_real)(0.5 + fabs((double)((lb_real *)data[2])[i]));
}

static const options plain = {1, -100, 0, LB_MEAN}, smooth = {1, 1, 0.1, LB_MEAN}, each = {1, -100, 0.2, LB_NONE}, last = {-1, 2, 0, LB_SUM},
                     batch = {-1, 0, 0.1, LB_BATCH_MEAN}, weighted = {1, 1, 0.1, LB_MEAN};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 1, -1}, .shape = {{4, 5}, {4}}, .imax = 5, .params = &plain},
    {.name = "smoothed, class 1 ignored", .rank = {2, 1, -1}, .shape = {{6, 3}, {6}}, .imax = 3, .params = &smooth},
    {.name = "weighted", .rank = {2, 1, 1}, .shape = {{6, 3}, {6}, {3}}, .imax = 3, .params = &weighted, .fill = positive},
    {.name = "planes, each", .rank = {4, 3, 1}, .shape = {{2, 3, 3, 4}, {2, 3, 4}, {3}}, .imax = 3, .params = &each, .fill = positive},
    {.name = "planes of many", .rank = {3, 2, -1}, .shape = {{2, 5, 19}, {2, 19}}, .imax = 5, .params = &plain},
    {.name = "planes of many, weighted", .rank = {3, 2, 1}, .shape = {{2, 99, 131}, {2, 131}, {99}}, .imax = 99, .params = &smooth, .fill = positive},
    {.name = "planes of many, smoothed", .rank = {3, 2, -1}, .shape = {{2, 7, 131}, {2, 131}}, .imax = 7, .params = &smooth},
    {.name = "last axis, sum", .rank = {3, 2, -1}, .shape = {{2, 3, 4}, {2, 3}}, .imax = 4, .params = &last},
    {.name = "last axis, batch", .rank = {3, 2, -1}, .shape = {{2, 3, 4}, {2, 3}}, .imax = 4, .params = &batch},
    {.name = "one row", .rank = {1, 0, -1}, .shape = {{4}}, .imax = 4, .params = &last},
    {.name = "no rows", .rank = {2, 1, -1}, .shape = {{0, 5}, {0}}, .imax = 5, .params = &plain},
    {.name = "large", .rank = {2, 1, -1}, .shape = {{130, 1003}, {130}}, .imax = 1003, .params = &plain},
};

LB_OP(cross_entropy) = {.id = "cross_entropy",
                        .title = "cross entropy of logits against labels",
                        .source = "torch.nn.functional.cross_entropy",
                        .sig = "logits label:i64 weight[K]? -> loss logsum",
                        .results = 1,
                        .math = "-sum q log softmax(x)",
                        .flags = LB_OP_SETS,
                        .constant = 1u << 2,
                        .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(1),
                        .params_size = sizeof(options),
                        .shape = shape,
                        .forward = forward,
                        .backward = backward,
                        .cases = cases,
                        .case_count = LB_COUNT(cases)};

lb_tensor *lb_cross_entropy(lb_tape *t, lb_tensor *logits, lb_tensor *labels, lb_tensor *weight, int axis, int64_t ignore, double smoothing, lb_reduction reduction) {
    return lb_apply(t, &lb_op_cross_entropy, &(options){axis, ignore, smoothing, reduction}, sizeof(options), 3, (lb_tensor *[]){logits, labels, weight});
}

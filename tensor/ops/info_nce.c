/* SPDX-License-Identifier: Apache-2.0 */
/* InfoNCE (van den Oord et al., arXiv:1807.03748, eq. (4)), as in CLIP (Radford et al., arXiv:2103.00020, fig. 3): rows of a and b are normalised, scores
 * l = scale a^ b^T [N,M], the right column of row i is i; loss = mean over rows of (logsum_j l_ij - l_ii), with both = true averaged with the same of the
 * columns (M = N then; else further rows of b are further negatives). Slope: (softmax over rows - I) / N, halved with that over columns. */
#include <math.h>
#include "tensor/classes.h"
#include "tensor/contrast.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"

typedef struct options {
    double temperature;
    bool both;
} options;

static bool shape(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], m = c->in[1]->shape[0];
    if (m < n || (o->both && m != n)) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld rows against %lld: each row wants its own%s", (long long)n, (long long)m, o->both ? ", and both ways as many" : "");
        return false;
    }
    return lbi_contrast_shape(c);
}

typedef struct job {
    lbi_contrast k;
    lb_real *columns, *top; /* log sum exp and maximum of each column; NULL: one way alone */
    double *loss, *dot;     /* of each row */
    lb_real f;
} job;

/* log sum exp of some columns. */
LBI_LEVELS static void column_sums(const void *ctx, int64_t first, int64_t last) {
    const job *g = ctx;
    const lb_real *x = g->k.score;
    lb_real *restrict top = g->top, *restrict sum = g->columns;
    int64_t n = g->k.n, m = g->k.m;
    for (int64_t j = first; j < last; j++) top[j] = -INFINITY;
    for (int64_t j = first; j < last; j++) sum[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = first; j < last; j++) top[j] = x[i * m + j] > top[j] ? x[i * m + j] : top[j];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = first; j < last; j++) sum[j] += lbi_exp(x[i * m + j] - top[j]);
    for (int64_t j = first; j < last; j++) sum[j] = top[j] + lbi_log(sum[j]);
}

/* Row i of scores becomes slopes. @return sum of slope * score */
LBI_LEVELS static double slope_row(lb_real *restrict x, int64_t m, int64_t i, lb_real logsum, const lb_real *restrict columns, lb_real f) {
    double dot = 0;
    lb_real own = x[i];
    if (columns) {
#pragma omp simd reduction(+ : dot)
        for (int64_t j = 0; j < m; j++) {
            lb_real s = x[j], p = f * (lbi_exp(s - logsum) + lbi_exp(s - columns[j]));
            x[j] = p;
            dot += (double)(p * s);
        }
    } else {
#pragma omp simd reduction(+ : dot)
        for (int64_t j = 0; j < m; j++) {
            lb_real s = x[j], p = f * lbi_exp(s - logsum);
            x[j] = p;
            dot += (double)(p * s);
        }
    }
    lb_real back = columns ? 2 * f : f;
    x[i] -= back;
    return dot - (double)(back * own);
}

static void each_row(const void *ctx, int64_t first, int64_t last) {
    const job *g = ctx;
    for (int64_t i = first; i < last; i++) {
        lb_real *x = g->k.score + i * g->k.m;
        double logsum = lbi_logsum_row(x, g->k.m, 1), own = (double)x[i];
        g->loss[i] = g->columns ? (logsum + (double)g->columns[i]) / 2 - own : logsum - own;
        g->dot[i] = g->k.wanted ? slope_row(x, g->k.m, i, (lb_real)logsum, g->columns, g->f) : 0;
    }
}

static void forward(lb_call *c) {
    const options *o = c->params;
    job g = {.k = lbi_contrast_scores(c, o->temperature)};
    int64_t n = g.k.n, m = g.k.m;
    double loss = 0, dot = 0;
    lb_real *work = lb_scratch(c, (size_t)(2 * m + 1) * sizeof *work);
    g.loss = lb_scratch(c, (size_t)(2 * n + 1) * sizeof *g.loss);
    if (!work || !g.loss) return;
    g.dot = g.loss + n;
    g.f = (lb_real)((o->both ? 0.5 : 1) / (double)(n > 0 ? n : 1));
    if (o->both) {
        g.columns = work;
        g.top = work + m;
        lbi_split(m, 16 * n, column_sums, &g);
    }
    lbi_split(n, 32 * m, each_row, &g);
    for (int64_t i = 0; i < n; i++) {
        loss += g.loss[i];
        dot += g.dot[i];
    }
    lb_r(c->out[0])[0] = n > 0 ? (lb_real)(loss / (double)n) : 0;
    lbi_contrast_note(&g.k, dot, 0);
}

static void backward(lb_call *c) { lbi_contrast_backward(c, ((const options *)c->params)->temperature); }

static const options both = {0.5, true}, one = {0.3, false};
static const lb_op_case cases[] = {
    {.name = "both ways", .rank = {2, 2, -1}, .shape = {{5, 4}, {5, 4}}, .params = &both},
    {.name = "scale given", .rank = {2, 2, 0}, .shape = {{4, 3}, {4, 3}}, .params = &both, .lo = 0.5, .hi = 2},
    {.name = "further negatives", .rank = {2, 2, -1}, .shape = {{3, 4}, {5, 4}}, .params = &one},
    {.name = "one pair", .rank = {2, 2, -1}, .shape = {{1, 4}, {1, 4}}, .params = &both},
    {.name = "no pairs", .rank = {2, 2, -1}, .shape = {{0, 4}, {0, 4}}, .params = &both},
    {.name = "large", .rank = {2, 2, -1}, .shape = {{67, 130}, {67, 130}}, .params = &both},
};

LB_OP(info_nce) = {.id = "info_nce",
                   .title = "contrast of normalised pairs by softmax",
                   .source = "arXiv:1807.03748, eq. (4); arXiv:2103.00020, fig. 3",
                   .sig = "a[N,D] b[M,D] scale[]? -> loss[] " LBI_CONTRAST_SAVES,
                   .results = 1,
                   .math = "CE(scale a b^T, diagonal)",
                   .flags = LB_OP_SETS,
                   .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(1) | LB_READS_OUT(2) | LB_READS_OUT(3),
                   .params_size = sizeof(options),
                   .shape = shape,
                   .forward = forward,
                   .backward = backward,
                   .cases = cases,
                   .case_count = LB_COUNT(cases)};

lb_tensor *lb_info_nce(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor *scale, double temperature, bool both_ways) {
    if (!scale && !(temperature > 0)) return lb_tape_fail(t, LB_E_ARG, "info_nce: the temperature is %g, above 0 is wanted", temperature);
    return lb_apply(t, &lb_op_info_nce, &(options){temperature, both_ways}, sizeof(options), 3, (lb_tensor *[]){a, b, scale});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SigLIP (Zhai et al., arXiv:2303.15343, algorithm 1): rows of a and b are normalised, scores l = scale a^ b^T + bias, z = 1 on the diagonal, -1 elsewhere:
 *   loss = -1 / N sum_ij log sigmoid(z_ij l_ij); slope by l: -z sigmoid(-z l) / N. */
#include "tensor/contrast.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"

typedef struct options {
    double temperature;
} options;

static bool shape(lb_call *c) {
    if (c->in[0]->shape[0] != c->in[1]->shape[0]) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "%lld rows against %lld, pairs are wanted", (long long)c->in[0]->shape[0], (long long)c->in[1]->shape[0]);
        return false;
    }
    return lbi_contrast_shape(c);
}

/* A row of scores without bias, diagonal at i. @return its loss; slopes in place when wanted */
LBI_LEVELS static double row(lb_real *restrict x, int64_t m, int64_t i, lb_real bias, lb_real f, bool wanted, double *dot, double *sum) {
    double loss = 0, d = 0, s = 0;
    lb_real own = x[i] + bias;
    *dot = *sum = 0;
#pragma omp simd reduction(+ : loss)
    for (int64_t j = 0; j < m; j++) loss += (double)lbi_softplus(x[j] + bias);
    loss += (double)(lbi_softplus(-own) - lbi_softplus(own));
    if (!wanted) return loss;
    lb_real cosine = x[i];
#pragma omp simd reduction(+ : d, s)
    for (int64_t j = 0; j < m; j++) {
        lb_real score = x[j], p = f / (1 + lbi_exp(-(score + bias)));
        x[j] = p;
        d += (double)(p * score);
        s += (double)p;
    }
    lb_real back = x[i] + f / (1 + lbi_exp(own)); /* the diagonal pulls: slope -f sigmoid(-own) */
    x[i] -= back;
    *dot = d - (double)(back * cosine);
    *sum = s - (double)back;
    return loss;
}

typedef struct job {
    lbi_contrast k;
    lb_real bias;
    double *loss, *dot, *sum; /* of each row */
} job;

static void each_row(const void *ctx, int64_t first, int64_t last) {
    const job *g = ctx;
    for (int64_t i = first; i < last; i++) g->loss[i] = row(g->k.score + i * g->k.m, g->k.m, i, g->bias, (lb_real)(1 / (double)g->k.n), g->k.wanted, &g->dot[i], &g->sum[i]);
}

static void forward(lb_call *c) {
    const options *o = c->params;
    job g = {.k = lbi_contrast_scores(c, o->temperature), .bias = c->in[3] ? lb_r(c->in[3])[0] : 0};
    int64_t n = g.k.n;
    double loss = 0, dot = 0, sum = 0;
    g.loss = lb_scratch(c, (size_t)(3 * n + 1) * sizeof *g.loss);
    if (!g.loss) return;
    g.dot = g.loss + n;
    g.sum = g.dot + n;
    lbi_split(n, 32 * g.k.m, each_row, &g);
    for (int64_t i = 0; i < n; i++) {
        loss += g.loss[i];
        dot += g.dot[i];
        sum += g.sum[i];
    }
    lb_r(c->out[0])[0] = n > 0 ? (lb_real)(loss / (double)n) : 0;
    lbi_contrast_note(&g.k, dot, sum);
}

static void backward(lb_call *c) {
    if (c->gin[3] && c->gout[0]) lb_r(c->gin[3])[0] = (c->fresh[3] ? 0 : lb_r(c->gin[3])[0]) + (lb_real)((double)lb_r(c->gout[0])[0] * lbi_contrast_sum(c));
    lbi_contrast_backward(c, ((const options *)c->params)->temperature);
}

static const options usual = {0.4};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2, -1, -1}, .shape = {{5, 4}, {5, 4}}, .params = &usual},
    {.name = "scale and bias", .rank = {2, 2, 0, 0}, .shape = {{4, 3}, {4, 3}}, .params = &usual, .lo = 0.5, .hi = 2},
    {.name = "no pairs", .rank = {2, 2, -1, 0}, .shape = {{0, 4}, {0, 4}}, .params = &usual},
    {.name = "large", .rank = {2, 2, -1, 0}, .shape = {{67, 130}, {67, 130}}, .params = &usual},
};

LB_OP(siglip) = {.id = "siglip",
                 .title = "contrast of normalised pairs by sigmoids",
                 .source = "arXiv:2303.15343, algorithm 1",
                 .sig = "a[N,D] b[M,D] scale[]? bias[]? -> loss[] " LBI_CONTRAST_SAVES,
                 .results = 1,
                 .math = "-1/N sum log sigmoid(z (scale a b^T + bias))",
                 .flags = LB_OP_SETS,
                 .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_IN(2) | LB_READS_OUT(1) | LB_READS_OUT(2) | LB_READS_OUT(3),
                 .params_size = sizeof(options),
                 .shape = shape,
                 .forward = forward,
                 .backward = backward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_siglip(lb_tape *t, lb_tensor *a, lb_tensor *b, lb_tensor *scale, lb_tensor *bias, double temperature) {
    if (!scale && !(temperature > 0)) return lb_tape_fail(t, LB_E_ARG, "siglip: the temperature is %g, above 0 is wanted", temperature);
    return lb_apply(t, &lb_op_siglip, &(options){temperature}, sizeof(options), 4, (lb_tensor *[]){a, b, scale, bias});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lloyd's iterations from given centres: assign each row to the centre of least squared distance (cosine: of the largest product), ties to the lowest; then
 * each centre becomes the mean of its rows (cosine: that mean at length 1), an empty one stays. Counts are those of the last assignment. */
#include <math.h>
#include <string.h>
#include "tensor/linalg.h"

typedef struct options {
    int64_t iterations;
    bool cosine;
} options;

static bool shape(lb_call *c) {
    const lb_tensor *y = c->in[1];
    lbi_batch_shape(c->out[0], y, 2, y->shape);
    c->out[1]->dtype = LB_I64;
    c->out[1]->rank = 1;
    c->out[1]->shape[0] = y->shape[0];
    if (y->shape[0] > 0) return true;
    lb_tape_fail(c->tape, LB_E_SHAPE, "no centre is given");
    return false;
}

static int64_t place(const lb_real *x, const lb_real *y, int64_t k, int64_t d, bool cosine) {
    int64_t best = 0;
    double least = INFINITY;
    for (int64_t j = 0; j < k; j++) {
        double sum = 0;
        for (int64_t e = 0; e < d; e++) {
            double gap = (double)x[e] - (double)y[j * d + e];
            sum += cosine ? -(double)x[e] * (double)y[j * d + e] : gap * gap;
        }
        if (sum < least) {
            least = sum;
            best = j;
        }
    }
    return best;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t n = c->in[0]->shape[0], d = c->in[0]->shape[1], k = c->in[1]->shape[0], *count = lb_i(c->out[1]);
    lb_real *y = lb_r(c->out[0]);
    double *sum = lb_scratch(c, (size_t)(k * d + 1) * sizeof *sum);
    if (!sum) return;
    memcpy(y, lb_r(c->in[1]), (size_t)(k * d) * sizeof *y);
    memset(count, 0, (size_t)k * sizeof *count);
    for (int64_t step = 0; step < o->iterations; step++) {
        memset(sum, 0, (size_t)(k * d) * sizeof *sum);
        memset(count, 0, (size_t)k * sizeof *count);
        for (int64_t i = 0; i < n; i++) {
            const lb_real *x = lb_r(c->in[0]) + i * d;
            int64_t j = place(x, y, k, d, o->cosine);
            count[j]++;
            for (int64_t e = 0; e < d; e++) sum[j * d + e] += (double)x[e];
        }
        for (int64_t j = 0; j < k; j++) {
            double length = 0;
            for (int64_t e = 0; e < d; e++) length += sum[j * d + e] * sum[j * d + e];
            double by = o->cosine ? fmax(sqrt(length), 1e-12 * (double)count[j]) : (double)count[j];
            for (int64_t e = 0; count[j] > 0 && e < d; e++) y[j * d + e] = (lb_real)(sum[j * d + e] / by);
        }
    }
}

static const options plain = {4, false}, cosine = {3, true};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {2, 2}, .shape = {{20, 3}, {4, 3}}, .params = &plain},
    {.name = "cosine", .rank = {2, 2}, .shape = {{20, 3}, {4, 3}}, .params = &cosine},
    {.name = "no rows", .rank = {2, 2}, .shape = {{0, 3}, {4, 3}}, .params = &plain},
};

LB_OP(kmeans) = {.id = "kmeans",
                 .title = "Lloyd's iterations from given centres",
                 .source = "Lloyd 1982",
                 .sig = "x[N,D] centres[K,D] -> y[K,D] count[K]:i64",
                 .results = 2,
                 .math = "y_k = mean of the rows nearest to y_k",
                 .no_grad = "assignments are steps",
                 .params_size = sizeof(options),
                 .shape = shape,
                 .forward = forward,
                 .cases = cases,
                 .case_count = LB_COUNT(cases)};

lb_tensor *lb_kmeans(lb_tape *t, lb_tensor *x, lb_tensor *centres, int64_t iterations, bool by_cosine, lb_tensor **count) {
    lb_tensor *out[2];
    if (iterations < 1) return lb_tape_fail(t, LB_E_ARG, "kmeans: %lld iterations, at least 1 is wanted", (long long)iterations);
    lb_apply_n(t, &lb_op_kmeans, &(options){iterations, by_cosine}, sizeof(options), 2, (lb_tensor *[]){x, centres}, 2, out);
    if (count) *count = out[1];
    return out[0];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* y_c = x_c d_c^-beta, d_c = k + (alpha / size) sum of x_q^2 over the channels c - size / 2 <= q <= c + (size - 1) / 2 of x [N,C,...].
 * dx_c = g_c d_c^-beta - 2 alpha beta / size x_c sum of g_q x_q d_q^(-beta - 1) over the q whose window holds c. */
#include <omp.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct options {
    int64_t size;
    double alpha, beta, k;
} options;

enum { WIDTH = 128 }; /* places of a block */

static bool shape(lb_call *c) {
    const options *o = c->params;
    const lb_tensor *x = c->in[0];
    char text[96];
    if (x->rank < 2 || o->size < 1) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x is %s, the window %lld channels, expected [N,C,...] and at least one", lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)o->size);
        return false;
    }
    for (int k = 0; k < 2; k++) lbi_like(c->out[k], x);
    return true;
}

LBI_ALWAYS lb_real power(lb_real d, lb_real p) { return p == -1 ? 1 / d : lbi_exp(p * lbi_log(d)); }

/* sum[j] = sum over rows first .. last - 1, cut to 0 .. channels - 1, of x^2 or of t. */
LBI_ALWAYS void window_sum(lb_real *restrict sum, const lb_real *restrict x, int64_t first, int64_t last, int64_t channels, int64_t ld, int64_t width, bool square) {
    for (int64_t j = 0; j < width; j++) sum[j] = 0;
    for (int64_t q = first < 0 ? 0 : first; q < last && q < channels; q++)
        for (int64_t j = 0; j < width; j++) sum[j] += square ? x[q * ld + j] * x[q * ld + j] : x[q * ld + j];
}

LBI_LEVELS static void forward_block(const options *o, const lb_real *x, lb_real *y, lb_real *d, int64_t channels, int64_t ld, int64_t width) {
    lb_real sum[WIDTH], a = (lb_real)(o->alpha / (double)o->size), k = (lb_real)o->k, p = (lb_real)-o->beta;
    for (int64_t c = 0; c < channels; c++) {
        window_sum(sum, x, c - o->size / 2, c + (o->size - 1) / 2 + 1, channels, ld, width, true);
        for (int64_t j = 0; j < width; j++) {
            lb_real s = k + a * sum[j];
            d[c * ld + j] = s;
            y[c * ld + j] = x[c * ld + j] * power(s, p);
        }
    }
}

/* t [channels, WIDTH]: work. */
LBI_LEVELS static void backward_block(const options *o, const lb_real *x, const lb_real *d, const lb_real *g, lb_real *gx, lb_real *t, int64_t channels, int64_t ld, int64_t width, bool fresh) {
    lb_real sum[WIDTH], by = (lb_real)(-2 * o->alpha * o->beta / (double)o->size), p = (lb_real)-o->beta;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t j = 0; j < width; j++) t[c * WIDTH + j] = g[c * ld + j] * x[c * ld + j] * power(d[c * ld + j], p) / d[c * ld + j];
    for (int64_t c = 0; c < channels; c++) {
        window_sum(sum, t, c - (o->size - 1) / 2, c + o->size / 2 + 1, channels, WIDTH, width, false);
        for (int64_t j = 0; j < width; j++) {
            lb_real v = g[c * ld + j] * power(d[c * ld + j], p) + by * x[c * ld + j] * sum[j];
            gx[c * ld + j] = fresh ? v : gx[c * ld + j] + v;
        }
    }
}

static void run(lb_call *c, bool back) {
    int64_t channels = c->in[0]->shape[1], inner = lbi_inner(c->in[0]), blocks = (inner + WIDTH - 1) / WIDTH;
    int threads = omp_get_max_threads();
    lb_real *work = back ? lb_scratch(c, (size_t)(channels * WIDTH * threads + 1) * sizeof *work) : NULL;
    if (back && !work) return;
#pragma omp parallel for num_threads(threads) if (lb_numel(c->in[0]) > LBI_GRAIN / 4)
    for (int64_t i = 0; i < c->in[0]->shape[0] * blocks; i++) {
        int64_t at = i % blocks * WIDTH, width = inner - at < WIDTH ? inner - at : WIDTH, from = i / blocks * channels * inner + at;
        const lb_real *x = lb_r(c->in[0]) + from;
        if (back)
            backward_block(c->params, x, lb_r(c->out[1]) + from, lb_r(c->gout[0]) + from, lb_r(c->gin[0]) + from,
                           work + channels * WIDTH * omp_get_thread_num(), channels, inner, width, c->fresh[0]);
        else forward_block(c->params, x, lb_r(c->out[0]) + from, lb_r(c->out[1]) + from, channels, inner, width);
    }
}

static void forward(lb_call *c) { run(c, false); }
static void backward(lb_call *c) {
    if (c->gin[0] && c->gout[0]) run(c, true);
}

static void reference(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], inner = lbi_inner(c->in[0]);
    for (int64_t i = 0, n = lb_numel(c->in[0]); i < n; i++) {
        int64_t at = i / inner % channels;
        double sum = 0;
        for (int64_t q = at - o->size / 2; q <= at + (o->size - 1) / 2; q++)
            if (q >= 0 && q < channels) sum += pow((double)lb_r(c->in[0])[i + (q - at) * inner], 2);
        double d = o->k + o->alpha / (double)o->size * sum;
        lb_r(c->out[1])[i] = (lb_real)d;
        lb_r(c->out[0])[i] = (lb_real)((double)lb_r(c->in[0])[i] * pow(d, -o->beta));
    }
}

static const options usual = {5, 0.5, 0.75, 1}, even = {4, 1, 1, 2};
static const lb_op_case cases[] = {
    {.name = "five channels", .rank = {4}, .shape = {{2, 7, 2, 2}}, .params = &usual},
    {.name = "even window", .rank = {3}, .shape = {{2, 5, 3}}, .params = &even},
    {.name = "few channels", .rank = {2}, .shape = {{3, 2}}, .params = &usual},
    {.name = "no pictures", .rank = {4}, .shape = {{0, 7, 2, 2}}, .params = &usual},
    {.name = "large", .rank = {4}, .shape = {{2, 19, 13, 12}}, .params = &usual},
};

LB_OP(local_response_norm) = {.id = "local_response_norm",
                              .title = "division by the energy of neighbouring channels",
                              .source = "Krizhevsky et al., NIPS 2012, section 3.3; torch.nn.functional.local_response_norm",
                              .sig = "x -> y d",
                              .math = "y = x / (k + alpha mean over the window of x^2)^beta",
                              .flags = LB_OP_SETS,
                              .reads = LB_READS_IN(0) | LB_READS_OUT(1),
                              .shape = shape,
                              .params_size = sizeof(options),
                              .forward = forward,
                              .backward = backward,
                              .reference = reference,
                              .cases = cases,
                              .case_count = LB_COUNT(cases)};

lb_tensor *lb_local_response_norm(lb_tape *t, lb_tensor *x, int64_t size, double alpha, double beta, double k) {
    return lb_apply(t, &lb_op_local_response_norm, &(options){size, alpha, beta, k}, sizeof(options), 1, &x);
}

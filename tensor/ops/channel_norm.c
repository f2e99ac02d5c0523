/* SPDX-License-Identifier: Apache-2.0 */
/* Layer norm over the channels of x [N,C,...], at each place on its own: y_c = gamma_c xh_c + beta_c, xh_c = (x_c - mean) rstd,
 * rstd = 1 / sqrt(biased variance + eps). With h = g gamma: dx = rstd (h - mean_c(h) - xh mean_c(h xh)), dgamma = sum g xh, dbeta = sum g.
 * Places are done a block at a time, so that the channels of a block stay in cache between passes. Sums of channels in double. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/calls.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef lb_eps_params options;

enum { WIDTH = 128, RUN = 16 }; /* places of a block; channels summed in the maths type before they go to double */

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    char text[96];
    bool fits = x->rank >= 2 && x->shape[1] > 0;
    for (int i = 1; i < 3; i++) fits = fits && (!c->in[i] || c->in[i]->shape[0] == x->shape[1]);
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x %s and the numbers of weights do not go together", lb_shape_text(text, sizeof text, x->rank, x->shape));
        return false;
    }
    lbi_like(c->out[0], x);
    for (int k = 1; k < 3; k++) {
        c->out[k]->rank = 2;
        c->out[k]->shape[0] = x->shape[0];
        c->out[k]->shape[1] = lbi_inner(x);
    }
    return true;
}

/* x: channels `ld` apart, `width` places. */
LBI_LEVELS static void forward_block(lb_real *y, const lb_real *x, int64_t channels, int64_t ld, int64_t width, const lb_real *gamma, const lb_real *beta, double eps, lb_real *mean, lb_real *rstd) {
    double sum[WIDTH], square[WIDTH];
    lb_real part[WIDTH];
    for (int64_t j = 0; j < width; j++) sum[j] = square[j] = 0;
    for (int64_t c = 0; c < channels; c += RUN) {
        for (int64_t j = 0; j < width; j++) part[j] = 0;
        for (int64_t q = c; q < channels && q < c + RUN; q++)
            for (int64_t j = 0; j < width; j++) part[j] += x[q * ld + j];
        for (int64_t j = 0; j < width; j++) sum[j] += (double)part[j];
    }
    for (int64_t j = 0; j < width; j++) mean[j] = (lb_real)(sum[j] / (double)channels);
    for (int64_t c = 0; c < channels; c += RUN) {
        for (int64_t j = 0; j < width; j++) part[j] = 0;
        for (int64_t q = c; q < channels && q < c + RUN; q++)
            for (int64_t j = 0; j < width; j++) part[j] += (x[q * ld + j] - mean[j]) * (x[q * ld + j] - mean[j]);
        for (int64_t j = 0; j < width; j++) square[j] += (double)part[j];
    }
    for (int64_t j = 0; j < width; j++) rstd[j] = (lb_real)(1 / sqrt(square[j] / (double)channels + eps));
    for (int64_t c = 0; c < channels; c++) {
        lb_real a = gamma ? gamma[c] : 1, b = beta ? beta[c] : 0;
        const lb_real *restrict from = x + c * ld;
        lb_real *restrict to = y + c * ld;
        for (int64_t j = 0; j < width; j++) to[j] = (from[j] - mean[j]) * rstd[j] * a + b;
    }
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], inner = lbi_inner(c->in[0]), blocks = (inner + WIDTH - 1) / WIDTH;
#pragma omp parallel for if (lb_numel(c->in[0]) > LBI_GRAIN)
    for (int64_t i = 0; i < c->in[0]->shape[0] * blocks; i++) {
        int64_t n = i / blocks, at = i % blocks * WIDTH, width = inner - at < WIDTH ? inner - at : WIDTH, from = n * channels * inner + at;
        forward_block(lb_r(c->out[0]) + from, lb_r(c->in[0]) + from, channels, inner, width, c->in[1] ? lb_r(c->in[1]) : NULL, c->in[2] ? lb_r(c->in[2]) : NULL, o->eps,
                      lb_r(c->out[1]) + n * inner + at, lb_r(c->out[2]) + n * inner + at);
    }
}

/* gx may be NULL; sums [2, channels] gets dgamma and dbeta. */
LBI_LEVELS static void backward_block(lb_real *gx, bool fresh, double *sums, const lb_real *g, const lb_real *x, int64_t channels, int64_t ld, int64_t width, const lb_real *gamma, const lb_real *mean,
                                      const lb_real *rstd) {
    double all[WIDTH], dot[WIDTH];
    lb_real part[WIDTH], part_dot[WIDTH], a[WIDTH], b[WIDTH];
    for (int64_t j = 0; j < width; j++) all[j] = dot[j] = 0;
    for (int64_t c = 0; c < channels; c += RUN) {
        for (int64_t j = 0; j < width; j++) part[j] = part_dot[j] = 0;
        for (int64_t q = c; q < channels && q < c + RUN; q++) {
            const lb_real *restrict gq = g + q * ld, *restrict xq = x + q * ld;
            lb_real w = gamma ? gamma[q] : 1, s = 0, d = 0;
#pragma omp simd reduction(+ : s, d)
            for (int64_t j = 0; j < width; j++) {
                lb_real xh = (xq[j] - mean[j]) * rstd[j];
                part[j] += gq[j] * w;
                part_dot[j] += gq[j] * w * xh;
                s += gq[j];
                d += gq[j] * xh;
            }
            sums[q] += (double)d;
            sums[channels + q] += (double)s;
        }
        for (int64_t j = 0; j < width; j++) {
            all[j] += (double)part[j];
            dot[j] += (double)part_dot[j];
        }
    }
    if (!gx) return;
    for (int64_t j = 0; j < width; j++) {
        a[j] = (lb_real)(all[j] / (double)channels);
        b[j] = (lb_real)(dot[j] / (double)channels);
    }
    for (int64_t c = 0; c < channels; c++) {
        const lb_real *restrict gq = g + c * ld, *restrict xq = x + c * ld;
        lb_real *restrict to = gx + c * ld, w = gamma ? gamma[c] : 1;
        if (fresh)
            for (int64_t j = 0; j < width; j++) to[j] = rstd[j] * (gq[j] * w - a[j] - (xq[j] - mean[j]) * rstd[j] * b[j]);
        else
            for (int64_t j = 0; j < width; j++) to[j] += rstd[j] * (gq[j] * w - a[j] - (xq[j] - mean[j]) * rstd[j] * b[j]);
    }
}

/* Each thread sums over its own run of blocks; the sums are added in thread order. */
static void backward(lb_call *c) {
    int64_t channels = c->in[0]->shape[1], inner = lbi_inner(c->in[0]), blocks = (inner + WIDTH - 1) / WIDTH;
    int threads = lb_numel(c->in[0]) > LBI_GRAIN ? omp_get_max_threads() : 1;
    if (!c->gout[0]) return;
    double *sums = lb_scratch(c, (size_t)(2 * channels * threads) * sizeof *sums);
    if (!sums) return;
    memset(sums, 0, (size_t)(2 * channels * threads) * sizeof *sums);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < c->in[0]->shape[0] * blocks; i++) {
        int64_t n = i / blocks, at = i % blocks * WIDTH, width = inner - at < WIDTH ? inner - at : WIDTH, from = n * channels * inner + at;
        backward_block(c->gin[0] ? lb_r(c->gin[0]) + from : NULL, c->fresh[0], sums + 2 * channels * omp_get_thread_num(), lb_r(c->gout[0]) + from, lb_r(c->in[0]) + from, channels, inner, width,
                       c->in[1] ? lb_r(c->in[1]) : NULL, lb_r(c->out[1]) + n * inner + at, lb_r(c->out[2]) + n * inner + at);
    }
    for (int i = 1; i < 3; i++)
        for (int64_t q = 0; c->in[i] && c->gin[i] && q < channels; q++) {
            double sum = c->fresh[i] ? 0 : (double)lb_r(c->gin[i])[q];
            for (int t = 0; t < threads; t++) sum += sums[2 * channels * t + (i - 1) * channels + q];
            lb_r(c->gin[i])[q] = (lb_real)sum;
        }
}

static void reference(lb_call *c) {
    const options *o = c->params;
    int64_t channels = c->in[0]->shape[1], inner = lbi_inner(c->in[0]);
    for (int64_t i = 0; i < c->in[0]->shape[0] * inner; i++) {
        int64_t from = i / inner * channels * inner + i % inner;
        double mean = 0, var = 0;
        for (int64_t q = 0; q < channels; q++) mean += (double)lb_r(c->in[0])[from + q * inner] / (double)channels;
        for (int64_t q = 0; q < channels; q++) var += pow((double)lb_r(c->in[0])[from + q * inner] - mean, 2) / (double)channels;
        lb_r(c->out[1])[i] = (lb_real)mean;
        lb_r(c->out[2])[i] = (lb_real)(1 / sqrt(var + o->eps));
        for (int64_t q = 0; q < channels; q++) {
            double xh = ((double)lb_r(c->in[0])[from + q * inner] - mean) / sqrt(var + o->eps);
            lb_r(c->out[0])[from + q * inner] = (lb_real)(xh * (c->in[1] ? (double)lb_r(c->in[1])[q] : 1) + (c->in[2] ? (double)lb_r(c->in[2])[q] : 0));
        }
    }
}

static const options usual = {1e-6}, large = {0.1};
static const lb_op_case cases[] = {
    {.name = "pictures", .rank = {4, 1, 1}, .shape = {{2, 5, 2, 3}, {5}, {5}}, .params = &usual},
    {.name = "lines, no weights", .rank = {3, -1, -1}, .shape = {{2, 3, 4}}, .params = &large},
    {.name = "no shift", .rank = {5, 1, -1}, .shape = {{1, 4, 2, 2, 2}, {4}}, .params = &usual},
    {.name = "rows", .rank = {2, 1, 1}, .shape = {{3, 6}, {6}, {6}}, .params = &usual},
    {.name = "no pictures", .rank = {4, 1, 1}, .shape = {{0, 5, 2, 3}, {5}, {5}}, .params = &usual},
    {.name = "large", .rank = {4, 1, 1}, .shape = {{3, 37, 19, 17}, {37}, {37}}, .params = &usual},
};

LB_OP(channel_norm) = {.id = "channel_norm",
                       .title = "layer normalisation over the channels of pictures, place by place",
                       .source = "ConvNeXt's LayerNorm2d, Liu et al., arXiv:2201.03545",
                       .sig = "x gamma[C]? beta[C]? -> y mean rstd",
                       .math = "y = gamma (x - mean) / sqrt(var + eps) + beta",
                       .flags = LB_OP_SETS | LB_OP_CHEAP,
                       .reads = LB_READS_IN(0) | LB_READS_IN(1) | LB_READS_OUT(1) | LB_READS_OUT(2),
                       .shape = shape,
                       .params_size = sizeof(options),
                       .forward = forward,
                       .backward = backward,
                       .reference = reference,
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_channel_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps) {
    return lb_apply(t, &lb_op_channel_norm, &(options){eps}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Per sample and group of C / groups neighbouring channels of x [N,C,...], over all their elements: y = gamma_c xh + beta_c, xh = (x - mean) rstd,
 * rstd = 1 / sqrt(biased variance + eps). With m elements a group, s_c = sum g, d_c = sum g xh over a channel, A = sum gamma_c s_c, B = sum gamma_c d_c:
 * dx = rstd (gamma_c g - A / m - xh B / m), dgamma_c = sum over samples of d_c, dbeta_c of s_c. Sums in double.
 * groups = C is instance norm, groups = 1 layer norm of a whole sample. */
#include <math.h>
#include "tensor/calls.h"
#include "tensor/kernels/norm.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef lb_groups_params options;

static int64_t groups_of(const lb_call *c) { return ((const options *)c->params)->groups; }

static bool shape(lb_call *c) {
    const lb_tensor *x = c->in[0];
    int64_t groups = groups_of(c);
    char text[96];
    bool fits = x->rank >= 2 && groups > 0 && x->shape[1] % groups == 0;
    for (int i = 1; i < 3; i++) fits = fits && (!c->in[i] || c->in[i]->shape[0] == x->shape[1]);
    if (!fits) {
        lb_tape_fail(c->tape, LB_E_SHAPE, "x %s, %lld groups and the numbers of weights do not go together", lb_shape_text(text, sizeof text, x->rank, x->shape), (long long)groups);
        return false;
    }
    lbi_like(c->out[0], x);
    for (int k = 1; k < 3; k++) {
        c->out[k]->rank = 2;
        c->out[k]->shape[0] = x->shape[0];
        c->out[k]->shape[1] = groups;
    }
    return true;
}

static void forward(lb_call *c) {
    const options *o = c->params;
    int64_t ch = c->in[0]->shape[1] / o->groups, k = lbi_inner(c->in[0]), n = c->in[0]->shape[0] * o->groups, m = ch * k;
#pragma omp parallel for if (n * m > LBI_GRAIN)
    for (int64_t i = 0; i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * m;
        double mean, square;
        lbi_plane_moments(x, m, &mean, &square);
        double rstd = 1 / sqrt((m ? square / (double)m : 0) + o->eps);
        lb_r(c->out[1])[i] = (lb_real)mean;
        lb_r(c->out[2])[i] = (lb_real)rstd;
        for (int64_t q = 0; q < ch; q++) {
            int64_t at = i % o->groups * ch + q;
            double a = rstd * (c->in[1] ? (double)lb_r(c->in[1])[at] : 1), b = (c->in[2] ? (double)lb_r(c->in[2])[at] : 0) - mean * a;
            lbi_plane_affine(LB_ACT_NONE, lb_r(c->out[0]) + i * m + q * k, x + q * k, NULL, k, (lb_real)a, (lb_real)b);
        }
    }
}

/* dgamma, dbeta: sums over samples of what each sample and channel brought. */
static void add_samples(lb_call *c, int i, const double *part) {
    int64_t samples = c->in[0]->shape[0], channels = c->in[0]->shape[1];
    for (int64_t q = 0; q < channels; q++) {
        double sum = c->fresh[i] ? 0 : (double)lb_r(c->gin[i])[q];
        for (int64_t n = 0; n < samples; n++) sum += part[n * channels + q];
        lb_r(c->gin[i])[q] = (lb_real)sum;
    }
}

static void backward(lb_call *c) {
    const options *o = c->params;
    int64_t ch = c->in[0]->shape[1] / o->groups, k = lbi_inner(c->in[0]), n = c->in[0]->shape[0] * o->groups, m = ch * k;
    double *sums = lb_scratch(c, (size_t)(2 * n * ch + 1) * sizeof *sums), *dots = sums + n * ch;
    if (!sums || !c->gout[0]) return;
#pragma omp parallel for if (n * m > LBI_GRAIN)
    for (int64_t i = 0; i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * m, *g = lb_r(c->gout[0]) + i * m, *gamma = c->in[1] ? lb_r(c->in[1]) + i % o->groups * ch : NULL;
        lb_real mean = lb_r(c->out[1])[i], rstd = lb_r(c->out[2])[i];
        double all = 0, dot = 0;
        for (int64_t q = 0; q < ch; q++) {
            double *s = sums + i * ch + q, *d = dots + i * ch + q;
            *s = *d = 0;
            lbi_plane_back_sums(LB_ACT_NONE, g + q * k, x + q * k, x + q * k, k, mean, rstd, s, d);
            all += *s * (gamma ? (double)gamma[q] : 1);
            dot += *d * (gamma ? (double)gamma[q] : 1);
        }
        if (!c->gin[0]) continue;
        double b = -(double)rstd * (double)rstd * dot / (double)m, shift = -(double)rstd * all / (double)m - b * (double)mean;
        for (int64_t q = 0; q < ch; q++)
            lbi_plane_back(LB_ACT_NONE, lb_r(c->gin[0]) + i * m + q * k, g + q * k, x + q * k, x + q * k, k, gamma ? gamma[q] * rstd : rstd, (lb_real)b, (lb_real)shift, c->fresh[0]);
    }
    if (c->in[1] && c->gin[1]) add_samples(c, 1, dots);
    if (c->in[2] && c->gin[2]) add_samples(c, 2, sums);
}

static void reference(lb_call *c) {
    const options *o = c->params;
    int64_t ch = c->in[0]->shape[1] / o->groups, k = lbi_inner(c->in[0]), n = c->in[0]->shape[0] * o->groups, m = ch * k;
    for (int64_t i = 0; i < n; i++) {
        const lb_real *x = lb_r(c->in[0]) + i * m;
        double mean = 0, var = 0;
        for (int64_t j = 0; j < m; j++) mean += (double)x[j] / (double)m;
        for (int64_t j = 0; j < m; j++) var += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)m;
        lb_r(c->out[1])[i] = (lb_real)mean;
        lb_r(c->out[2])[i] = (lb_real)(1 / sqrt(var + o->eps));
        for (int64_t j = 0; j < m; j++) {
            int64_t at = i % o->groups * ch + j / k;
            lb_r(c->out[0])[i * m + j] = (lb_real)(((double)x[j] - mean) / sqrt(var + o->eps) * (c->in[1] ? (double)lb_r(c->in[1])[at] : 1) + (c->in[2] ? (double)lb_r(c->in[2])[at] : 0));
        }
    }
}

static const options two = {2, 1e-5}, each = {3, 1e-3}, one = {1, 1e-6}, many = {8, 1e-5};
static const lb_op_case cases[] = {
    {.name = "two groups", .rank = {4, 1, 1}, .shape = {{2, 4, 2, 3}, {4}, {4}}, .params = &two},
    {.name = "instances", .rank = {3, -1, -1}, .shape = {{2, 3, 5}}, .params = &each},
    {.name = "one group, no shift", .rank = {5, 1, -1}, .shape = {{2, 3, 2, 1, 2}, {3}}, .params = &one},
    {.name = "rows", .rank = {2, 1, 1}, .shape = {{3, 6}, {6}, {6}}, .params = &two},
    {.name = "no pictures", .rank = {4, 1, 1}, .shape = {{0, 4, 2, 3}, {4}, {4}}, .params = &two},
    {.name = "large", .rank = {4, 1, 1}, .shape = {{2, 32, 29, 31}, {32}, {32}}, .params = &many},
};

LB_OP(group_norm) = {.id = "group_norm",
                     .title = "normalisation per sample and group of channels",
                     .source = "Wu, He, arXiv:1803.08494; torch.nn.functional.group_norm",
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

lb_tensor *lb_group_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, int64_t groups, double eps) {
    return lb_apply(t, &lb_op_group_norm, &(options){groups, eps}, sizeof(options), 3, (lb_tensor *[]){x, gamma, beta});
}

lb_tensor *lb_instance_norm(lb_tape *t, lb_tensor *x, lb_tensor *gamma, lb_tensor *beta, double eps) {
    return lb_group_norm(t, x, gamma, beta, x && x->rank > 1 ? x->shape[1] : 1, eps);
}

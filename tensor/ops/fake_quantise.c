/* SPDX-License-Identifier: Apache-2.0 */
/* x rounded to what few bits can hold. Groups: the whole tensor, each row of the first axis, or each run of `group` neighbours (which divides the last
 * axis). Per group, b bits, round = half to even:
 *   symmetric  top = 2^(b-1) - 1, scale = max(clip max|x| / top, 1e-12), code = cut(round(x / scale), -top, top), y = code scale
 *   affine     top = 2^b - 1, lo = clip min(min x, 0), hi = clip max(max x, 0), scale = max((hi - lo) / top, 1e-12),
 *              zero = cut(round(-lo / scale), 0, top), code = cut(round(x / scale) + zero, 0, top), y = (code - zero) scale
 *   minifloat  vmax = 2^(2^E - 1 - bias) (2 - 2^-M), bias = 2^(E-1) - 1 (no codes for infinities), scale = max(max|x| / vmax, 1e-12), y = scale times the
 *              nearest such float to x / scale; codes are 0
 * Straight-through: dx = g where the code before cutting was in range (minifloat: everywhere), else 0. Scales and zeros are constants.
 * NaN stays NaN, its code is that of 0; in a group with an infinity all are NaN. */
#include <math.h>
#include "tensor/ops.h"
#include "tensor/quantise.h"
#include "tensor/op.h"

static bool shape(lb_call *c) {
    const lb_quantiser *o = c->params;
    const lb_tensor *x = c->in[0];
    int64_t n = lb_numel(x), groups = 1;
    if (o->grain == LB_PER_CHANNEL) groups = x->rank > 0 ? x->shape[0] : 1;
    if (o->grain == LB_PER_GROUP) {
        int64_t row = x->rank > 0 ? x->shape[x->rank - 1] : 1;
        if (o->group < 1 || row % o->group != 0) {
            lb_tape_fail(c->tape, LB_E_SHAPE, "groups of %lld do not divide rows of %lld", (long long)o->group, (long long)row);
            return false;
        }
        groups = n / o->group;
    }
    for (int i = 0; i < 4; i++) {
        c->out[i]->dtype = i == 1 || i == 3 ? LB_I64 : LB_REAL;
        c->out[i]->rank = i < 2 ? x->rank : 1;
        for (int d = 0; d < x->rank; d++) c->out[i]->shape[d] = x->shape[d];
        if (i >= 2) c->out[i]->shape[0] = groups;
    }
    return true;
}

typedef struct grid {
    double scale, zero, lo, hi; /* codes lo..hi */
} grid;

static double float_most(const lb_quantiser *o) { return ldexp(2 - ldexp(1, -o->mantissa), (1 << o->exponent) - (1 << (o->exponent - 1))); }

static grid grid_of(const lb_quantiser *o, const lb_real *x, int64_t n) {
    double least = 0, most = 0, top;
    grid g = {1, 0, 0, 0};
    for (int64_t i = 0; i < n; i++) {
        least = fmin(least, (double)x[i]);
        most = fmax(most, (double)x[i]);
    }
    double size = fmax(-least, most);
    if (o->kind == LB_MINIFLOAT) {
        g.scale = fmax(size / float_most(o), 1e-12);
    } else if (o->kind == LB_SYMMETRIC) {
        g.hi = top = ldexp(1, o->bits - 1) - 1;
        g.lo = -top;
        g.scale = fmax(o->clip * size / top, 1e-12);
    } else {
        g.hi = top = ldexp(1, o->bits) - 1;
        g.scale = fmax(o->clip * (most - least) / top, 1e-12);
        g.zero = fmin(fmax(nearbyint(-o->clip * least / g.scale), 0), top);
    }
    return g;
}

static void forward(lb_call *c) {
    const lb_quantiser *o = c->params;
    int64_t groups = lb_numel(c->out[2]), n = groups ? lb_numel(c->in[0]) / groups : 0;
    double most = o->kind == LB_MINIFLOAT ? float_most(o) : 0;
    for (int64_t k = 0; k < groups; k++) {
        const lb_real *x = lb_r(c->in[0]) + k * n;
        grid g = grid_of(o, x, n);
        lb_r(c->out[2])[k] = (lb_real)g.scale;
        lb_i(c->out[3])[k] = (int64_t)g.zero;
        for (int64_t i = 0; i < n; i++) {
            double v = (double)x[i] / g.scale, code = isnan(v) ? g.zero : fmin(fmax(nearbyint(v) + g.zero, g.lo), g.hi), left = isnan(v) ? v : code - g.zero;
            lb_i(c->out[1])[k * n + i] = o->kind == LB_MINIFLOAT ? 0 : (int64_t)code;
            lb_r(c->out[0])[k * n + i] = (lb_real)(g.scale * (o->kind == LB_MINIFLOAT ? lb_minifloat_of(v, o->exponent, o->mantissa, most) : left));
        }
    }
}

static void backward(lb_call *c) {
    const lb_quantiser *o = c->params;
    int64_t groups = lb_numel(c->out[2]), n = groups ? lb_numel(c->in[0]) / groups : 0;
    if (!c->gin[0] || !c->gout[0]) return;
    for (int64_t k = 0; k < groups; k++) {
        const lb_real *x = lb_r(c->in[0]) + k * n;
        grid g = grid_of(o, x, n);
        for (int64_t i = 0; i < n; i++) {
            double code = nearbyint((double)x[i] / g.scale) + g.zero;
            if (o->kind == LB_MINIFLOAT || (code >= g.lo && code <= g.hi)) lb_r(c->gin[0])[k * n + i] += lb_r(c->gout[0])[k * n + i];
        }
    }
}

static const lb_quantiser affine = {LB_AFFINE, LB_PER_TENSOR, 4, 1, 0, 0, 0}, rows = {LB_SYMMETRIC, LB_PER_CHANNEL, 3, 0.8, 0, 0, 0},
                          runs = {LB_AFFINE, LB_PER_GROUP, 8, 0.9, 3, 0, 0}, fp4 = {LB_MINIFLOAT, LB_PER_CHANNEL, 4, 1, 0, 2, 1},
                          fp8 = {LB_MINIFLOAT, LB_PER_TENSOR, 8, 1, 0, 4, 3};
static const lb_op_case cases[] = {
    {.name = "affine", .rank = {2}, .shape = {{3, 6}}, .params = &affine},
    {.name = "symmetric rows, clipped", .rank = {3}, .shape = {{4, 5, 2}}, .params = &rows},
    {.name = "affine groups", .rank = {2}, .shape = {{4, 6}}, .params = &runs},
    {.name = "fp4 rows", .rank = {2}, .shape = {{4, 5}}, .params = &fp4},
    {.name = "fp8", .rank = {2}, .shape = {{4, 5}}, .params = &fp8},
    {.name = "empty", .rank = {2}, .shape = {{0, 5}}, .params = &affine},
    {.name = "large", .rank = {2}, .shape = {{300, 250}}, .params = &affine},
    {.name = "large, rows", .rank = {2}, .shape = {{300, 250}}, .params = &rows},
};

LB_OP(fake_quantise) = {.id = "fake_quantise",
                        .title = "rounding to few bits, with a straight-through gradient",
                        .source = "arXiv:1712.05877; arXiv:1308.3432 (straight-through)",
                        .sig = "x -> y code:i64 scale zero:i64",
                        .results = 4,
                        .math = "y = (cut(round(x / s) + z) - z) s",
                        .flags = LB_OP_ESTIMATE,
                        .reads = LB_READS_IN(0) | LB_READS_OUT(2),
                        .params_size = sizeof(lb_quantiser),
                        .shape = shape,
                        .forward = forward,
                        .backward = backward,
                        .cases = cases,
                        .case_count = LB_COUNT(cases)};

lb_tensor *lb_fake_quantise(lb_tape *t, lb_tensor *x, lb_quantiser how, lb_tensor **code, lb_tensor **scale, lb_tensor **zero) {
    lb_tensor *out[4];
    bool bits = how.kind == LB_MINIFLOAT ? how.exponent >= 1 && how.exponent <= 8 && how.mantissa >= 0 && how.mantissa <= 23 : how.bits >= (how.kind == LB_SYMMETRIC ? 2 : 1) && how.bits <= 16;
    if (!bits || !(how.clip > 0)) return lb_tape_fail(t, LB_E_ARG, "fake_quantise: %d bits (%d exponent, %d mantissa), clip %g", how.bits, how.exponent, how.mantissa, how.clip);
    lb_apply_n(t, &lb_op_fake_quantise, &how, sizeof how, 1, &x, 4, out);
    if (code) *code = out[1];
    if (scale) *scale = lb_detach(t, out[2]);
    if (zero) *zero = out[3];
    return out[0];
}

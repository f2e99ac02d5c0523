/* SPDX-License-Identifier: Apache-2.0 */
/* cos, sin [...,P] of position f_i, f_i = base^(-i / P), i < P, after the scaling for texts longer than those trained on:
 * linear: f / factor. NTK: base factor^(P / (P - 1)). Llama 3: waves of more than length / low positions get f / factor, those below
 * length / high stay, between them the two are mixed by (length / wave - low) / (high - low). YaRN: pair i gets f (1 - r) + f r / factor, r from 0 at pair p(high) to 1
 * at pair p(low), p(n) = P log(length / (2 pi n)) / log base the pair that turns n times, rounded down and up. All times the magnitude. */
#include <math.h>
#include <string.h>
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

static bool shape(lb_call *c) {
    const lb_rotary_spec *p = c->params;
    const lb_tensor *x = c->in[0];
    if (p->pairs < 1 || p->base <= 0 || (p->scaling != LB_ROTARY_PLAIN && p->factor <= 0) || x->rank == LB_MAX_RANK) {
        lb_tape_fail(c->tape, LB_E_ARG, "%lld pairs, base %g, factor %g: expected them above 0", (long long)p->pairs, p->base, p->factor);
        return false;
    }
    for (int k = 0; k < 2; k++) {
        lb_tensor *y = c->out[k];
        y->rank = x->rank + 1;
        memcpy(y->shape, x->shape, sizeof x->shape);
        y->shape[x->rank] = p->pairs;
    }
    return true;
}

/* How far pair i is stretched, 0 to 1. */
static double yarn_share(const lb_rotary_spec *p, double i) {
    double pairs = (double)p->pairs, turn = log((double)p->length / (2 * M_PI)), all = log(p->base);
    double first = pairs * (turn - log(p->high)) / all, last = pairs * (turn - log(p->low)) / all;
    first = fmax(p->exact ? first : floor(first), 0);
    last = fmin(p->exact ? last : ceil(last), 2 * pairs - 1);
    if (first == last) last += 0.001;
    return fmin(fmax((i - first) / (last - first), 0), 1);
}

static double frequency(const lb_rotary_spec *p, int64_t i) {
    double pairs = (double)p->pairs, base = p->base, length = (double)p->length;
    if (p->scaling == LB_ROTARY_NTK && pairs > 1) base *= pow(p->factor, pairs / (pairs - 1));
    double f = pow(base, -(double)i / pairs), waves = length * f / (2 * M_PI);
    if (p->scaling == LB_ROTARY_LINEAR) return f / p->factor;
    if (p->scaling == LB_ROTARY_YARN) return f * (1 - yarn_share(p, (double)i) * (1 - 1 / p->factor));
    if (p->scaling != LB_ROTARY_LLAMA3 || waves > p->high) return f;
    if (waves < p->low) return f / p->factor;
    double share = (waves - p->low) / (p->high - p->low);
    return (1 - share) * f / p->factor + share * f;
}

#ifdef LB_DOUBLE
LBI_ALWAYS void turn(double angle, lb_real *cosine, lb_real *sine) {
    *cosine = cos(angle);
    *sine = sin(angle);
}
#else
/* The angle less quarter turns, in double, then polynomials on [-pi/4, pi/4] (Cephes sinf, cosf): error below 1 unit in the last place of 1. Angles up
 * to 2^22 quarter turns; beyond that positions have no meaning to a model. */
LBI_ALWAYS void turn(double angle, lb_real *cosine, lb_real *sine) {
    double quarters = angle * 0.63661977236758134308 + 6755399441055744.0; /* 1.5 * 2^52: rounds to the nearest integer */
    int64_t bits;
    memcpy(&bits, &quarters, sizeof bits);
    float r = (float)(angle - (quarters - 6755399441055744.0) * 1.57079632679489661923), z = r * r;
    float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1;
    int32_t n = (int32_t)bits;
    float x = n & 1 ? s : c, y = n & 1 ? c : s;
    *cosine = (n + 1) & 2 ? -x : x;
    *sine = n & 2 ? -y : y;
}
#endif

typedef struct job {
    const int64_t *position;
    const double *frequency;
    int64_t pairs;
    lb_real *cosine, *sine, size;
} job;

LBI_LEVELS_FUSED static void turn_row(const job *j, int64_t row) {
    lb_real *restrict cosine = j->cosine + row * j->pairs, *restrict sine = j->sine + row * j->pairs, size = j->size;
    const double *restrict f = j->frequency;
    double at = (double)j->position[row];
    for (int64_t k = 0, n = j->pairs; k < n; k++) {
        lb_real a, b;
        turn(at * f[k], &a, &b);
        cosine[k] = size * a;
        sine[k] = size * b;
    }
}

static void turn_rows(const void *ctx, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) turn_row(ctx, i);
}

static void forward(lb_call *c) {
    const lb_rotary_spec *p = c->params;
    double *f = lb_scratch(c, (size_t)p->pairs * sizeof *f);
    if (!f) return;
    for (int64_t k = 0; k < p->pairs; k++) f[k] = frequency(p, k);
    job j = {lb_i(c->in[0]), f, p->pairs, lb_r(c->out[0]), lb_r(c->out[1]), (lb_real)(p->magnitude > 0 ? p->magnitude : 1)};
    lbi_split(lb_numel(c->in[0]), 8 * p->pairs, turn_rows, &j);
}

static const lb_rotary_spec plain = {.pairs = 3, .base = 10000}, linear = {.pairs = 2, .base = 100, .scaling = LB_ROTARY_LINEAR, .factor = 4};
static const lb_rotary_spec ntk = {.pairs = 4, .base = 1000, .scaling = LB_ROTARY_NTK, .factor = 2};
static const lb_rotary_spec llama = {.pairs = 8, .base = 10000, .scaling = LB_ROTARY_LLAMA3, .factor = 8, .low = 1, .high = 4, .length = 64};
static const lb_rotary_spec yarn = {.pairs = 8, .base = 1000, .scaling = LB_ROTARY_YARN, .factor = 4, .low = 1, .high = 32, .length = 64, .magnitude = 1.2};
static const lb_op_case cases[] = {
    {.name = "plain", .rank = {1}, .shape = {{5}}, .imax = 50, .params = &plain},
    {.name = "linear", .rank = {2}, .shape = {{2, 3}}, .imax = 50, .params = &linear},
    {.name = "ntk", .rank = {1}, .shape = {{4}}, .imax = 50, .params = &ntk},
    {.name = "llama 3", .rank = {1}, .shape = {{6}}, .imax = 100, .params = &llama},
    {.name = "yarn", .rank = {1}, .shape = {{6}}, .imax = 100, .params = &yarn},
    {.name = "empty", .rank = {1}, .shape = {{0}}, .imax = 5, .params = &plain},
};

LB_OP(rotary_table) = {.id = "rotary_table",
                       .title = "cosines and sines of rotary positions, with the scalings for long texts",
                       .source = "Su et al., arXiv:2104.09864; scalings as in Hugging Face's modeling_rope_utils",
                       .sig = "position:i64 -> cos sin",
                       .math = "cos, sin of position base^(-i/P)",
                       .results = 2,
                       .params_size = sizeof(lb_rotary_spec),
                       .shape = shape,
                       .forward = forward,
                       .no_grad = "of whole numbers",
                       .cases = cases,
                       .case_count = LB_COUNT(cases)};

lb_tensor *lb_rotary_table(lb_tape *t, lb_tensor *position, lb_rotary_spec spec, lb_tensor **sine) {
    lb_tensor *out[2];
    if (spec.base == 0) spec.base = 10000;
    lb_apply_n(t, &lb_op_rotary_table, &spec, sizeof spec, 1, &position, 2, out);
    *sine = out[1];
    return out[0];
}

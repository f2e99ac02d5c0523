/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/noise.h"
#include <math.h>
#include "tensor/loops.h"
#include "tensor/ops.h"

typedef struct job {
    lb_real *x;
    int64_t n;
    uint32_t key[2];
    lb_noise_kind kind;
} job;

/* In (0,1), from two words. */
static double unit(const uint32_t *word) {
    return ((double)(((uint64_t)word[1] << 32 | word[0]) >> 12) + 0.5) * 0x1p-52;
}

static double value_of(lb_noise_kind kind, double u) {
    switch (kind) {
    case LB_NOISE_UNIFORM: return u;
    case LB_NOISE_GUMBEL: return -log(-log(u));
    case LB_NOISE_LAPLACE: return u < 0.5 ? log(2 * u) : -log(2 * (1 - u));
    case LB_NOISE_LOGISTIC: return log(u / (1 - u));
    case LB_NOISE_EXPONENTIAL: return -log(u);
    case LB_NOISE_NORMAL: break; /* made in pairs */
    }
    return 0;
}

/* A Philox block makes two elements. */
static void fill_pairs(const void *ctx, int64_t first, int64_t last) {
    const job *j = ctx;
    for (int64_t i = first; i < last; i++) {
        uint32_t counter[4] = {(uint32_t)i, (uint32_t)((uint64_t)i >> 32), 0, 0}, word[4];
        lb_philox(counter, j->key, word);
        double a = unit(word), b = unit(word + 2), y[2];
        if (j->kind == LB_NOISE_NORMAL) {
            double radius = sqrt(-2 * log(a)), angle = 6.283185307179586476925 * b;
            y[0] = radius * cos(angle);
            y[1] = radius * sin(angle);
        } else {
            y[0] = value_of(j->kind, a);
            y[1] = value_of(j->kind, b);
        }
        j->x[2 * i] = (lb_real)y[0];
        if (2 * i + 1 < j->n) j->x[2 * i + 1] = (lb_real)y[1];
    }
}

/* Memory of that shape, when there is a generator to fill it from. */
static lb_tensor *blank(lb_tape *t, const lb_rng *rng, const char *what, int rank, const int64_t *shape) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    return rng ? lb_zeros(t, rank, shape) : lb_tape_fail(t, LB_E_ARG, "%s without a generator", what);
}

lb_tensor *lb_noise(lb_tape *t, lb_rng *rng, lb_noise_kind kind, int rank, const int64_t *shape) {
    lb_tensor *x = blank(t, rng, "noise", rank, shape);
    if (!lb_tape_ok(t) || !x->data) return x;
    job j = {.x = lb_r(x), .n = lb_numel(x), .kind = kind};
    j.key[0] = lb_rng_u32(rng);
    j.key[1] = lb_rng_u32(rng);
    lbi_split((j.n + 1) / 2, 32, fill_pairs, &j);
    /* A double next to 1 may round to 1 in float. */
    for (int64_t i = 0; kind == LB_NOISE_UNIFORM && i < j.n; i++)
        if (j.x[i] >= 1) j.x[i] = 0;
    return x;
}

lb_tensor *lb_bernoulli(lb_tape *t, lb_rng *rng, double p, int rank, const int64_t *shape) {
    return lb_lt(t, lb_noise(t, rng, LB_NOISE_UNIFORM, rank, shape), lb_scalar(t, p));
}

lb_tensor *lb_beta(lb_tape *t, lb_rng *rng, double a, double b, int rank, const int64_t *shape) {
    if (lb_tape_ok(t) && !(a > 0 && b > 0)) return lb_tape_fail(t, LB_E_ARG, "Beta(%g, %g), expected numbers above 0", a, b);
    lb_tensor *x = blank(t, rng, "Beta", rank, shape);
    for (int64_t i = 0, n = x->data ? lb_numel(x) : 0; i < n; i++) lb_r(x)[i] = (lb_real)lb_rng_beta(rng, a, b);
    return x;
}

lb_tensor *lb_categorical(lb_tape *t, lb_rng *rng, lb_tensor *logits) {
    if (!lb_tape_ok(t)) return lb_inert(t);
    return lb_argmax(t, lb_add(t, logits, lb_noise(t, rng, LB_NOISE_GUMBEL, logits->rank, logits->shape)), -1);
}

static lb_tensor *shuffled(lb_tape *t, lb_rng *rng, int64_t n, void (*shuffle)(lb_rng *r, int64_t *out, int64_t n)) {
    lb_tensor *x = lb_arange(t, n);
    if (!rng && lb_tape_ok(t)) return lb_tape_fail(t, LB_E_ARG, "a permutation without a generator");
    if (x->data) shuffle(rng, lb_i(x), n);
    return x;
}

lb_tensor *lb_permutation(lb_tape *t, lb_rng *rng, int64_t n) {
    return shuffled(t, rng, n, lb_rng_permutation);
}

lb_tensor *lb_derangement(lb_tape *t, lb_rng *rng, int64_t n) {
    return shuffled(t, rng, n, lb_rng_derangement);
}

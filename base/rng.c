/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include <math.h>
#include <string.h>
#include "base/hash.h"

static const double two_pi = 6.283185307179586476925;

/* Constants of the paper's table 2 and its Weyl sequence. */
void lb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The seed is the key; the stream is the upper half of the counter, the draws count in the lower. */
lb_rng lb_rng_make(uint64_t seed, uint64_t stream) {
    return (lb_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                    .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
                    .used = 4};
}

lb_rng lb_rng_of(uint64_t seed, uint64_t epoch, const char *name) {
    return lb_rng_make(seed, lb_hash64(name, strlen(name), epoch));
}

uint32_t lb_rng_u32(lb_rng *r) {
    if (r->used >= 4) {
        lb_philox(r->counter, r->key, r->block);
        if (++r->counter[0] == 0) r->counter[1]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint64_t lb_rng_u64(lb_rng *r) {
    uint64_t low = lb_rng_u32(r);
    return low | (uint64_t)lb_rng_u32(r) << 32;
}

double lb_rng_uniform(lb_rng *r) {
    return (double)(lb_rng_u64(r) >> 11) * 0x1p-53;
}

/* In (0,1): safe for logarithms. */
static double open_uniform(lb_rng *r) {
    return ((double)(lb_rng_u64(r) >> 12) + 0.5) * 0x1p-52;
}

double lb_rng_normal(lb_rng *r) {
    double radius = sqrt(-2 * log(open_uniform(r)));
    return radius * cos(two_pi * lb_rng_uniform(r));
}

int64_t lb_rng_below(lb_rng *r, int64_t n) {
    if (n <= 1) return 0;
    uint64_t m = (uint64_t)n, last = UINT64_MAX - (UINT64_MAX % m + 1) % m, x;
    do x = lb_rng_u64(r);
    while (x > last);
    return (int64_t)(x % m);
}

void lb_rng_permutation(lb_rng *r, int64_t *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = lb_rng_below(r, i + 1), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
}

/* Permutations until one moves all: e tries on average. */
void lb_rng_derangement(lb_rng *r, int64_t *out, int64_t n) {
    int64_t still;
    do {
        still = 0;
        lb_rng_permutation(r, out, n);
        for (int64_t i = 0; i < n; i++) still += out[i] == i;
    } while (still > 0 && n > 1);
}

double lb_rng_exponential(lb_rng *r) {
    return -log(open_uniform(r));
}

double lb_rng_laplace(lb_rng *r) {
    double u = open_uniform(r);
    return u < 0.5 ? log(2 * u) : -log(2 * (1 - u));
}

double lb_rng_logistic(lb_rng *r) {
    double u = open_uniform(r);
    return log(u / (1 - u));
}

int64_t lb_rng_categorical(lb_rng *r, const double *weights, int64_t n) {
    double sum = 0, at = 0;
    for (int64_t i = 0; i < n; i++) sum += weights[i];
    double point = lb_rng_uniform(r) * sum;
    for (int64_t i = 0; i < n; i++) {
        at += weights[i];
        if (point < at) return i;
    }
    return n - 1;
}

double lb_rng_gumbel(lb_rng *r) {
    return -log(-log(open_uniform(r)));
}

/* Below 1 by the paper's remark: gamma(a) = gamma(a + 1) * u^(1/a). */
double lb_rng_gamma(lb_rng *r, double shape) {
    if (!(shape > 0)) return 0;
    double scale = 1;
    if (shape < 1) {
        scale = pow(open_uniform(r), 1 / shape);
        shape += 1;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = lb_rng_normal(r), t = 1 + c * x;
        if (t <= 0) continue;
        double v = t * t * t;
        if (log(open_uniform(r)) < 0.5 * x * x + d - d * v + d * log(v)) return scale * d * v;
    }
}

double lb_rng_beta(lb_rng *r, double a, double b) {
    double x = lb_rng_gamma(r, a), y = lb_rng_gamma(r, b);
    if (x + y > 0) return x / (x + y);
    /* Both underflowed, as for tiny a and b, where the mass sits at the two ends. */
    return lb_rng_uniform(r) * (a + b) < a ? 1 : 0;
}

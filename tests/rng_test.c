/* SPDX-License-Identifier: Apache-2.0 */
/* The generator against published vectors, its distributions against their distribution functions; noise tensors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "tensor/noise.h"
#include "tensor/ops.h"

/* kat_vectors of Random123 (Salmon et al.), philox4x32-10. */
static void published(void) {
    static const uint32_t counter[3][4] = {{0}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    static const uint32_t key[3][2] = {{0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
    static const uint32_t want[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t got[4];
        lb_philox(counter[i], key[i], got);
        CHECK(memcmp(got, want[i], sizeof got) == 0);
    }
}

/* ---- distributions ---- */

enum { MANY = 20000 };

static double uniform_below(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
static double normal_below(double x) { return 0.5 * erfc(-x / sqrt(2)); }
static double gumbel_below(double x) { return exp(-exp(-x)); }
static double laplace_below(double x) { return x < 0 ? 0.5 * exp(x) : 1 - 0.5 * exp(-x); }
static double logistic_below(double x) { return 1 / (1 + exp(-x)); }
static double exponential_below(double x) { return x < 0 ? 0 : 1 - exp(-x); }
static double beta_below(double x) { return x * x * (3 - 2 * x); } /* Beta(2, 2) */

static double beta_2_2(lb_rng *r) { return lb_rng_beta(r, 2, 2); }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov: sqrt(n) times the largest distance exceeds 2.23 once in 10000 right generators; the seeds are fixed. */
static void check_distribution(double *x, double (*below)(double)) {
    double most = 0;
    qsort(x, MANY, sizeof *x, by_value);
    for (int i = 0; i < MANY; i++) {
        double at = below(x[i]);
        most = fmax(most, fmax(fabs(at - (double)i / MANY), fabs(at - (double)(i + 1) / MANY)));
    }
    CHECK_NEAR(most * sqrt(MANY), 0, 2.23);
}

static void distributions(void) {
    static const struct {
        double (*draw)(lb_rng *r);
        double (*below)(double x);
    } kinds[] = {{lb_rng_uniform, uniform_below},         {lb_rng_normal, normal_below},           {lb_rng_gumbel, gumbel_below},
                 {lb_rng_laplace, laplace_below},         {lb_rng_logistic, logistic_below},       {lb_rng_exponential, exponential_below},
                 {beta_2_2, beta_below}};
    static double x[MANY];
    for (size_t k = 0; k < LB_COUNT(kinds); k++) {
        lb_rng r = lb_rng_make(1, k);
        for (int i = 0; i < MANY; i++) x[i] = kinds[k].draw(&r);
        check_distribution(x, kinds[k].below);
    }
}

/* Counts of k kinds, each expected MANY / k times: chi squared within 5 standard deviations of its mean k - 1. */
static void check_even(const int64_t *count, int k) {
    double chi = 0, each = (double)MANY / k;
    for (int i = 0; i < k; i++) chi += ((double)count[i] - each) * ((double)count[i] - each) / each;
    CHECK_NEAR(chi, k - 1, 5 * sqrt(2 * (k - 1)));
}

static void choices(void) {
    lb_rng r = lb_rng_make(3, 0);
    int64_t below[5] = {0}, kinds[4] = {0}, orders[24] = {0}, moved[9] = {0}, p[4];
    for (int i = 0; i < MANY; i++) below[lb_rng_below(&r, 5)]++;
    check_even(below, 5);
    static const double weights[] = {1, 0, 2, 1};
    for (int i = 0; i < MANY; i++) kinds[lb_rng_categorical(&r, weights, 4)]++;
    CHECK_INT(kinds[1], 0);
    CHECK_NEAR((double)kinds[0] / MANY, 0.25, 0.016); /* five standard deviations */
    CHECK_NEAR((double)kinds[2] / MANY, 0.5, 0.018);
    for (int i = 0; i < MANY; i++) {
        lb_rng_permutation(&r, p, 4);
        orders[p[0] * 6 + (p[1] - (p[1] > p[0])) * 2 + (p[2] > p[3])]++;
    }
    check_even(orders, 24);
    for (int i = 0; i < MANY; i++) {
        lb_rng_derangement(&r, p, 4);
        for (int k = 0; k < 4; k++) CHECK(p[k] != k);
        /* of the 9, told apart by where 0 goes and which of the three that begin so it is */
        int at = p[1] == 0 ? 0 : p[2] == 0 ? 1 : 2;
        moved[(p[0] - 1) * 3 + at]++;
    }
    check_even(moved, 9);
    lb_rng_derangement(&r, p, 1);
    CHECK_INT(p[0], 0);
}

/* ---- tensors ---- */

static void tensors(void) {
    static double (*const below[])(double x) = {uniform_below, normal_below, gumbel_below, laplace_below, logistic_below, exponential_below};
    static double x[MANY];
    const int64_t shape[] = {2, MANY / 2}, three[] = {MANY, 3};
    lb_tape *t = NULL;
    lb_rng r = lb_rng_make(5, 0);
    if (!CHECK_OK(lb_tape_new(&t))) return;
    for (int kind = LB_NOISE_UNIFORM; kind <= LB_NOISE_EXPONENTIAL; kind++) {
        CHECK_OK(lb_read_f64(lb_noise(t, &r, (lb_noise_kind)kind, 2, shape), x, MANY));
        check_distribution(x, below[kind]);
    }
    CHECK_OK(lb_read_f64(lb_beta(t, &r, 2, 2, 2, shape), x, MANY));
    check_distribution(x, beta_below);
    static const double logits[] = {0.0, 0.0, 0.69314718055994530942}; /* 1 : 1 : 2 */
    lb_tensor *rows = lb_add(t, lb_zeros(t, 2, three), lb_input(t, LB_F32, 1, (int64_t[]){3}, logits, LB_F64));
    static int64_t chosen[MANY];
    CHECK_OK(lb_read_i64(lb_categorical(t, &r, rows), chosen, MANY));
    int64_t last = 0;
    for (int i = 0; i < MANY; i++) last += chosen[i] == 2;
    CHECK_NEAR((double)last / MANY, 0.5, 0.018);
    CHECK_NEAR(lb_number(lb_mean_all(t, lb_bernoulli(t, &r, 0.3, 2, shape))), 0.3, 0.017);
    int64_t p[9];
    CHECK_OK(lb_read_i64(lb_derangement(t, &r, 9), p, 9));
    for (int i = 0; i < 9; i++) CHECK(p[i] != i);
    CHECK_OK(lb_tape_status(t));
    /* nothing is drawn for shapes alone */
    lb_rng before = r;
    lb_tape_set_mode(t, LB_TAPE_SHAPES);
    CHECK_INT(lb_noise(t, &r, LB_NOISE_NORMAL, 2, shape)->shape[1], MANY / 2);
    CHECK_INT(lb_permutation(t, &r, 4)->shape[0], 4);
    CHECK(memcmp(&before, &r, sizeof r) == 0);
    lb_tape_set_mode(t, LB_TAPE_GRAD);
    (void)lb_noise(t, NULL, LB_NOISE_NORMAL, 2, shape);
    CHECK_INT(lb_tape_status(t), LB_E_ARG);
    lb_tape_free(t);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "rng", (check_test[]){{"published", published}, {"distributions", distributions}, {"choices", choices}, {"tensors", tensors}, {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of floats: how exact they are, and what becomes of numbers that are no common ones. On a processor with tiles they are made of three parts a number.
 * Run once per level (LB_CPU). */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/kernels/gemm_bf16_block.h"

typedef struct shape {
    int64_t m, n, k;
} shape;

/* Of [-1, 1], times 2^(-powers .. 0). */
static float *draw(lb_rng *r, int64_t n, int powers) {
    float *x = lb_alloc_aligned((size_t)n * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) {
        x[i] = (float)(2 * lb_rng_uniform(r) - 1);
        if (powers) x[i] = ldexpf(x[i], -(int)lb_rng_below(r, powers));
    }
    return x;
}

static void free_all(float **x, int n) {
    for (int i = 0; i < n; i++) lb_free(x[i]);
}

/* Rms of what C lacks of A B^T in double, of the magnitudes summed. */
static double lack(const float *a, const float *b, const float *c, int64_t m, int64_t n, int64_t k) {
    double all = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0, size = 0;
            for (int64_t p = 0; p < k; p++) {
                double x = (double)a[i * k + p] * (double)b[j * k + p];
                sum += x;
                size += fabs(x);
            }
            all += pow(((double)c[i * n + j] - sum) / size, 2);
        }
    return sqrt(all / (double)(m * n));
}

/* As exact as multiply-adds of floats: numbers over `powers` powers of two. Without any one of the six products the rest lacks more than 2^-20. */
static void parts_are_exact(void) {
    static const shape shapes[] = {{64, 70, 48}, {40, 100, 192}, {33, 65, 1000}, {96, 40, 4200}};
    for (int round = 0; round < 3 * (int)LB_COUNT(shapes); round++) {
        shape s = shapes[round / 3];
        int powers = round % 3 * 12;
        lb_rng r = lb_rng_of(17, (uint64_t)round, "parts");
        float *a = draw(&r, s.m * s.k, powers), *b = draw(&r, s.n * s.k, powers), *c = draw(&r, s.m * s.n, 0), *plain = draw(&r, s.m * s.n, 0);
        check_begin("parts %lldx%lldx%lld over %d powers of two", (long long)s.m, (long long)s.n, (long long)s.k, powers);
        if (CHECK(a && b && c && plain)) {
            lbi_gemm_to(false, true, s.m, s.n, s.k, a, s.k, b, s.k, NULL, c, s.n);
            lbi_gemm_plain(false, true, s.m, s.n, s.k, a, s.k, b, s.k, &(lbi_gemm_end){0}, plain, s.n);
            double got = lack(a, b, c, s.m, s.n, s.k), most = lack(a, b, plain, s.m, s.n, s.k);
            if (!CHECK(got <= most)) printf("     lacks %.3g, multiply-adds %.3g\n", got, most);
            CHECK(lbi_cpu() < LBI_CPU_AMX || memcmp(c, plain, (size_t)(s.m * s.n) * sizeof *c) != 0); /* parts were taken */
        }
        check_end();
        free_all((float *[]){a, b, c, plain}, 4);
    }
}

/* Weights packed before, as networks keep theirs: more columns than a task takes, several blocks of k, many rows and few; a bias and a matrix go on top. */
static void packed_weights(void) {
    static const shape shapes[] = {{5, 1100, 700}, {300, 70, 1500}, {64, 600, 40}, {3, 1, 9}};
    for (int round = 0; round < (int)LB_COUNT(shapes); round++) {
        shape s = shapes[round];
        lb_rng r = lb_rng_of(31, (uint64_t)round, "packed");
        float *a = draw(&r, s.m * s.k, 0), *b = draw(&r, s.n * s.k, 0), *c = draw(&r, s.m * s.n, 0), *add = draw(&r, s.m * s.n, 0), *bias = draw(&r, s.n, 0);
        void *packed = lb_alloc_aligned(lbi_gemm_packed_size(s.n, s.k) + 64);
        check_begin("packed %lldx%lldx%lld", (long long)s.m, (long long)s.n, (long long)s.k);
        if (CHECK(a && b && c && add && bias && packed)) {
            lbi_gemm_end end = {.col_bias = bias, .add = add, .ld_add = s.n};
            if (lbi_gemm_packed_size(s.n, s.k)) {
                lbi_gemm_pack(packed, b, s.n, s.k);
                end.packed = packed;
            }
            lbi_gemm_plain(false, true, s.m, s.n, s.k, a, s.k, b, s.k, &end, c, s.n);
            for (int64_t i = 0; i < s.m * s.n && !check_failed(); i++) {
                double sum = (double)bias[i % s.n] + (double)add[i], size = 2;
                for (int64_t p = 0; p < s.k; p++) {
                    double x = (double)a[i / s.n * s.k + p] * (double)b[i % s.n * s.k + p];
                    sum += x;
                    size += fabs(x);
                }
                CHECK_NEAR((double)c[i], sum, 4 * (double)FLT_EPSILON * size);
            }
        }
        check_end();
        lb_free(packed);
        free_all((float *[]){a, b, c, add, bias}, 5);
    }
}

/* Infinity, NaN and the largest floats do to sums what they do in float, wherever they are; what they do not touch stays as it is. */
static void no_parts(void) {
    enum { M = 80, N = 70, K = 4200 };
    static const float odd[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX};
    for (int round = 0; round < 2 * (int)LB_COUNT(odd) * 4; round++) {
        lb_rng r = lb_rng_of(19, (uint64_t)round, "no parts");
        float *a = draw(&r, M * K, 0), *b = draw(&r, N * K, 0), *c = draw(&r, M * N, 0), *want = draw(&r, M * N, 0), x = odd[round % (int)LB_COUNT(odd)], beta = round % 4 == 0 ? 0.5f : 0;
        int64_t k = round % 4 == 1 ? 200 : K, line = lb_rng_below(&r, 70), p = round % 4 < 2 ? lb_rng_below(&r, k) : round % 4 == 2 ? 0 : k - 1;
        check_begin("a product with %g in %s, number %lld of line %lld", (double)x, round & 1 ? "A" : "B", (long long)p, (long long)line);
        if (CHECK(a && b && c && want)) {
            if (round & 1) a[line * k + p] = x;
            else b[line * k + p] = x;
            for (int64_t i = 0; i < M; i++) a[i * k + p] *= isfinite(x) || !(round & 1) ? 0.25f : 1; /* sums stay within float */
            for (int64_t j = 0; j < N; j++) b[j * k + p] *= isfinite(x) && !(round & 1) ? 1 : 0.25f;
            memcpy(want, c, M * N * sizeof *c);
            lbi_gemm_to(false, true, M, N, k, a, k, b, k, &(lbi_gemm_end){.beta = beta}, c, N);
            lbi_gemm_ref(false, true, M, N, k, a, k, b, k, beta, want, N);
            for (int64_t i = 0; i < M * N; i++) {
                double bound = fmax(1, fabs((double)want[i])) * 4 * (double)FLT_EPSILON * (double)k;
                if (isnan(want[i]) ? !isnan(c[i]) : isinf(want[i]) ? c[i] != want[i] : !(fabs((double)c[i] - (double)want[i]) <= bound)) {
                    CHECK_NEAR((double)c[i], (double)want[i], bound);
                    break;
                }
            }
        }
        check_end();
        free_all((float *[]){a, b, c, want}, 4);
    }
}

/* Tiles take a part below 2^-126 for 0, so that a number is itself within 2^-125. */
static void small_numbers(void) {
    enum { M = 40, N = 50, K = 100 };
    lb_rng r = lb_rng_of(23, 0, "small");
    float *a = draw(&r, M * K, 0), *b = draw(&r, N * K, 0), *c = draw(&r, M * N, 0);
    if (CHECK(a && b && c)) {
        for (int64_t i = 0; i < M * K; i++) a[i] = ldexpf(a[i], -100 - (int)lb_rng_below(&r, 49));
        for (int64_t i = 0; i < N * K; i++) b[i] = ldexpf(b[i], 80);
        lbi_gemm_to(false, true, M, N, K, a, K, b, K, NULL, c, N);
        for (int64_t i = 0; i < M; i++)
            for (int64_t j = 0; j < N; j++) {
                double sum = 0, bound = 0;
                for (int64_t p = 0; p < K; p++) {
                    sum += (double)a[i * K + p] * (double)b[j * K + p];
                    bound += fabs((double)b[j * K + p]) * (ldexp(1, -125) + 4 * (double)FLT_EPSILON * fabs((double)a[i * K + p]));
                }
                CHECK_NEAR((double)c[i * N + j], sum, bound);
            }
    }
    free_all((float *[]){a, b, c}, 3);
}

/* Who works with tiles may ask for a product, and goes on with tiles. */
static void tiles_nest(void) {
#ifdef __x86_64__
    enum { M = 40, N = 50, K = 100 };
    lb_rng r = lb_rng_of(29, 0, "nest");
    float *a = draw(&r, M * K, 0), *b = draw(&r, N * K, 0), *c = draw(&r, M * N, 0), sums[LBI_BF16_BLOCK * LBI_BF16_BLOCK] __attribute__((aligned(64)));
    uint16_t ones[LBI_BF16_SIDE * LBI_BF16_DEPTH] __attribute__((aligned(64)));
    int64_t at = 0;
    for (int i = 0; i < LBI_BF16_SIDE * LBI_BF16_DEPTH; i++) ones[i] = 0x3f80;
    if (CHECK(a && b && c) && lbi_cpu() >= LBI_CPU_AMX) {
        lbi_bf16_begin(true);
        lbi_gemm_to(false, true, M, N, K, a, K, b, K, NULL, c, N);
        lbi_bf16_block(true, &(lbi_bf16_factors){.a = ones, .at = &at, .ld = LBI_BF16_DEPTH, .steps = 1, .b = (const uint32_t *)(const void *)ones}, sums, false);
        lbi_bf16_end(true);
        CHECK_NEAR((double)sums[0], LBI_BF16_DEPTH, 0);
    }
    free_all((float *[]){a, b, c}, 3);
#endif
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "products",
                      (check_test[]){{"as exact as multiply-adds", parts_are_exact},
                                     {"packed weights", packed_weights},
                                     {"infinity and NaN", no_parts},
                                     {"small numbers", small_numbers},
                                     {"tiles nest", tiles_nest},
                                     {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels against the plain loops that define them, on random, odd, strided, empty and larger shapes. Run once per level (LB_CPU). */
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/kernels/gemm.h"

static float *draw(lb_rng *r, int64_t n) {
    float *x = lb_alloc_aligned((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) x[i] = (float)(2 * lb_rng_uniform(r) - 1);
    return x;
}

/* Values of [-1, 1]: a sum of k products in float is off by at most k / 2 epsilons of sqrt(k) / 3 typically; 4 epsilons of k bound it. */
static void same(const float *got, const float *want, int64_t m, int64_t n, int64_t ld, double bound) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < ld; j++) {
            if (i == m - 1 && j >= n) return;
            double off = fabs((double)got[i * ld + j] - (double)want[i * ld + j]);
            if (j >= n && off != 0) {
                CHECK_NEAR((double)got[i * ld + j], (double)want[i * ld + j], 0); /* what lies between the rows is not ours */
                return;
            }
            if (!(off <= bound)) {
                printf("     row %lld, column %lld\n", (long long)i, (long long)j);
                CHECK_NEAR((double)got[i * ld + j], (double)want[i * ld + j], bound);
                return;
            }
        }
}

static double act_of(lb_act act, double x) {
    if (act == LB_ACT_RELU) return x < 0 ? 0 : x;
    if (act == LB_ACT_RELU6) return x < 0 ? 0 : x > 6 ? 6 : x;
    if (act == LB_ACT_SILU) return x / (1 + exp(-x));
    return x;
}

typedef struct shape {
    int64_t m, n, k, gap;
} shape;

static void one_product(lb_rng *r, shape s, bool ta, bool tb, float beta, bool rows, bool cols, bool add, lb_act act) {
    int64_t lda = (ta ? s.m : s.k) + s.gap, ldb = (tb ? s.k : s.n) + s.gap, ldc = s.n + s.gap, sizes = s.m * ldc;
    float *a = draw(r, (ta ? s.k : s.m) * lda), *b = draw(r, (tb ? s.n : s.k) * ldb), *c = draw(r, sizes), *want = draw(r, sizes), *row = draw(r, s.m), *col = draw(r, s.n), *more = draw(r, sizes);
    if (!CHECK(a && b && c && want && row && col && more)) return;
    if (beta == 0 && sizes > 0) c[0] = NAN; /* is not read */
    memcpy(want, c, (size_t)sizes * sizeof *c);
    lbi_gemm_to(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, &(lbi_gemm_end){beta, rows ? row : NULL, cols ? col : NULL, add ? more : NULL, ldc, act}, c, ldc);
    lbi_gemm_ref(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, beta, want, ldc);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++) {
            float *w = want + i * ldc + j;
            *w = (float)act_of(act, (double)*w + (rows ? (double)row[i] : 0) + (cols ? (double)col[j] : 0) + (add ? (double)more[i * ldc + j] : 0));
        }
    same(c, want, s.m, s.n, ldc, 4 * (double)FLT_EPSILON * (double)(s.k + 4));
    lb_free(a);
    lb_free(b);
    lb_free(c);
    lb_free(want);
    lb_free(row);
    lb_free(col);
    lb_free(more);
}

static void products(void) {
    static const shape fixed[] = {{0, 3, 2, 0}, {3, 0, 2, 0}, {3, 4, 0, 1}, {1, 1, 1, 0}, {1, 33, 7, 0}, {33, 1, 9, 2}, {14, 32, 256, 0}, {15, 33, 257, 3}, {6, 16, 512, 0}, {170, 40, 300, 0},
                                  {40, 530, 70, 1}, {200, 190, 64, 0}, {300, 20, 600, 0}};
    lb_rng r = lb_rng_of(3, 0, "products");
    printf("  level %s\n", lbi_cpu_name(lbi_cpu()));
    for (int round = 0; round < 220; round++) {
        shape s = round < (int)LB_COUNT(fixed) ? fixed[round] : (shape){1 + lb_rng_below(&r, 40), 1 + lb_rng_below(&r, 70), 1 + lb_rng_below(&r, 90), lb_rng_below(&r, 5)};
        static const float betas[] = {0, 1, -0.5f};
        static const lb_act acts[] = {LB_ACT_NONE, LB_ACT_RELU, LB_ACT_RELU6, LB_ACT_SILU};
        bool ta = round & 1, tb = round & 2;
        check_begin("product %lldx%lldx%lld gap %lld%s%s", (long long)s.m, (long long)s.n, (long long)s.k, (long long)s.gap, ta ? " A^T" : "", tb ? " B^T" : "");
        one_product(&r, s, ta, tb, betas[round % 3], round & 4, round & 8, round & 16, acts[(round / 5) % 4]);
        check_end();
    }
}

/* Tasks are a function of shapes and threads, sums within one are not split: the bits are those of one thread. */
static void threads_agree(void) {
    lb_rng r = lb_rng_of(4, 0, "threads");
    enum { M = 333, N = 257, K = 300 };
    float *a = draw(&r, M * K), *b = draw(&r, N * K), *one = draw(&r, M * N), *many = draw(&r, M * N);
    if (CHECK(a && b && one && many)) {
        int before = omp_get_max_threads();
        omp_set_num_threads(1);
        lbi_gemm(false, true, M, N, K, a, K, b, K, 0, one, N);
        omp_set_num_threads(3);
        lbi_gemm(false, true, M, N, K, a, K, b, K, 0, many, N);
        omp_set_num_threads(before);
        same(many, one, M, N, N, lbi_cpu() == LBI_CPU_BLAS ? 1e-4 : 0);
    }
    lb_free(a);
    lb_free(b);
    lb_free(one);
    lb_free(many);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "kernels", (check_test[]){{"products", products}, {"threads agree", threads_agree}, {0}});
}

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
#include "tensor/kernels/conv_depth.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/gemm_int8.h"
#include "tensor/kernels/conv_lanes.h"
#include "tensor/kernels/conv_mosaic.h"
#include "tensor/kernels/conv_point.h"
#include "tensor/kernels/conv_turn.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_bf16.h"
#include "tensor/kernels/winograd.h"
#include "tensor/precision.h"

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
    if (act == LB_ACT_GELU) return x * 0.5 * (1 + erf(x * 0.70710678118654752440));
    if (act == LB_ACT_HARDSWISH) return x * fmin(fmax(x + 3, 0), 6) / 6;
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
    bool scale = rows && cols;
    lbi_gemm_to(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, &(lbi_gemm_end){beta, rows ? row : NULL, cols ? col : NULL, add ? more : NULL, ldc, act, scale ? row : NULL}, c, ldc);
    lbi_gemm_ref(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, beta, want, ldc);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++) {
            float *w = want + i * ldc + j;
            *w = (float)act_of(act, (double)*w * (scale ? (double)row[i] : 1) + (rows ? (double)row[i] : 0) + (cols ? (double)col[j] : 0) + (add ? (double)more[i * ldc + j] : 0));
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

/* Functions made once for each level by the compiler keep to LB_CPU as kernels do. */
static void clones_keep_to_the_level(void) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(!!__builtin_cpu_supports("x86-64-v3") == (lbi_cpu() >= LBI_CPU_AVX2));
    CHECK(!!__builtin_cpu_supports("x86-64-v4") == (lbi_cpu() >= LBI_CPU_AVX512));
#endif
}

static void products(void) {
    static const shape fixed[] = {{0, 3, 2, 0}, {3, 0, 2, 0}, {3, 4, 0, 1}, {1, 1, 1, 0}, {1, 33, 7, 0}, {33, 1, 9, 2}, {14, 32, 256, 0}, {15, 33, 257, 3}, {6, 16, 512, 0}, {170, 40, 300, 0},
                                  {40, 530, 70, 1}, {200, 190, 64, 0}, {300, 20, 600, 0}, {33, 40, 2100, 1}, {20, 49, 4200, 0}, {600, 35, 800, 3}, {18, 545, 1700, 0}, {400, 35, 2700, 3}, {400, 35, 2700, 1}};
    lb_rng r = lb_rng_of(3, 0, "products");
    printf("  level %s\n", lbi_cpu_name(lbi_cpu()));
    for (int round = 0; round < 220; round++) {
        shape s = round < (int)LB_COUNT(fixed) ? fixed[round] : (shape){1 + lb_rng_below(&r, 40), 1 + lb_rng_below(&r, 70), 1 + lb_rng_below(&r, 90), lb_rng_below(&r, 5)};
        static const float betas[] = {0, 1, -0.5f};
        static const lb_act acts[] = {LB_ACT_NONE, LB_ACT_RELU, LB_ACT_RELU6, LB_ACT_SILU, LB_ACT_GELU};
        bool ta = round & 1, tb = round & 2;
        check_begin("product %lldx%lldx%lld gap %lld%s%s", (long long)s.m, (long long)s.n, (long long)s.k, (long long)s.gap, ta ? " A^T" : "", tb ? " B^T" : "");
        one_product(&r, s, ta, tb, betas[round % 3], round & 4, round & 8, round & 16, acts[(round / 5) % LB_COUNT(acts)]);
        check_end();
    }
}

/* W packed before, in blocks of k. */
static void packed_before(void) {
    static const shape shapes[] = {{500, 70, 1700, 0}, {30, 600, 2700, 0}, {9, 33, 65, 0}};
    lb_rng r = lb_rng_of(5, 0, "packed");
    for (size_t i = 0; i < LB_COUNT(shapes); i++) {
        shape s = shapes[i];
        size_t bytes = lbi_gemm_packed_size(s.n, s.k);
        if (bytes == 0) return; /* no kernel of this level takes it */
        float *x = draw(&r, s.m * s.k), *w = draw(&r, s.n * s.k), *y = draw(&r, s.m * s.n), *want = draw(&r, s.m * s.n);
        void *packed = lb_alloc_aligned(bytes);
        if (CHECK(x && w && y && want && packed)) {
            lbi_gemm_pack(packed, w, s.n, s.k);
            lbi_gemm_plain(false, true, s.m, s.n, s.k, x, s.k, w, s.k, &(lbi_gemm_end){.packed = packed}, y, s.n);
            lbi_gemm_ref(false, true, s.m, s.n, s.k, x, s.k, w, s.k, 0, want, s.n);
            same(y, want, s.m, s.n, s.n, 4 * (double)FLT_EPSILON * (double)(s.k + 4));
        }
        lb_free(x);
        lb_free(w);
        lb_free(y);
        lb_free(want);
        lb_free(packed);
    }
}

/* Against the products of the same rounded factors. */
static void one_bf16(lb_rng *r, shape s, bool ta, bool tb, int how) {
    int64_t lda = (ta ? s.m : s.k) + s.gap, ldb = (tb ? s.k : s.n) + s.gap, ldc = s.n + s.gap, na = (ta ? s.k : s.m) * lda, nb = (tb ? s.n : s.k) * ldb;
    float *a = draw(r, na), *b = draw(r, nb), *c = draw(r, s.m * ldc), *want = draw(r, s.m * ldc), *row = draw(r, s.m), *col = draw(r, s.n);
    uint16_t *half = lb_alloc((size_t)(na > nb ? na : nb) + 1, sizeof *half);
    if (!CHECK(a && b && c && want && row && col && half)) return;
    memcpy(want, c, (size_t)(s.m * ldc) * sizeof *c);
    lbi_gemm_end end = {.beta = how & 1 ? -0.5f : 0, .row_bias = how & 2 ? row : NULL, .col_bias = how & 4 ? col : NULL, .row_scale = how & 8 ? row : NULL, .act = LB_ACT_RELU};
    bool done = lbi_gemm_bf16(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, &end, c, ldc);
    CHECK(done || lbi_cpu() < LBI_CPU_BF16);
    lb_convert(half, LB_BF16, a, LB_F32, na);
    lb_convert(a, LB_F32, half, LB_BF16, na);
    lb_convert(half, LB_BF16, b, LB_F32, nb);
    lb_convert(b, LB_F32, half, LB_BF16, nb);
    lbi_gemm_ref(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, end.beta, want, ldc);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++) {
            double x = (double)want[i * ldc + j] * (end.row_scale ? (double)row[i] : 1) + (end.row_bias ? (double)row[i] : 0) + (end.col_bias ? (double)col[j] : 0);
            want[i * ldc + j] = (float)(x < 0 ? 0 : x);
        }
    if (done) same(c, want, s.m, s.n, ldc, 4 * (double)FLT_EPSILON * (double)(s.k + 4));
    float *all[] = {a, b, c, want, row, col};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_free(all[i]);
    lb_free(half);
}

static void bf16_products(void) {
    static const shape fixed[] = {{1, 1, 1, 0},    {1, 33, 7, 0},    {33, 1, 9, 2},     {16, 16, 32, 0},   {32, 32, 64, 1},
                                  {31, 65, 33, 3}, {300, 40, 70, 0}, {40, 530, 300, 1}, {33, 40, 4200, 1}, {600, 35, 800, 3}};
    lb_rng r = lb_rng_of(9, 0, "bf16");
    for (int round = 0; round < 80; round++) {
        shape s = round < (int)LB_COUNT(fixed) ? fixed[round] : (shape){1 + lb_rng_below(&r, 80), 1 + lb_rng_below(&r, 80), 1 + lb_rng_below(&r, 90), lb_rng_below(&r, 5)};
        check_begin("bf16 %d: %lldx%lldx%lld", round, (long long)s.m, (long long)s.n, (long long)s.k);
        for (int t = 0; t < 4; t++) one_bf16(&r, s, t & 1, t & 2, round);
        check_end();
    }
}

/* Every kernel that this processor has against the plain loops. Sums are exact, so what differs is the rounding of at most four float operations. */
static void one_int8(lb_rng *r, shape s, int how) {
    float *a = draw(r, s.m * s.k), *w = draw(r, s.n * s.k), *c = draw(r, s.m * (s.n + s.gap)), *want = draw(r, s.m * (s.n + s.gap)), *col = draw(r, s.n), *add = draw(r, s.m * s.n);
    if (!CHECK(a && w && c && want && col && add)) return;
    if (how & 8) memset(a, 0, (size_t)s.k * sizeof *a);
    const lbi_gemm_end end = {.col_bias = how & 1 ? col : NULL, .add = how & 2 ? add : NULL, .ld_add = s.n, .act = how & 4 ? LB_ACT_SILU : LB_ACT_RELU};
    for (int i = 0; i < LBI_INT8_KERNELS; i++) {
        const lbi_int8_kernel *g = lbi_int8_kernels[i];
        if (!g || !g->usable()) continue;
        void *packed = lb_alloc_aligned(lbi_int8_packed_size(g, s.n, s.k));
        memcpy(want, c, (size_t)(s.m * (s.n + s.gap)) * sizeof *c);
        if (CHECK(packed && lbi_int8_pack(g, packed, w, s.n, s.k)) && CHECK(lbi_int8_product(g, s.m, s.n, s.k, a, packed, &end, c, s.n + s.gap))) {
            lbi_int8_ref(s.m, s.n, s.k, a, w, &end, want, s.n + s.gap);
            same(c, want, s.m, s.n, s.n + s.gap, 4 * (double)FLT_EPSILON * (double)(s.k + 2));
        }
        lb_free(packed);
    }
    float *all[] = {a, w, c, want, col, add};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_free(all[i]);
}

static void int8_products(void) {
    static const shape fixed[] = {{1, 1, 1, 0}, {1, 33, 7, 1}, {14, 32, 64, 0}, {15, 16, 9, 0}, {300, 40, 70, 2}, {40, 530, 300, 0}};
    lb_rng r = lb_rng_of(10, 0, "int8");
    for (int round = 0; round < 60; round++) {
        shape s = round < (int)LB_COUNT(fixed) ? fixed[round] : (shape){1 + lb_rng_below(&r, 80), 1 + lb_rng_below(&r, 80), 1 + lb_rng_below(&r, 90), lb_rng_below(&r, 5)};
        check_begin("int8 %d: %lldx%lldx%lld", round, (long long)s.m, (long long)s.n, (long long)s.k);
        one_int8(&r, s, round);
        check_end();
    }
    check_begin("int8: rounding, extremes, what is not finite");
    /* By hand: steps of 3 / 254 and 1 / 127, so 169.3, -84.7, 0.4 of the first and 127, 63.5, -63.5 of the second; half goes to the even number. The second row
     * holds a NaN. */
    static const float a[] = {2, -1, 0.005f, 1, NAN, 1}, w[] = {1, 0.5f, -0.5f};
    float y[2];
    lbi_int8_ref(2, 1, 3, a, w, &(lbi_gemm_end){0}, y, 1);
    CHECK_NEAR((double)y[0], (169 * 127 - 85 * 64) * (3.0 / 254) * (1.0 / 127), 1e-6);
    CHECK(isnan(y[1]));
    for (int i = 0; i < LBI_INT8_KERNELS; i++) { /* 255 times 127 twice is more than 16 bits hold */
        enum { K = 1000 };
        const lbi_int8_kernel *g = lbi_int8_kernels[i];
        if (!g || !g->usable()) continue;
        float ones[K], got[2] = {0};
        for (int k = 0; k < K; k++) ones[k] = 1;
        void *packed = lb_alloc_aligned(lbi_int8_packed_size(g, 1, K));
        if (CHECK(packed && lbi_int8_pack(g, packed, ones, 1, K))) CHECK(lbi_int8_product(g, 1, 1, K, ones, packed, &(lbi_gemm_end){0}, got, 1));
        CHECK_NEAR((double)got[0], K, 1e-3);
        lb_free(packed);
    }
    check_end();
}

/* A layer whose weights are fixed gives the bits of one whose weights may change; int8 keeps its direction. */
static void frozen(void) {
    lb_rng r = lb_rng_of(11, 0, "frozen");
    static const int64_t rows[] = {5, 200};
    for (int i = 0; i < 2; i++) {
        enum { N = 70, K = 90 };
        lb_tensor *x = NULL, *w = NULL;
        if (!CHECK_OK(lb_tensor_new(&x, LB_F32, 2, (int64_t[]){rows[i], K})) || !CHECK_OK(lb_tensor_new(&w, LB_F32, 2, (int64_t[]){N, K}))) return;
        for (int64_t k = 0; k < rows[i] * K; k++) ((float *)x->data)[k] = (float)lb_rng_normal(&r);
        for (int64_t k = 0; k < N * K; k++) ((float *)w->data)[k] = (float)lb_rng_normal(&r);
        float *plain = draw(&r, rows[i] * N), *kept = draw(&r, rows[i] * N), *f32 = draw(&r, rows[i] * N);
        for (lb_precision p = LB_PRECISION_F32; p <= LB_PRECISION_INT8; p++) {
            check_begin("frozen weights, %s, %lld rows", lb_precision_name(p), (long long)rows[i]);
            for (int turn = 0; turn < 2; turn++) {
                lb_tape *t = NULL;
                CHECK_OK(lb_tape_new(&t));
                lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
                lb_tape_set_precision(t, p);
                lb_tensor_fix(w, turn > 0);
                for (int again = 0; again <= turn; again++) {
                    lb_tensor *y = lb_linear(t, x, w, NULL, LB_ACT_NONE);
                    CHECK_OK(lb_tape_status(t));
                    memcpy(turn ? kept : plain, y->data, (size_t)(rows[i] * N) * sizeof(float));
                    lb_tape_reset(t);
                }
                lb_tape_free(t);
            }
            if (p == LB_PRECISION_F32) memcpy(f32, plain, (size_t)(rows[i] * N) * sizeof(float));
            double dot = 0, a = 0, b = 0;
            for (int64_t k = 0; k < rows[i] * N; k++) dot += (double)f32[k] * (double)plain[k], a += (double)f32[k] * (double)f32[k], b += (double)plain[k] * (double)plain[k];
            CHECK(memcmp(plain, kept, (size_t)(rows[i] * N) * sizeof(float)) == 0);
            CHECK(dot / sqrt(a * b) > (p == LB_PRECISION_INT8 ? 0.999 : 0.9995)); /* 8 bits: an error of 0.3 steps, the rms some 40 of them */
            check_end();
        }
        lb_free(plain);
        lb_free(kept);
        lb_free(f32);
        lb_tensor_free(x);
        lb_tensor_free(w);
    }
}

/* ---- ops with factors rounded to bf16 ---- */

typedef lb_tensor *(*rounding)(lb_tape *t, lb_tensor *const *in);

/* The cosine between an op's result in float and in bf16; differ: whether any number does. */
static double turned_by(rounding run, lb_tensor *const *in, int64_t n, bool *differ) {
    double dot = 0, square[2] = {0}, *y[2] = {lb_alloc((size_t)n, sizeof **y), lb_alloc((size_t)n, sizeof **y)};
    *differ = false;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        lb_tape *t = NULL;
        if (!CHECK_OK(lb_tape_new(&t))) return 0;
        lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
        lb_tape_set_bf16(t, bf16);
        CHECK_OK(lb_read_f64(run(t, in), y[bf16], n));
        lb_tape_free(t);
    }
    for (int64_t k = 0; k < n; k++) {
        dot += y[0][k] * y[1][k];
        *differ = *differ || y[0][k] != y[1][k];
        for (int i = 0; i < 2; i++) square[i] += y[i][k] * y[i][k];
    }
    for (int i = 0; i < 2; i++) lb_free(y[i]);
    return dot / sqrt(square[0] * square[1]);
}

/* Two 1x1 convolutions with scale, bias, addition. */
static lb_tensor *two_points(lb_tape *t, lb_tensor *const *in) {
    lb_tensor *x = lb_conv2d_scaled(t, in[0], in[1], in[2], in[3], NULL, lb_conv_same(1, 0, 1), LB_ACT_RELU);
    return lb_conv2d_scaled(t, x, in[4], in[5], in[6], in[7], lb_conv_same(1, 0, 1), LB_ACT_NONE);
}

/* Inverted residual blocks, one with gates and a stride, one whose result is added to x. */
static lb_tensor *two_blocks(lb_tape *t, lb_tensor *const *in) {
    lb_inverted_spec s = {.expand = {in[1], in[2], in[3]}, .depthwise = {in[4], in[5], NULL}, .project = {in[6], in[7], NULL}, .depth = lb_conv_same(1, 1, 1), .act = LB_ACT_RELU6, .add = true};
    lb_tensor *x = lb_inverted_residual(t, in[0], &s);
    s.narrow = (lb_scaled_map){in[8], NULL, NULL};
    s.widen = (lb_scaled_map){in[9], NULL, NULL};
    s.depth = lb_conv_same(2, 1, 1);
    s.act = LB_ACT_SILU;
    s.gate = LB_ACT_SIGMOID;
    s.add = false;
    return lb_inverted_residual(t, x, &s);
}

static lb_tensor *attended(lb_tape *t, lb_tensor *const *in) { return lb_attention(t, in[0], in[1], in[2], (lb_attention_spec){0}); }

static lb_tensor *one_axis(lb_tape *t, lb_tensor *const *in) { return lb_conv1d(t, in[0], in[1], in[2], lb_conv_same(2, 1, 1), LB_ACT_SILU); }

/* Factors rounded to bf16 turn a result little (8 bits of a factor: an error of 1 in 500 of each term, at random). */
static void ops_in_bf16(void) {
    enum { C = 96, O = 80, SIDE = 9, IMAGES = 3, E = 130, MOST = 10 };
    static const struct {
        const char *name;
        rounding run;
        int64_t n;
        int count, rank[MOST];
        int64_t sizes[MOST][4];
    } ops[] = {{"points",
                two_points,
                IMAGES * O * SIDE * SIDE,
                8,
                {4, 4, 1, 1, 4, 1, 1, 4},
                {{IMAGES, C, SIDE, SIDE}, {C, C, 1, 1}, {C}, {C}, {O, C, 1, 1}, {O}, {O}, {IMAGES, O, SIDE, SIDE}}},
               {"blocks",
                two_blocks,
                IMAGES * C * 25,
                10,
                {4, 4, 1, 1, 4, 1, 4, 1, 4, 4},
                {{IMAGES, C, SIDE, SIDE}, {E, C, 1, 1}, {E}, {E}, {E, 1, 3, 3}, {E}, {C, E, 1, 1}, {C}, {8, E, 1, 1}, {E, 8, 1, 1}}},
               {"one axis", one_axis, IMAGES * O * 41, 3, {3, 3, 1}, {{IMAGES, C, 81}, {O, C, 3}, {O}}},
               {"attention", attended, 4 * 40 * 64, 3, {4, 4, 4}, {{2, 2, 40, 64}, {2, 2, 300, 64}, {2, 2, 300, 64}}}};
    lb_rng r = lb_rng_of(12, 0, "points");
    for (size_t o = 0; o < LB_COUNT(ops); o++) {
        lb_tensor *in[MOST] = {0};
        check_begin("%s", ops[o].name);
        for (int i = 0; i < ops[o].count; i++) {
            if (!CHECK_OK(lb_tensor_new(&in[i], LB_F32, ops[o].rank[i], ops[o].sizes[i]))) return;
            for (int64_t k = 0; k < lb_numel(in[i]); k++) ((float *)in[i]->data)[k] = (float)lb_rng_normal(&r);
            lb_tensor_fix(in[i], true);
        }
        bool differ;
        CHECK(turned_by(ops[o].run, in, ops[o].n, &differ) > 0.9999);
        CHECK(differ == (lbi_cpu() >= LBI_CPU_BF16));
        for (int i = 0; i < ops[o].count; i++) lb_tensor_free(in[i]);
        check_end();
    }
}

/* Tasks are a function of shapes and threads, sums within one are not split: the bits are those of one thread. */
static void threads_agree(void) {
    static const shape shapes[] = {{333, 257, 300, 0}, {100, 90, 2100, 0}, {700, 40, 2700, 0}, {60, 900, 2700, 0}};
    lb_rng r = lb_rng_of(4, 0, "threads");
    for (size_t i = 0; i < LB_COUNT(shapes); i++) {
        shape s = shapes[i];
        float *a = draw(&r, s.m * s.k), *b = draw(&r, s.n * s.k), *one = draw(&r, s.m * s.n), *many = draw(&r, s.m * s.n);
        if (CHECK(a && b && one && many)) {
            int before = omp_get_max_threads();
            omp_set_num_threads(1);
            lbi_gemm(false, true, s.m, s.n, s.k, a, s.k, b, s.k, 0, one, s.n);
            for (int threads = 2; threads <= 3; threads++) {
                omp_set_num_threads(threads);
                lbi_gemm(false, true, s.m, s.n, s.k, a, s.k, b, s.k, 0, many, s.n);
                same(many, one, s.m, s.n, s.n, lbi_cpu() == LBI_CPU_BLAS ? 1e-3 : 0);
            }
            omp_set_num_threads(before);
        }
        lb_free(a);
        lb_free(b);
        lb_free(one);
        lb_free(many);
    }
}

/* ---- convolutions ---- */

static int64_t at_least(int64_t x, int64_t least) { return x < least ? least : x; }

static lbi_conv draw_conv(lb_rng *r, int round, bool depthwise) {
    lbi_conv p = {.kh = 1 + lb_rng_below(r, 5), .kw = 1 + lb_rng_below(r, 5), .sh = 1 + lb_rng_below(r, 3), .sw = 1 + lb_rng_below(r, 3), .dh = 1 + lb_rng_below(r, 2), .dw = 1 + lb_rng_below(r, 2),
                  .groups = 1 + lb_rng_below(r, 3)};
    if (round % 3 == 0) p.sh = p.sw = p.dh = p.dw = 1;
    if (round % 5 == 0) p.kh = p.kw = 1;
    p.pt = lb_rng_below(r, p.kh);
    p.pl = lb_rng_below(r, p.kw);
    p.c = depthwise ? 1 : p.groups * (1 + lb_rng_below(r, 20));
    p.o = depthwise ? 1 : p.groups * (1 + lb_rng_below(r, 40));
    if (depthwise) p.groups = 1;
    p.h = at_least(lb_rng_below(r, 40), p.dh * (p.kh - 1) + 1);
    p.w = at_least(lb_rng_below(r, 60), p.dw * (p.kw - 1) + 1);
    p.y = lbi_conv_size(p.h, p.kh, p.sh, p.pt, lb_rng_below(r, p.kh), p.dh);
    p.x = lbi_conv_size(p.w, p.kw, p.sw, p.pl, lb_rng_below(r, p.kw), p.dw);
    return p;
}

/* Places j of a row of results for which column j * step + from lies within a row of `width`: [*first, *end). */
static void within(int64_t places, int64_t step, int64_t from, int64_t width, int64_t *first, int64_t *end) {
    *first = from < 0 ? (-from + step - 1) / step : 0;
    *end = from < width ? (width - 1 - from) / step + 1 : 0;
    if (*end > places) *end = places;
}

/* to [o,y,x] of one picture, by the definition. */
static void convolve(const lbi_conv *p, const float *x, const float *w, double *restrict to) {
    int64_t c = p->c / p->groups, first, end;
    memset(to, 0, (size_t)(p->o * p->y * p->x) * sizeof *to);
    for (int64_t at = 0; at < p->o * c * p->kh * p->kw; at++) {
        int64_t v = at % p->kw, u = at / p->kw % p->kh, q = at / (p->kw * p->kh) % c, o = at / (p->kw * p->kh * c), from = v * p->dw - p->pl;
        within(p->x, p->sw, from, p->w, &first, &end);
        for (int64_t i = 0; i < p->y; i++) {
            int64_t row = i * p->sh + u * p->dh - p->pt;
            if (row < 0 || row >= p->h) continue;
            const float *in = x + ((o / (p->o / p->groups) * c + q) * p->h + row) * p->w;
            double *out = to + (o * p->y + i) * p->x, weight = (double)w[at];
            for (int64_t j = first; j < end; j++) out[j] += (double)in[j * p->sw + from] * weight;
        }
    }
}

/* May conv_point.h do it? */
static bool points(const lbi_conv *p) { return p->kh == 1 && p->kw == 1 && p->sh == 1 && p->sw == 1 && p->y == p->h && p->x == p->w && p->groups == 1; }

/* [images,C,pixels] -> [images,pixels,C] */
static float *pixels_of(const float *x, int64_t images, int64_t c, int64_t n) {
    float *to = lb_alloc_aligned((size_t)(images * c * n + 1) * sizeof *to);
    for (int64_t row = 0; to && row < images * c; row++)
        for (int64_t i = 0; i < n; i++) to[(row / c * n + i) * c + row % c] = x[row * n + i];
    return to;
}

/* The same with channels last, from both orders. */
static void with_channels_last(const lbi_conv *p, int64_t images, const float *x, const float *w, const lbi_gemm_end *end, const float *want, double bound) {
    int64_t n = p->y * p->x, out = images * p->o * n;
    float *turned = pixels_of(x, images, p->c, p->h * p->w), *wanted = pixels_of(want, images, p->o, n),
          *add = end->add ? pixels_of(end->add, images, p->o, n) : NULL, *y = lb_alloc_aligned((size_t)(out + 1) * sizeof *y);
    lbi_gemm_end e = *end;
    float *kept = NULL;
    bool each = p->groups == p->c && p->o == p->c;
    if (!CHECK(turned && wanted && y && (add || !end->add))) return;
    e.add = add;
    for (int planes = 0; planes < 2; planes++) {
        y[out] = 0.25f; /* is not written */
        const lbi_last_place dense = {n * p->o, p->x * p->o, p->o};
        if (lbi_last_parts(p, images, planes ? x : turned, planes, w, NULL, &e, y, planes ? NULL : &dense)) {
            CHECK(lbi_cpu() >= LBI_CPU_AMX && p->groups == 1);
            same(y, wanted, images * n, p->o, p->o, bound);
        } else CHECK(lbi_cpu() < LBI_CPU_AMX || p->groups > 1);
        CHECK_NEAR((double)y[out], 0.25, 0);
        if (!lbi_last_conv(p, images, planes ? x : turned, planes, w, planes ? &kept : NULL, &e, y)) CHECK(lbi_cpu() < LBI_CPU_AVX2);
        else same(y, wanted, images * n, p->o, p->o, bound);
        CHECK_NEAR((double)y[out], 0.25, 0);
    }
    if (kept && CHECK(lbi_last_conv(p, images, turned, false, NULL, &kept, &e, y))) same(y, wanted, images * n, p->o, p->o, bound); /* w is not read again */
    lb_free(kept);
    if (each && lbi_last_depth(p, images, turned, w, &e, y)) same(y, wanted, images * n, p->o, p->o, bound);
    double k = (double)(p->c * p->kh * p->kw); /* off by as much as lbi_winograd: below */
    for (int deep = 0; deep < (lbi_winograd_can(p) && images > 0 ? 2 : 0); deep++) {
        if (CHECK(deep ? lbi_last_winograd_deep(p, images, turned, w, &e, y) : lbi_last_winograd(p, images, turned, w, NULL, &e, y)))
            same(y, wanted, images * n, p->o, p->o, 30 * (double)FLT_EPSILON * (sqrt(k) + 2));
        CHECK_NEAR((double)y[out], 0.25, 0);
    }
    lb_free(turned);
    lb_free(wanted);
    lb_free(add);
    lb_free(y);
}

static void one_convolution(lb_rng *r, const lbi_conv *p, int64_t images, int64_t how) {
    int64_t out = p->o * p->y * p->x, in = p->c * p->h * p->w, k = p->c / p->groups * p->kh * p->kw;
    static const lb_act acts[] = {LB_ACT_NONE, LB_ACT_RELU, LB_ACT_SILU, LB_ACT_HARDSWISH};
    float *x = draw(r, images * in), *w = draw(r, p->o * k), *bias = draw(r, p->o), *scale = draw(r, p->o), *add = draw(r, images * out), *y = draw(r, images * out), *want = draw(r, images * out);
    lbi_gemm_end end = {.row_scale = how % 4 < 2 ? scale : NULL, .row_bias = how & 1 ? bias : NULL, .add = how & 2 ? add : NULL, .ld_add = p->y * p->x, .act = acts[how % 4]};
    double *sum = lb_calloc((size_t)out + 1, sizeof *sum);
    if (!CHECK(x && w && bias && scale && add && y && want && sum)) return;
    for (int64_t n = 0, at = 0; n < images; n++) {
        convolve(p, x + n * in, w, sum);
        for (int64_t i = 0; i < out; i++, at++) {
            int64_t o = i / (p->y * p->x);
            want[at] = (float)act_of(end.act, sum[i] * (end.row_scale ? (double)scale[o] : 1) + (end.row_bias ? (double)bias[o] : 0) + (end.add ? (double)add[at] : 0));
        }
    }
    lb_free(sum);
    with_channels_last(p, images, x, w, &end, want, 4 * (double)FLT_EPSILON * (double)(k + 4));
    if (lbi_conv_tiles(p, images, x, w, &end, y)) same(y, want, images * p->o * p->y, p->x, p->x, 4 * (double)FLT_EPSILON * (double)(k + 4));
    else CHECK(lbi_cpu() < LBI_CPU_AVX2);
    if (points(p) && CHECK(lbi_point_forward(p, images, x, w, &end, y))) same(y, want, images * p->o * p->y, p->x, p->x, 4 * (double)FLT_EPSILON * (double)(k + 4));
    /* Its sums of k products go through numbers some times as large: 30 epsilons of the root of k. */
    if (lbi_winograd_can(p) && images > 0 && CHECK(lbi_winograd(p, images, x, w, &end, y))) same(y, want, images * p->o * p->y, p->x, p->x, 30 * (double)FLT_EPSILON * (sqrt((double)k) + 2));
    lb_free(x);
    lb_free(w);
    lb_free(bias);
    lb_free(scale);
    lb_free(add);
    lb_free(y);
    lb_free(want);
}

static void rounded(float *x, int64_t n) {
    uint16_t *half = lb_alloc((size_t)n + 1, sizeof *half);
    if (!CHECK(half)) return;
    lb_convert(half, LB_BF16, x, LB_F32, n);
    lb_convert(x, LB_F32, half, LB_BF16, n);
    lb_free(half);
}

/* Against sums in double of the same rounded factors: they are held exactly, so float's sums are all that differs. Both orders of pictures; weights packed once. */
static void one_in_bf16(lb_rng *r, const lbi_conv *p, int64_t images, int64_t how) {
    int64_t n = p->y * p->x, out = p->o * n, in = p->c * p->h * p->w, k = p->c * p->kh * p->kw;
    static const lb_act acts[] = {LB_ACT_NONE, LB_ACT_RELU, LB_ACT_SILU, LB_ACT_HARDSWISH, LB_ACT_RELU6};
    float *x = draw(r, images * in), *w = draw(r, p->o * k), *bias = draw(r, p->o), *scale = draw(r, p->o), *add = draw(r, images * out),
          *y = draw(r, images * out), *want = draw(r, images * out), *turned = pixels_of(x, images, p->c, p->h * p->w), *kept = NULL;
    double *sum = lb_calloc((size_t)out + 1, sizeof *sum);
    if (!CHECK(x && w && bias && scale && add && y && want && turned && sum)) return;
    lbi_gemm_end end = {.row_scale = how % 3 ? scale : NULL, .row_bias = how & 1 ? bias : NULL, .add = how & 2 ? add : NULL, .act = acts[how % 5]};
    bool can = lbi_cpu() >= LBI_CPU_BF16;
    for (int planes = 0; planes < 3; planes++) {
        y[images * out] = 0.25f; /* is not written */
        bool done = lbi_last_bf16(p, images, planes == 1 ? x : turned, planes == 1, planes == 2 ? NULL : w, planes ? &kept : NULL, &end, y);
        CHECK(done == can);
        CHECK_NEAR((double)y[images * out], 0.25, 0);
        if (planes == 0) {
            rounded(x, images * in);
            rounded(w, p->o * k);
        }
        for (int64_t i = 0, at = 0; planes == 0 && i < images * n; i++) {
            if (i % n == 0) convolve(p, x + i / n * in, w, sum);
            for (int64_t o = 0; o < p->o; o++, at++)
                want[at] = (float)act_of(end.act, sum[o * n + i % n] * (end.row_scale ? (double)scale[o] : 1) + (end.row_bias ? (double)bias[o] : 0) + (end.add ? (double)add[at] : 0));
        }
        if (done) same(y, want, images * n, p->o, p->o, 4 * (double)FLT_EPSILON * (double)(k + 4));
    }
    lb_free(sum);
    float *all[] = {x, w, bias, scale, add, y, want, turned, kept};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_free(all[i]);
}

static void convolutions_in_bf16(void) {
    static const lbi_conv fixed[] = {/* of networks, and where patches are cut: */
                                     {.c = 64, .h = 14, .w = 14, .o = 64, .y = 14, .x = 14, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 96, .h = 7, .w = 7, .o = 40, .y = 7, .x = 7, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 32, .h = 14, .w = 14, .o = 33, .y = 7, .x = 7, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 3, .h = 50, .w = 76, .o = 24, .y = 25, .x = 38, .kh = 7, .kw = 7, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 3, .pl = 3, .groups = 1},
                                     {.c = 3, .h = 31, .w = 30, .o = 16, .y = 31, .x = 30, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 64, .h = 14, .w = 14, .o = 35, .y = 7, .x = 7, .kh = 1, .kw = 1, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .groups = 1},
                                     {.c = 70, .h = 13, .w = 9, .o = 31, .y = 13, .x = 9, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1},
                                     {.c = 320, .h = 60, .w = 60, .o = 4, .y = 60, .x = 60, .kh = 1, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pl = 1, .groups = 1}};
    lb_rng r = lb_rng_of(15, 0, "convolutions in bf16");
    for (int round = 0; round < 90; round++) {
        lbi_conv p = draw_conv(&r, round, false);
        if (round < (int)LB_COUNT(fixed)) p = fixed[round];
        if (p.groups > 1) p.c /= p.groups;
        p.groups = 1;
        int64_t images = round < (int)LB_COUNT(fixed) ? 3 : lb_rng_below(&r, 4);
        check_begin("bf16 %d: %lldx%lldx%lld to %lldx%lldx%lld, kernel %lldx%lld", round, (long long)p.c, (long long)p.h, (long long)p.w, (long long)p.o,
                    (long long)p.y, (long long)p.x, (long long)p.kh, (long long)p.kw);
        one_in_bf16(&r, &p, images, round);
        check_end();
    }
}

/* What one picture brings to gradients, by the definition. */
static void bring(const lbi_conv *p, const float *g, const float *x, const float *w, double *restrict gx, double *restrict gw) {
    int64_t c = p->c / p->groups, first, end;
    for (int64_t at = 0; at < p->o * c * p->kh * p->kw; at++) {
        int64_t v = at % p->kw, u = at / p->kw % p->kh, q = at / (p->kw * p->kh) % c, o = at / (p->kw * p->kh * c), from = v * p->dw - p->pl;
        within(p->x, p->sw, from, p->w, &first, &end);
        for (int64_t i = 0; i < p->y; i++) {
            int64_t row = i * p->sh + u * p->dh - p->pt, start = ((o / (p->o / p->groups) * c + q) * p->h + row) * p->w + from;
            if (row < 0 || row >= p->h) continue;
            const float *out = g + (o * p->y + i) * p->x;
            double sum = 0, weight = (double)w[at];
            for (int64_t j = first; j < end; j++) gx[start + j * p->sw] += (double)out[j] * weight;
#pragma omp simd reduction(+ : sum)
            for (int64_t j = first; j < end; j++) sum += (double)out[j] * (double)x[start + j * p->sw];
            gw[at] += sum;
        }
    }
}

static void near_to(const float *got, const double *want, int64_t n, double bound) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= bound)) {
            printf("     element %lld\n", (long long)i);
            CHECK_NEAR((double)got[i], want[i], bound);
            return;
        }
}

/* The same with channels last. gx and gw as they stand before. */
static void last_gradient(const lbi_conv *p, int64_t images, const float *x, const float *w, const float *g, const float *gx, const float *gw, bool fresh, const double *wx, const double *ww) {
    int64_t in = images * p->c * p->h * p->w, k = p->o * (p->c / p->groups) * p->kh * p->kw, n = p->h * p->w;
    float *xl = pixels_of(x, images, p->c, n), *gl = pixels_of(g, images, p->o, p->y * p->x), *tx = pixels_of(gx, images, p->c, n), *tw = lb_alloc_aligned((size_t)(k + 1) * sizeof *tw);
    double *wanted = lb_calloc((size_t)(in + 1), sizeof *wanted);
    if (!CHECK(xl && gl && tx && tw && wanted)) return;
    for (int64_t row = 0; row < images * p->c; row++)
        for (int64_t i = 0; i < n; i++) wanted[(row / p->c * n + i) * p->c + row % p->c] = wx[row * n + i];
    bool fast = lbi_cpu() >= LBI_CPU_AVX2 && images > 0;
    /* With Winograd off by as much as in one_convolution. */
    double bound = 4 * (double)FLT_EPSILON * (double)(p->o * p->kh * p->kw + 4) + 30 * (double)FLT_EPSILON * (sqrt((double)(p->o * 9)) + 2);
    if (lbi_last_input(p, images, gl, w, tx, fresh) == LBI_CONV_DONE) near_to(tx, wanted, in, bound);
    else CHECK(!fast || !lbi_turns(p));
    for (int planes = 0; planes < 2; planes++) {
        memcpy(tw, gw, (size_t)k * sizeof *tw);
        if (lbi_last_kernels(p, images, planes ? x : xl, planes, gl, tw, fresh)) near_to(tw, ww, k, 4 * (double)FLT_EPSILON * (double)(images * p->y * p->x + 4));
        else CHECK(!fast || p->groups > 1);
    }
    memcpy(tw, gw, (size_t)k * sizeof *tw);
    if (lbi_last_parts_kernels(p, images, xl, gl, tw, fresh)) near_to(tw, ww, k, 4 * (double)FLT_EPSILON * (double)(images * p->y * p->x + 4));
    else CHECK(lbi_cpu() < LBI_CPU_AMX || p->groups > 1 || images == 0);
    memcpy(tw, gw, (size_t)k * sizeof *tw);
    if (fast && lbi_winograd_can(p) && CHECK(lbi_last_winograd_kernels(p, images, xl, gl, tw, fresh))) near_to(tw, ww, k, 30 * (double)FLT_EPSILON * (sqrt((double)(images * p->y * p->x)) + 2));
    lb_free(xl);
    lb_free(gl);
    lb_free(tx);
    lb_free(tw);
    lb_free(wanted);
}

static void one_gradient(lb_rng *r, const lbi_conv *p, int64_t images, bool fresh) {
    int64_t out = p->o * p->y * p->x, in = p->c * p->h * p->w, k = p->o * (p->c / p->groups) * p->kh * p->kw;
    float *x = draw(r, images * in), *w = draw(r, k), *g = draw(r, images * out), *gx = draw(r, images * in), *gw = draw(r, k);
    double *wx = lb_calloc((size_t)(images * in + 1), sizeof *wx), *ww = lb_calloc((size_t)(k + 1), sizeof *ww);
    if (!CHECK(x && w && g && gx && gw && wx && ww)) return;
    for (int64_t i = 0; !fresh && i < images * in; i++) wx[i] = (double)gx[i];
    for (int64_t i = 0; !fresh && i < k; i++) ww[i] = (double)gw[i];
    for (int64_t n = 0; n < images; n++) bring(p, g + n * out, x + n * in, w, wx + n * in, ww);
    if (points(p)) {
        float *tx = draw(r, images * in), *tw = draw(r, k);
        if (!CHECK(tx && tw)) return;
        memcpy(tx, gx, (size_t)(images * in) * sizeof *gx);
        memcpy(tw, gw, (size_t)k * sizeof *gw);
        CHECK(lbi_point_backward(p, images, x, w, g, tx, fresh, tw, fresh));
        near_to(tx, wx, images * in, 4 * (double)FLT_EPSILON * (double)(p->o + 4));
        near_to(tw, ww, k, 4 * (double)FLT_EPSILON * (double)(images * p->y * p->x + 4));
        lb_free(tx);
        lb_free(tw);
    }
    last_gradient(p, images, x, w, g, gx, gw, fresh, wx, ww);
    bool fast = lbi_cpu() >= LBI_CPU_AVX2 && images > 0;
    if (lbi_conv_input(p, images, g, w, gx, fresh) == LBI_CONV_DONE) near_to(gx, wx, images * in, 4 * (double)FLT_EPSILON * (double)(p->o * p->kh * p->kw + 4));
    else CHECK(!fast || p->sh > 1 || p->sw > 1); /* a few strided shapes are left to the matrix of patches */
    if (lbi_conv_kernel(p, images, x, g, gw, fresh)) near_to(gw, ww, k, 4 * (double)FLT_EPSILON * (double)(images * p->y * p->x + 4));
    else CHECK(!fast);
    lb_free(x);
    lb_free(w);
    lb_free(g);
    lb_free(gx);
    lb_free(gw);
    lb_free(wx);
    lb_free(ww);
}

static void gradients(void) {
    lb_rng r = lb_rng_of(7, 0, "gradients");
    for (int round = 0; round < 120; round++) {
        lbi_conv p = draw_conv(&r, round, false);
        int64_t images = lb_rng_below(&r, 4);
        check_begin("gradient %d: [%lld,%lld,%lld,%lld] %lldx%lld", round, (long long)images, (long long)p.c, (long long)p.h, (long long)p.w, (long long)p.kh, (long long)p.kw);
        one_gradient(&r, &p, images, round & 1);
        check_end();
    }
    static const lbi_conv small[] = {{33, 2, 2, 40, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1},
                                     {50, 1, 1, 50, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1},
                                     {20, 7, 7, 50, 7, 7, 1, 1, 1, 1, 1, 1, 0, 0, 1},
                                     {9, 25, 31, 17, 25, 31, 1, 1, 1, 1, 1, 1, 0, 0, 1},
                                     {64, 1, 1, 96, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1},
                                     {96, 2, 2, 64, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1}};
    static const int64_t images[] = {300, 25, 25, 3, 200, 50};
    for (size_t i = 0; i < LB_COUNT(small); i++) {
        check_begin("gradient of 1x1 on many pictures %zu", i);
        one_gradient(&r, &small[i], images[i], i & 1);
        one_convolution(&r, &small[i], images[i], 3 + (int64_t)i);
        check_end();
    }
    /* The second in several parts whose transforms the last cache does not keep. */
    static const lbi_conv large[] = {{40, 30, 30, 70, 30, 30, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {66, 85, 85, 70, 85, 85, 3, 3, 1, 1, 1, 1, 1, 1, 1}};
    for (size_t i = 0; i < LB_COUNT(large); i++) {
        check_begin("gradient of a larger convolution %zu", i);
        one_gradient(&r, &large[i], 2, i == 0);
        check_end();
    }
}

static void convolutions(void) {
    lb_rng r = lb_rng_of(5, 0, "convolutions");
    for (int round = 0; round < 120; round++) {
        lbi_conv p = draw_conv(&r, round, false);
        int64_t images = lb_rng_below(&r, 4);
        check_begin("convolution %d: [%lld,%lld,%lld,%lld] %lldx%lld", round, (long long)images, (long long)p.c, (long long)p.h, (long long)p.w, (long long)p.kh, (long long)p.kw);
        one_convolution(&r, &p, images, round % 7);
        check_end();
    }
    for (int round = 0; round < 30; round++) {
        lbi_conv p = {.c = 1 + lb_rng_below(&r, 40), .h = 1 + lb_rng_below(&r, 30), .w = 1 + lb_rng_below(&r, 30), .o = 1 + lb_rng_below(&r, 40), .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1,
                      .pt = 1 + lb_rng_below(&r, 2), .pl = 1 + lb_rng_below(&r, 2), .groups = 1};
        p.y = p.h - 1 + lb_rng_below(&r, 2) + 1;
        p.x = p.w - 1 + lb_rng_below(&r, 2) + 1;
        check_begin("3x3 %d: [%lld,%lld,%lld]", round, (long long)p.c, (long long)p.h, (long long)p.w);
        one_convolution(&r, &p, 1 + round % 5, round % 7);
        check_end();
    }
    for (int round = 0; round < 60; round++) {
        lbi_conv p = draw_conv(&r, round, true);
        p.c = p.o = p.groups = 1 + lb_rng_below(&r, 40);
        check_begin("depthwise %d: [%lld,%lld,%lld] %lldx%lld", round, (long long)p.c, (long long)p.h, (long long)p.w, (long long)p.kh, (long long)p.kw);
        one_convolution(&r, &p, 1 + round % 3, round % 7);
        check_end();
    }
    for (int round = 0; round < 36; round++) { /* square kernels have ways of their own */
        int64_t side = 3 + round % 3 * 2, step = 1 + round % 2;
        lbi_conv p = {.h = side + lb_rng_below(&r, 20), .w = side + lb_rng_below(&r, 30), .kh = side, .kw = side, .sh = step, .sw = step, .dh = 1, .dw = 1, .pt = lb_rng_below(&r, side), .pl = lb_rng_below(&r, side)};
        p.c = p.o = p.groups = 1 + lb_rng_below(&r, 40);
        p.y = lbi_conv_size(p.h, side, step, p.pt, lb_rng_below(&r, side), 1);
        p.x = lbi_conv_size(p.w, side, step, p.pl, lb_rng_below(&r, side), 1);
        check_begin("depthwise %lldx%lld, step %lld: [%lld,%lld,%lld]", (long long)side, (long long)side, (long long)step, (long long)p.c, (long long)p.h, (long long)p.w);
        one_convolution(&r, &p, 1 + round % 3, round % 7);
        check_end();
    }
    lbi_conv large = {64, 30, 30, 70, 30, 30, 3, 3, 1, 1, 1, 1, 1, 1, 1}, deep = {400, 9, 9, 20, 9, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    check_begin("convolution of many channels");
    one_convolution(&r, &deep, 3, 3);
    check_end();
    check_begin("convolution of one large picture");
    one_convolution(&r, &large, 1, 3);
    check_end();
    /* More numbers than are padded at once, when there are several threads. */
    lbi_conv banded = {96, 220, 220, 1, 220, 220, 3, 3, 1, 1, 1, 1, 1, 1, 1}, halved = {96, 300, 300, 1, 150, 150, 3, 3, 2, 2, 1, 1, 1, 1, 1};
    check_begin("convolutions of pictures in bands");
    one_convolution(&r, &banded, 1, 2);
    one_convolution(&r, &halved, 1, 1);
    check_end();
}

/* The gradients' definition: the plain loops of kernels/conv.h, which the op's test holds against central differences. */
static void one_depthwise(lb_rng *r, const lbi_conv *p, bool fresh) {
    lbi_depth d, back;
    int64_t in = p->h * p->w, out = p->y * p->x, k = p->kh * p->kw;
    double sums[64] = {0}, right[64] = {0};
    bool ok = CHECK(lbi_depth_plan(&d, p)), turns = lbi_depth_plan_back(&back, p, fresh);
    float *x = draw(r, in), *w = draw(r, k), *y = draw(r, out), *want = draw(r, out), *gin = draw(r, in), *gwant = draw(r, in);
    float *work = draw(r, d.space + (turns ? back.space : 0) + in);
    double *sum = lb_calloc((size_t)out + 1, sizeof *sum);
    if (!ok || !CHECK(x && w && y && want && gin && gwant && work && sum)) return;
    convolve(p, x, w, sum);
    for (int64_t i = 0; i < out; i++) want[i] = (float)act_of(LB_ACT_RELU, sum[i] + 0.25);
    lb_free(sum);
    lbi_depth_begin(&d, work);
    lbi_depth_forward(&d, gin, x, w, LB_ACT_NONE, 0, y, work); /* leaves nothing in the margins */
    lbi_depth_forward(&d, x, NULL, w, LB_ACT_RELU, 0.25f, y, work);
    same(y, want, p->y, p->x, p->x, 4 * (double)FLT_EPSILON * (double)(k + 4));
    if (fresh) memset(gwant, 0, (size_t)in * sizeof *gin);
    else memcpy(gwant, gin, (size_t)in * sizeof *gin);
    lbi_depthwise_input(p, y, w, gwant);
    if (turns) {
        lbi_depth_begin(&back, work);
        lbi_depth_input(&back, want, y, w, work + d.space + back.space, fresh, work);
        lbi_depth_input(&back, y, NULL, w, gin, fresh, work);
        same(gin, gwant, p->h, p->w, p->w, 40 * (double)FLT_EPSILON * (double)(k + 4)); /* y is up to some 10 */
    }
    lbi_depthwise_kernel(p, x, y, right);
    float *lanes = work + d.space - d.taps * LBI_DEPTH_LANES;
    memset(lanes, 0, (size_t)(d.taps * LBI_DEPTH_LANES) * sizeof *lanes);
    lbi_depth_kernel(&d, x, y, lanes, work);
    lbi_depth_kernel_sums(&d, lanes, sums);
    CHECK_DOUBLES(sums, right, k, 1e-4, 1e-4);
    lb_free(x);
    lb_free(w);
    lb_free(y);
    lb_free(want);
    lb_free(gin);
    lb_free(gwant);
    lb_free(work);
}

/* Channels in lanes, every channel against the plain loops. */
static void one_in_lanes(lb_rng *r, const lbi_conv *p, int64_t count, bool fresh) {
    lbi_lanes d;
    int64_t in = p->h * p->w, out = p->y * p->x, k = p->kh * p->kw;
    if (!lbi_lanes_plan(&d, p)) return;
    float *x = draw(r, count * in), *w = draw(r, count * k), *bias = draw(r, count), *y = draw(r, count * out), *want = draw(r, out), *g = draw(r, count * out),
          *gx = draw(r, count * in), *gwant = draw(r, in);
    float *turned = draw(r, k * LBI_LANES), *sums = draw(r, k * LBI_LANES), *work = draw(r, d.space);
    double *sum = lb_calloc((size_t)out + 1, sizeof *sum);
    if (!CHECK(x && w && bias && y && want && g && gx && gwant && turned && sums && work && sum)) return;
    memset(sums, 0, (size_t)(k * LBI_LANES) * sizeof *sums);
    lbi_lanes_kernel(&d, w, count, turned);
    lbi_lanes_forward(&d, x, count, turned, bias, LB_ACT_RELU, y, work);
    float *before = draw(r, count * in);
    if (before) memcpy(before, gx, (size_t)(count * in) * sizeof *gx);
    lbi_lanes_back(&d, x, g, count, turned, gx, fresh, sums, work);
    for (int64_t c = 0; before && c < count; c++) {
        double right[LBI_LANES_TAPS] = {0}, got[LBI_LANES_TAPS];
        convolve(p, x + c * in, w + c * k, sum);
        for (int64_t i = 0; i < out; i++) want[i] = (float)act_of(LB_ACT_RELU, sum[i] + (double)bias[c]);
        same(y + c * out, want, 1, out, out, 4 * (double)FLT_EPSILON * (double)(k + 4));
        for (int64_t i = 0; i < in; i++) gwant[i] = fresh ? 0 : before[c * in + i];
        lbi_depthwise_input(p, g + c * out, w + c * k, gwant);
        same(gx + c * in, gwant, 1, in, in, 8 * (double)FLT_EPSILON * (double)(k + 4));
        lbi_depthwise_kernel(p, x + c * in, g + c * out, right);
        for (int64_t i = 0; i < k; i++) got[i] = (double)sums[i * LBI_LANES + c];
        CHECK_DOUBLES(got, right, k, 1e-5, 1e-5); /* sums of at most 256 products below 1 */
    }
    lb_free(sum);
    float *all[] = {x, w, bias, y, want, g, gx, gwant, turned, sums, work, before};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_free(all[i]);
}

static void in_lanes(void) {
    lb_rng r = lb_rng_of(8, 0, "lanes");
    for (int round = 0; round < 150; round++) {
        lbi_conv p = draw_conv(&r, round, true);
        if (p.h > LBI_LANES_SIDE || p.w > LBI_LANES_SIDE) {
            p.h = at_least(p.h % 9, p.dh * (p.kh - 1) + 1);
            p.w = at_least(p.w % 9, p.dw * (p.kw - 1) + 1);
            p.y = lbi_conv_size(p.h, p.kh, p.sh, p.pt, p.pt, p.dh);
            p.x = lbi_conv_size(p.w, p.kw, p.sw, p.pl, p.pl, p.dw);
        }
        check_begin("lanes %d: %lldx%lld by %lldx%lld", round, (long long)p.h, (long long)p.w, (long long)p.kh, (long long)p.kw);
        one_in_lanes(&r, &p, 1 + round % LBI_LANES, round & 1);
        check_end();
    }
}

static void depthwise(void) {
    lb_rng r = lb_rng_of(6, 0, "depthwise");
    for (int round = 0; round < 120; round++) {
        lbi_conv p = draw_conv(&r, round, true);
        check_begin("depthwise %d: %lldx%lld by %lldx%lld", round, (long long)p.h, (long long)p.w, (long long)p.kh, (long long)p.kw);
        one_depthwise(&r, &p, round % 2);
        check_end();
    }
    for (int round = 0; round < 160; round++) { /* down columns: every width of vectors and what is left of them */
        int64_t k = 3 + 2 * (round % 2), stride = 1 + round / 2 % 2, h = k + lb_rng_below(&r, 20), w = k + round / 2, pad = lb_rng_below(&r, k), more = lb_rng_below(&r, k);
        lbi_conv p = {1, h, w, 1, 0, 0, k, k, stride, stride, 1, 1, pad, more, 1};
        p.y = lbi_conv_size(h, k, stride, pad, more, 1);
        p.x = lbi_conv_size(w, k, stride, more, pad, 1);
        check_begin("depthwise columns %d: %lldx%lld by %lldx%lld", round, (long long)h, (long long)w, (long long)k, (long long)k);
        one_depthwise(&r, &p, true);
        check_end();
    }
}

static double s_of(double x) { return 1 / (1 + exp(-x)); }
static double silu_of(double x) { return x * s_of(x); }
static double quick_of(double x) { return x * s_of((double)1.702f * x); }
static double silu_slope(double x) { return s_of(x) * (1 + x * (1 - s_of(x))); }
static double quick_slope(double x) { return s_of((double)1.702f * x) * (1 + (double)1.702f * x * (1 - s_of((double)1.702f * x))); }

/* The logistic function and what is made of it, at their ends and between: off by 4 units in the last place, of an exponential, a sum and a quotient; slopes, where two terms nearly
 * cancel, by as much of 1. Of -infinity SiLU may be NaN, as torch's. */
static void logistic_ends(void) {
    enum { N = 4099 };
    static const float ends[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e4f, -1e4f, 88.8f, -88.8f, 0, -0.0f, 1e-30f, -1e-30f};
    static const struct {
        lb_tensor *(*op)(lb_tape *t, lb_tensor *x);
        double (*value)(double x), (*slope)(double x), rounds; /* rounds: what the rounding of 1.702 x brings, of -x */
    } ops[] = {{lb_sigmoid, s_of, NULL, 0}, {lb_silu, silu_of, silu_slope, 0}, {lb_gelu_quick, quick_of, quick_slope, 1.1e-7}};
    lb_tensor *x = NULL;
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_F32, 1, (int64_t[]){N})) || !CHECK_OK(lb_tape_new(&t))) return;
    float *at = (float *)x->data;
    for (int i = 0; i < N; i++) at[i] = i < (int)LB_COUNT(ends) ? ends[i] : (float)(i - N / 2) / 32;
    x->requires_grad = true;
    for (size_t k = 0; k < LB_COUNT(ops); k++) {
        lb_tensor *y = ops[k].op(t, x);
        if (!CHECK(lb_tape_ok(t))) break;
        const float *got = (const float *)y->data;
        CHECK(isnan(got[2]) && (ops[k].slope ? isinf(got[0]) && got[0] > 0 : got[0] == 1 && got[1] == 0));
        for (int i = 3; i < N; i++) {
            double v = (double)at[i], want = ops[k].value(v);
            CHECK_NEAR((double)got[i], want, (2.4e-7 + (v < 0 ? -v * ops[k].rounds : 0)) * fabs(want) + 2e-36);
        }
        if (ops[k].slope) lb_backward(t, lb_sum_all(t, y));
        if (ops[k].slope && CHECK(lb_tape_ok(t))) {
            const float *slope = (const float *)x->grad->data;
            for (int i = 5; i < N; i++) CHECK_NEAR((double)slope[i], ops[k].slope((double)at[i]), 1e-6);
        }
        lb_tape_reset(t);
        lb_tensor_free(x->grad);
        x->grad = NULL;
    }
    lb_tape_free(t);
    lb_tensor_free(x);
}

/* Both ways number by number: every result reaches its window alone. */
static void one_mosaic(lb_rng *r, const lbi_conv *p, int64_t images, bool fresh) {
    int64_t results = images * p->o * p->y * p->x, picture = images * p->c * p->h * p->w, kernel = p->o * p->c * p->kh * p->kw, area = p->y * p->x, taps = p->kh * p->kw;
    float *y = draw(r, results), *w = draw(r, kernel), *bias = draw(r, p->c), *x = draw(r, picture), *g = draw(r, picture), *gy = draw(r, results), *gw = draw(r, kernel);
    float *x_is = draw(r, picture), *gy_is = draw(r, results), *gw_is = draw(r, kernel);
    for (int64_t i = 0; i < picture; i++) x_is[i] = bias[i / (p->h * p->w) % p->c];
    for (int64_t i = 0; i < results; i++) gy_is[i] = fresh ? 0 : gy[i];
    for (int64_t i = 0; i < kernel; i++) gw_is[i] = fresh ? 0 : gw[i];
    for (int64_t i = 0; i < results; i++)
        for (int64_t k = 0; k < p->c * taps; k++) {
            int64_t o = i / area % p->o, c = k / taps, row = i / p->x % p->y * p->kh + k / p->kw % p->kh, column = i % p->x * p->kw + k % p->kw;
            int64_t at = ((i / (area * p->o) * p->c + c) * p->h + row) * p->w + column;
            x_is[at] += y[i] * w[o * p->c * taps + k];
            gy_is[i] += g[at] * w[o * p->c * taps + k];
            gw_is[o * p->c * taps + k] += g[at] * y[i];
        }
    CHECK(lbi_mosaic_spread(p, images, y, w, bias, x));
    same(x, x_is, 1, picture, picture, 8 * (double)FLT_EPSILON * (double)(p->o + 4));
    CHECK(lbi_mosaic_gather(p, images, g, w, y, gy, fresh, gw, fresh));
    same(gy, gy_is, 1, results, results, 8 * (double)FLT_EPSILON * (double)(p->c * taps + 4));
    same(gw, gw_is, 1, kernel, kernel, 8 * (double)FLT_EPSILON * (double)(images * area + 4));
    float *all[] = {y, w, bias, x, g, gy, gw, x_is, gy_is, gw_is};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_free(all[i]);
}

static void mosaic(void) {
    lb_rng r = lb_rng_of(9, 0, "mosaic");
    for (int round = 0; round < 24; round++) {
        int64_t kh = 1 + round % 3, kw = 1 + round / 3 % 3, y = 1 + lb_rng_below(&r, 40), x = 1 + lb_rng_below(&r, 30), c = 1 + lb_rng_below(&r, 20);
        lbi_conv p = {c, y * kh, x * kw, 1 + lb_rng_below(&r, 20), y, x, kh, kw, kh, kw, 1, 1, 0, 0, 1};
        if (!lbi_mosaic_worth(&p)) continue;
        check_begin("mosaic %d: %lldx%lld of %lldx%lld", round, (long long)y, (long long)x, (long long)kh, (long long)kw);
        one_mosaic(&r, &p, 1 + round % 4, round % 2);
        check_end();
    }
}

/* GELU at its ends, and off by no more than sums of x / 2 with an erf of float are: 2e-7 of |x|. Torch's formula gives NaN at -infinity (infinity times 0); so may we. */
static void gelu_ends(void) {
    enum { N = 4096 };
    static const float ends[] = {INFINITY, NAN, 3e38f, -3e38f, 1e4f, -1e4f, 6.1f, -6.1f, 5.9f, -5.9f, 0, -0.0f, 1e-30f, -1e-30f};
    lb_tensor *x = NULL;
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_F32, 1, (int64_t[]){N})) || !CHECK_OK(lb_tape_new(&t))) return;
    float *at = (float *)x->data;
    for (int i = 0; i < N; i++) at[i] = i < (int)LB_COUNT(ends) ? ends[i] : (float)(i - N / 2) / 256;
    lb_tensor *y = lb_gelu(t, x);
    if (CHECK(lb_tape_ok(t))) {
        const float *got = (const float *)y->data;
        CHECK(isinf(got[0]) && got[0] > 0 && isnan(got[1]));
        for (int i = 2; i < N; i++) {
            double v = (double)at[i];
            CHECK_NEAR((double)got[i], v * 0.5 * erfc(-v / sqrt(2)), 2e-7 * fabs(v));
        }
    }
    lb_tape_free(t);
    lb_tensor_free(x);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "kernels",
                      (check_test[]){{"clones_keep_to_the_level", clones_keep_to_the_level},
                                     {"products", products},
                                     {"weights packed before", packed_before},
                                     {"bf16", bf16_products},
                                     {"int8", int8_products},
                                     {"frozen", frozen},
                                     {"ops-in-bf16", ops_in_bf16},
                                     {"threads agree", threads_agree},
                                     {"gelu-ends", gelu_ends}, {"logistic-ends", logistic_ends}, {"convolutions", convolutions},
                                     {"convolutions-in-bf16", convolutions_in_bf16},
                                     {"gradients", gradients},
                                     {"depthwise", depthwise},
                                     {"mosaic", mosaic},
                                     {"lanes", in_lanes},
                                     {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of floats in three parts of bf16, where the CPU has tiles: off by no more than float's own sums, held against sums in double; not done where a number has no parts. */
#include <float.h>
#include <math.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/kernels/last.h"
#include "tensor/kernels/last_bf16.h"
#include "tensor/ops.h"

enum { IMAGES = 2 };

/* Numbers of many sizes. */
static float *draw(lb_rng *r, int64_t n) {
    float *x = lb_alloc_aligned((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) x[i] = (float)(lb_rng_normal(r) * exp(8 * (lb_rng_uniform(r) - 0.5)));
    return x;
}

static int64_t numbers_in(const lbi_conv *p) { return IMAGES * p->h * p->w * p->c; }
static int64_t numbers_out(const lbi_conv *p) { return IMAGES * p->y * p->x * p->o; }
static int64_t numbers_of(const lbi_conv *p) { return p->o * p->c * p->kh * p->kw; }

/* x times w, channels last, by the definition. */
static double *convolved(const lbi_conv *p, const float *x, const float *w) {
    double *y = lb_calloc((size_t)numbers_out(p), sizeof *y);
    for (int64_t i = 0; y && i < numbers_out(p); i++) {
        int64_t o = i % p->o, col = i / p->o % p->x, row = i / p->o / p->x % p->y, image = i / (p->o * p->x * p->y);
        for (int64_t u = 0; u < p->kh; u++)
            for (int64_t v = 0; v < p->kw; v++) {
                int64_t h = row * p->sh + u * p->dh - p->pt, c = col * p->sw + v * p->dw - p->pl;
                if (h < 0 || h >= p->h || c < 0 || c >= p->w) continue;
                for (int64_t k = 0; k < p->c; k++) y[i] += (double)x[((image * p->h + h) * p->w + c) * p->c + k] * (double)w[((o * p->c + k) * p->kh + u) * p->kw + v];
            }
    }
    return y;
}

static double error_of(const float *y, const double *want, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)y[i] - want[i]) * ((double)y[i] - want[i]);
    return sqrt(sum);
}

static void exactness(const lbi_conv *p, const float *x, const float *w) {
    int64_t out = numbers_out(p);
    float *y = lb_alloc(2 * (size_t)out, sizeof *y), *twice = lb_calloc(2 * (size_t)out, sizeof *twice), *kept = NULL;
    double *want = convolved(p, x, w);
    const lbi_gemm_end end = {0}, more = {.beta = 1};
    const lbi_last_place place = {2 * p->y * p->x * p->o, 2 * p->x * p->o, 2 * p->o}; /* every second pixel */
    if (CHECK(y && twice && want && lbi_last_parts(p, IMAGES, x, false, w, &kept, &end, y, NULL) && lbi_last_conv(p, IMAGES, x, false, w, NULL, &end, y + out)))
        CHECK(error_of(y, want, out) <= error_of(y + out, want, out));
    for (int i = 0; i < 2; i++) CHECK(lbi_last_parts(p, IMAGES, x, false, NULL, &kept, &more, twice, &place)); /* w is not read again */
    for (int64_t i = 0; i < 2 * out; i++)
        if (!CHECK(twice[i] == (i / p->o % 2 ? 0 : 2 * y[i / (2 * p->o) * p->o + i % p->o]))) break;
    lb_free(y);
    lb_free(twice);
    lb_free(kept);
    lb_free(want);
}

/* The first, the last and one in the middle, of the picture or of the kernels. */
static void without_parts(const lbi_conv *p, float *x, float *w) {
    static const float none[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX};
    float *y = lb_alloc((size_t)numbers_out(p), sizeof *y), *kept = NULL;
    const lbi_gemm_end end = {0};
    for (size_t i = 0; CHECK(y) && i < 6 * LB_COUNT(none); i++) {
        int64_t n = i % 2 ? numbers_in(p) : numbers_of(p), at = i % 3 == 0 ? 0 : i % 3 == 1 ? n / 2 : n - 1;
        float *one = (i % 2 ? x : w) + at, was = *one;
        *one = none[i / 6];
        CHECK(!lbi_last_parts(p, IMAGES, x, false, w, &kept, &end, y, NULL) && !kept);
        *one = was;
    }
    lb_free(y);
}

static void kernels(void) {
    static const lbi_conv fixed[] = {{.c = 64, .h = 14, .w = 14, .o = 64, .y = 14, .x = 14, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 96, .h = 7, .w = 7, .o = 40, .y = 7, .x = 7, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 32, .h = 14, .w = 14, .o = 33, .y = 7, .x = 7, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 3, .h = 22, .w = 26, .o = 24, .y = 11, .x = 13, .kh = 7, .kw = 7, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 3, .pl = 3, .groups = 1},
                                     {.c = 72, .h = 13, .w = 9, .o = 31, .y = 13, .x = 9, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1},
                                     {.c = 600, .h = 5, .w = 6, .o = 40, .y = 5, .x = 6, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1}};
    lb_rng r = lb_rng_of(16, 0, "convolutions in parts");
    for (size_t i = 0; lbi_cpu() >= LBI_CPU_AMX && i < LB_COUNT(fixed); i++) {
        const lbi_conv *p = &fixed[i];
        float *x = draw(&r, numbers_in(p)), *w = draw(&r, numbers_of(p));
        check_begin("%lldx%lldx%lld to %lldx%lldx%lld", (long long)p->c, (long long)p->h, (long long)p->w, (long long)p->o, (long long)p->y, (long long)p->x);
        if (CHECK(x && w)) {
            exactness(p, x, w);
            without_parts(p, x, w);
        }
        check_end();
        lb_free(x);
        lb_free(w);
    }
}

/* The kernels' gradient by the definition, in double and in float. */
static void kernel_gradient(const lbi_conv *p, const float *x, const float *g, double *want, float *plain) {
    for (int64_t i = 0; i < numbers_out(p); i++) {
        int64_t o = i % p->o, col = i / p->o % p->x, row = i / p->o / p->x % p->y, image = i / (p->o * p->x * p->y);
        for (int64_t u = 0; u < p->kh; u++)
            for (int64_t v = 0; v < p->kw; v++) {
                int64_t h = row * p->sh + u * p->dh - p->pt, c = col * p->sw + v * p->dw - p->pl;
                if (h < 0 || h >= p->h || c < 0 || c >= p->w) continue;
                for (int64_t k = 0; k < p->c; k++) {
                    int64_t to = ((o * p->c + k) * p->kh + u) * p->kw + v;
                    float one = x[((image * p->h + h) * p->w + c) * p->c + k];
                    want[to] += (double)one * (double)g[i];
                    plain[to] = fmaf(one, g[i], plain[to]);
                }
            }
    }
}

static void kernel_gradients(void) {
    static const lbi_conv fixed[] = {{.c = 40, .h = 14, .w = 14, .o = 36, .y = 14, .x = 14, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 33, .h = 15, .w = 14, .o = 64, .y = 8, .x = 7, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1},
                                     {.c = 20, .h = 23, .w = 31, .o = 17, .y = 23, .x = 31, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1}};
    static const float none[] = {INFINITY, NAN, FLT_MAX};
    lb_rng r = lb_rng_of(18, 0, "gradients in parts");
    for (size_t i = 0; lbi_cpu() >= LBI_CPU_AMX && i < LB_COUNT(fixed); i++) {
        const lbi_conv *p = &fixed[i];
        int64_t n = numbers_of(p);
        float *x = draw(&r, numbers_in(p)), *g = draw(&r, numbers_out(p)), *gw = lb_calloc((size_t)n, sizeof *gw), *plain = lb_calloc((size_t)n, sizeof *plain);
        double *want = lb_calloc((size_t)n, sizeof *want);
        check_begin("%lldx%lldx%lld to %lldx%lldx%lld", (long long)p->c, (long long)p->h, (long long)p->w, (long long)p->o, (long long)p->y, (long long)p->x);
        if (CHECK(x && g && gw && plain && want)) {
            kernel_gradient(p, x, g, want, plain);
            CHECK(lbi_last_parts_kernels(p, IMAGES, x, g, gw, true));
            CHECK(error_of(gw, want, n) <= error_of(plain, want, n));
            for (size_t k = 0; k < 2 * LB_COUNT(none); k++) {
                float *one = k % 2 ? &x[numbers_in(p) - 1] : &g[numbers_out(p) / 2], was = *one, first = gw[0];
                *one = none[k / 2];
                CHECK(!lbi_last_parts_kernels(p, IMAGES, x, g, gw, false) && gw[0] == first);
                *one = was;
            }
        }
        check_end();
        float *all[] = {x, g, gw, plain};
        for (size_t k = 0; k < LB_COUNT(all); k++) lb_free(all[k]);
        lb_free(want);
    }
}

/* Gradients that are added to others, with and without a number that has no parts: what that does not reach stays the same. */
static void input_gradient(void) {
    static const lbi_conv p = {.c = 64, .h = 12, .w = 12, .o = 64, .y = 6, .x = 6, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .groups = 1};
    lb_rng r = lb_rng_of(19, 0, "gradients in parts");
    int64_t n = numbers_in(&p), pixels = p.h * p.w;
    float *g = draw(&r, numbers_out(&p)), *w = draw(&r, numbers_of(&p)), *gx = lb_calloc(3 * (size_t)n, sizeof *gx);
    if (!CHECK(g && w && gx)) return;
    check_begin("infinity in a gradient that is added");
    for (int i = 0; i < 3; i++) {
        if (i == 2) g[numbers_out(&p) / 2] = INFINITY; /* of pixel (0, 0) of the second picture, which pixels up to (1, 1) have seen */
        CHECK(!lbi_last_can() || lbi_last_input(&p, IMAGES, g, w, gx + i * n, i == 0) == LBI_CONV_DONE);
        for (int64_t k = 0; i == 1 && k < n; k++) gx[n + k] -= gx[k];
    }
    for (int64_t k = 0; lbi_last_can() && k < n; k++) {
        int64_t pixel = k / p.c - pixels;
        bool near = pixel >= 0 && pixel / p.w < 2 && pixel % p.w < 2;
        if (!CHECK(gx[n + k] == 0) || !CHECK(near ? !isfinite(gx[2 * n + k]) : fabsf(gx[2 * n + k] - gx[k]) <= 1e-5f * (1 + fabsf(gx[k])) * 64)) break;
    }
    check_end();
    lb_free(g);
    lb_free(w);
    lb_free(gx);
}

/* What a number without parts reaches is infinite or NaN as in float's own sums, and nothing else changes. */
static void op(void) {
    enum { C = 64, SIDE = 9, O = 48 };
    lb_rng r = lb_rng_of(17, 0, "convolutions in parts");
    lb_tensor *x = NULL, *w = NULL, *y[2];
    lb_tape *t[2] = {NULL, NULL};
    CHECK_OK(lb_tensor_new(&x, LB_REAL, 4, (int64_t[]){1, C, SIDE, SIDE}));
    CHECK_OK(lb_tensor_new(&w, LB_REAL, 4, (int64_t[]){O, C, 3, 3}));
    if (!x || !w) return;
    for (int64_t i = 0; i < lb_numel(x); i++) ((float *)x->data)[i] = (float)lb_rng_normal(&r);
    for (int64_t i = 0; i < lb_numel(w); i++) ((float *)w->data)[i] = (float)lb_rng_normal(&r);
    lb_tensor_fix(w, true);
    check_begin("infinity in a picture");
    for (int i = 0; i < 2; i++) {
        if (i) ((float *)x->data)[SIDE * SIDE / 2] = INFINITY; /* the middle of the first channel */
        CHECK_OK(lb_tape_new(&t[i]));
        if (!t[i]) continue;
        lb_tape_set_mode(t[i], LB_TAPE_NO_GRAD);
        y[i] = lb_contiguous(t[i], lb_conv2d(t[i], x, w, NULL, lb_conv_same(1, 1, 1), LB_ACT_NONE));
        CHECK_OK(lb_tape_status(t[i]));
    }
    for (int64_t k = 0; t[0] && t[1] && k < lb_numel(y[0]); k++) {
        const float was = ((const float *)y[0]->data)[k], is = ((const float *)y[1]->data)[k];
        bool near = k % (SIDE * SIDE) / SIDE >= SIDE / 2 - 1 && k % (SIDE * SIDE) / SIDE <= SIDE / 2 + 1 && k % SIDE >= SIDE / 2 - 1 && k % SIDE <= SIDE / 2 + 1;
        if (!CHECK(near ? isinf(is) : fabsf(is - was) <= 1e-4f)) break;
    }
    check_end();
    for (int i = 0; i < 2; i++) lb_tape_free(t[i]);
    lb_tensor_free(x);
    lb_tensor_free(w);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "conv-parts",
                      (check_test[]){{"kernels", kernels}, {"kernel-gradients", kernel_gradients}, {"input-gradient", input_gradient}, {"op", op}, {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolutions of pictures with channels last: rows of every length against the definition in double, pixels beyond a border, results that leave rounded. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16_block.h"
#include "tensor/kernels/last_depth.h"
#include "tensor/ops.h"

enum { IMAGES = 2, WIDEST = 17 };

static float *draw(lb_rng *r, int64_t n) {
    float *x = lb_alloc_aligned((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) x[i] = (float)lb_rng_normal(r);
    return x;
}

static lbi_conv plan(int64_t c, int64_t h, int64_t w, int64_t kh, int64_t kw, int64_t stride, int64_t apart, int64_t before, int64_t after) {
    lbi_conv p = {.c = c, .o = c, .groups = c, .h = h, .w = w, .kh = kh, .kw = kw, .sh = stride, .sw = stride, .dh = apart, .dw = apart, .pt = before, .pl = before};
    p.y = lbi_conv_size(h, kh, stride, before, after, apart);
    p.x = lbi_conv_size(w, kw, stride, before, after, apart);
    return p;
}

/* Result i of [images,y,x,c]; *size: the sum of its terms' sizes. */
static double depthwise(const lbi_conv *p, const float *x, const float *w, int64_t i, double *size) {
    int64_t c = i % p->c, col = i / p->c % p->x, row = i / p->c / p->x % p->y, image = i / (p->c * p->x * p->y);
    double sum = 0;
    *size = 0;
    for (int64_t u = 0; u < p->kh; u++)
        for (int64_t v = 0; v < p->kw; v++) {
            int64_t h = row * p->sh + u * p->dh - p->pt, at = col * p->sw + v * p->dw - p->pl;
            if (h < 0 || h >= p->h || at < 0 || at >= p->w) continue;
            double term = (double)x[((image * p->h + h) * p->w + at) * p->c + c] * (double)w[(c * p->kh + u) * p->kw + v];
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

static double activated(lb_act act, double x) {
    if (act == LB_ACT_RELU) return fmax(x, 0);
    if (act == LB_ACT_RELU6) return fmin(fmax(x, 0), 6);
    if (act == LB_ACT_HARDSIGMOID) return fmin(fmax(x + 3, 0), 6) / 6;
    if (act == LB_ACT_HARDSWISH) return x * fmin(fmax(x + 3, 0), 6) / 6;
    return act == LB_ACT_GELU ? x * 0.5 * (1 + erf(x / sqrt(2))) : x;
}

/* A sum of up to 26 terms is off by no more than so many of float's roundings of their sizes; activations have slopes up to 1.5. */
static void held(const lbi_conv *p, lb_act act, const float *x, const float *w, const float *scale, const float *shift) {
    int64_t n = IMAGES * p->y * p->x * p->c;
    float *y = lb_alloc((size_t)n + 1, sizeof *y);
    const lbi_gemm_end end = {.row_scale = scale, .row_bias = shift, .act = act};
    if (!CHECK(y)) return;
    y[n] = 0.25f;
    if (!CHECK(lbi_last_depth(p, IMAGES, x, w, &end, y))) n = 0;
    for (int64_t i = 0; i < n; i++) {
        double size, sum = depthwise(p, x, w, i, &size), by = (double)scale[i % p->c], more = (double)shift[i % p->c];
        if (!CHECK_NEAR((double)y[i], activated(act, sum * by + more), 40 * (double)FLT_EPSILON * (size * fabs(by) + fabs(more) + 1))) break;
    }
    CHECK(n == 0 || (double)y[n] == 0.25); /* is not written */
    lb_free(y);
}

/* Rows of 1 to WIDEST pixels, kernels that have strips and such that have none, borders on both sides or beyond. */
static void rows(void) {
    static const int64_t kernel[][2] = {{3, 3}, {5, 5}, {3, 5}, {1, 1}, {2, 2}}, channels[] = {1, 7, 16, 19, 40}; /* [kh, kw] */
    static const lb_act acts[] = {LB_ACT_NONE, LB_ACT_RELU, LB_ACT_RELU6, LB_ACT_HARDSWISH, LB_ACT_HARDSIGMOID, LB_ACT_GELU};
    lb_rng r = lb_rng_of(3, 0, "rows");
    for (size_t k = 0, round = 0; lbi_last_kernel_now() && k < LB_COUNT(kernel); k++)
        for (int64_t w = 1; w <= WIDEST; w++, round++) {
            int64_t stride = 1 + (int64_t)round % 2, apart = kernel[k][1] == 3 && round % 7 == 0 ? 2 : 1, before = (int64_t)(round * 5 % 3) * kernel[k][1] / 2, after = (int64_t)(round * 3 % 4);
            lbi_conv p = plan(channels[round % LB_COUNT(channels)], 6, w, kernel[k][0], kernel[k][1], stride, apart, before, after);
            if (p.y < 1 || p.x < 1) continue;
            float *x = draw(&r, IMAGES * p.h * p.w * p.c), *kernels = draw(&r, p.c * p.kh * p.kw), *scale = draw(&r, p.c), *shift = draw(&r, p.c);
            check_begin("%lldx%lld of %lldx%lldx%lld, stride %lld, %lld before", (long long)p.kh, (long long)p.kw, (long long)p.h, (long long)p.w,
                        (long long)p.c, (long long)stride, (long long)before);
            if (CHECK(x && kernels && scale && shift)) held(&p, acts[round % LB_COUNT(acts)], x, kernels, scale, shift);
            check_end();
            lb_free(x);
            lb_free(kernels);
            lb_free(scale);
            lb_free(shift);
        }
}

/* NaN and infinity reach what sees them, and nothing else. */
static void spoilt(void) {
    lbi_conv p = plan(18, 4, 11, 3, 3, 1, 1, 1, 1);
    lb_rng r = lb_rng_of(4, 0, "spoilt");
    int64_t n = IMAGES * p.y * p.x * p.c;
    float *x = draw(&r, IMAGES * p.h * p.w * p.c), *w = draw(&r, p.c * 9), *y = lb_alloc((size_t)n, sizeof *y);
    const lbi_gemm_end end = {0};
    for (int64_t col = 0; CHECK(x && w && y) && lbi_last_kernel_now() && col < p.w; col++) {
        int64_t c = col % p.c, at = (p.w + col) * p.c + c; /* row 1 of the first picture */
        float was = x[at];
        x[at] = col % 2 ? NAN : INFINITY;
        CHECK(lbi_last_depth(&p, IMAGES, x, w, &end, y));
        for (int64_t i = 0; i < n; i++) {
            bool sees = i % p.c == c && i / p.c < 3 * p.x && llabs(i / p.c % p.x - col) <= 1;
            if (!CHECK(isfinite(y[i]) == !sees)) break;
        }
        x[at] = was;
    }
    lb_free(x);
    lb_free(w);
    lb_free(y);
}

/* What leaves rounded is the same numbers, with 0 up to the next pixel. */
static void rounded(void) {
    static const int64_t channels[] = {8, 16, 24, 40, 64, 72};
    lb_rng r = lb_rng_of(5, 0, "rounded");
    for (size_t k = 0; lbi_cpu() >= LBI_CPU_BF16 && k < LB_COUNT(channels); k++) {
        lbi_conv p = plan(channels[k], 5, 9, k % 2 ? 3 : 5, k % 2 ? 3 : 5, 1, 1, 1, k % 2 ? 1 : 3);
        lbi_last_depth_plan d = lbi_last_depth_plan_of(&p, LB_ACT_HARDSWISH);
        int64_t wide = lbi_up(p.c, LBI_BF16_DEPTH), n = d.step < p.x ? d.step : p.x;
        float *x = draw(&r, p.h * p.w * p.c), *w = draw(&r, p.c * p.kh * p.kw), *y = draw(&r, n * p.c), *work = lb_alloc_aligned(lbi_last_depth_work(&d) * sizeof *work);
        uint16_t *to = lb_alloc_aligned((size_t)(n * wide + 1) * sizeof *to), want[256];
        const float *row[LBI_LAST_DEEP];
        if (!CHECK(x && w && y && work && to)) return;
        for (int64_t u = 0; u < p.kh; u++) row[u] = x + (u < p.h ? u : 0) * p.w * p.c;
        lbi_last_depth_pack(&d, w, NULL, NULL, work);
        to[n * wide] = 77;
        lbi_last_depth_pixels(&d, row, 1, 0, n, y, NULL);
        lbi_last_depth_pixels(&d, row, 1, 0, n, NULL, to);
        for (int64_t i = 0; i < n; i++) {
            memset(want, 0, sizeof want);
            lbi_bf16_round(want, y + i * p.c, p.c);
            CHECK(memcmp(to + i * wide, want, (size_t)wide * sizeof *want) == 0);
        }
        CHECK_INT(to[n * wide], 77);
        lb_free(x);
        lb_free(w);
        lb_free(y);
        lb_free(work);
        lb_free(to);
    }
}

int main(int argc, char **argv) { return check_main(argc, argv, "depth", (check_test[]){{"rows", rows}, {"spoilt", spoilt}, {"rounded", rounded}, {0}}); }

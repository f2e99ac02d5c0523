/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and its logarithm along an axis against their definition in double, element by element: lengths around those of vectors, groups and blocks of the kernels, lines side by side,
 * infinity and NaN. Run once per level (LB_CPU). */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/alloc.h"
#include "base/rng.h"
#include "check.h"
#include "tensor/ops.h"

typedef struct lines {
    int64_t outer, n, inner;
} lines;

/* What a line holds besides drawn numbers. */
enum { PLAIN, RISING, LATE, HIDDEN, INFINITE, NONE, KINDS };

static int kind_of(int64_t line) { return (int)(line % KINDS); }

static void fill(lb_rng *r, float *x, int64_t n, int64_t step, int kind) {
    const uint32_t bits = 0x7fc00003; /* a NaN whose lower bits are not 0 */
    for (int64_t k = 0; k < n; k++) {
        double drawn = 30 * (2 * lb_rng_uniform(r) - 1);
        x[k * step] = (float)(kind == RISING ? drawn / 30 + 4.0 * (double)k / (double)n : drawn);
        if (kind == HIDDEN || (kind == LATE && k < n / 2)) x[k * step] = -INFINITY;
    }
    if (kind == INFINITE) x[n / 2 * step] = INFINITY;
    if (kind == NONE) memcpy(x + n / 2 * step, &bits, sizeof bits);
}

/* A rounding of x - top moves the exponential by up to |x - top| / 2 of them; the exponential itself, the sum, its inverse and the product are four. The logarithm of a sum near 1 is off by the two roundings of its terms. */
static bool line_is(const float *y, const float *x, int64_t n, int64_t step, bool logarithm) {
    double top = -INFINITY, sum = 0;
    bool fine = true;
    for (int64_t k = 0; k < n; k++) top = fmax(top, (double)x[k * step]);
    for (int64_t k = 0; k < n; k++) sum += exp((double)x[k * step] - top);
    double rest = log(sum);
    for (int64_t k = 0; k < n && fine; k++) {
        double d = (double)x[k * step] - top, want = logarithm ? d - rest : exp(d) / sum, got = (double)y[k * step];
        double bound = logarithm ? (double)FLT_EPSILON * (fabs(d) + fabs(rest) + 2) : (double)FLT_EPSILON * (4 + fabs(d) / 2) * want + 2 * (double)FLT_MIN;
        fine = isnan(want) ? isnan(got) : got == want || fabs(got - want) <= bound;
        if (!fine) CHECK_NEAR(got, want, bound);
    }
    return fine;
}

/* From the y that was computed; `times`: so often it was added. */
static bool gradient_is(const float *gx, const float *y, const float *g, int64_t n, int64_t step, bool logarithm, int times) {
    double sum = 0, size = 0;
    bool fine = true;
    for (int64_t k = 0; k < n; k++) {
        double term = (double)g[k * step] * (logarithm ? 1 : (double)y[k * step]);
        sum += term;
        size += fabs(term);
    }
    for (int64_t k = 0; k < n && fine; k++) {
        double v = (double)y[k * step], at = (double)g[k * step], e = logarithm ? exp(v) : v;
        double want = times * (logarithm ? at - e * sum : e * (at - sum)), bound = 4 * times * (double)FLT_EPSILON * ((logarithm ? 1 : e) * fabs(at) + e * size) + 4 * (double)FLT_MIN;
        double got = (double)gx[k * step];
        fine = isnan(want) ? isnan(got) : fabs(got - want) <= bound;
        if (!fine) CHECK_NEAR(got, want, bound);
    }
    return fine;
}

static void one(lb_rng *r, lines s, bool logarithm, bool gradient, int times) {
    const int64_t shape[] = {s.outer, s.n, s.inner};
    lb_tape *t = NULL;
    lb_tensor *x = NULL, *w = NULL, *y[2] = {0}, *g[2] = {0};
    if (!CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_tensor_new(&x, LB_F32, 3, shape)) || !CHECK_OK(lb_tensor_new(&w, LB_F32, 3, shape))) goto done;
    float *a = x->data, *b = w->data;
    for (int64_t i = 0; i < s.outer * s.inner && s.n > 0; i++) fill(r, a + i / s.inner * s.n * s.inner + i % s.inner, s.n, s.inner, gradient ? (int)(i % 2) : kind_of(i));
    for (int64_t i = 0; i < lb_numel(w); i++) b[i] = (float)(2 * lb_rng_uniform(r) - 1);
    x->requires_grad = gradient;
    for (int k = 0; k < times; k++) {
        y[k] = logarithm ? lb_log_softmax(t, x, 1) : lb_softmax(t, x, 1);
        g[k] = w;
    }
    if (gradient) lb_backward_from(t, times, y, g, true);
    if (!CHECK_OK(lb_tape_status(t))) goto done;
    bool fine = true;
    for (int64_t i = 0; i < s.outer * s.inner && fine; i++) {
        int64_t at = i / s.inner * s.n * s.inner + i % s.inner;
        fine = line_is((const float *)y[0]->data + at, a + at, s.n, s.inner, logarithm);
        if (fine && gradient) fine = gradient_is((const float *)x->grad->data + at, (const float *)y[0]->data + at, b + at, s.n, s.inner, logarithm, times);
    }
done:
    lb_tensor_free(x);
    lb_tensor_free(w);
    lb_tape_free(t);
}

static void softmax(void) {
    static const lines sizes[] = {{7, 1, 1}, {13, 2, 1}, {9, 15, 1}, {40, 16, 1}, {9, 17, 1}, {13, 63, 1}, {12, 64, 1}, {13, 65, 1}, {60, 197, 1}, {17, 1000, 1}, {12, 2049, 1}, {13, 4097, 1},
                                  {13, 9000, 1}, {3, 140001, 1}, {3, 1, 5}, {2, 4, 64}, {3, 7, 70}, {2, 197, 130}, {2, 66, 200}, {1, 5, 1030}, {0, 5, 1}, {3, 0, 1}, {3, 5, 0}, {2, 0, 3}};
    lb_rng r = lb_rng_of(17, 0, "rows");
    for (size_t k = 0; k < LB_COUNT(sizes); k++)
        for (int way = 0; way < 6; way++) {
            bool logarithm = way % 2, gradient = way > 1;
            int times = way > 3 ? 2 : 1;
            check_begin("%s of %lldx%lldx%lld%s", logarithm ? "log_softmax" : "softmax", (long long)sizes[k].outer, (long long)sizes[k].n, (long long)sizes[k].inner,
                        !gradient ? "" : times > 1 ? ", gradient added" : ", gradient");
            one(&r, sizes[k], logarithm, gradient, times);
            check_end();
        }
}

int main(int argc, char **argv) { return check_main(argc, argv, "rows", (check_test[]){{"softmax", softmax}, {0}}); }

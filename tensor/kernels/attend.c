/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/attend.h"
#include "base/cpu.h"
#include "tensor/kernels/exp_avx512.h"
#include "tensor/kernels/levels.h"
#include "tensor/kernels/maths.h"

enum { LANES = LBI_ATTEND_LANES }; /* partial results side by side, so that compilers make vectors of them */

LBI_LEVELS void lbi_attend_scale(lb_real *s, int64_t n, lb_real scale) {
    for (int64_t i = 0; i < n; i++) s[i] *= scale;
}

LBI_LEVELS void lbi_attend_cap(lb_real *s, int64_t n, lb_real scale, lb_real cap, lb_real *slope) {
    lb_real by = scale / cap;
    for (int64_t i = 0; i < n; i++) s[i] = lbi_tanh(s[i] * by);
    for (int64_t i = 0; slope && i < n; i++) slope[i] = 1 - s[i] * s[i];
    for (int64_t i = 0; i < n; i++) s[i] *= cap;
}

LBI_LEVELS void lbi_attend_add(lb_real *s, int64_t n, const lb_real *b, int64_t step) {
    if (step == 1)
        for (int64_t i = 0; i < n; i++) s[i] += b[i];
    else
        for (int64_t i = 0; i < n; i++) s[i] += b[i * step];
}

void lbi_attend_hide(lb_real *s, int64_t n, const void *mask, int bytes, int64_t step) {
    const uint8_t *small = mask;
    const int64_t *large = mask;
    if (bytes == 1)
        for (int64_t i = 0; i < n; i++) s[i] = small[i * step] ? s[i] : -(lb_real)INFINITY;
    else
        for (int64_t i = 0; i < n; i++) s[i] = large[i * step] ? s[i] : -(lb_real)INFINITY;
}

LBI_LEVELS lb_real lbi_attend_max(const lb_real *s, int64_t n) {
    lb_real top[LANES], most = -INFINITY;
    int64_t i = 0;
    for (int k = 0; k < LANES; k++) top[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) top[k] = s[i + k] > top[k] ? s[i + k] : top[k];
    for (; i < n; i++) most = s[i] > most ? s[i] : most;
    for (int k = 0; k < LANES; k++) most = top[k] > most ? top[k] : most;
    return most;
}

LBI_LEVELS lb_real lbi_attend_exp(lb_real *s, int64_t n, lb_real shift) {
    lb_real part[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (int64_t j = 0; j < n; j++) s[j] = lbi_exp(s[j] - shift);
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += s[i + k];
    for (; i < n; i++) rest += s[i];
    for (int k = 0; k < LANES; k++) rest += part[k];
    return rest;
}

LBI_LEVELS void lbi_attend_back(lb_real *g, const lb_real *p, int64_t n, lb_real delta) {
    for (int64_t i = 0; i < n; i++) g[i] = p[i] * (g[i] - delta);
}

LBI_LEVELS void lbi_attend_times(lb_real *s, const lb_real *f, int64_t n) {
    for (int64_t i = 0; i < n; i++) s[i] *= f[i];
}

LBI_LEVELS double lbi_attend_dot(const lb_real *a, const lb_real *b, int64_t n) {
    double part[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += (double)a[i + k] * (double)b[i + k];
    for (; i < n; i++) rest += (double)a[i] * (double)b[i];
    for (int k = 0; k < LANES; k++) rest += part[k];
    return rest;
}

/* ---- queries side by side ---- */

/* Four rows at a time, since a lane's largest number so far goes through memory. */
LBI_LEVELS void lbi_attend_cols_max(const lb_real *restrict s, int64_t keys, int ld, int width, lb_real *restrict top) {
    for (int c = 0; c < width; c += LANES) {
        const lb_real *x = s + c;
        lb_real *t = top + c;
        int64_t i = 0;
        for (; i + 4 <= keys; i += 4, x += 4 * ld)
            for (int k = 0; k < LANES; k++) {
                lb_real a = x[k], b = x[ld + k], d = x[2 * ld + k], e = x[3 * ld + k], most = t[k];
                most = a > most ? a : most;
                most = b > most ? b : most;
                most = d > most ? d : most;
                t[k] = e > most ? e : most;
            }
        for (; i < keys; i++, x += ld)
            for (int k = 0; k < LANES; k++) t[k] = x[k] > t[k] ? x[k] : t[k];
    }
}

/* Sums of SOME keys each: one long sum would lose digits. */
enum { SOME = 32 };

#if !defined LB_DOUBLE && defined __x86_64__
/* As below, with half as many operations a number as the compiler makes of lbi_exp. */
LBI_WIDE static void cols_exp_wide(float *s, int64_t keys, int ld, int width, const float *shift, float *sum) {
    for (int c = 0; c < width; c += LANES) {
        const __m512 less = _mm512_loadu_ps(shift + c);
        __m512 all = _mm512_loadu_ps(sum + c);
        for (int64_t from = 0; from < keys; from += SOME) {
            int64_t to = from + SOME < keys ? from + SOME : keys;
            __m512 part = _mm512_setzero_ps();
            for (int64_t i = from; i < to; i++) {
                float *x = s + i * ld + c;
                __m512 e = lbi_exp_wide(_mm512_sub_ps(_mm512_loadu_ps(x), less));
                _mm512_storeu_ps(x, e);
                part = _mm512_add_ps(part, e);
            }
            all = _mm512_add_ps(all, part);
        }
        _mm512_storeu_ps(sum + c, all);
    }
}
#else
static void cols_exp_wide(lb_real *s, int64_t keys, int ld, int width, const lb_real *shift, lb_real *sum) {}
#endif

LBI_LEVELS_FUSED static void cols_exp(lb_real *restrict s, int64_t keys, int ld, int width, const lb_real *restrict shift, lb_real *restrict sum) {
    for (int c = 0; c < width; c += LANES)
        for (int64_t from = 0; from < keys; from += SOME) {
            lb_real part[LANES] = {0};
            int64_t to = from + SOME < keys ? from + SOME : keys;
            for (int64_t i = from; i < to; i++) {
                lb_real *x = s + i * ld + c;
                for (int k = 0; k < LANES; k++) {
                    lb_real e = lbi_exp_low(x[k] - shift[c + k]);
                    x[k] = e;
                    part[k] += e;
                }
            }
            for (int k = 0; k < LANES; k++) sum[c + k] += part[k];
        }
}

void lbi_attend_cols_exp(lb_real *s, int64_t keys, int ld, int width, const lb_real *shift, lb_real *sum) {
    if (sizeof *s == sizeof(float) && lbi_cpu() >= LBI_CPU_AVX512) cols_exp_wide(s, keys, ld, width, shift, sum);
    else cols_exp(s, keys, ld, width, shift, sum);
}

LBI_LEVELS void lbi_attend_cols_scale(lb_real *restrict s, int64_t keys, int ld, int width, const lb_real *restrict factor) {
    for (int64_t i = 0; i < keys; i++)
        for (int k = 0; k < width; k++) s[i * ld + k] *= factor[k];
}

LBI_LEVELS void lbi_attend_cols_back(lb_real *restrict g, const lb_real *restrict p, int64_t keys, int ld, int width, const lb_real *restrict delta) {
    for (int c = 0; c < width; c += LANES)
        for (int64_t i = 0; i < keys; i++) {
            lb_real *x = g + i * ld + c;
            const lb_real *y = p + i * ld + c;
            for (int k = 0; k < LANES; k++) x[k] = y[k] * (x[k] - delta[c + k]);
        }
}

LBI_LEVELS void lbi_attend_keep(lb_real *restrict s, const lb_real *restrict keep, int64_t n) {
    for (int64_t i = 0; i < n; i++) s[i] = keep[i] != 0 ? s[i] : -(lb_real)INFINITY;
}

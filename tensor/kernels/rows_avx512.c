/* SPDX-License-Identifier: Apache-2.0 */
/* A few rows at a time stay in L1: largest numbers, then exponentials and their sums, then the scale, each for all of them, so that the ends of a row's sums are not waited for; the
 * exponentials ask for the next rows. Sums: four floats are added, then widened to double: within 2 roundings of an exponential, of which the exponential itself has as many. */
#include "tensor/kernels/rows_wide.h"
#include "tensor/kernels/exp_avx512.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__
#include <math.h>
#include "tensor/kernels/maths.h"

#define WIDE LBI_WIDE
#define INLINE LBI_WIDE_INLINE

enum { LANES = 16, STEP = 64, GROUP = 2048, MOST = 8, LONG = 4096, BLOCK = 2048, BLOCKS = 64 }; /* numbers and rows of a group; numbers from which on a row is done in blocks, and of a block */

/* NaN is passed over: it comes out through the sum. */
INLINE float largest(const float *x, int64_t n) {
    __m512 t0 = _mm512_set1_ps(-INFINITY), t1 = t0, t2 = t0, t3 = t0;
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        t0 = _mm512_max_ps(_mm512_loadu_ps(x + i), t0);
        t1 = _mm512_max_ps(_mm512_loadu_ps(x + i + LANES), t1);
        t2 = _mm512_max_ps(_mm512_loadu_ps(x + i + 2 * LANES), t2);
        t3 = _mm512_max_ps(_mm512_loadu_ps(x + i + 3 * LANES), t3);
    }
    for (; i < n; i += LANES) t0 = _mm512_mask_max_ps(t0, lbi_wide_first(n - i), _mm512_maskz_loadu_ps(lbi_wide_first(n - i), x + i), t0);
    return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(t0, t1), _mm512_max_ps(t2, t3)));
}

INLINE void ask(const float *x, const float *y) {
    __builtin_prefetch(x);
    __builtin_prefetch(y, 1);
}

/* y = exp(x - top) where they are kept. ahead: where what is asked for begins. @return their sum */
INLINE double exponentials(float *y, const float *x, int64_t n, float top, int64_t ahead, const bool keep) {
    const __m512 less = _mm512_set1_ps(top);
    __m512d sum = _mm512_setzero_pd();
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        __m512 e[STEP / LANES];
#pragma GCC unroll 4
        for (int k = 0; k < STEP / LANES; k++) {
            int64_t at = i + k * LANES;
            e[k] = lbi_exp_wide(_mm512_sub_ps(_mm512_loadu_ps(x + at), less));
            if (keep) _mm512_storeu_ps(y + at, e[k]);
            ask(x + at + ahead, y + at + ahead);
        }
        sum = lbi_wide_add(sum, _mm512_add_ps(_mm512_add_ps(e[0], e[1]), _mm512_add_ps(e[2], e[3])));
    }
    for (; i < n; i += LANES) {
        __mmask16 some = lbi_wide_first(n - i);
        __m512 e = _mm512_maskz_mov_ps(some, lbi_exp_wide(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), less)));
        if (keep) _mm512_mask_storeu_ps(y + i, some, e);
        ask(x + i + ahead, y + i + ahead);
        sum = lbi_wide_add(sum, e);
    }
    return _mm512_reduce_add_pd(sum);
}

INLINE void times(float *y, int64_t n, float by) {
    const __m512 f = _mm512_set1_ps(by);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_loadu_ps(y + i), f));
    if (i < n) _mm512_mask_storeu_ps(y + i, lbi_wide_first(n - i), _mm512_mul_ps(_mm512_maskz_loadu_ps(lbi_wide_first(n - i), y + i), f));
}

INLINE void less_both(float *y, const float *x, int64_t n, float top, float rest) {
    const __m512 a = _mm512_set1_ps(top), b = _mm512_set1_ps(rest);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) _mm512_storeu_ps(y + i, _mm512_sub_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), a), b));
    if (i < n) _mm512_mask_storeu_ps(y + i, lbi_wide_first(n - i), _mm512_sub_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lbi_wide_first(n - i), x + i), a), b));
}

INLINE void group(float *y, const float *x, int64_t rows, int64_t n, int64_t ahead, const bool logarithm) {
    float top[MOST];
    double sum[MOST];
    for (int64_t r = 0; r < rows; r++) top[r] = largest(x + r * n, n);
    for (int64_t r = 0; r < rows; r++) sum[r] = exponentials(y + r * n, x + r * n, n, top[r], ahead, !logarithm);
    for (int64_t r = 0; r < rows; r++) {
        if (logarithm) less_both(y + r * n, x + r * n, n, top[r], (float)log(sum[r]));
        else times(y + r * n, n, (float)(1 / sum[r]));
    }
}

/* A row longer than L1: the largest number so far serves for a block, whose exponentials are mended at the end. A block of only -inf has exponentials 0. */
INLINE void long_row(float *y, const float *x, int64_t n, const bool logarithm) {
    float shift[BLOCKS], top = -INFINITY;
    double sum = 0;
    int64_t each = (n + BLOCKS - 1) / BLOCKS, blocks = 0;
    each = each < BLOCK ? BLOCK : (each + STEP - 1) / STEP * STEP;
    for (int64_t at = 0; at < n; at += each, blocks++) {
        int64_t some = n - at < each ? n - at : each;
        float high = largest(x + at, some), before = top;
        top = high > top ? high : top;
        shift[blocks] = top;
        if (top > before) sum *= exp((double)before - (double)top);
        sum += exponentials(y + at, x + at, some, top == -INFINITY ? 0 : top, some, !logarithm);
    }
    float rest = (float)log(sum);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t at = b * each, some = n - at < each ? n - at : each;
        if (logarithm) less_both(y + at, x + at, some, top, rest);
        else times(y + at, some, (float)(exp((double)shift[b] - (double)top) / sum));
    }
}

INLINE void all_rows(float *y, const float *x, int64_t rows, int64_t n, const bool logarithm) {
    int64_t each = GROUP / n < 1 ? 1 : GROUP / n < MOST ? GROUP / n : MOST;
    for (int64_t r = 0; n > LONG && r < rows; r++) long_row(y + r * n, x + r * n, n, logarithm);
    for (int64_t r = 0; n <= LONG && r < rows; r += each) {
        int64_t some = rows - r < each ? rows - r : each;
        group(y + r * n, x + r * n, some, n, some * n, logarithm);
    }
}

WIDE void lbi_softmax_rows_avx512(float *y, const float *x, int64_t rows, int64_t n, bool logarithm) {
    if (logarithm) all_rows(y, x, rows, n, true);
    else all_rows(y, x, rows, n, false);
}

/* ---- without keeping exponentials ---- */

WIDE double lbi_log_sum_avx512(const float *x, int64_t n) {
    float top = largest(x, n), shift = top == -INFINITY ? 0 : top;
    return (double)shift + log(exponentials(NULL, x, n, shift, n, false));
}

WIDE void lbi_soft_avx512(float *y, const float *x, int64_t n, float logsum, float a, float b) {
    const __m512 less = _mm512_set1_ps(logsum), by = _mm512_set1_ps(a), more = _mm512_set1_ps(b);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 some = lbi_wide_first(n - i);
        ask(x + i + n, y + i + n);
        __m512 e = lbi_exp_wide(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), less));
        _mm512_mask_storeu_ps(y + i, some, _mm512_fmadd_ps(e, by, more));
    }
}

/* Largest numbers, 0 where infinite, and sums of exponentials of 16 columns. */
INLINE void sums_of(float *tops, float *sums, const float *x, int64_t n, int64_t inner, __mmask16 some) {
    enum { TOGETHER = 4 };
    __m512 top = _mm512_set1_ps(-INFINITY);
    __m512d low = _mm512_setzero_pd(), high = low;
    for (int64_t k = 0; k < n; k++) top = _mm512_max_ps(_mm512_maskz_loadu_ps(some, x + k * inner), top);
    top = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(top), _mm512_set1_ps(INFINITY), _CMP_LT_OQ), top);
    for (int64_t k = 0; k < n; k += TOGETHER) {
        __m512 e[TOGETHER];
#pragma GCC unroll 4
        for (int j = 0; j < TOGETHER; j++) e[j] = k + j < n ? lbi_exp_wide_all(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + (k + j) * inner), top)) : _mm512_setzero_ps();
        __m512 sum = _mm512_add_ps(_mm512_add_ps(e[0], e[1]), _mm512_add_ps(e[2], e[3]));
        low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(sum)));
        high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(sum, 1)));
    }
    _mm512_storeu_ps(tops, top);
    _mm512_storeu_ps(sums, _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1));
}

WIDE void lbi_log_sums_avx512(float *y, const float *x, int64_t n, int64_t inner, int64_t count) {
    enum { COLUMNS = 64 };
    float tops[COLUMNS], sums[COLUMNS];
    for (int64_t i = 0; i < count; i += LANES) sums_of(tops + i, sums + i, x + i, n, inner, lbi_wide_first(count - i));
    for (int64_t i = 0; i < count; i++) y[i] = tops[i] + lbi_log(sums[i]);
}

/* ---- gradients ---- */

/* sum of g y, or of g */
INLINE double weighed(const float *y, const float *g, const float *gx, int64_t n, int64_t ahead, const bool logarithm) {
    __m512d sum = _mm512_setzero_pd();
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        __m512 some = _mm512_setzero_ps();
#pragma GCC unroll 4
        for (int k = 0; k < STEP / LANES; k++) {
            int64_t at = i + k * LANES;
            some = logarithm ? _mm512_add_ps(some, _mm512_loadu_ps(g + at)) : _mm512_fmadd_ps(_mm512_loadu_ps(g + at), _mm512_loadu_ps(y + at), some);
            ask(g + at + ahead, gx + at + ahead);
            __builtin_prefetch(y + at + ahead);
        }
        sum = lbi_wide_add(sum, some);
    }
    for (; i < n; i += LANES) {
        __mmask16 some = lbi_wide_first(n - i);
        __m512 v = _mm512_maskz_loadu_ps(some, g + i);
        ask(g + i + ahead, gx + i + ahead);
        __builtin_prefetch(y + i + ahead);
        sum = lbi_wide_add(sum, logarithm ? v : _mm512_mul_ps(v, _mm512_maskz_loadu_ps(some, y + i)));
    }
    return _mm512_reduce_add_pd(sum);
}

INLINE void slopes(float *gx, const float *y, const float *g, int64_t n, float all, const bool logarithm, const bool fresh) {
    const __m512 s = _mm512_set1_ps(all);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 some = lbi_wide_first(n - i);
        __m512 out = _mm512_maskz_loadu_ps(some, y + i), in = _mm512_maskz_loadu_ps(some, g + i);
        __m512 d = logarithm ? _mm512_fnmadd_ps(lbi_exp_wide(out), s, in) : _mm512_mul_ps(out, _mm512_sub_ps(in, s));
        _mm512_mask_storeu_ps(gx + i, some, fresh ? d : _mm512_add_ps(_mm512_maskz_loadu_ps(some, gx + i), d));
    }
}

INLINE void all_back(float *gx, const float *y, const float *g, int64_t rows, int64_t n, const bool logarithm, const bool fresh) {
    int64_t each = GROUP / n < 1 ? 1 : GROUP / n < MOST ? GROUP / n : MOST;
    for (int64_t r = 0; r < rows; r += each) {
        double sum[MOST];
        int64_t some = rows - r < each ? rows - r : each, at = r * n;
        for (int64_t k = 0; k < some; k++) sum[k] = weighed(y + at + k * n, g + at + k * n, gx + at + k * n, n, some * n, logarithm);
        for (int64_t k = 0; k < some; k++) slopes(gx + at + k * n, y + at + k * n, g + at + k * n, n, (float)sum[k], logarithm, fresh);
    }
}

WIDE void lbi_softmax_rows_back_avx512(float *gx, const float *y, const float *g, int64_t rows, int64_t n, bool logarithm, bool fresh) {
    if (logarithm && fresh) all_back(gx, y, g, rows, n, true, true);
    else if (logarithm) all_back(gx, y, g, rows, n, true, false);
    else if (fresh) all_back(gx, y, g, rows, n, false, true);
    else all_back(gx, y, g, rows, n, false, false);
}

#endif
#endif

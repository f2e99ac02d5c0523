/* SPDX-License-Identifier: Apache-2.0 */
/* s(x) = 1 / (1 + exp(-x)): for negative x too it has the relative error of the exponential (3.2 * 2^-24 in all, as the plain formula has), and quotients of 16 floats take less than the
 * exponential beside them (Zen 5: 5.7 cycles in all; with an estimate of the reciprocal and a Newton step one more). */
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/kernels/exp_avx512.h"
#if LBI_SIGMOID_WIDE

enum { LANES = 16, AHEAD = 128 };

/* 1 / s(x) */
LBI_WIDE_INLINE __m512 under(__m512 x) { return _mm512_add_ps(_mm512_set1_ps(1), lbi_exp_wide_less(x)); }

/* y = s(x), or x s(k x); what is constant where this is inlined leaves no branch. */
LBI_WIDE_INLINE __m512 value_of(__m512 x, float k, bool times) { return _mm512_div_ps(times ? x : _mm512_set1_ps(1), under(k == 1 ? x : _mm512_mul_ps(x, _mm512_set1_ps(k)))); }

LBI_WIDE_INLINE void rows(float *y, const float *x, int64_t n, float k, bool times) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        _mm512_storeu_ps(y + i, value_of(_mm512_loadu_ps(x + i), k, times));
    }
    __mmask16 some = lbi_wide_first(n - i);
    if (i < n) _mm512_mask_storeu_ps(y + i, some, value_of(_mm512_maskz_loadu_ps(some, x + i), k, times));
}

LBI_WIDE void lbi_sigmoid_avx512(float *y, const float *x, int64_t n) { rows(y, x, n, 1, false); }

LBI_WIDE void lbi_silu_avx512(float *y, const float *x, int64_t n, float k) {
    if (k == 1) rows(y, x, n, 1, true);
    else rows(y, x, n, k, true);
}

/* The numbers of `some`, from places that begin here. */
LBI_WIDE_INLINE void back_step(float *gx, const float *g, const float *x, __mmask16 some, __m512 k, bool fresh) {
    const __m512 one = _mm512_set1_ps(1);
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, x), k), s = _mm512_div_ps(one, under(v));
    __m512 d = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, g), _mm512_mul_ps(s, _mm512_fmadd_ps(v, _mm512_sub_ps(one, s), one)));
    if (!fresh) d = _mm512_add_ps(d, _mm512_maskz_loadu_ps(some, gx));
    _mm512_mask_storeu_ps(gx, some, d);
}

LBI_WIDE void lbi_silu_back_avx512(float *gx, const float *g, const float *x, int64_t n, float k, bool fresh) {
    const __m512 by = _mm512_set1_ps(k);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        __builtin_prefetch(g + i + AHEAD);
        back_step(gx + i, g + i, x + i, 0xffff, by, fresh);
    }
    if (i < n) back_step(gx + i, g + i, x + i, lbi_wide_first(n - i), by, fresh);
}
#endif

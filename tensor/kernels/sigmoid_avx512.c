/* SPDX-License-Identifier: Apache-2.0 */
/* s(x) = 1 / (1 + exp(-x)): for negative x too it has the relative error of the exponential, and quotients of 16 floats take less than the exponential beside them
 * (Zen 5: an estimate of the reciprocal with one Newton step 7.5 cycles, this 6.7). */
#include "tensor/kernels/sigmoid_wide.h"
#include "tensor/kernels/exp_avx512.h"
#if LBI_SIGMOID_WIDE

enum { LANES = 16, AHEAD = 128 };

/* 1 / s(k x); by: -k */
LBI_WIDE_INLINE __m512 under(__m512 x, __m512 by) { return _mm512_add_ps(_mm512_set1_ps(1), lbi_exp_wide_all(_mm512_mul_ps(x, by))); }

LBI_WIDE_INLINE void rows(float *y, const float *x, int64_t n, float k, bool times) {
    const __m512 by = _mm512_set1_ps(-k), one = _mm512_set1_ps(1);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512 v = _mm512_loadu_ps(x + i);
        __builtin_prefetch(x + i + AHEAD);
        _mm512_storeu_ps(y + i, _mm512_div_ps(times ? v : one, under(v, by)));
    }
    __mmask16 some = lbi_wide_first(n - i);
    __m512 v = _mm512_maskz_loadu_ps(some, x + i);
    if (i < n) _mm512_mask_storeu_ps(y + i, some, _mm512_div_ps(times ? v : one, under(v, by)));
}

LBI_WIDE void lbi_sigmoid_avx512(float *y, const float *x, int64_t n) { rows(y, x, n, 1, false); }

LBI_WIDE void lbi_silu_avx512(float *y, const float *x, int64_t n, float k) { rows(y, x, n, k, true); }

/* The numbers of `some`, from places that begin here. */
LBI_WIDE_INLINE void back_step(float *gx, const float *g, const float *x, __mmask16 some, __m512 by, bool fresh) {
    const __m512 one = _mm512_set1_ps(1);
    __m512 v = _mm512_maskz_loadu_ps(some, x), s = _mm512_div_ps(one, under(v, by));
    __m512 rise = _mm512_fnmadd_ps(_mm512_mul_ps(v, by), _mm512_sub_ps(one, s), one);
    __m512 d = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, g), _mm512_mul_ps(s, rise));
    if (!fresh) d = _mm512_add_ps(d, _mm512_maskz_loadu_ps(some, gx));
    _mm512_mask_storeu_ps(gx, some, d);
}

LBI_WIDE void lbi_silu_back_avx512(float *gx, const float *g, const float *x, int64_t n, float k, bool fresh) {
    const __m512 by = _mm512_set1_ps(-k);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        __builtin_prefetch(g + i + AHEAD);
        back_step(gx + i, g + i, x + i, 0xffff, by, fresh);
    }
    if (i < n) back_step(gx + i, g + i, x + i, lbi_wide_first(n - i), by, fresh);
}
#endif

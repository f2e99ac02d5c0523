/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers become double eight at a time, straight from memory: compilers load sixteen and take them apart, which costs more than the sum. */
#include "tensor/kernels/sum.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>
#include "tensor/kernels/fetch.h"

__attribute__((target("avx512f,avx512dq,avx512vl"))) double lbi_sum_avx512(const float *x, int64_t n) {
    enum { LANES = 8, STEP = 4 * LANES };
    __m512d a = _mm512_setzero_pd(), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        lbi_fetch(x + i + LBI_FAR, STEP);
        a = _mm512_add_pd(a, _mm512_cvtps_pd(_mm256_loadu_ps(x + i)));
        b = _mm512_add_pd(b, _mm512_cvtps_pd(_mm256_loadu_ps(x + i + LANES)));
        c = _mm512_add_pd(c, _mm512_cvtps_pd(_mm256_loadu_ps(x + i + 2 * LANES)));
        d = _mm512_add_pd(d, _mm512_cvtps_pd(_mm256_loadu_ps(x + i + 3 * LANES)));
    }
    for (; i < n; i += LANES) {
        __mmask8 some = n - i < LANES ? (__mmask8)((1u << (n - i)) - 1) : 0xff;
        a = _mm512_add_pd(a, _mm512_cvtps_pd(_mm256_maskz_loadu_ps(some, x + i)));
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(a, b), _mm512_add_pd(c, d)));
}
#else
typedef int lbi_no_sum_avx512;
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/half.h"
#include <math.h>
#include <string.h>
#include "base/cpu.h"

float lbi_float_of_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 1023, bits;
    float f;
    if (e == 0) {
        f = ldexpf((float)m, -24);
        return sign ? -f : f;
    }
    bits = e == 31 ? sign | 0x7f800000u | m << 13 : sign | (e + 112) << 23 | m << 13;
    memcpy(&f, &bits, 4);
    return f;
}

uint16_t lbi_half_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint32_t sign = (bits >> 16) & 0x8000, a = bits & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (a >> 13 & 1023));
    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more */
    if (a < 0x38800000) {                                  /* below 2^-14: units of 2^-24 */
        float x;
        memcpy(&x, &a, 4);
        return (uint16_t)(sign | (uint32_t)rintf(x * 16777216.0f));
    }
    uint32_t odd = (a >> 13) & 1;
    return (uint16_t)(sign | ((a - 0x38000000 + 0xfff + odd) >> 13));
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Processors with AVX2 have F16C. @return how many are done, a multiple of 8 */
__attribute__((target("avx2,f16c"))) static int64_t widen(float *dst, const uint16_t *src, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(src + i))));
    return i;
}

__attribute__((target("avx2,f16c"))) static int64_t narrow(uint16_t *dst, const float *src, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i *)(void *)(dst + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return i;
}

static bool has_f16c(void) { return lbi_cpu() >= LBI_CPU_AVX2 && __builtin_cpu_supports("f16c"); }
#else
static int64_t widen(float *dst, const uint16_t *src, int64_t n) { return 0; }
static int64_t narrow(uint16_t *dst, const float *src, int64_t n) { return 0; }
static bool has_f16c(void) { return false; }
#endif

void lbi_floats_of_halves(float *dst, const uint16_t *src, int64_t n) {
    for (int64_t i = has_f16c() ? widen(dst, src, n) : 0; i < n; i++) dst[i] = lbi_float_of_half(src[i]);
}

void lbi_halves_of_floats(uint16_t *dst, const float *src, int64_t n) {
    for (int64_t i = has_f16c() ? narrow(dst, src, n) : 0; i < n; i++) dst[i] = lbi_half_of_float(src[i]);
}

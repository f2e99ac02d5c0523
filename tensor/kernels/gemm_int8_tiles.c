/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of int8 products. AVX2: pairs of 16 bits, since its product of 8-bit pairs saturates: 16 multiply-adds in two instructions, 1.5 to 2 times float's.
 * VNNI: 32 or 64 in one. */
#include "tensor/kernels/gemm_int8.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma"), optimize("O3")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))
#define VNNI __attribute__((target("avx2,fma,avxvnni"), optimize("O3")))
#define VNNI_INLINE static inline __attribute__((always_inline, target("avx2,fma,avxvnni")))
#define WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,fma"), optimize("O3")))
#define WIDE_INLINE static inline __attribute__((always_inline, target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,fma")))
enum { LOW_MR = 6, LOW_NR = 16, MR = 14, NR = 32 };

/* ---- AVX2 ---- */

AVX2_INLINE __m256i lanes_of(int left) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }

AVX2_INLINE __m256 finish(__m256i sum, int32_t zero, const int32_t *sums, const float *col_scale, const lbi_tile_end *e, int row, int col, __m256i mask) {
    sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(_mm256_set1_epi32(zero), _mm256_maskload_epi32(sums + col, mask)));
    __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_maskload_ps(col_scale + col, mask));
    x = _mm256_mul_ps(x, _mm256_set1_ps(e->row_scale[row]));
    if (e->col_bias) x = _mm256_add_ps(x, _mm256_maskload_ps(e->col_bias + col, mask));
    if (e->add) x = _mm256_add_ps(x, _mm256_maskload_ps(e->add + row * e->ld_add + col, mask));
    if (e->clamp) x = _mm256_min_ps(_mm256_set1_ps(e->hi), _mm256_max_ps(_mm256_set1_ps(e->lo), x));
    return x;
}

AVX2_INLINE void put(__m256i sum[LOW_MR][2], const int32_t *zero, const int32_t *sums, const float *col_scale, float *c, int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
#pragma GCC unroll 6
    for (int i = 0; i < LOW_MR; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            __m256i mask = lanes_of(cols - 8 * v);
            if (i < rows) _mm256_maskstore_ps(c + i * ldc + 8 * v, mask, finish(sum[i][v], zero[i], sums, col_scale, e, i, 8 * v, mask));
        }
}

AVX2 static void tile_avx2(int64_t lanes, const uint32_t *a, const uint32_t *b, const int32_t *zero, const int32_t *sums, const float *col_scale, float *c,
                           int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    __m256i sum[LOW_MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < LOW_MR; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) sum[i][v] = _mm256_setzero_si256();
    for (int64_t p = 0; p < lanes; p++, a += LOW_MR, b += LOW_NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 8));
#pragma GCC unroll 6
        for (int i = 0; i < LOW_MR; i++) {
            __m256i x = _mm256_set1_epi32((int)a[i]);
            sum[i][0] = _mm256_add_epi32(sum[i][0], _mm256_madd_epi16(x, b0));
            sum[i][1] = _mm256_add_epi32(sum[i][1], _mm256_madd_epi16(x, b1));
        }
    }
    put(sum, zero, sums, col_scale, c, ldc, rows, cols, e);
}

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

const lbi_int8_kernel lbi_int8_avx2 = {.name = "avx2", .mr = LOW_MR, .nr = LOW_NR, .depth = 2, .usable = has_avx2, .tile = tile_avx2, .across = lbi_across_avx2};

/* ---- AVX with VNNI ---- */

VNNI static void tile_avxvnni(int64_t lanes, const uint32_t *a, const uint32_t *b, const int32_t *zero, const int32_t *sums, const float *col_scale, float *c,
                              int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    __m256i sum[LOW_MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < LOW_MR; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) sum[i][v] = _mm256_setzero_si256();
    for (int64_t p = 0; p < lanes; p++, a += LOW_MR, b += LOW_NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 8));
#pragma GCC unroll 6
        for (int i = 0; i < LOW_MR; i++) {
            __m256i x = _mm256_set1_epi32((int)a[i]);
            sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], x, b0);
            sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], x, b1);
        }
    }
    put(sum, zero, sums, col_scale, c, ldc, rows, cols, e);
}

/* CPUID leaf 7, 1: bit 4 of eax. */
static bool has_avxvnni(void) {
    unsigned ax = 7, bx, cx = 1, dx;
    __asm__("cpuid" : "+a"(ax), "=b"(bx), "+c"(cx), "=d"(dx));
    return has_avx2() && (ax >> 4 & 1);
}

const lbi_int8_kernel lbi_int8_avxvnni = {.name = "avxvnni", .mr = LOW_MR, .nr = LOW_NR, .depth = 4, .usable = has_avxvnni, .tile = tile_avxvnni, .across = lbi_across_avx2};

/* ---- AVX-512 with VNNI ---- */

WIDE_INLINE __m512 finish_wide(__m512i sum, int32_t zero, const int32_t *sums, const float *col_scale, const lbi_tile_end *e, int row, int col, __mmask16 mask) {
    sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(_mm512_set1_epi32(zero), _mm512_maskz_loadu_epi32(mask, sums + col)));
    __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_maskz_loadu_ps(mask, col_scale + col));
    x = _mm512_mul_ps(x, _mm512_set1_ps(e->row_scale[row]));
    if (e->col_bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, e->col_bias + col));
    if (e->add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, e->add + row * e->ld_add + col));
    if (e->clamp) x = _mm512_min_ps(_mm512_set1_ps(e->hi), _mm512_max_ps(_mm512_set1_ps(e->lo), x));
    return x;
}

WIDE static void tile_wide(int64_t lanes, const uint32_t *a, const uint32_t *b, const int32_t *zero, const int32_t *sums, const float *col_scale, float *c,
                           int64_t ldc, int rows, int cols, const lbi_tile_end *e) {
    __m512i sum[MR][2];
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) sum[i][v] = _mm512_setzero_si512();
    for (int64_t p = 0; p < lanes; p++, a += MR, b += NR) {
        __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 16);
#pragma GCC unroll 14
        for (int i = 0; i < MR; i++) {
            __m512i x = _mm512_set1_epi32((int)a[i]);
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], x, b0);
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], x, b1);
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            int left = cols - 16 * v;
            __mmask16 mask = left >= 16 ? 0xffff : left <= 0 ? 0 : (__mmask16)((1u << left) - 1);
            if (i < rows) _mm512_mask_storeu_ps(c + i * ldc + 16 * v, mask, finish_wide(sum[i][v], zero[i], sums, col_scale, e, i, 16 * v, mask));
        }
}

static bool has_wide(void) {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const lbi_int8_kernel lbi_int8_avx512vnni = {.name = "avx512vnni", .mr = MR, .nr = NR, .depth = 4, .usable = has_wide, .tile = tile_wide, .across = lbi_across_avx512};
#endif

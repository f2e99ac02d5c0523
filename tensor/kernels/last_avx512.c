/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: a tile of 14 pixels x 32 channels. 28 of 32 registers are sums; a step of k costs 28 multiply-adds (14 cycles on two ports) and 16
 * loads (8 cycles). */
#include "tensor/kernels/last_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
#define LBI_LAST_ROWS 14
enum { LANES = 16 };
#define INLINE static inline __attribute__((always_inline))
INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
/* One step of Newton from 14 bits. */
INLINE vec inverse(vec x) {
    vec r = (vec)_mm512_rcp14_ps((__m512)x);
    return r * (2 - x * r);
}
INLINE vec load_first(const float *p, int count) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p); }
INLINE void store_first(float *p, vec v, int count) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v); }
/* A whole vector, 0 from count on. Only where the CPU has bf16. */
#define LBI_LAST_ROUNDS
INLINE void round_first(uint16_t *p, vec v, int count) {
    __mmask16 mask = count >= LANES ? 0xffff : (__mmask16)((1u << count) - 1);
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_maskz_cvtneps_pbh(mask, (__m512)v));
}
#include "tensor/kernels/last_tile.h"

const lbi_last_kernel lbi_last_avx512 = {.name = "avx512", .lanes = LANES, .rows = ROWS, .cols = COLS, .tile = tile, .lines = lines, .depth = depth, .sums = sums, .gate = gate};
#endif

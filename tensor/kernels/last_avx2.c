/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2: a tile of 6 pixels x 16 channels. 12 of 16 registers are sums; a step of k costs 12 multiply-adds (6 cycles on two ports) and 8
 * loads (4 cycles). */
#include "tensor/kernels/last_kernel.h"
#if defined(__x86_64__) && !defined(LB_DOUBLE)
#include <immintrin.h>
#pragma GCC target("avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
#define LBI_LAST_ROWS 6
enum { LANES = 8 };
#define INLINE static inline __attribute__((always_inline))
INLINE vec larger(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE __m256i lanes_below(int count) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
INLINE vec inverse(vec x) { return 1 / x; }
INLINE vec load_first(const float *p, int count) { return (vec)_mm256_maskload_ps(p, lanes_below(count)); }
INLINE void store_first(float *p, vec v, int count) { _mm256_maskstore_ps(p, lanes_below(count), (__m256)v); }
#include "tensor/kernels/last_tile.h"

const lbi_last_kernel lbi_last_avx2 = {.name = "avx2", .lanes = LANES, .rows = ROWS, .cols = COLS, .tile = tile, .lines = lines, .depth = depth, .sums = sums, .gate = gate};
#endif

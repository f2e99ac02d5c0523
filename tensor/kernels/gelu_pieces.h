/* SPDX-License-Identifier: Apache-2.0 */
/* GELU in vectors of AVX-512 (gelu_avx512.c says how), for kernels that have their numbers in registers. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GELU_PIECES_H
#define LB_TENSOR_KERNELS_GELU_PIECES_H
#include "tensor/kernels/exp_avx512.h"
#include "tensor/kernels/gelu_wide.h"
#if LBI_GELU_WIDE

enum { LBI_GELU_PIECES = 32, LBI_GELU_DEGREE = 4 };
enum { LBI_GELU_AREA, LBI_GELU_SLOPE }; /* Q and S */
extern const float lbi_gelu_tables[2][LBI_GELU_DEGREE + 1][LBI_GELU_PIECES];

typedef struct lbi_gelu_pieces {
    __m512 low[LBI_GELU_DEGREE + 1], high[LBI_GELU_DEGREE + 1];
} lbi_gelu_pieces;

LBI_WIDE_INLINE lbi_gelu_pieces lbi_gelu_pieces_of(int which) {
    lbi_gelu_pieces t;
    for (int i = 0; i <= LBI_GELU_DEGREE; i++) {
        t.low[i] = _mm512_loadu_ps(lbi_gelu_tables[which][i]);
        t.high[i] = _mm512_loadu_ps(lbi_gelu_tables[which][i] + LBI_GELU_PIECES / 2);
    }
    return t;
}

/* The function of a = |x|. The piece's number is what rounding leaves in the lowest bits. NaN is lost. */
LBI_WIDE_INLINE __m512 lbi_gelu_half(const lbi_gelu_pieces *t, __m512 a) {
    const __m512 by = _mm512_set1_ps(16.0f / 3), magic = _mm512_set1_ps(12582912.0f);
    __m512 c = _mm512_min_ps(a, _mm512_set1_ps((LBI_GELU_PIECES - 1) * 3.0f / 16)), n = _mm512_fmadd_ps(c, by, magic);
    __m512i k = _mm512_castps_si512(n);
    __m512 r = _mm512_fmsub_ps(c, by, _mm512_sub_ps(n, magic)), p = _mm512_permutex2var_ps(t->low[LBI_GELU_DEGREE], k, t->high[LBI_GELU_DEGREE]);
#pragma GCC unroll 4
    for (int i = LBI_GELU_DEGREE - 1; i >= 0; i--) p = _mm512_fmadd_ps(p, r, _mm512_permutex2var_ps(t->low[i], k, t->high[i]));
    return p;
}

LBI_WIDE_INLINE __m512 lbi_gelu_lanes(const lbi_gelu_pieces *t, __m512 x) {
    __m512 a = _mm512_abs_ps(x);
    return _mm512_fmadd_ps(a, lbi_gelu_half(t, a), _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}
#endif

#endif

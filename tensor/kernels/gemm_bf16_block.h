/* SPDX-License-Identifier: Apache-2.0 */
/* What products of bf16 numbers are made of: 32 x 32 sums, in four tiles of AMX or in registers of AVX-512. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_BF16_BLOCK_H
#define LB_TENSOR_KERNELS_GEMM_BF16_BLOCK_H
#include "tensor/kernels/gemm.h"

/* Lines of a panel and pairs of a step; k of a step; pairs of a panel for a step; lines of a block; steps for which two panels of B stay in L1. */
enum { LBI_BF16_SIDE = 16, LBI_BF16_DEPTH = 32, LBI_BF16_PIECE = LBI_BF16_SIDE * LBI_BF16_SIDE, LBI_BF16_BLOCK = 2 * LBI_BF16_SIDE, LBI_BF16_CLOSE = 20 };

#if !defined LB_DOUBLE && defined __x86_64__
#include <immintrin.h>

#define LBI_BF16_WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,fma"), optimize("O3")))

typedef struct lbi_bf16_factors {
    const uint16_t *a, *a2; /* rows 0 .. 15 and 16 .. 31 of A; a2 NULL: there are none */
    const int64_t *at;      /* [steps]: the 32 numbers of row i for step s begin at a + at[s] + i ld */
    int64_t ld, steps;
    const uint32_t *b, *b2; /* [steps][LBI_BF16_PIECE], [pair of k][column]: columns 0 .. 15 and 16 .. 31 of B; b2 NULL: there are none */
    bool whole;             /* factors are floats in three parts (below): those of A lie `apart` from one another, B is [steps][LBI_BF16_PARTS][LBI_BF16_PIECE]. Tiles alone */
    int64_t apart;
    int64_t b_apart;        /* 0, or those of B are not so but [steps][PIECE] each, so far from one another */
    int tail, tap, phase;   /* without tiles: of every `tap` steps the last has `tail` pairs (0: all have 16), what is behind is 0; phase: steps of its tap before the first one */
    const uint32_t *next;   /* without tiles: so many lines of 64 bytes are asked into L2 beside the products */
    int64_t next_lines;
} lbi_bf16_factors;

/* A float is the sum of three numbers of bf16, high + middle + low, exactly: what is left after rounding x to 8 bits has 16, what is left of that after rounding has 8.
 * The product of two is hh + (hm + mh) + (mm + hl + lh) within 2^-25 of it, less than the rounding of a product to float; sums are of float as they would be. So six
 * products of bf16 give those of float, where tiles make more than six in the time of one (G. Henry, P. Tang, A. Heinecke: Leveraging the bfloat16 artificial
 * intelligence datatype for higher-precision computations, 2019). Tiles take numbers below 2^-126 for 0, also as parts: what is below 2^-110 has fewer than 24 bits. */
enum { LBI_BF16_PARTS = 3 };

/** to [32][32] = or += A B. Rows and columns that are not there are left as they are, or hold anything. */
void lbi_bf16_block(bool tiles, const lbi_bf16_factors *f, float *to, bool add);
/** The same in two steps: sums stay in tiles until they are stored, and what is done between the two goes on beside the products. add: NULL or what is added to. Without tiles the second does all. */
void lbi_bf16_sum(bool tiles, const lbi_bf16_factors *f, const float *add);
void lbi_bf16_store(bool tiles, const lbi_bf16_factors *f, float *to, bool add);
/** With tiles: the steps from .. to - 1 alone, added to the sums that tiles hold (from = 0: to nothing). What is done between calls goes on beside the products, too. */
void lbi_bf16_go_on(const lbi_bf16_factors *f, int64_t from, int64_t to);
/** n numbers rounded to bf16, nearest, ties to even. */
void lbi_bf16_round(uint16_t *to, const float *from, int64_t n);
/** n numbers in parts, those of a part at to, to + apart, to + 2 apart. @return whether all have parts: infinity, NaN and the largest floats, beyond bf16's, do not. */
bool lbi_bf16_split(uint16_t *to, int64_t apart, const float *from, int64_t n);

static inline __mmask16 lbi_bf16_first(int64_t n) { return n >= LBI_BF16_SIDE ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Of n numbers in steps, the pairs of the last step; 0: it is full. */
static inline int lbi_bf16_tail(int64_t n) { return (int)(n % LBI_BF16_DEPTH + 1) / 2; }

/* x without its part, which is a float whose lower half is 0: rounded to nearest, away from 0 in the middle. */
LBI_BF16_WIDE static inline __m512i lbi_bf16_take(__m512 *x) {
    __m512i part = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(*x), _mm512_set1_epi32(0x8000)), _mm512_set1_epi32((int)0xffff0000));
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(part));
    return part;
}

/* The upper halves of 32 lanes, side by side. */
LBI_BF16_WIDE static inline __m512i lbi_bf16_beside(__m512i low, __m512i high) {
    static const uint16_t odd[2 * LBI_BF16_SIDE] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(low, _mm512_loadu_si512(odd), high);
}

/* The upper halves of two vectors, lane by lane: a lane is a pair. */
LBI_BF16_WIDE static inline __m512i lbi_bf16_paired(__m512i low, __m512i high) {
    return _mm512_ternarylogic_epi32(_mm512_srli_epi32(low, 16), high, _mm512_set1_epi32((int)0xffff0000), 0xf8); /* the first or (the second and the third) */
}

/* 32 numbers in parts, side by side (low: the first 16) or as 16 pairs (low[i], high[i]). *seen becomes NaN in a lane whose number has no parts.
 * What is left after two parts is the third (of numbers below 2^-110, what of it is in the upper half). */
LBI_BF16_WIDE static inline void lbi_bf16_three(__m512 low, __m512 high, bool pairs, __m512i part[LBI_BF16_PARTS], __m512 *seen) {
#pragma GCC unroll 3
    for (int i = 0; i < LBI_BF16_PARTS; i++) {
        bool last = i == LBI_BF16_PARTS - 1;
        __m512i l = last ? _mm512_castps_si512(low) : lbi_bf16_take(&low), h = last ? _mm512_castps_si512(high) : lbi_bf16_take(&high);
        part[i] = pairs ? lbi_bf16_paired(l, h) : lbi_bf16_beside(l, h);
    }
    *seen = _mm512_add_ps(*seen, _mm512_add_ps(low, high));
}

LBI_BF16_WIDE static inline bool lbi_bf16_all_seen(__m512 seen) { return _mm512_cmp_ps_mask(seen, seen, _CMP_UNORD_Q) == 0; }

#endif
#ifndef LB_DOUBLE
/** Around a thread's blocks; nothing unless tiles. They nest: between two blocks a thread may ask for a whole product. */
void lbi_bf16_begin(bool tiles);
void lbi_bf16_end(bool tiles);
#endif
#endif

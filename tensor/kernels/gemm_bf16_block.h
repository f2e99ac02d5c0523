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
} lbi_bf16_factors;

/** to [32][32] = or += A B. Rows and columns that are not there are left as they are, or hold anything. */
void lbi_bf16_block(bool tiles, const lbi_bf16_factors *f, float *to, bool add);
/** n numbers rounded to bf16, nearest, ties to even. */
void lbi_bf16_round(uint16_t *to, const float *from, int64_t n);

static inline __mmask16 lbi_bf16_first(int64_t n) { return n >= LBI_BF16_SIDE ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

#endif
#ifndef LB_DOUBLE
/** Around a thread's blocks; nothing unless tiles. */
void lbi_bf16_begin(bool tiles);
void lbi_bf16_end(bool tiles);
#endif
#endif

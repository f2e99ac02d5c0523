/* SPDX-License-Identifier: Apache-2.0 */
/* Factors as lbi_bf16_block reads them: panels of 16 lines, rounded or in parts. Private to tensor/kernels. */
#ifndef LB_TENSOR_KERNELS_GEMM_BF16_PACK_H
#define LB_TENSOR_KERNELS_GEMM_BF16_PACK_H
#include "tensor/kernels/gemm_bf16_block.h"
#ifndef LB_DOUBLE

typedef struct lbi_bf16_operand {
    const float *x;
    int64_t ld, lines, k; /* lines: rows of A, columns of B */
    bool across;          /* numbers of a line lie side by side, lines ld apart; else those of neighbouring lines do, and ld is from one number of a line to the next */
    bool pairs_first;     /* of B: [pair][line]; else of A: [line][pair] */
    bool whole;           /* in parts, [LBI_BF16_PARTS] pieces a step: pair q of a step is of its numbers q and 16 + q. Else rounded, one piece: pair q is of 2 q and 2 q + 1 */
} lbi_bf16_operand;

static inline int64_t lbi_bf16_step(const lbi_bf16_operand *o) { return o->whole ? LBI_BF16_PARTS * LBI_BF16_PIECE : LBI_BF16_PIECE; }

/** Lines first .. first + lines - 1 (first and what begins a panel: multiples of 16) from number k0 (a multiple of 32) on, `steps` steps, in panels [steps][lbi_bf16_step]; what is beyond the operand is 0.
 *  `apart`: pairs from a panel to the next. On the calling thread. @return whether all numbers have parts (true if rounded). */
bool lbi_bf16_panels(const lbi_bf16_operand *o, int64_t first, int64_t lines, int64_t k0, int64_t steps, uint32_t *to, int64_t apart);

#endif
#endif

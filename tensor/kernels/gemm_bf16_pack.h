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

/* `panels` panels of 16 lines from line `first` (a multiple of 16) on, `steps` steps from number k0 (a multiple of 32) on, to [steps][lbi_bf16_step] each; what is beyond the operand is 0. */
typedef struct lbi_bf16_packing {
    const lbi_bf16_operand *o;
    int64_t first, panels, k0, steps;
    uint32_t *to;
    int64_t apart;       /* pairs from a panel to the next */
    int64_t panel, step; /* to be packed next */
    bool lacks;          /* a number has no parts */
} lbi_bf16_packing;

/** Packs the next 16 lines of a step, if any are left. On the calling thread. @return whether there were. */
bool lbi_bf16_pack_next(lbi_bf16_packing *p);

#endif
#endif

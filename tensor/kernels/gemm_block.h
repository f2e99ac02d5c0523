/* SPDX-License-Identifier: Apache-2.0 */
/* Packed products in blocks that fit the caches: what gemm.c and conv_gemm.c are made of. Float only. Private to tensor/kernels.
 *
 * Cache reasoning. A block of A [MC x KC] stays in L2 (129 KB with AVX2, 688 KB with AVX-512) while panels of B [KC][nr] pass by. With AVX2 a panel of B (12 KB) stays in L1. With AVX-512 it comes from L2
 * for each tile, as A does: a tile wants 13 bytes a cycle, so that nothing is lost, and KC can be long. C, which is in no near cache where products are large, is read and written once per KC steps. */
#ifndef LB_TENSOR_KERNELS_GEMM_BLOCK_H
#define LB_TENSOR_KERNELS_GEMM_BLOCK_H
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/gemm_kernel.h"

/* MC_RUNS: of an A whose rows lie along k, which is read in runs of a task's width. SUM: steps of k that a sum takes at most before it is added to C, or up to SUM_MOST where few would be left: one long
 * chain of additions would lose digits */
enum { LBI_MC = 168, LBI_MC_RUNS = 392, LBI_NC = 512, LBI_SUM = 384, LBI_SUM_MOST = 576 };
static inline int64_t lbi_sum_steps(int64_t from, int64_t k) { return k - from <= LBI_SUM_MOST ? k - from : LBI_SUM; }

/** The kernel of this CPU and LB_CPU; NULL = none (OpenBLAS or the plain loops do the work). */
const lbi_gemm_kernel *lbi_gemm_kernel_now(void);

static inline int64_t lbi_panels(int64_t n, int width) { return (n + width - 1) / width; }
/** Numbers that `n` lines of k take when packed in panels, with the slack that packing may write. */
static inline int64_t lbi_packed_size(int64_t n, int64_t k, int width) { return lbi_panels(n, width) * width * k + 16; }

/** Lines of a task: whole tiles, none larger than the caches like; of the sizes that leave each thread some four tasks (`runs`: one), so that a slow thread does not hold up the others,
 *  the one for which the busiest has least to do. */
int64_t lbi_task_size(int64_t total, int tile, int64_t most, int threads, bool runs);
/** Packs lines first..first+count-1 (rows of op(A), columns of op(B)) from k0 on, kc numbers each, into panels [kc][width].
 *  across: line j lies at from + j * ld, numbers next to each other; else number p of all lines lies at from + p * ld. */
void lbi_pack(const lbi_gemm_kernel *g, float *to, int width, const float *from, int64_t ld, bool across, int64_t first, int64_t count, int64_t k0, int64_t kc);

/** C block [m,n] from packed panels of kc steps. end: for this block's first element; last: the last of k, so that bias, add and clamp apply.
 *  The first block of k uses end->beta, later ones add. */
void lbi_gemm_block(const lbi_gemm_kernel *g, int64_t m, int64_t n, int64_t kc, const float *a, const float *b, float *c, int64_t ldc, const lbi_tile_end *end, bool first, bool last);

/** The part of an epilogue that tiles do in registers; *after is what remains to be done on finished rows (LB_ACT_NONE: nothing). */
lbi_tile_end lbi_tile_end_of(const lbi_gemm_end *end, lb_act *after);
/** end for the part of C that begins at row i and column j. */
lbi_tile_end lbi_tile_end_at(const lbi_tile_end *end, int64_t i, int64_t j);

#endif

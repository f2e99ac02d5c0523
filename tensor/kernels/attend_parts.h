/* SPDX-License-Identifier: Apache-2.0 */
/* What attention by products of bf16 numbers is made of (gemm_bf16_block.h): panels in one part, rounded, or in three, whole floats; and tiles of scores with queries side
 * by side that become such panels. A panel is 16 lines of k, [step of 32][part][PIECE]. Float. Private to tensor/. */
#ifndef LB_TENSOR_KERNELS_ATTEND_PARTS_H
#define LB_TENSOR_KERNELS_ATTEND_PARTS_H
#include "tensor/kernels/gemm_bf16_block.h"
#ifndef LB_DOUBLE

/* Lines of a matrix. across: number p of line j lies at x[j ld + p]; else at x[p ld + j]. */
typedef struct lbi_cut_lines {
    const float *x;
    int64_t ld;
    bool across;
} lbi_cut_lines;

/** Can products be made so: in one part, or in three? */
bool lbi_cut_known(int parts);
/** Are all numbers below 2^60, so that no product of two of them, nor a sum of those, is beyond a float, and none NaN? `count` rows of `width` numbers. */
bool lbi_cut_tame(const float *x, int64_t ld, int64_t count, int64_t width);
/** One panel: `lines` <= 16 of k numbers, times scale; what is missing up to 16 lines and whole steps is 0. left: for the left factor, [line][32 of k]; else [pair of k][line]. @return with one
 *  part, are those numbers tame? */
bool lbi_cut_panel(int parts, bool left, uint32_t *to, const lbi_cut_lines *from, int64_t lines, int64_t k, float scale);
/** to [32][32] = A B, of panels; a2, b2 NULL: there are none. */
void lbi_cut_block(int parts, const uint32_t *a, const uint32_t *a2, const uint32_t *b, const uint32_t *b2, int64_t steps, float *to);

/* A tile of scores: [keys][32], of which `width` (16 or 32) queries are there. */

/** e = exp(s - shift[q]); sum[q] += e; e goes to the right factors to + [panel of 16 queries] apart, [pair of keys][query]. s <= shift. */
void lbi_cut_weigh(int parts, const float *s, int64_t keys, int width, const float *shift, float *sum, uint32_t *to, int64_t apart);
/** s, keys <= 32, as factors. left (NULL: not wanted): line = key, k = queries, one step; key j at left + (j / 16) left_apart. right (NULL: not): as in lbi_cut_weigh. What is missing up to
 *  32 keys is 0. */
void lbi_cut_factors(int parts, const float *s, int64_t keys, int width, uint32_t *left, int64_t left_apart, uint32_t *right, int64_t right_apart);
/** s becomes p = exp(s - z[q]), g = p (g - delta[q]). */
void lbi_cut_slopes(float *s, float *g, int64_t keys, int width, const float *z, const float *delta);
/** The first `cols` of rows of a block [32][32] are added to rows ld apart. */
void lbi_cut_add(const float *from, float *to, int64_t ld, int64_t rows, int64_t cols);

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/gemm_bf16_out.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gelu_pieces.h"
#include "tensor/kernels/last_kernel.h"
#if !defined LB_DOUBLE && defined __x86_64__
#include <immintrin.h>
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")
#pragma GCC optimize("O3,fp-contract=fast")
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vec inverse(vec x) {
    vec r = (vec)_mm512_rcp14_ps((__m512)x);
    return r * (2 - x * r);
}
#include "tensor/kernels/act_lanes.h"

enum { SIDE = LBI_BF16_SIDE, BLOCK = LBI_BF16_BLOCK };

/* What happens to 16 columns of up to 32 rows; NULL: nothing. */
typedef struct column {
    float beta;
    const float *row_scale, *row_bias, *add;
    int64_t ld_add;
    vec scale, bias;
    bool scaled;
} column;

bool lbi_bf16_out_acts(lb_act act) { return lbi_last_in_tile(act); }

INLINE vec some(const float *p, __mmask16 mask) { return (vec)_mm512_maskz_loadu_ps(mask, p); }

INLINE void rows_of(const lb_act act, const bool plain, const column *e, const float *from, int64_t rows, float *c, int64_t ldc, __mmask16 mask) {
    for (int64_t i = 0; i < rows; i++, from += BLOCK, c += ldc) {
        vec x = *(const vec *)from;
        if (!plain) {
            if (e->beta != 0) x += some(c, mask) * e->beta;
            if (e->row_scale) x = x * e->row_scale[i];
            if (e->scaled) x = x * e->scale;
            if (e->row_bias) x = x + e->row_bias[i];
        }
        x += e->bias;
        if (!plain && e->add) x += some(e->add + i * e->ld_add, mask);
        _mm512_mask_storeu_ps(c, mask, (__m512)activate(act, x));
    }
}

/* The same, rounded; nothing but a bias. */
INLINE void rounded_rows(const lb_act act, const column *e, const float *from, int64_t rows, uint16_t *c, int64_t ldc, __mmask16 mask) {
    for (int64_t i = 0; i < rows; i++, from += BLOCK, c += ldc)
        _mm256_mask_storeu_epi16(c, mask, (__m256i)_mm512_cvtneps_pbh((__m512)activate(act, *(const vec *)from + e->bias)));
}

/* Pieces of polynomials take half the time of the quotient. */
static void rounded_gelu(const column *e, const float *from, int64_t rows, uint16_t *c, int64_t ldc, __mmask16 mask) {
    const lbi_gelu_pieces pieces = lbi_gelu_pieces_of(LBI_GELU_AREA);
    for (int64_t i = 0; i < rows; i++, from += BLOCK, c += ldc)
        _mm256_mask_storeu_epi16(c, mask, (__m256i)_mm512_cvtneps_pbh(lbi_gelu_lanes(&pieces, (__m512)(*(const vec *)from + e->bias))));
}

static void rounded_half(const lb_act act, const column *e, const float *from, int64_t rows, uint16_t *c, int64_t ldc, __mmask16 mask) {
    if (act == LB_ACT_NONE) rounded_rows(LB_ACT_NONE, e, from, rows, c, ldc, mask);
    else if (act == LB_ACT_GELU) rounded_gelu(e, from, rows, c, ldc, mask);
    else rounded_rows(act, e, from, rows, c, ldc, mask);
}

static void half_of(const lb_act act, const column *e, const float *from, int64_t rows, float *c, int64_t ldc, __mmask16 mask) {
    bool plain = e->beta == 0 && !e->row_scale && !e->row_bias && !e->scaled && !e->add;
    if (act == LB_ACT_NONE && plain) rows_of(LB_ACT_NONE, true, e, from, rows, c, ldc, mask);
    else if (act == LB_ACT_NONE) rows_of(LB_ACT_NONE, false, e, from, rows, c, ldc, mask);
    else if (act == LB_ACT_GELU && plain) rows_of(LB_ACT_GELU, true, e, from, rows, c, ldc, mask);
    else rows_of(act, false, e, from, rows, c, ldc, mask);
}

void lbi_bf16_out(const lbi_bf16_sums *to, const float *from, int64_t i, int64_t j, int64_t first, int64_t last) {
    const lbi_gemm_end *end = to->end;
    int64_t rows = lbi_least(last, to->m - i) - first;
    from += first * BLOCK;
    i += first;
    lb_act act = to->done && lbi_bf16_out_acts(end->act) ? end->act : LB_ACT_NONE;
    column e = {.beta = to->begin ? end->beta : 1};
    for (int64_t v = 0; v < BLOCK && j + v < to->n; v += SIDE) {
        __mmask16 mask = lbi_bf16_first(to->n - j - v);
        if (to->done) {
            e.row_scale = end->row_scale ? end->row_scale + i : NULL;
            e.row_bias = end->row_bias ? end->row_bias + i : NULL;
            e.add = end->add ? end->add + i * end->ld_add + j + v : NULL;
            e.ld_add = end->ld_add;
            e.scaled = end->col_scale;
            if (e.scaled) e.scale = some(end->col_scale + j + v, mask);
            if (end->col_bias) e.bias = some(end->col_bias + j + v, mask);
        }
        if (to->rounded) rounded_half(act, &e, from + v, rows, to->rounded + i * to->ldc + j + v, to->ldc, mask);
        else half_of(act, &e, from + v, rows, to->c + i * to->ldc + j + v, to->ldc, mask);
    }
}
#elif !defined LB_DOUBLE
void lbi_bf16_out(const lbi_bf16_sums *to, const float *from, int64_t i, int64_t j, int64_t first, int64_t last) {}
bool lbi_bf16_out_acts(lb_act act) { return false; }
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/gemm_block.h"
#include <math.h>
#include <pthread.h>
#include "base/cpu.h"
#include "tensor/kernels/counts.h"
#ifndef LB_DOUBLE

static const lbi_gemm_kernel *chosen;
static void choose(void) {
#ifdef __x86_64__
    lbi_cpu_level level = lbi_cpu();
    chosen = level >= LBI_CPU_AVX512 ? &lbi_gemm_avx512 : level >= LBI_CPU_AVX2 ? &lbi_gemm_avx2 : NULL;
#endif
}

const lbi_gemm_kernel *lbi_gemm_kernel_now(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

void lbi_pack(const lbi_gemm_kernel *g, float *to, int width, const float *from, int64_t ld, bool across, int64_t first, int64_t count, int64_t k0, int64_t kc) {
    if (across)
        for (int64_t j = 0; j < count; j += width) g->across(to + j * kc, width, from + (first + j) * ld + k0, ld, (int)(count - j < width ? count - j : width), kc);
    else
        for (int64_t p = 0; p < kc; p += LBI_PACK_ROWS)
            for (int64_t j = 0; j < count; j += width)
                g->along(to + j * kc + p * width, width, from + (k0 + p) * ld + first + j, ld, (int)(count - j < width ? count - j : width), kc - p < LBI_PACK_ROWS ? kc - p : LBI_PACK_ROWS);
}

lbi_tile_end lbi_tile_end_at(const lbi_tile_end *end, int64_t i, int64_t j) {
    lbi_tile_end e = *end;
    if (e.row_scale) e.row_scale += i;
    if (e.row_bias) e.row_bias += i;
    if (e.col_bias) e.col_bias += j;
    if (e.add) e.add += i * e.ld_add + j;
    return e;
}

void lbi_gemm_block(const lbi_gemm_kernel *g, int64_t m, int64_t n, int64_t kc, const float *a, const float *b, float *c, int64_t ldc, const lbi_tile_end *end, bool first, bool last) {
    for (int64_t j = 0; j < n; j += g->nr)
        for (int64_t i = 0; i < m; i += g->mr)
            for (int64_t p = 0, some; p < kc; p += some) {
                some = lbi_sum_steps(p, kc);
                lbi_tile_end e = last && p + some == kc ? lbi_tile_end_at(end, i, j) : (lbi_tile_end){0};
                e.beta = first && p == 0 ? end->beta : 1;
                g->tile(some, a + i * kc + p * g->mr, b + j * kc + p * g->nr, c + i * ldc + j, ldc, (int)lbi_least(m - i, g->mr), (int)lbi_least(n - j, g->nr), &e);
            }
}

lbi_tile_end lbi_tile_end_of(const lbi_gemm_end *end, lb_act *after) {
    *after = LB_ACT_NONE;
    if (!end) return (lbi_tile_end){0};
    lbi_tile_end e = {.beta = end->beta, .row_scale = end->row_scale, .row_bias = end->row_bias, .col_bias = end->col_bias, .add = end->add, .ld_add = end->ld_add, .hi = INFINITY};
    if (end->act == LB_ACT_RELU6) e.hi = 6;
    e.clamp = end->act == LB_ACT_RELU || end->act == LB_ACT_RELU6;
    if (!e.clamp) *after = end->act;
    return e;
}
#endif

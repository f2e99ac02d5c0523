/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/kernels/gemm.h"
#include <cblas.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/last_kernel.h"
#include "tensor/kernels/work.h"

void lbi_gemm_ref(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = beta == 0 ? 0 : (double)beta * (double)c[i * ldc + j];
            for (int64_t p = 0; p < k; p++) sum += (double)(trans_a ? a[p * lda + i] : a[i * lda + p]) * (double)(trans_b ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = (lb_real)sum;
        }
}

/* One product as its arguments say it. */
typedef struct product {
    bool trans_a, trans_b;
    int64_t m, n, k;
    const lb_real *a, *b;
    int64_t lda, ldb;
    lb_real *c;
    int64_t ldc;
} product;

static void blas(const product *p, lb_real beta) {
#ifdef LB_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans, (int)p->m, (int)p->n, (int)p->k, 1, p->a, (int)p->lda,
         p->b, (int)p->ldb, beta, p->c, (int)p->ldc);
}

/* With AVX2, large in all three sizes, OpenBLAS is faster by up to 25 %; elsewhere the packed products are. With AVX-512 it is not asked: it has such kernels
 * for some makers' processors alone, and makes half as much with those of AVX2 on the others. */
static bool blas_is_best(const product *p) { return lbi_cpu() == LBI_CPU_AVX2 && p->m >= 1536 && p->n >= 1536 && p->k >= 1536; }

/* Scale, bias, addition and activation as passes of their own. */
static void finish(const product *p, const lbi_gemm_end *end) {
    if (!end->row_scale && !end->row_bias && !end->col_bias && !end->add && end->act == LB_ACT_NONE) return;
    for (int64_t i = 0; i < p->m; i++) {
        lb_real *row = p->c + i * p->ldc;
        for (int64_t j = 0; j < p->n; j++)
            row[j] = row[j] * (end->row_scale ? end->row_scale[i] : 1) + (end->row_bias ? end->row_bias[i] : 0) + (end->col_bias ? end->col_bias[j] : 0) +
                     (end->add ? end->add[i * end->ld_add + j] : 0);
        lbi_act_plane(end->act, row, p->n, 0);
    }
}

#ifndef LB_DOUBLE
/* ---- packed products ----
 * The longer side of C is split into tasks that threads take in turn; the other operand is packed once, before. Rows are the longer side:
 * B is shared, a task packs MC rows of A at a time, or reads them as they lie. Columns are: A is shared, a task packs NC columns of B. */

enum { STEPS = 64 }; /* of k that a thread packs of the shared operand at a time: blocks of k are multiples of it */
enum { PARALLEL = 1 << 20 }; /* multiply-adds below which a second thread costs more than it brings (it takes some 10 us to wake) */

typedef struct run {
    const lbi_gemm_kernel *g;
    const product *p;
    lbi_tile_end end;
    lb_act after;
    float *shared;      /* [k blocks][panels][KC][width] */
    const float *ready; /* the same of op(B) when it is packed already, else NULL */
    int64_t lines;      /* of the shared operand */
    int64_t step;       /* rows or columns of C a task makes */
    int64_t tasks;
    bool by_rows;
    const lbi_last_kernel *direct; /* tiles that read A as it lies; NULL: it is packed */
    lb_act act;                    /* applied in these */
    float bias[LBI_NR_MAX];        /* of the last panel's columns, filled up */
} run;

static int64_t k_step(const run *r, int64_t k0) { return r->p->k - k0 <= r->g->kc_most ? r->p->k - k0 : r->g->kc; }
static int64_t k_blocks(const run *r) { return r->p->k <= r->g->kc_most ? 1 : lbi_over(r->p->k - r->g->kc_most, r->g->kc) + 1; }

static int shared_width(const run *r) { return r->by_rows ? r->g->nr : r->g->mr; }
/* Do the numbers of a line of the shared operand lie side by side? */
static bool shared_across(const run *r) { return r->by_rows ? r->p->trans_b : !r->p->trans_a; }

/* A panel of the shared operand, all of k. Packing may write a few numbers beyond a panel whose width is no multiple of 8: into the next
 * one's place, which another thread may have filled. */
static void pack_panel(const run *r, int64_t panel) {
    const product *p = r->p;
    int width = shared_width(r);
    int64_t first = panel * width, count = lbi_least(width, r->lines - first), padded = lbi_up(r->lines, width);
    bool apart = width % 8 != 0;
    for (int64_t k0 = 0, kc; k0 < p->k; k0 += kc) {
        kc = k_step(r, k0);
        for (int64_t q = 0, some; q < kc; q += some) {
            float spill[STEPS * LBI_MR_MAX + 16], *to = r->shared + padded * k0 + first * kc + q * width;
            some = apart ? lbi_least(STEPS, kc - q) : kc;
            lbi_pack(r->g, apart ? spill : to, width, r->by_rows ? p->b : p->a, r->by_rows ? p->ldb : p->lda, true, first, count, k0 + q, some);
            if (apart) memcpy(to, spill, (size_t)(width * some) * sizeof *to);
        }
    }
}

/* Some steps of k of all panels where those lie side by side: memory is read from end to end. */
static void pack_steps(const run *r, int64_t piece) {
    const product *p = r->p;
    int width = shared_width(r);
    int64_t first = piece * STEPS, k0 = lbi_least(first / r->g->kc, k_blocks(r) - 1) * r->g->kc, padded = lbi_panels(r->lines, width) * width;
    int64_t kc = k_step(r, k0), count = p->k - first < STEPS ? p->k - first : STEPS;
    const float *from = (r->by_rows ? p->b : p->a) + first * (r->by_rows ? p->ldb : p->lda);
    for (int64_t q = 0; q < count; q += LBI_PACK_ROWS)
        for (int64_t j = 0; j < r->lines; j += width)
            r->g->along(r->shared + padded * k0 + j * kc + (first - k0 + q) * width, width, from + q * (r->by_rows ? p->ldb : p->lda) + j,
                        r->by_rows ? p->ldb : p->lda, (int)(r->lines - j < width ? r->lines - j : width),
                        count - q < LBI_PACK_ROWS ? count - q : LBI_PACK_ROWS);
}

static int64_t shared_pieces(const run *r) { return shared_across(r) ? lbi_panels(r->lines, shared_width(r)) : lbi_panels(r->p->k, STEPS); }

static void pack_shared(const run *r, int64_t piece) {
    if (shared_across(r)) pack_panel(r, piece);
    else pack_steps(r, piece);
}

/* May tiles read A as it lies? Its rows are lines of numbers, of which a tile reads many side by side: they must not fall into one set of L1. */
static void choose_direct(run *r, const lbi_gemm_end *end) {
    enum { PAGE = 4096 };
    const product *p = r->p;
    if (!r->by_rows || p->trans_a || p->lda * (int64_t)sizeof(float) % PAGE == 0 || (end->beta != 0 && end->beta != 1) || end->row_scale || end->row_bias) return;
    r->direct = lbi_last_kernel_now();
    if (r->direct->cols != r->g->nr) r->direct = NULL;
    if (!r->direct) return;
    bool within = lbi_last_in_tile(end->act);
    int64_t last = (p->n - 1) / r->g->nr * r->g->nr;
    r->act = within ? end->act : LB_ACT_NONE;
    r->after = within ? LB_ACT_NONE : end->act;
    for (int64_t j = last; end->col_bias && j < p->n; j++) r->bias[j - last] = end->col_bias[j];
}

/* Rows first .. first + rows - 1 of C from k0 on. b: panels of kc steps. */
static void direct_block(const run *r, int64_t first, int64_t rows, int64_t k0, int64_t kc, const float *b) {
    static const float ones[LBI_NR_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const product *p = r->p;
    int64_t step = r->direct->rows, nr = r->g->nr;
    for (int64_t j = 0; j < p->n; j += nr, b += nr * kc) {
        int64_t cols = lbi_least(nr, p->n - j);
        for (int64_t i = first; i < first + rows; i += step)
            for (int64_t q = 0, some; q < kc; q += some) {
                some = lbi_sum_steps(q, kc);
                bool done = k0 + q + some == p->k;
                lbi_last_end e = {.more = k0 + q > 0 || r->end.beta != 0, .done = done && r->end.col_bias, .scale = ones, .ld_add = r->end.ld_add, .act = done ? r->act : LB_ACT_NONE};
                if (e.done) e.bias = cols < nr ? r->bias : r->end.col_bias + j;
                if (done && r->end.add) e.add = r->end.add + i * e.ld_add + j;
                r->direct->tile(&(lbi_last_piece){0, some}, 1, p->a + i * p->lda + k0 + q, p->lda, b + q * nr, p->c + i * p->ldc + j, p->ldc, (int)lbi_least(step, first + rows - i), (int)cols, &e);
            }
    }
}

/* A task's part of C from the steps of k that begin at k0. */
static void task(const run *r, int64_t number, int64_t k0, float *own) {
    const product *p = r->p;
    int width = shared_width(r);
    int64_t first = number * r->step, count = lbi_least(r->step, (r->by_rows ? p->m : p->n) - first), kc = k_step(r, k0);
    int64_t i = r->by_rows ? first : 0, j = r->by_rows ? 0 : first, rows = r->by_rows ? count : p->m, cols = r->by_rows ? p->n : count;
    lbi_tile_end end = lbi_tile_end_at(&r->end, i, j);
    float *c = p->c + i * p->ldc + j;
    const float *shared = (r->by_rows && r->ready ? r->ready : r->shared) + lbi_up(r->lines, width) * k0;
    bool begin = k0 == 0, done = k0 + kc == p->k;
    if (r->direct) {
        direct_block(r, first, rows, k0, kc, shared);
    } else if (r->by_rows) {
        lbi_pack(r->g, own, r->g->mr, p->a, p->lda, !p->trans_a, first, count, k0, kc);
        lbi_gemm_block(r->g, rows, cols, kc, own, shared, c, p->ldc, &end, begin, done);
    } else {
        const float *panels = own;
        if (r->ready) panels = r->ready + lbi_up(p->n, r->g->nr) * k0 + first * kc;
        else lbi_pack(r->g, own, r->g->nr, p->b, p->ldb, p->trans_b, first, count, k0, kc);
        int64_t mc = LBI_MC / r->g->mr * r->g->mr;
        for (int64_t q = 0; q < rows; q += mc) {
            lbi_tile_end e = lbi_tile_end_at(&end, q, 0);
            lbi_gemm_block(r->g, lbi_least(mc, rows - q), cols, kc, shared + q * kc, panels, c + q * p->ldc, p->ldc, &e, begin, done);
        }
    }
    for (int64_t q = 0; done && r->after != LB_ACT_NONE && q < rows; q++) lbi_act_plane(r->after, c + q * p->ldc, cols, 0);
}

/* What is left of all tasks, by one of several threads. A block of k is gone through by all tasks before the next one, so that what they share of it stays in the last cache. They are taken in turn, so that
 * a task hardly ever waits for the thread that still has its block before. */
static void work_on(const run *r, atomic_llong *next, atomic_llong *made, float *own) {
    for (int64_t i; (i = atomic_fetch_add(next, 1)) < r->tasks * k_blocks(r);) {
        int64_t number = i % r->tasks, block = i / r->tasks;
        while (atomic_load(&made[number]) < block) (void)sched_yield();
        task(r, number, block * r->g->kc, own);
        atomic_store(&made[number], block + 1);
    }
}

int64_t lbi_task_size(int64_t total, int tile, int64_t most, int threads, bool runs) {
    int64_t tiles = lbi_panels(total, tile), limit = most / tile, best = limit < tiles ? limit : tiles, least = INT64_MAX;
    if (threads == 1) return best * tile;
    int share = runs ? threads : 4 * threads;
    if (lbi_panels(tiles, share) < best) best = lbi_panels(tiles, share);
    for (int64_t size = best, first = best; size > 0 && 2 * size >= first; size--) {
        int64_t full = tiles / size, rest = tiles % size, busiest = full % threads ? (full / threads + 1) * size : full / threads * size + rest;
        if (busiest >= least) continue;
        least = busiest;
        best = size;
    }
    return best * tile;
}

static bool packed(const product *p, const lbi_gemm_end *end) {
    run r = {.g = lbi_gemm_kernel_now(), .p = p, .by_rows = p->m >= p->n, .ready = end->packed};
    int threads = omp_in_parallel() || p->m * p->n * p->k < PARALLEL ? 1 : omp_get_max_threads();
    if (!r.g) return false;
    if (r.ready) r.by_rows = p->m >= 4 * threads * r.g->mr; /* then A is packed by tasks, and nothing before */
    r.end = lbi_tile_end_of(end, &r.after);
    choose_direct(&r, end);
    r.lines = r.by_rows ? p->n : p->m;
    bool runs = r.by_rows ? p->trans_a : !p->trans_b; /* of what a task packs: longer ones are better than more tasks */
    r.step = r.by_rows ? lbi_task_size(p->m, r.g->mr, runs ? LBI_MC_RUNS : LBI_MC, threads, runs) : lbi_task_size(p->n, r.g->nr, LBI_NC, threads, runs);
    r.tasks = lbi_over(r.by_rows ? p->m : p->n, r.step);
    int64_t pieces = r.by_rows && r.ready ? 0 : shared_pieces(&r);
    int64_t shared = pieces > 0 ? lbi_up(lbi_packed_size(r.lines, p->k, shared_width(&r)), 16) : 0;
    int64_t own = lbi_up(lbi_packed_size(r.step, lbi_least(p->k, r.g->kc_most), r.by_rows ? r.g->mr : r.g->nr), 16);
    if (r.tasks < 2) threads = 1;
    float *work = lbi_work_take((size_t)(shared + own * threads) * sizeof *work + (size_t)r.tasks * sizeof(atomic_llong));
    if (!work) return false;
    atomic_llong next = 0, *made = (atomic_llong *)(void *)(work + shared + own * threads);
    for (int64_t i = 0; i < r.tasks; i++) atomic_init(&made[i], 0);
    r.shared = work;
    if (threads == 1) {
        for (int64_t i = 0; i < pieces; i++) pack_shared(&r, i);
        work_on(&r, &next, made, work + shared);
    } else {
#pragma omp parallel num_threads(threads)
        {
#pragma omp for schedule(static)
            for (int64_t i = 0; i < pieces; i++) pack_shared(&r, i);
            work_on(&r, &next, made, work + shared + own * omp_get_thread_num());
        }
    }
    lbi_work_give(work);
    return true;
}

size_t lbi_gemm_packed_size(int64_t n, int64_t k) {
    const lbi_gemm_kernel *g = lbi_gemm_kernel_now();
    return g ? (size_t)lbi_packed_size(n, k, g->nr) * sizeof(float) : 0;
}

void lbi_gemm_pack(void *to, const float *w, int64_t n, int64_t k) {
    const product p = {.trans_b = true, .n = n, .k = k, .b = w, .ldb = k};
    const run r = {.g = lbi_gemm_kernel_now(), .p = &p, .shared = to, .lines = n, .by_rows = true};
#pragma omp parallel for schedule(static) if (n * k > PARALLEL)
    for (int64_t i = 0; i < shared_pieces(&r); i++) pack_shared(&r, i);
}
#else
size_t lbi_gemm_packed_size(int64_t n, int64_t k) { return 0; }
void lbi_gemm_pack(void *to, const lb_real *w, int64_t n, int64_t k) {}
static bool packed(const product *p, const lbi_gemm_end *end) { return false; }
#endif

lbi_gemm_end lbi_gemm_end_at(const lbi_gemm_end *end, int64_t i, int64_t j) {
    lbi_gemm_end e = *end;
    if (e.row_scale) e.row_scale += i;
    if (e.row_bias) e.row_bias += i;
    if (e.col_scale) e.col_scale += j;
    if (e.col_bias) e.col_bias += j;
    if (e.add) e.add += i * e.ld_add + j;
    e.packed = NULL;
    return e;
}

void lbi_gemm_plain(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, const lbi_gemm_end *end, lb_real *c, int64_t ldc) {
    product p = {trans_a, trans_b, m, n, k, a, b, lda, ldb, c, ldc};
    if (k > 0 && (end->packed || !blas_is_best(&p)) && packed(&p, end)) return;
    if (k == 0 || lbi_cpu() == LBI_CPU_REF) lbi_gemm_ref(trans_a, trans_b, m, n, k, a, lda, b, ldb, end->beta, c, ldc);
    else blas(&p, end->beta);
    finish(&p, end);
}

void lbi_gemm_to(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, const lbi_gemm_end *end, lb_real *c, int64_t ldc) {
    static const lbi_gemm_end nothing;
    if (!end) end = &nothing;
    if (m == 0 || n == 0) return;
#ifndef LB_DOUBLE
    lbi_gemm_end unpacked = *end;
    if (end->bf16 && lbi_gemm_bf16(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc)) return;
    if (end->bf16 && lbi_cpu() >= LBI_CPU_BF16) { /* no memory for it; what is packed, is in bf16 */
        unpacked.packed = NULL;
        end = &unpacked;
    }
    if (lbi_gemm_parts(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc)) return;
#endif
    lbi_gemm_plain(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc);
}

void lbi_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const lb_real *a, int64_t lda, const lb_real *b, int64_t ldb, lb_real beta, lb_real *c, int64_t ldc) {
    lbi_gemm_to(trans_a, trans_b, m, n, k, a, lda, b, ldb, &(lbi_gemm_end){.beta = beta}, c, ldc);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Both operands are packed in panels of 16 lines (gemm_bf16_pack.h), rounded to bf16 or in three parts. The longer side of C is split into tasks that threads take in turn;
 * the other operand is packed by all of them, a task packs its own lines. k goes in pieces for which a task's lines stay in L2 (its sums are then kept in C); while tasks of
 * a piece run, the shared operand's next piece is packed. 32 x 32 sums are made from all of a piece in four tiles of AMX, or 16 x 32 in 32 registers of AVX-512, and go out
 * while the next block's are made.
 * Floor, in parts: six products in AMX, 475 GFLOP/s a core, plus 0.12 ns a number for splitting; rounded: 1024 multiply-adds a cycle, so packing and storing C limit all
 * but large products. Numbers without parts (infinity, NaN, the largest floats): the task's piece is made of multiply-adds, so that they end as they do there. */
#include "tensor/kernels/gemm_bf16.h"
#include <omp.h>
#include <stdatomic.h>
#include "base/cpu.h"
#include "tensor/kernels/act.h"
#include "tensor/kernels/counts.h"
#include "tensor/kernels/gemm_bf16_out.h"
#include "tensor/kernels/gemm_bf16_pack.h"
#include "tensor/kernels/gemm_block.h"
#include "tensor/kernels/work.h"
#ifndef LB_DOUBLE
#ifdef __x86_64__

enum { SIDE = LBI_BF16_SIDE, DEPTH = LBI_BF16_DEPTH, PIECE = LBI_BF16_PIECE, BLOCK = LBI_BF16_BLOCK, FEW = 1 << 20 }; /* FEW: multiply-adds below which a second thread costs more than it brings */
enum { LINES = 256, OWN = 800 << 10, ALL = 1400 << 10, STEPS = 64, SOME = 24 }; /* most lines of a task; bytes of these that stay in L2 beside what passes by, and of both operands; steps of a piece; enough of them */

typedef struct run {
    lbi_bf16_operand a, b;
    int64_t m, n, k;
    const lbi_gemm_end *end;
    float *c;
    int64_t ldc;
    bool tiles, by_rows;
    int64_t lines;         /* of a task */
    int64_t steps;         /* of a piece */
    const uint32_t *ready; /* B, all of k, packed already; else NULL */
    uint32_t *shared;      /* [2 pieces][panels][steps] */
    int64_t shared_size, at[STEPS];
    atomic_bool lacks;     /* parts of the shared operand */
} run;

typedef struct piece {
    int64_t number, k0, steps;
} piece;

static int64_t all_steps(const run *r) { return lbi_over(r->k, DEPTH); }

static piece piece_at(const run *r, int64_t number) { return (piece){number, number * r->steps * DEPTH, lbi_least(r->steps, all_steps(r) - number * r->steps)}; }

static const lbi_bf16_operand *shared_of(const run *r) { return r->by_rows ? &r->b : &r->a; }

static uint32_t *shared_room(const run *r, const piece *p) { return r->shared + p->number % 2 * r->shared_size; }

/* A panel, or a step of all panels: as memory is read in runs. */
static int64_t units(const run *r, const piece *p) { return r->ready || p->steps <= 0 ? 0 : shared_of(r)->across ? lbi_over(shared_of(r)->lines, SIDE) : p->steps; }

static void pack_unit(run *r, const piece *p, int64_t unit) {
    const lbi_bf16_operand *o = shared_of(r);
    int64_t size = lbi_bf16_step(o), apart = p->steps * size;
    bool whole = o->across ? lbi_bf16_panels(o, unit * SIDE, SIDE, p->k0, p->steps, shared_room(r, p) + unit * apart, apart) : lbi_bf16_panels(o, 0, o->lines, p->k0 + unit * DEPTH, 1, shared_room(r, p) + unit * size, apart);
    if (!whole) atomic_store(&r->lacks, true);
}

static const uint16_t *halves(const uint32_t *pairs) { return (const uint16_t *)(const void *)pairs; }

/* The block of C at row i and column j. */
static void block(const run *r, const piece *p, int64_t i, int64_t j, const uint32_t *a, const uint32_t *b, float *sums) {
    int64_t size = lbi_bf16_step(&r->a), apart_b = (r->ready ? all_steps(r) : p->steps) * size;
    lbi_bf16_factors f = {.a = halves(a), .a2 = r->m - i > SIDE ? halves(a + p->steps * size) : NULL, .at = r->at, .ld = DEPTH, .steps = p->steps, .b = b, .b2 = r->n - j > SIDE ? b + apart_b : NULL, .whole = r->a.whole, .apart = 2 * PIECE};
    lbi_bf16_block(r->tiles, &f, sums, false);
}

/* Lines of memory asked for: part `of` of so many parts of n pairs, into L2. */
static void ask(const uint32_t *from, int64_t n, int64_t part, int64_t of) {
    for (int64_t i = n * part / of / SIDE; i < n * (part + 1) / of / SIDE; i++) __builtin_prefetch(from + i * SIDE, 0, 2);
}

/* Where a block goes is asked for before it is made. */
static void ask_out(const run *r, int64_t i, int64_t j) {
    const float *c = r->c + i * r->ldc + j;
    for (int64_t rows = lbi_least(BLOCK, r->m - i); rows > 0; rows--, c += r->ldc) {
        __builtin_prefetch(c, 1, 2);
        __builtin_prefetch(c + SIDE, 1, 2);
    }
}

static void blocks(const run *r, const piece *p, int64_t first, int64_t count, const uint32_t *own) {
    int64_t size = lbi_bf16_step(&r->a), across = r->by_rows ? r->n : r->m, apart = p->steps * size;
    const lbi_bf16_sums out = {.end = r->end, .c = r->c, .ldc = r->ldc, .m = r->m, .n = r->n, .begin = p->k0 == 0, .done = p->k0 + p->steps * DEPTH >= r->k};
    float sums[2][BLOCK * BLOCK] __attribute__((aligned(64)));
    int64_t before_i = -1, before_j = 0;
    int turn = 0;
    for (int64_t s = 0; s < across; s += BLOCK) {
        const uint32_t *shared = r->ready ? r->ready + s / SIDE * all_steps(r) * size + p->k0 / DEPTH * size : shared_room(r, p) + s / SIDE * apart;
        for (int64_t t = 0; t < count; t += BLOCK, turn ^= 1) {
            const uint32_t *mine = own + t / SIDE * apart;
            int64_t i = r->by_rows ? first + t : s, j = r->by_rows ? s : first + t;
            if (s + BLOCK < across) ask(shared + 2 * apart, 2 * apart, t / BLOCK, lbi_over(count, BLOCK));
            ask_out(r, i, j);
            block(r, p, i, j, r->by_rows ? mine : shared, r->by_rows ? shared : mine, sums[turn]);
            if (before_i >= 0) lbi_bf16_out(&out, sums[turn ^ 1], before_i, before_j);
            before_i = i;
            before_j = j;
        }
    }
    lbi_bf16_out(&out, sums[turn ^ 1], before_i, before_j);
}

/* The task's part of a piece by multiply-adds. */
static void plain(const run *r, const piece *p, int64_t i, int64_t rows, int64_t j, int64_t cols, bool done) {
    lbi_gemm_end e = {.beta = p->k0 == 0 ? r->end->beta : 1};
    if (done) {
        e = lbi_gemm_end_at(r->end, i, j);
        if (p->k0 > 0) e.beta = 1;
    }
    const float *a = r->a.x + (r->a.across ? i * r->a.ld + p->k0 : p->k0 * r->a.ld + i), *b = r->b.x + (r->b.across ? j * r->b.ld + p->k0 : p->k0 * r->b.ld + j);
    lbi_gemm_plain(!r->a.across, r->b.across, rows, cols, lbi_least(p->steps * DEPTH, r->k - p->k0), a, r->a.ld, b, r->b.ld, &e, r->c + i * r->ldc + j, r->ldc);
}

static void task(const run *r, const piece *p, int64_t number, uint32_t *own) {
    int64_t first = number * r->lines, count = lbi_least(r->lines, (r->by_rows ? r->m : r->n) - first);
    int64_t i = r->by_rows ? first : 0, j = r->by_rows ? 0 : first, rows = r->by_rows ? count : r->m, cols = r->by_rows ? r->n : count;
    bool done = p->k0 + p->steps * DEPTH >= r->k, whole = lbi_bf16_panels(r->by_rows ? &r->a : &r->b, first, count, p->k0, p->steps, own, p->steps * lbi_bf16_step(&r->a));
    if (!whole || atomic_load_explicit(&r->lacks, memory_order_relaxed)) {
        plain(r, p, i, rows, j, cols, done);
        return;
    }
    blocks(r, p, first, count, own);
    for (int64_t q = i; done && !lbi_bf16_out_acts(r->end->act) && q < i + rows; q++) lbi_act_plane(r->end->act, r->c + q * r->ldc + j, cols, 0);
}

static void all_pieces(run *r, int64_t tasks, uint32_t *own) {
    piece p = piece_at(r, 0);
    lbi_bf16_begin(r->tiles);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < units(r, &p); i++) pack_unit(r, &p, i);
    while (p.steps > 0) {
        piece next = piece_at(r, p.number + 1);
#pragma omp for schedule(static) nowait
        for (int64_t i = 0; i < units(r, &next); i++) pack_unit(r, &next, i);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < tasks; i++) task(r, &p, i, own);
        p = next;
    }
    lbi_bf16_end(r->tiles);
}

/* Steps of a piece: so many that both operands stay in L2, or a task's own lines do, if that is more but no more than enough. */
static int64_t steps_of(const run *r) {
    int64_t line = lbi_bf16_step(&r->a) / SIDE * (int64_t)sizeof *r->shared, all = all_steps(r);
    int64_t both = ALL / ((r->lines + shared_of(r)->lines) * line), own = lbi_least(SOME, OWN / (r->lines * line));
    int64_t most = r->tiles ? lbi_least(STEPS, lbi_most(both, own)) : LBI_BF16_CLOSE;
    return lbi_over(all, lbi_over(all, most));
}

static bool product(run *r) {
    int threads = omp_in_parallel() || r->m * r->n * r->k < FEW ? 1 : omp_get_max_threads();
    r->by_rows = r->ready || r->m >= r->n;
    r->tiles = lbi_cpu() >= LBI_CPU_AMX;
    int64_t size = lbi_bf16_step(&r->a), total = r->by_rows ? r->m : r->n, lines = lbi_up(shared_of(r)->lines, BLOCK);
    r->lines = lbi_task_size(total, BLOCK, LINES, threads, true);
    int64_t tasks = lbi_over(total, r->lines);
    r->steps = steps_of(r);
    for (int64_t s = 0; s < r->steps; s++) r->at[s] = s * size * 2;
    int64_t own = r->lines / SIDE * r->steps * size;
    r->shared_size = r->ready ? 0 : lines / SIDE * r->steps * size;
    if (tasks < threads) threads = (int)tasks;
    int64_t shared = lbi_least(2, lbi_over(all_steps(r), r->steps)) * r->shared_size;
    uint32_t *work = lbi_work_take((size_t)(shared + threads * own) * sizeof *work);
    if (!work) return false;
    r->shared = work;
#pragma omp parallel num_threads(threads)
    all_pieces(r, tasks, work + shared + omp_get_thread_num() * own);
    lbi_work_give(work);
    return true;
}

static run run_of(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc, bool whole) {
    return (run){.a = {a, lda, m, k, !trans_a, false, whole}, .b = {b, ldb, n, k, trans_b, true, whole}, .m = m, .n = n, .k = k, .end = end, .c = c, .ldc = ldc};
}

bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) {
    if (lbi_cpu() < LBI_CPU_BF16 || m < 1 || n < 1 || k < 1) return false;
    run r = run_of(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc, false);
    r.ready = end->packed;
    return product(&r);
}

/* Measured: below that the multiply-adds of gemm.c are as fast. */
bool lbi_gemm_in_parts(int64_t m, int64_t n, int64_t k) { return lbi_cpu() >= LBI_CPU_AMX && m >= SIDE && n >= SIDE && k >= DEPTH && m * n * k >= 1 << 17; }

bool lbi_gemm_parts(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) {
    if (!lbi_gemm_in_parts(m, n, k)) return false;
    run r = run_of(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc, true);
    return product(&r);
}

size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return lbi_cpu() < LBI_CPU_BF16 ? 0 : (size_t)(2 * lbi_over(n, BLOCK) * lbi_over(k, DEPTH) * PIECE) * sizeof(uint32_t); }

void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {
    const lbi_bf16_operand b = {w, k, n, k, true, true, false};
    int64_t steps = lbi_over(k, DEPTH), apart = steps * PIECE;
#pragma omp parallel for schedule(static) if (n * k > FEW)
    for (int64_t i = 0; i < 2 * lbi_over(n, BLOCK); i++) lbi_bf16_panels(&b, i * SIDE, SIDE, 0, steps, (uint32_t *)to + i * apart, apart);
}
#else
size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return 0; }
void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {}
bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) { return false; }
bool lbi_gemm_in_parts(int64_t m, int64_t n, int64_t k) { return false; }
bool lbi_gemm_parts(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) { return false; }
#endif
#endif

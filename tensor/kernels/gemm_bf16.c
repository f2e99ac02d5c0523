/* SPDX-License-Identifier: Apache-2.0 */
/* Both operands are packed in panels of 16 lines (gemm_bf16_pack.h), rounded to bf16 or in three parts. The longer side of C is split into tasks, each of which packs its own
 * lines; the other operand is shared: where it is small, each thread packs all of it for itself (to read what another core has just written takes longer than to split it
 * again), else all threads do so together. k goes in pieces for which what a thread reads again stays in L2; its sums are then kept in C. Where k is long beside C, as in
 * gradients of weights, its halves are two products. 32 x 32 sums are made from all of a piece in four tiles of AMX, or 16 x 32 in 32 registers of AVX-512; while a block's
 * are made the block before goes out. Without tiles pieces are longer, so that C is not read again: two panels of the shared operand then stream from L2 as fast as from L1,
 * if they have been asked there in time, since weights of a network come from memory.
 * Floor, in parts: six products in AMX, 415 to 475 GFLOP/s a core, of which blocks that stream from L2 reach 85 to 95%; 0.17 to 0.25 ns a number for splitting, and memory's
 * time for what is read and written; rounded: 1024 multiply-adds a cycle, so packing and storing C limit all but large products.
 * Numbers without parts (infinity, NaN, the largest floats): the task's piece is made of multiply-adds, so that they end as they do there. */
#include "tensor/kernels/gemm_bf16.h"
#include <omp.h>
#include <stdatomic.h>
#include <string.h>
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
enum { LINES = 256, STEPS = 64, SOME = 24, LONG = 1024 }; /* most lines of a task and steps of a piece; steps that are enough; numbers of a long k */
enum { REGISTER_STEPS = 32 }; /* without tiles: steps for which LINES lines, half of an L2 of 1 MiB, are packed; of more, half as many lines */
enum {
    OWN = 800 << 10,
    ROUNDED = 1 << 20,
    BOTH = 1400 << 10,
    SMALL = 2 << 20
}; /* bytes of packed lines, in parts or rounded, that stay in L2 beside what passes by; of both operands; of a shared operand that threads pack apart */

typedef struct run {
    lbi_bf16_operand a, b;
    const uint16_t *rounded; /* rows of A, a.ld apart, rounded already; NULL: a.x is */
    int64_t m, n, k;
    const lbi_gemm_end *end;
    float *c;
    uint16_t *c_rounded;     /* NULL or where results go in place of c */
    int64_t ldc;
    bool tiles, by_rows;
    int64_t lines;         /* of a task */
    int64_t steps;         /* of a piece */
    const uint32_t *ready; /* B, all of k, packed already; else NULL */
    uint32_t *shared;      /* [panels][steps], of one piece */
    int64_t at[STEPS];     /* where a row of A has its steps */
    int64_t tasks;         /* of a piece */
    atomic_llong next;     /* task to be taken */
    atomic_bool lacks;     /* parts of the shared operand */
} run;

typedef struct piece {
    int64_t number, k0, steps;
} piece;

static int64_t all_steps(const run *r) { return lbi_over(r->k, DEPTH); }

static piece piece_at(const run *r, int64_t number) { return (piece){number, number * r->steps * DEPTH, lbi_least(r->steps, all_steps(r) - number * r->steps)}; }

static const lbi_bf16_operand *shared_of(const run *r) { return r->by_rows ? &r->b : &r->a; }

static int64_t pieces_of(const run *r) { return lbi_over(all_steps(r), r->steps); }

/* Part `part` of so many `parts` of a piece of the shared operand: panels, or steps of all panels, as memory is read in runs. */
static lbi_bf16_packing share_of(const run *r, const piece *p, int64_t part, int64_t parts, uint32_t *to) {
    const lbi_bf16_operand *o = shared_of(r);
    int64_t size = lbi_bf16_step(o), panels = lbi_over(o->lines, SIDE), all = o->across ? panels : p->steps, from = all * part / parts, count = r->ready ? 0 : all * (part + 1) / parts - from;
    lbi_bf16_packing s = {.o = o, .panels = panels, .k0 = p->k0, .steps = p->steps, .to = to, .apart = p->steps * size};
    if (o->across) {
        s.first = from * SIDE;
        s.panels = count;
        s.to += from * s.apart;
    } else {
        s.k0 += from * DEPTH;
        s.steps = count;
        s.to += from * size;
    }
    return s;
}

static bool pack_all(lbi_bf16_packing p) {
    while (lbi_bf16_pack_next(&p)) {}
    return !p.lacks;
}

static const uint16_t *halves(const uint32_t *pairs) { return (const uint16_t *)(const void *)pairs; }

/* Where a block goes is asked for before it is made. */
static void ask_out(const run *r, int64_t i, int64_t j) {
    int64_t rows = lbi_least(BLOCK, r->m - i);
    if (r->c_rounded) {
        const uint16_t *c = r->c_rounded + i * r->ldc + j;
        for (; rows > 0; rows--, c += r->ldc) __builtin_prefetch(c, 1, 2);
        return;
    }
    const float *c = r->c + i * r->ldc + j;
    for (; rows > 0; rows--, c += r->ldc) {
        __builtin_prefetch(c, 1, 2);
        __builtin_prefetch(c + SIDE, 1, 2);
    }
}

/* A block that has been summed and is to go out. */
typedef struct going {
    const float *sums;
    int64_t i, j;
} going;

/* Sums of a block; beside the products, which leave the processor's other units idle, the block before goes out. */
static void make(const run *r, const lbi_bf16_factors *f, const lbi_bf16_sums *out, const going *before, float *sums) {
    int64_t some = f->whole ? 1 : 6, calls = lbi_over(f->steps, some), rows = lbi_over(BLOCK, calls), row = 0;
    if (!r->tiles) {
        lbi_bf16_block(false, f, sums, false);
        if (before->sums) lbi_bf16_out(out, before->sums, before->i, before->j, 0, BLOCK);
        return;
    }
    for (int64_t s = 0; s < f->steps; s += some) {
        lbi_bf16_go_on(f, s, lbi_least(s + some, f->steps));
        if (before->sums && row < BLOCK) lbi_bf16_out(out, before->sums, before->i, before->j, row, lbi_least(row + rows, BLOCK));
        row += rows;
    }
    lbi_bf16_store(true, f, sums, false);
}

/* Of two panels that are read after all `of` blocks of this row, a block's share. */
static void ask_share(lbi_bf16_factors *f, const uint32_t *panels, int64_t apart, int64_t number, int64_t of) {
    int64_t lines = f->steps * SIDE, first = 2 * lines * number / of, last = 2 * lines * (number + 1) / of;
    bool second = first >= lines;
    f->next = panels + (second ? apart + (first - lines) * SIDE : first * SIDE);
    f->next_lines = lbi_least(last, second ? 2 * lines : lines) - first;
}

/* Rows of A that a block reads: panels, or as they lie if they are rounded. */
static void rows_of(const run *r, const piece *p, const uint32_t *panel, int64_t apart, int64_t i, lbi_bf16_factors *f) {
    bool lie = r->rounded && r->m - i >= BLOCK;
    f->ld = lie ? r->a.ld : r->rounded ? p->steps * DEPTH : DEPTH;
    f->a = lie ? r->rounded + i * r->a.ld + p->k0 : halves(panel);
    if (r->m - i > SIDE) f->a2 = f->a + (r->rounded ? SIDE * f->ld : 2 * apart);
}

/* Rounded rows of a block that is not full, with rows of 0 behind. */
static void bring_last(const run *r, const piece *p, int64_t i, int64_t rows, uint32_t *to) {
    size_t bytes = (size_t)(p->steps * DEPTH) * sizeof *r->rounded;
    char *row = (char *)to;
    for (int64_t q = 0; q < BLOCK; q++, row += bytes) {
        if (q < rows) memcpy(row, r->rounded + (i + q) * r->a.ld + p->k0, bytes);
        else memset(row, 0, bytes);
    }
}

static void blocks(const run *r, const piece *p, int64_t first, int64_t count, const uint32_t *own, const uint32_t *all) {
    int64_t size = lbi_bf16_step(&r->a), across = r->by_rows ? r->n : r->m, apart = p->steps * size, apart_b = r->ready ? all_steps(r) * size : apart;
    const lbi_bf16_sums out = {.end = r->end, .c = r->c, .rounded = r->c_rounded, .ldc = r->ldc, .m = r->m, .n = r->n, .begin = p->k0 == 0, .done = p->k0 + p->steps * DEPTH >= r->k};
    float sums[2][BLOCK * BLOCK] __attribute__((aligned(64)));
    going before = {0};
    int turn = 0;
    for (int64_t s = 0; s < across; s += BLOCK) {
        int64_t apart_shared = r->ready ? apart_b : apart;
        const uint32_t *shared = (r->ready ? r->ready + p->k0 / DEPTH * size : all) + s / SIDE * apart_shared;
        for (int64_t t = 0; t < count; t += BLOCK, turn ^= 1) {
            const uint32_t *mine = r->rounded ? own : own + t / SIDE * apart, *a = r->by_rows ? mine : shared, *b = r->by_rows ? shared : mine;
            int64_t i = r->by_rows ? first + t : s, j = r->by_rows ? s : first + t;
            lbi_bf16_factors f = {.at = r->at, .steps = p->steps, .b = b, .b2 = r->n - j > SIDE ? b + apart_b : NULL, .whole = r->a.whole, .apart = 2 * PIECE};
            rows_of(r, p, a, apart, i, &f);
            if (!r->tiles && s + BLOCK < across) ask_share(&f, shared + BLOCK / SIDE * apart_shared, apart_shared, t / BLOCK, lbi_over(count, BLOCK));
            ask_out(r, i, j);
            make(r, &f, &out, &before, sums[turn]);
            before = (going){sums[turn], i, j};
        }
    }
    lbi_bf16_out(&out, before.sums, before.i, before.j, 0, BLOCK);
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

/* whole: all of the shared operand, packed at `all`, has parts. own: room for the task's lines. */
static void task(const run *r, const piece *p, int64_t number, bool whole, const uint32_t *all, uint32_t *own) {
    const lbi_bf16_operand *o = r->by_rows ? &r->a : &r->b;
    int64_t first = number * r->lines, count = lbi_least(r->lines, o->lines - first);
    int64_t i = r->by_rows ? first : 0, j = r->by_rows ? 0 : first, rows = r->by_rows ? count : r->m, cols = r->by_rows ? r->n : count;
    bool done = p->k0 + p->steps * DEPTH >= r->k;
    const lbi_bf16_packing lines = {.o = o, .first = first, .panels = lbi_over(count, SIDE), .k0 = p->k0, .steps = p->steps, .to = own, .apart = p->steps * lbi_bf16_step(o)};
    if (r->rounded) bring_last(r, p, i + count / BLOCK * BLOCK, count % BLOCK, own);
    else if (!whole || !pack_all(lines)) {
        plain(r, p, i, rows, j, cols, done);
        return;
    }
    blocks(r, p, first, count, own, all);
    for (int64_t q = i; done && !lbi_bf16_out_acts(r->end->act) && q < i + rows; q++) lbi_act_plane(r->end->act, r->c + q * r->ldc + j, cols, 0);
}

/* All threads pack the shared operand together, then take tasks in turn. */
static void together(run *r, uint32_t *own, int64_t thread, int64_t threads) {
    for (int64_t q = 0; q < pieces_of(r); q++) {
        const piece p = piece_at(r, q);
        if (!pack_all(share_of(r, &p, thread, threads, r->shared))) atomic_store(&r->lacks, true);
#pragma omp barrier
        bool whole = !atomic_load(&r->lacks);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r->tasks; i++) task(r, &p, i, whole, r->shared, own);
    }
}

/* A thread packs the shared operand for itself, which takes less time than to read what another core has just packed, and has tasks of its own. */
static void alone(run *r, uint32_t *shared, uint32_t *own, int64_t thread, int64_t threads) {
    for (int64_t q = 0; q < pieces_of(r); q++) {
        const piece p = piece_at(r, q);
        bool whole = pack_all(share_of(r, &p, 0, 1, shared)), once = pieces_of(r) == 1; /* then tasks are taken in turn */
        for (int64_t i = once ? atomic_fetch_add(&r->next, 1) : thread; i < r->tasks; i = once ? atomic_fetch_add(&r->next, 1) : i + threads) task(r, &p, i, whole, shared, own);
    }
}

/* Steps of a piece: so many that both operands stay in L2, or a task's own lines do, if that is more but no more than enough. A function of the sizes alone, as sums must be. */
static int64_t steps_of(const run *r) {
    int64_t line = lbi_bf16_step(&r->a) / SIDE * (int64_t)sizeof *r->shared, all = all_steps(r), lines = lbi_least(LINES, lbi_up(lbi_most(r->m, r->n), BLOCK));
    int64_t both = BOTH / ((lines + shared_of(r)->lines) * line), own = r->a.whole ? lbi_least(SOME, OWN / (lines * line)) : ROUNDED / (lines * line);
    int64_t most = r->tiles ? lbi_least(STEPS, lbi_most(both, own)) : all > REGISTER_STEPS ? 2 * REGISTER_STEPS : REGISTER_STEPS;
    return lbi_over(all, lbi_over(all, most));
}

static bool product(run *r) {
    int threads = omp_in_parallel() || r->m * r->n * r->k < FEW ? 1 : omp_get_max_threads();
    r->by_rows = r->ready || r->rounded || r->m >= r->n;
    r->tiles = lbi_cpu() >= LBI_CPU_AMX;
    int64_t size = lbi_bf16_step(&r->a), total = r->by_rows ? r->m : r->n, lines = lbi_up(shared_of(r)->lines, BLOCK);
    r->lines = lbi_task_size(total, BLOCK, r->tiles || all_steps(r) <= REGISTER_STEPS ? LINES : LINES / 2, threads, true);
    r->tasks = lbi_over(total, r->lines);
    r->steps = steps_of(r);
    for (int64_t s = 0; s < r->steps; s++) r->at[s] = s * (r->rounded ? DEPTH : size * 2);
    if (r->tasks < 2) threads = 1;
    int64_t own = r->lines / SIDE * r->steps * size, shared = r->ready ? 0 : lines / SIDE * r->steps * size;
    bool apart = shared * (int64_t)sizeof *r->shared <= SMALL;
    uint32_t *work = lbi_work_take((size_t)(shared * (apart ? threads : 1) + threads * own) * sizeof *work);
    if (!work) return false;
    r->shared = work + threads * own;
#pragma omp parallel num_threads(threads)
    {
        int64_t thread = omp_get_thread_num(), all = omp_get_num_threads();
        lbi_bf16_begin(r->tiles);
        if (apart) alone(r, r->shared + thread * shared, work + thread * own, thread, all);
        else together(r, work + thread * own, thread, all);
        lbi_bf16_end(r->tiles);
    }
    lbi_work_give(work);
    return true;
}

static run run_of(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc, bool whole) {
    return (run){.a = {a, lda, m, k, !trans_a, false, whole}, .b = {b, ldb, n, k, trans_b, true, whole}, .m = m, .n = n, .k = k, .end = end, .c = c, .ldc = ldc};
}

/* Is k so long beside C that it is better shared than C is? Then each number is packed once. */
static bool long_k(const run *r) {
    const lbi_gemm_end *e = r->end;
    return r->k >= 2 * lbi_most(r->m, r->n) && r->k >= LONG && !r->ready && !e->row_bias && !e->col_bias && !e->add && !e->row_scale && !e->col_scale && e->act == LB_ACT_NONE;
}

static void half(run *r) {
    if (!product(r)) lbi_gemm_plain(!r->a.across, r->b.across, r->m, r->n, r->k, r->a.x, r->a.ld, r->b.x, r->b.ld, r->end, r->c, r->ldc);
}

/* Two halves of k, each on a thread of its own where there are two, are made apart and added. */
static bool in_halves(run *r) {
    static const lbi_gemm_end none;
    int64_t k0 = lbi_over(all_steps(r), 2) * DEPTH;
    int threads = omp_in_parallel() || r->m * r->n * r->k < FEW ? 1 : omp_get_max_threads();
    run first = *r, second = *r;
    float *sums = lbi_work_take((size_t)(r->m * r->n) * sizeof *sums);
    if (!sums) return false;
    first.k = first.a.k = first.b.k = k0;
    second.k = second.a.k = second.b.k = r->k - k0;
    second.a.x += r->a.across ? k0 : k0 * r->a.ld;
    second.b.x += r->b.across ? k0 : k0 * r->b.ld;
    second.end = &none;
    second.c = sums;
    second.ldc = r->n;
    if (threads == 2) {
        run *both[] = {&first, &second};
#pragma omp parallel for schedule(static, 1) num_threads(2)
        for (int i = 0; i < 2; i++) half(both[i]);
    } else { /* outside a region, in which their own would start threads of the system */
        half(&first);
        half(&second);
    }
#pragma omp parallel for if (threads > 1 && r->m * r->n > FEW / 16)
    for (int64_t i = 0; i < r->m; i++) lbi_add_row(r->c + i * r->ldc, sums + i * r->n, r->n);
    lbi_work_give(sums);
    return true;
}

static bool made(run *r) { return long_k(r) ? in_halves(r) : product(r); }

bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) {
    if (lbi_cpu() < LBI_CPU_BF16 || m < 1 || n < 1 || k < 1) return false;
    run r = run_of(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc, false);
    r.ready = end->packed;
    return made(&r);
}

bool lbi_gemm_gives_rounded(int64_t k, lb_act act) { return lbi_cpu() == LBI_CPU_BF16 && k > 0 && k <= STEPS * DEPTH && lbi_bf16_out_acts(act); }

bool lbi_gemm_rounded(int64_t m, int64_t n, int64_t k, const lbi_bf16_rows *a, const float *w, const lbi_gemm_end *end, float *c, uint16_t *c_rounded) {
    if (m < 1 || n < 1 || k < 1) return true;
    run r = run_of(false, true, m, n, k, a->x, k, w, k, end, c, n, false);
    r.rounded = a->rounded;
    r.c_rounded = c_rounded;
    r.ready = end->packed;
    return product(&r);
}

/* Measured: below that the multiply-adds of gemm.c are as fast. */
bool lbi_gemm_in_parts(int64_t m, int64_t n, int64_t k) { return lbi_cpu() >= LBI_CPU_AMX && m >= SIDE && n >= SIDE && k >= DEPTH && m * n * k >= 1 << 17; }

bool lbi_gemm_parts(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, const lbi_gemm_end *end, float *c, int64_t ldc) {
    if (!lbi_gemm_in_parts(m, n, k)) return false;
    run r = run_of(trans_a, trans_b, m, n, k, a, lda, b, ldb, end, c, ldc, true);
    return made(&r);
}

size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return lbi_cpu() < LBI_CPU_BF16 ? 0 : (size_t)(2 * lbi_over(n, BLOCK) * lbi_over(k, DEPTH) * PIECE) * sizeof(uint32_t); }

void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {
    const lbi_bf16_operand b = {w, k, n, k, true, true, false};
    int64_t steps = lbi_over(k, DEPTH), apart = steps * PIECE;
#pragma omp parallel for schedule(static) if (n * k > FEW)
    for (int64_t i = 0; i < 2 * lbi_over(n, BLOCK); i++) {
        const lbi_bf16_packing p = {.o = &b, .first = i * SIDE, .panels = 1, .steps = steps, .to = (uint32_t *)to + i * apart, .apart = apart};
        (void)pack_all(p);
    }
}
#else
size_t lbi_bf16_packed_size(int64_t n, int64_t k) { return 0; }
void lbi_bf16_pack(void *to, const float *w, int64_t n, int64_t k) {}
bool lbi_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                   const lbi_gemm_end *end, float *c, int64_t ldc) {
    return false;
}
bool lbi_gemm_in_parts(int64_t m, int64_t n, int64_t k) { return false; }
bool lbi_gemm_parts(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                    const lbi_gemm_end *end, float *c, int64_t ldc) {
    return false;
}
bool lbi_gemm_gives_rounded(int64_t k, lb_act act) { return false; }
bool lbi_gemm_rounded(int64_t m, int64_t n, int64_t k, const lbi_bf16_rows *a, const float *w, const lbi_gemm_end *end, float *c, uint16_t *c_rounded) { return false; }
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine can do at best: multiply-adds in registers at each level, and memory read and copied; and what a call of an op costs beside its
 * arithmetic. Other figures are judged by these (docs/performance.md). Threads: one, then all. */
#include <omp.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif
#include "base/cpu.h"
#include "base/rng.h"
#include "cli/bench.h"
#include "tensor/ops.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LEVEL(arch) __attribute__((target(arch), optimize("O3", "fp-contract=fast"), noinline)) /* products and sums in one instruction */
#else
#define LEVEL(arch)
#endif

enum { SUMS = 24, STEPS = 100000 };
typedef float wide __attribute__((vector_size(64)));
typedef float half __attribute__((vector_size(32)));

/* Sums that do not wait for each other; the loop's result is used, so that it is not left out. */
LEVEL("arch=x86-64-v4") static float adds_avx512(int64_t steps) {
    wide s[SUMS], x, y;
    float total = 0;
    for (int l = 0; l < 16; l++) {
        x[l] = 0.999f;
        y[l] = 1e-3f;
    }
    for (int i = 0; i < SUMS; i++) s[i] = x * (float)i;
    for (int64_t k = 0; k < steps; k++)
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++) s[i] = s[i] * x + y;
    for (int i = 0; i < SUMS; i++) total += s[i][i % 16];
    return total;
}

LEVEL("arch=x86-64-v3") static float adds_avx2(int64_t steps) {
    half s[12], x, y;
    float total = 0;
    for (int l = 0; l < 8; l++) {
        x[l] = 0.999f;
        y[l] = 1e-3f;
    }
    for (int i = 0; i < 12; i++) s[i] = x * (float)i;
    for (int64_t k = 0; k < steps; k++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) s[i] = s[i] * x + y;
    for (int i = 0; i < 12; i++) total += s[i][i % 8];
    return total;
}

#if defined(__x86_64__) && defined(__GNUC__)
enum { TILES = 8, LINES = 16, LINE = 64 };

/* As the instruction wants it told; not on the stack, since compilers believe that it reads 8 bytes. */
typedef struct tiles {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[LINES];
    uint8_t rows[LINES];
} tiles;
static const tiles all = {.palette = 1, .bytes = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE}, .rows = {LINES, LINES, LINES, LINES, LINES, LINES, LINES, LINES}};

/* Four sums of 16 x 16 x 32 products of bf16 numbers a step. The numbers are drawn: of zeros tiles are a fifth faster. */
__attribute__((target("amx-tile,amx-bf16"), noinline)) static float adds_amx(int64_t steps) {
    uint16_t x[4 * LINES * LINE / 2];
    float sum[LINES * LINES];
    lb_rng r = lb_rng_of(0, 0, "tiles");
    for (int i = 0; i < 4 * LINES * LINE / 2; i++) x[i] = (uint16_t)(0x3c00 + lb_rng_below(&r, 0x300) + (lb_rng_below(&r, 2) << 15)); /* of the size of 0.01 to 1 */
    _tile_loadconfig(&all);
    _tile_loadd(4, x, LINE);
    _tile_loadd(5, x + 1 * LINES * LINE / 2, LINE);
    _tile_loadd(6, x + 2 * LINES * LINE / 2, LINE);
    _tile_loadd(7, x + 3 * LINES * LINE / 2, LINE);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < steps; k++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sum, LINE);
    _tile_release();
    return sum[0];
}
#else
static float adds_amx(int64_t steps) { return 0; }
#endif

typedef struct state {
    int threads;
    bool wide, tiles;
    float *from, *to;
    int64_t n;
    float used[64]; /* results, so that compilers keep the work */
} state;

static lb_status adds(void *ctx) {
    state *s = ctx;
#pragma omp parallel num_threads(s->threads)
    s->used[omp_get_thread_num() % 64] = s->tiles ? adds_amx(STEPS) : s->wide ? adds_avx512(STEPS) : adds_avx2(2 * STEPS);
    return LB_OK;
}

static lb_status copy(void *ctx) {
    state *s = ctx;
#pragma omp parallel for simd num_threads(s->threads)
    for (int64_t i = 0; i < s->n; i++) s->to[i] = s->from[i] * 1.5f;
    return LB_OK;
}

/* Several runs at once, as the processor then has more lines on their way; each is asked for in good time. */
LEVEL("arch=x86-64-v3") static float sum_of(const float *x, int64_t n) {
    enum { RUNS = 4, AHEAD = 256 };
    wide s[RUNS] = {{0}}, v;
    float total = 0;
    int64_t run = n / RUNS / 16 * 16;
    for (int64_t i = 0; i < run; i += 16)
        for (int k = 0; k < RUNS; k++) {
            const float *from = x + k * run + i;
            __builtin_prefetch(from + AHEAD);
            memcpy(&v, from, sizeof v);
            s[k] += v;
        }
    for (int k = 0; k < RUNS; k++) total += s[k][0];
    return total;
}

static lb_status read_all(void *ctx) {
    state *s = ctx;
#pragma omp parallel num_threads(s->threads)
    {
        int64_t each = s->n / s->threads, me = omp_get_thread_num();
        s->used[me % 64] = sum_of(s->from + me * each, each);
    }
    return LB_OK;
}

enum { CALLS = 2000 };

typedef struct calling {
    lb_tape *tape;
    lb_tensor *a, *b;
} calling;

/* Additions of four numbers to four. */
static lb_status call(void *ctx) {
    calling *c = ctx;
    for (int i = 0; i < CALLS; i++) (void)lb_add(c->tape, c->a, c->b);
    lb_status st = lb_tape_status(c->tape);
    lb_tape_reset(c->tape);
    return st;
}

static lb_status calls(cli_bench *b) {
    lb_status st = LB_OK;
    calling c = {NULL, NULL, NULL};
    if (!cli_bench_wants(b, "floor-call-recorded")) return LB_OK;
    LB_TRY(lb_tape_new(&c.tape));
    LB_TRY(lb_tensor_new(&c.a, LB_REAL, 1, (int64_t[]){4}));
    LB_TRY(lb_tensor_new(&c.b, LB_REAL, 1, (int64_t[]){4}));
    for (int recorded = 0; recorded < 2; recorded++) {
        double seconds = 0;
        c.a->requires_grad = recorded;
        LB_TRY(cli_bench_best(b, &seconds, 20, 3, call, &c));
        LB_TRY(cli_bench_say(b, recorded ? "floor-call-recorded" : "floor-call", "limbeck", 1e3 * seconds / CALLS, "ms"));
    }
done:
    lb_tensor_free(c.a);
    lb_tensor_free(c.b);
    lb_tape_free(c.tape);
    return st;
}

static lb_status figure(cli_bench *b, const char *what, state *s, lb_status (*once)(void *), double units, const char *unit) {
    char name[64];
    double seconds = 0;
    snprintf(name, sizeof name, "floor-%s-%dthread%s", what, s->threads, s->threads == 1 ? "" : "s");
    if (!cli_bench_wants(b, name)) return LB_OK;
    lb_status st = cli_bench_best(b, &seconds, 6, 1, once, s);
    return st == LB_OK ? cli_bench_say(b, name, "limbeck", units / seconds, unit) : st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    state s = {.n = 32 << 20};
    lb_tensor *from = NULL, *to = NULL;
    LB_TRY(lb_tensor_new(&from, LB_F32, 1, &s.n));
    LB_TRY(lb_tensor_new(&to, LB_F32, 1, &s.n));
    s.from = from->data;
    s.to = to->data;
    for (int64_t i = 0; i < s.n; i++) s.from[i] = s.to[i] = 1;
    for (int round = 0; round < (b->cli->threads > 1 ? 2 : 1); round++) {
        s.threads = round ? b->cli->threads : 1;
        s.tiles = true;
        if (lbi_cpu() >= LBI_CPU_AMX) LB_TRY(figure(b, "adds-amx", &s, adds, 1e-9 * 2 * 16 * 16 * 32 * 4 * (double)STEPS * s.threads, "GFLOP/s"));
        s.tiles = false;
        s.wide = true;
        if (lbi_cpu() >= LBI_CPU_AVX512) LB_TRY(figure(b, "adds-avx512", &s, adds, 1e-9 * 2 * 16 * SUMS * (double)STEPS * s.threads, "GFLOP/s"));
        s.wide = false;
        if (lbi_cpu() >= LBI_CPU_AVX2) LB_TRY(figure(b, "adds-avx2", &s, adds, 1e-9 * 2 * 8 * 12 * 2 * (double)STEPS * s.threads, "GFLOP/s"));
        LB_TRY(figure(b, "memory-read", &s, read_all, 4e-9 * (double)s.n, "GB/s"));
        LB_TRY(figure(b, "memory-copy", &s, copy, 8e-9 * (double)s.n, "GB/s"));
    }
    LB_TRY(calls(b));
done:
    lb_tensor_free(from);
    lb_tensor_free(to);
    return st;
}

LB_BENCH(floors) = {.id = "floors", .title = "what the machine can do at best: multiply-adds, memory, calls of ops", .source = "", .run = run};

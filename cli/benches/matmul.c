/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/cpu.h"
#include "cli/bench.h"
#include "tensor/precision.h"

typedef struct product {
    lb_tape *tape;
    lb_tensor *a, *b;
} product;

static lb_status once(void *ctx) {
    product *p = ctx;
    (void)lb_matmul(p->tape, p->a, p->b, false, false);
    lb_status st = lb_tape_status(p->tape);
    lb_tape_reset(p->tape);
    return st;
}

static lb_status one(cli_bench *b, int64_t n) {
    lb_status st = LB_OK;
    product p = {0};
    char name[32];
    double s = 0;
    snprintf(name, sizeof name, "matmul-%lld", (long long)n);
    if (!cli_bench_wants(b, name)) return LB_OK;
    LB_TRY(lb_tape_new(&p.tape));
    lb_tape_set_mode(p.tape, LB_TAPE_NO_GRAD);
    LB_TRY(cli_bench_random(b, &p.a, "a", 2, (int64_t[]){n, n}));
    LB_TRY(cli_bench_random(b, &p.b, "b", 2, (int64_t[]){n, n}));
    LB_TRY(cli_bench_best(b, &s, 6, 2, once, &p));
    LB_TRY(cli_bench_say(b, name, "limbeck", 2e-9 * (double)n * (double)n * (double)n / s, "GFLOP/s"));
    if (lbi_cpu() < LBI_CPU_BF16) goto done;
    lb_tape_set_bf16(p.tape, true);
    LB_TRY(cli_bench_best(b, &s, 6, 2, once, &p));
    LB_TRY(cli_bench_say(b, name, "limbeck-bf16", 2e-9 * (double)n * (double)n * (double)n / s, "GFLOP/s"));
done:
    lb_tensor_free(p.a);
    lb_tensor_free(p.b);
    lb_tape_free(p.tape);
    return st;
}

static lb_status run(cli_bench *b) {
    static const int64_t sizes[] = {512, 2048, 4096};
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(sizes) && st == LB_OK; i++) st = one(b, sizes[i]);
    return st;
}

LB_BENCH(matmul) = {.id = "matmul", .title = "products of square matrices", .source = "", .run = run};

/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours among many rows; overlaps and surfaces of masks. */
#include <math.h>
#include <string.h>
#include "base/rng.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "eval/metric.h"
#include "eval/segmentation.h"
#include "eval/surface.h"

enum { WIDTH = 512, TOP = 10, SIDE = 512, CASES = 50, ROUNDS = 20 };

/* 10 neighbours of each query. The large one takes 2 GB and minutes: only when it is asked for by name. */
typedef struct problem {
    const char *name;
    int64_t queries, rows;
    int runs;
} problem;
static const problem problems[] = {{"topk10-2000x200k-512", 2000, 200000, 3}, {"topk10-10000x1m-512", 10000, 1000000, 1}};

typedef struct search {
    const problem *size;
    lb_tensor *rows, *queries;
    int64_t *index;
} search;

static lb_status search_once(void *ctx) {
    search *s = ctx;
    return lb_top_k(s->index, NULL, s->queries->data, s->size->queries, s->rows->data, s->size->rows, WIDTH, TOP);
}

static lb_status measure_search(cli_bench *b, const problem *size) {
    lb_status st = LB_OK;
    search s = {.size = size};
    double seconds;
    LB_TRY(cli_bench_random(b, &s.rows, "rows", 2, (int64_t[]){size->rows, WIDTH}));
    LB_TRY(cli_bench_random(b, &s.queries, "queries", 2, (int64_t[]){size->queries, WIDTH}));
    if (!(s.index = lb_alloc((size_t)size->queries * TOP, sizeof *s.index))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cli_bench_best(b, &seconds, size->runs, size->runs > 1, search_once, &s));
    LB_TRY(cli_bench_say(b, size->name, "limbeck", (double)size->queries / seconds, "query/s"));
done:
    lb_free(s.index);
    lb_tensor_free(s.rows);
    lb_tensor_free(s.queries);
    return st;
}

typedef struct state {
    uint8_t *mask; /* [2 * CASES][SIDE * SIDE] */
    lb_segmentation *s;
} state;

static lb_segmentation_case case_of(const state *s, int64_t i) {
    return (lb_segmentation_case){.key = "case", .truth = s->mask + 2 * i * SIDE * SIDE, .guess = s->mask + (2 * i + 1) * SIDE * SIDE, .rank = 2, .shape = {SIDE, SIDE}};
}

/* Case by case, as `eval segmentation` counts them: a case is one thread's. */
static lb_status overlap_once(void *ctx) {
    const state *s = ctx;
    int bad = 0;
#pragma omp parallel for schedule(static) reduction(| : bad) num_threads(lb_threads())
    for (int64_t k = 0; k < ROUNDS * CASES; k++) {
        lb_class_counts counts[2];
        lb_segmentation_case c = case_of(s, k % CASES);
        bad |= lb_segmentation_count(s->s, &c, counts) != LB_OK;
    }
    return bad ? lb_fail(LB_E_BUG, "bench: masks of 0 and 1 were refused") : LB_OK;
}

static lb_status surface_once(void *ctx) {
    const state *s = ctx;
    for (int64_t i = 0; i < CASES; i++) {
        lb_segmentation_case c = case_of(s, i);
        lb_mask_pair m = {c.truth, c.guess, 2, {SIDE, SIDE}, {1, 1}};
        lb_surface edges[2];
        lb_status st = lb_surface_edges(edges, &m);
        if (st != LB_OK) return st;
        bool odd = isnan(lb_hausdorff(edges, 95));
        lb_surfaces_free(edges);
        if (odd) return lb_fail(LB_E_BUG, "bench: a mask without a surface");
    }
    return LB_OK;
}

/* Ellipses: the truth, and the same pushed aside and stretched. */
static void draw(uint8_t *mask, double x, double y, double a, double b) {
    for (int64_t r = 0; r < SIDE; r++)
        for (int64_t c = 0; c < SIDE; c++) {
            double u = ((double)c - x) / a, v = ((double)r - y) / b;
            mask[r * SIDE + c] = u * u + v * v < 1;
        }
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    state s = {0};
    double seconds;
    LB_TRY(cli_bench_wants(b, problems[0].name) ? measure_search(b, &problems[0]) : LB_OK);
    LB_TRY(b->only && strcmp(b->only, problems[1].name) == 0 ? measure_search(b, &problems[1]) : LB_OK);
    lb_segmentation_options o = LB_SEGMENTATION_DEFAULTS;
    o.boundary = false;
    LB_TRY(lb_segmentation_new(&s.s, &o));
    if (!(s.mask = lb_alloc((size_t)2 * CASES * SIDE * SIDE, 1))) {
        st = LB_E_NOMEM;
        goto done;
    }
    lb_rng r = lb_rng_make(1, 2);
    for (int64_t i = 0; i < CASES; i++) {
        double x = 150 + (double)lb_rng_below(&r, 200), y = 150 + (double)lb_rng_below(&r, 200), a = 40 + (double)lb_rng_below(&r, 100), c = 40 + (double)lb_rng_below(&r, 100);
        draw(s.mask + 2 * i * SIDE * SIDE, x, y, a, c);
        draw(s.mask + (2 * i + 1) * SIDE * SIDE, x + 9, y - 5, a * 1.1, c * 0.9);
    }
    if (cli_bench_wants(b, "dice-iou-512")) {
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, overlap_once, &s));
        LB_TRY(cli_bench_say(b, "dice-iou-512", "limbeck", ROUNDS * CASES / seconds, "mask/s"));
    }
    if (cli_bench_wants(b, "hd95-512")) {
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, surface_once, &s));
        LB_TRY(cli_bench_say(b, "hd95-512", "limbeck", CASES / seconds, "mask/s"));
    }
done:
    lb_segmentation_free(s.s);
    lb_free(s.mask);
    return st;
}

LB_BENCH(eval) = {.id = "eval", .title = "neighbours among many rows, overlaps and surfaces of masks", .source = "", .run = run};

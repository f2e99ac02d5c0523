/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours among many rows; overlaps and surfaces of masks. */
#include <math.h>
#include "base/rng.h"
#include "cli/bench.h"
#include "eval/metric.h"
#include "eval/segmentation.h"
#include "eval/surface.h"

enum { QUERIES = 2000, ROWS = 200000, WIDTH = 512, TOP = 10, SIDE = 512, CASES = 50, ROUNDS = 20 };

typedef struct state {
    lb_tensor *rows, *queries;
    int64_t *index;
    uint8_t *mask; /* [2 * CASES][SIDE * SIDE] */
    lb_segmentation *s;
} state;

static lb_status search_once(void *ctx) {
    state *s = ctx;
    return lb_top_k(s->index, NULL, s->queries->data, QUERIES, s->rows->data, ROWS, WIDTH, TOP);
}

static lb_segmentation_case case_of(const state *s, int64_t i) {
    return (lb_segmentation_case){.key = "case", .truth = s->mask + 2 * i * SIDE * SIDE, .guess = s->mask + (2 * i + 1) * SIDE * SIDE, .rank = 2, .shape = {SIDE, SIDE}};
}

static lb_status overlap_once(void *ctx) {
    const state *s = ctx;
    lb_class_counts counts[2];
    for (int64_t k = 0; k < ROUNDS * CASES; k++) {
        lb_segmentation_case c = case_of(s, k % CASES);
        lb_status st = lb_segmentation_count(s->s, &c, counts);
        if (st != LB_OK) return st;
    }
    return LB_OK;
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
    if (cli_bench_wants(b, "topk10-2000x200k-512")) {
        LB_TRY(cli_bench_random(b, &s.rows, "rows", 2, (int64_t[]){ROWS, WIDTH}));
        LB_TRY(cli_bench_random(b, &s.queries, "queries", 2, (int64_t[]){QUERIES, WIDTH}));
        if (!(s.index = lb_alloc((size_t)QUERIES * TOP, sizeof *s.index))) {
            st = LB_E_NOMEM;
            goto done;
        }
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, search_once, &s));
        LB_TRY(cli_bench_say(b, "topk10-2000x200k-512", "limbeck", QUERIES / seconds, "query/s"));
    }
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
    lb_free(s.index);
    lb_tensor_free(s.rows);
    lb_tensor_free(s.queries);
    return st;
}

LB_BENCH(eval) = {.id = "eval", .title = "neighbours among many rows, overlaps and surfaces of masks", .source = "", .run = run};

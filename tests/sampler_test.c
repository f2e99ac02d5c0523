/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of training: each item once an epoch, the same again from any step on, and by chunks few chunks at a time. */
#include <string.h>
#include "base/file.h"
#include "base/rng.h"
#include "cli/source_order.h"
#include "datasets/sampler.h"
#include "tests/check.h"

enum { COUNT = 1000, BATCH = 7, STEPS = 3 * COUNT / BATCH };

static lb_sampler *sampler(uint64_t seed, const char *stream) {
    lb_sampler *s = NULL;
    CHECK_OK(lb_sampler_open(&s, &(lb_sampler_spec){.seed = seed, .stream = stream, .count = COUNT}));
    return s;
}

/* Every epoch is the generator's own permutation: the order that recorded runs had. */
static void permutations(void) {
    int64_t order[COUNT], rows[BATCH], epoch = 0;
    lb_sampler *s = sampler(9, "labelled");
    for (int64_t step = 0, made = -1; step < STEPS; step++) {
        CHECK_OK(lb_sampler_batch(s, rows, &epoch, BATCH, step));
        CHECK_INT(epoch, step * BATCH / COUNT);
        for (int64_t i = 0, at = step * BATCH; i < BATCH; i++, at++) {
            if (at / COUNT != made) {
                made = at / COUNT;
                lb_rng r = lb_rng_of(9, (uint64_t)made, "labelled");
                lb_rng_permutation(&r, order, COUNT);
            }
            if (!CHECK_INT(rows[i], order[at % COUNT])) break;
        }
    }
    lb_sampler_close(s);
}

/* Steps in any order, as workers and a resumed run ask for them; a batch larger than an epoch. */
static void any_step(void) {
    static int64_t all[STEPS][BATCH], once[3 * COUNT];
    int64_t rows[BATCH], epoch = 0;
    lb_sampler *s = sampler(4, "a"), *again = sampler(4, "a");
    for (int64_t step = 0; step < STEPS; step++) CHECK_OK(lb_sampler_batch(s, all[step], &epoch, BATCH, step));
    for (int64_t step = STEPS - 1; step >= 0; step--) {
        CHECK_OK(lb_sampler_batch(again, rows, &epoch, BATCH, step));
        if (!CHECK(memcmp(rows, all[step], sizeof rows) == 0)) break;
    }
    CHECK_OK(lb_sampler_batch(s, once, &epoch, 3 * COUNT, 0));
    CHECK(memcmp(once, all, sizeof all) == 0);
    CHECK_FAILS(lb_sampler_batch(s, rows, &epoch, 0, 0), LB_E_ARG, "stream a");
    CHECK_FAILS(lb_sampler_batch(s, rows, &epoch, BATCH, -1), LB_E_ARG, "stream a");
    lb_sampler_close(s);
    lb_sampler_close(again);
    CHECK_FAILS(lb_sampler_open(&s, &(lb_sampler_spec){.stream = "a"}), LB_E_ARG, "stream a");
}

/* Rows of 4 KiB: chunks of 256 rows; the last is short, one row in 50 failed, and the stream has two of three: at most 171 of a chunk. */
enum { ROWS = 10300, WIDTH = 1024, CHUNK = 256, KEPT = 171, WINDOW = 32 };

static lb_status make(const char *path) {
    lb_tap_spec tap = {.name = "x", .rank = 1, .shape = {WIDTH}, .dtype = LB_F32};
    lb_fingerprint print = {"sha256:w", "sha256:p", "none", "x", "sha256:l", "test 1"};
    static float zero[WIDTH];
    const float *values[1] = {zero};
    char **keys = lb_calloc(ROWS, sizeof *keys);
    lb_cache_writer *w = NULL;
    int64_t at = 0;
    for (int64_t i = 0; i < ROWS; i++) keys[i] = lb_format_dup("k%lld", (long long)i);
    lb_status st = lb_cache_begin(&w, &at, path, &print, ROWS, (const char *const *)keys, 1, &tap);
    for (; st == LB_OK && at < ROWS; at++) st = at % 50 == 7 ? lb_cache_failed_row(w, LB_E_FORMAT, "broken") : lb_cache_row(w, values, NULL);
    if (st == LB_OK) st = lb_cache_commit(&w);
    lb_cache_close_part(&w);
    lb_names_free(keys, ROWS);
    return st;
}

/* A stream of some rows of a cache, in an order of its own. */
static void by_chunks(void) {
    const char *path = check_tmp("chunks.h5");
    static int64_t rows[ROWS], a[ROWS], b[ROWS];
    static uint8_t seen[ROWS];
    int64_t count = 0, epoch = 0, same = 0;
    lb_cache *c = NULL;
    cli_chunk_order *o = NULL, *text = NULL;
    lb_sampler *s = NULL;
    if (!CHECK_OK(make(path)) || !CHECK_OK(lb_cache_open(&c, path))) return;
    for (int64_t i = ROWS - 1; i >= 0; i--)
        if (i % 50 != 7 && i % 3) rows[count++] = i;
    CHECK_OK(cli_chunk_order_open(&o, c, 0, "a", rows, count));
    CHECK_OK(cli_chunk_order_open(&text, c, 0, "a.text", rows, count));
    CHECK_OK(lb_sampler_open(&s, &(lb_sampler_spec){.seed = 3, .stream = "a", .count = count, .order = cli_chunk_order_make, .ctx = o}));
    CHECK_OK(lb_sampler_batch(s, a, &epoch, count, 1));
    CHECK_INT(epoch, 1);
    for (int64_t i = 0; i < count; i++) CHECK(a[i] >= 0 && a[i] < count && !seen[a[i]]++);
    /* At most a window of chunks between a chunk's first row and its last. */
    static int64_t first[ROWS / CHUNK + 1];
    memset(first, -1, sizeof first);
    for (int64_t i = 0; i < count; i++) {
        int64_t k = rows[a[i]] / CHUNK;
        if (first[k] < 0) first[k] = i;
        if (!CHECK(i - first[k] < WINDOW * KEPT)) break;
    }
    CHECK_OK(cli_chunk_order_make(o, 3, 1, b));
    CHECK(memcmp(a, b, (size_t)count * sizeof *a) == 0);
    CHECK_OK(cli_chunk_order_make(o, 3, 2, b));
    for (int64_t i = 0; i < count; i++) same += a[i] == b[i];
    CHECK_OK(cli_chunk_order_make(text, 3, 1, b));
    for (int64_t i = 0; i < count; i++) same += a[i] == b[i];
    CHECK(same < count / 100);
    lb_sampler_close(s);
    cli_chunk_order_close(o);
    cli_chunk_order_close(text);
    rows[1] = rows[0];
    o = NULL;
    CHECK_FAILS(cli_chunk_order_open(&o, c, 0, "a", rows, count), LB_E_ARG, "stream a");
    lb_cache_close(c);
}

int main(int argc, char **argv) { return check_main(argc, argv, "sampler", (check_test[]){{"permutations", permutations}, {"any_step", any_step}, {"by_chunks", by_chunks}, {0}}); }

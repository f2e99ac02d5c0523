/* SPDX-License-Identifier: Apache-2.0 */
/* Feature files: 200,000 rows of 512 f16 written, read in several orders; a cache of 10 million items opened. In the working folder, whose
 * disk is what is measured; for reading the files are in the page cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "io/cache.h"

enum { ROWS = 200000, WIDTH = 512, BATCH = 256, MANY = 10000000, CHUNK = 1 << 20 };

typedef struct state {
    float *x;          /* [ROWS, WIDTH] */
    char **keys;
    const char *path;
    bool deflate;
    lb_cache *c;
    int64_t *rows, count; /* what is read, in this order */
    int workers;
} state;

/* ---- writing ---- */

static lb_status put(lb_cache_writer **w, state *s, int64_t n, int64_t width) {
    static const lb_fingerprint print = {"w", "p", "t", "x", "l", "bench"};
    lb_tap_spec tap = {.name = "x", .rank = 1, .shape = {width}, .dtype = LB_F16, .deflate = s->deflate};
    int64_t done;
    lb_status st = lb_cache_begin(w, &done, s->path, &print, n, (const char *const *)s->keys, 1, &tap);
    for (int64_t i = 0; i < n && st == LB_OK; i++) st = lb_cache_row(*w, (const float *const[]){s->x + i % ROWS * WIDTH}, NULL);
    return st == LB_OK ? lb_cache_commit(w) : st;
}

static lb_status write_file(state *s, int64_t n, int64_t width) {
    lb_cache_writer *w = NULL;
    lb_status st = put(&w, s, n, width);
    lb_cache_discard(&w);
    return st;
}

static lb_status write_once(state *s) { return write_file(s, ROWS, WIDTH); }

/* The floor: the same bytes by the system alone. */
static lb_status plain_once(state *s) {
    int fd = open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    lb_status st = fd >= 0 ? LB_OK : lb_fail(LB_E_IO, "%s: %s", s->path, strerror(errno));
    for (int64_t at = 0; at < (int64_t)ROWS * WIDTH * 2 && st == LB_OK; at += CHUNK) {
        int64_t left = (int64_t)ROWS * WIDTH * 2 - at, n = left < CHUNK ? left : CHUNK;
        if (pwrite(fd, (const char *)s->x + at, (size_t)n, at) != n) st = lb_fail(LB_E_IO, "%s: %s", s->path, strerror(errno));
    }
    if (st == LB_OK && fsync(fd) != 0) st = lb_fail(LB_E_IO, "%s: %s", s->path, strerror(errno));
    if (fd >= 0) close(fd);
    return st;
}

/* The best of several; removing what the one before left is no part of it. */
static lb_status say_writing(cli_bench *b, state *s, const char *name, const char *peer, lb_status (*once)(state *s)) {
    double best = 0;
    for (int i = 0; i < 3; i++) {
        unlink(s->path);
        if (lb_progress_stopped(&b->cli->progress)) return lb_fail(LB_E_CANCELLED, "bench: stopped");
        double start = lb_now();
        lb_status st = once(s);
        if (st != LB_OK) return st;
        double took = lb_now() - start;
        if (i == 0 || took < best) best = took;
    }
    return cli_bench_wants(b, name) ? cli_bench_say(b, name, peer, ROWS * WIDTH * 2e-6 / best, "MB/s") : LB_OK;
}

/* ---- reading ---- */

static lb_status read_once(void *ctx) {
    const state *s = ctx;
    lb_cache_stream *stream = NULL;
    lb_cache_batch *b = NULL;
    lb_status st = lb_cache_stream_open(&stream, s->c, &(lb_cache_stream_spec){.ntaps = 1, .taps = (int[]){0}, .rows = s->rows, .count = s->count, .batch = BATCH, .workers = s->workers});
    while (st == LB_OK && (st = lb_cache_stream_next(stream, &b)) == LB_OK && b) lb_cache_batch_free(b);
    lb_cache_stream_close(stream);
    return st;
}

static lb_status say_reading(cli_bench *b, state *s, const char *name) {
    double seconds;
    if (!cli_bench_wants(b, name)) return LB_OK;
    lb_status st = cli_bench_best(b, &seconds, 3, 1, read_once, s);
    return st == LB_OK ? cli_bench_say(b, name, "limbeck", (double)s->count / seconds, "rows/s") : st;
}

static lb_status say_orders(cli_bench *b, state *s, const char *kind) {
    lb_status st = LB_OK;
    char name[96];
    lb_rng rng = lb_rng_make(1, 1);
    LB_TRY(lb_cache_open(&s->c, s->path));
    lb_cache_set_memory(s->c, (int64_t)64 << 20); /* less than the file: blocks come and go */
    s->count = ROWS;
    for (int64_t i = 0; i < ROWS; i++) s->rows[i] = i;
    snprintf(name, sizeof name, "h5-sequential-batch256-%s", kind);
    LB_TRY(say_reading(b, s, name));
    LB_TRY(lb_cache_order(s->c, 0, 1, 0, LB_CACHE_WINDOW, s->rows, &s->count));
    snprintf(name, sizeof name, "h5-shuffled-batch256-%s", kind);
    LB_TRY(say_reading(b, s, name));
    s->count = s->deflate ? 50 * BATCH : ROWS; /* a fully random row of a deflated file costs a chunk */
    lb_rng_permutation(&rng, s->rows, ROWS);
    snprintf(name, sizeof name, "h5-random-batch256-%s", kind);
    LB_TRY(say_reading(b, s, name));
done:
    lb_cache_close(s->c);
    s->c = NULL;
    return st;
}

/* Is one of the figures of a kind asked for? */
static bool wants_kind(const cli_bench *b, const char *kind) {
    static const char *const figures[] = {"h5-write-200k-512-f16", "h5-size-200k-512-f16", "h5-sequential-batch256", "h5-shuffled-batch256", "h5-random-batch256"};
    bool wanted = false;
    for (size_t i = 0; i < LB_COUNT(figures); i++) {
        char name[96];
        snprintf(name, sizeof name, "%s-%s", figures[i], kind);
        wanted |= cli_bench_wants(b, name);
    }
    return wanted;
}

static lb_status one_kind(cli_bench *b, state *s, const char *kind, bool deflate) {
    lb_status st = LB_OK;
    if (!wants_kind(b, kind)) return LB_OK;
    char name[96];
    int64_t size = 0;
    s->deflate = deflate;
    snprintf(name, sizeof name, "h5-write-200k-512-f16-%s", kind);
    LB_TRY(say_writing(b, s, name, "limbeck", write_once));
    snprintf(name, sizeof name, "h5-size-200k-512-f16-%s", kind);
    LB_TRY(lb_file_size(&size, s->path));
    if (cli_bench_wants(b, name)) LB_TRY(cli_bench_say(b, name, "limbeck", ROWS * WIDTH * 2.0 / (double)size, "ratio"));
    LB_TRY(say_orders(b, s, kind));
done:
    return st;
}

/* ---- opening ---- */

static lb_status open_once(void *ctx) {
    state *s = ctx;
    lb_status st = lb_cache_open(&s->c, s->path);
    lb_cache_close(s->c);
    s->c = NULL;
    return st;
}

static lb_status make_keys(state *s, int64_t n) {
    if (!(s->keys = lb_calloc((size_t)n, sizeof *s->keys))) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        if (!(s->keys[i] = lb_format_dup("%05lld/%09lld.jpg", (long long)i / 10000, (long long)i))) return LB_E_NOMEM;
    return LB_OK;
}

static void free_keys(state *s, int64_t n) {
    lb_names_free(s->keys, s->keys ? n : 0);
    s->keys = NULL;
}

static lb_status opening(cli_bench *b, state *s) {
    lb_status st = LB_OK;
    double seconds;
    static const char name[] = "h5-open-10m-items";
    if (!cli_bench_wants(b, name)) return LB_OK;
    s->deflate = false;
    LB_TRY(make_keys(s, MANY));
    unlink(s->path);
    LB_TRY(write_file(s, MANY, 8));
    LB_TRY(cli_bench_best(b, &seconds, 3, 1, open_once, s));
    LB_TRY(cli_bench_say(b, name, "limbeck", seconds * 1e3, "ms"));
done:
    free_keys(s, MANY);
    return st;
}

static lb_status run(cli_bench *b) {
    lb_status st = LB_OK;
    lb_tensor *x = NULL;
    state s = {.path = "limbeck-bench-store.h5", .workers = lb_threads()};
    LB_TRY(cli_bench_random(b, &x, "store", 2, (int64_t[]){ROWS, WIDTH}));
    s.x = x->data;
    if (!(s.rows = lb_alloc(ROWS, sizeof *s.rows))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(make_keys(&s, ROWS));
    if (cli_bench_wants(b, "h5-write-200k-512-f16-raw")) LB_TRY(say_writing(b, &s, "h5-write-200k-512-f16-raw", "pwrite", plain_once));
    LB_TRY(one_kind(b, &s, "raw", false));
    LB_TRY(one_kind(b, &s, "gzip1", true));
    free_keys(&s, ROWS);
    LB_TRY(opening(b, &s));
done:
    unlink(s.path);
    free_keys(&s, ROWS);
    lb_free(s.rows);
    lb_tensor_free(x);
    return st;
}

LB_BENCH(store) = {.id = "store", .title = "feature files: writing, reading in order, in shuffled chunks and at random, opening", .source = "", .run = run};

/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying: every byte of a file of ours is in its first line, its index, a table, a chunk or HDF5's records, and each of these has a checksum.
 * Then, for files of others too, structure and NaN in rows that say ok. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/cache_private.h"

struct checker {
    void (*problem)(void *ctx, const char *file, const char *text);
    void *ctx;
    int64_t problems;
};

static void report(struct checker *c, const char *file, const char *text) {
    size_t n = strlen(file);
    if (strncmp(text, file, n) == 0 && text[n] == ':') text += n + 2; /* the file is named already */
    c->problems++;
    if (c->problem) c->problem(c->ctx, file, text);
}

/* What the disk or memory refuses is a failure; what is wrong in the file is a finding. */
static bool finding(lb_status st) { return st == LB_E_FORMAT || st == LB_E_UNSUPPORTED || st == LB_E_MISMATCH || st == LB_E_SHAPE; }

/* What is in no table: HDF5's records, and that nothing lies between. */
static void check_rest(struct checker *c, shard *s) {
    enum { PIECE = 4 << 20 };
    int64_t tail = s->seal.index + s->seal.index_size, at = tail, chunks = CACHE_DATA;
    char *bytes = lb_alloc(PIECE, 1);
    uint64_t sum = 0;
    lb_status st = bytes ? cache_pread(s->fd, s->path, bytes, CACHE_DATA - CACHE_USERBLOCK, CACHE_USERBLOCK) : LB_E_NOMEM;
    if (st == LB_OK) sum = cache_hash(bytes, CACHE_DATA - CACHE_USERBLOCK, 0);
    while (st == LB_OK && at < s->seal.size) {
        int64_t n = s->seal.size - at < PIECE ? s->seal.size - at : PIECE;
        st = cache_pread(s->fd, s->path, bytes, n, at);
        if (st == LB_OK) sum = cache_hash(bytes, (size_t)n, sum);
        at += n;
    }
    for (int i = 0; i < s->ntaps; i++)
        for (int64_t k = 0; k < s->taps[i].index->nchunks; k++) chunks += (int64_t)s->taps[i].index->chunks[3 * k + 1];
    if (st != LB_OK) report(c, s->path, lb_error_text());
    else if (sum != s->seal.rest_sum) report(c, s->path, CACHE_DAMAGED " (HDF5's records: checksum differs)");
    else if (chunks != s->index.data_end) report(c, s->path, CACHE_DAMAGED " (chunks do not fill their place)");
    lb_free(bytes);
}

static void check_table(struct checker *c, shard *s, lb_status st) {
    if (st != LB_OK) report(c, s->path, lb_error_text());
}

static void check_own(struct checker *c, shard *s) {
    check_rest(c, s);
    check_table(c, s, shard_load_keys(s));
    check_table(c, s, shard_load_messages(s));
    if (!s->keys) return;
    char sha[65];
    cache_texts_sha256(s->n, (const char *const *)s->keys, sha);
    if (strcmp(sha, s->keys_sha256) != 0) report(c, s->path, CACHE_DAMAGED " (keys: SHA-256 differs)");
}

/* First NaN or infinity of an ok item in a block, as one problem per tap. */
static bool bad_number(const shard *s, const shard_tap *t, int64_t block, const char *bytes, int64_t *item) {
    int64_t rows = shard_block_rows(t, block), size = (int64_t)lb_dtype_size(t->tap.dtype), width = t->grid.row_bytes / size, at = 0;
    if (t->tap.dtype == LB_I8) return false;
    for (int64_t r = 0; r < rows; r++) {
        int64_t position = block * t->grid.rows + r;
        if (t->offsets)
            while (at + 1 < s->n && t->offsets[at + 1] <= position) at++;
        else
            at = position;
        for (int64_t k = 0; k < width && !s->status[at]; k++) {
            float x;
            lb_convert(&x, LB_F32, bytes + (r * width + k) * size, t->tap.dtype, 1);
            if (isfinite(x)) continue;
            *item = at;
            return true;
        }
    }
    return false;
}

static lb_status check_tap(struct checker *c, shard *s, shard_tap *t) {
    lb_status st = LB_OK;
    bool told = false;
    char *bytes = lb_alloc((size_t)t->grid.rows, (size_t)t->grid.row_bytes);
    if (!bytes) return LB_E_NOMEM;
    st = shard_load_tap(s, t);
    for (int64_t b = 0; b < t->grid.blocks && st == LB_OK; b++) {
        int64_t item;
        st = shard_read_block(s, t, b, true, bytes);
        if (finding(st)) {
            report(c, s->path, lb_error_text());
            st = LB_OK;
        } else if (st == LB_OK && !told && s->keys && bad_number(s, t, b, bytes, &item)) {
            char text[512];
            snprintf(text, sizeof text, "tap '%s' of item '%s' is not finite, though its status says ok", t->tap.name, s->keys[item]);
            report(c, s->path, text);
            told = true;
        }
    }
    lb_free(bytes);
    return st;
}

static lb_status check_file(struct checker *c, const char *path) {
    shard s = {.fd = -1};
    lb_status st = shard_open(&s, path);
    if (st == LB_OK && s.foreign) st = shard_foreign_trial(path, true);
    if (st == LB_OK && s.foreign) report(c, path, "has no checksums (made by another program?)");
    else if (st == LB_OK) check_own(c, &s);
    for (int i = 0; i < s.ntaps && st == LB_OK; i++) {
        st = check_tap(c, &s, &s.taps[i]);
        if (!finding(st)) continue;
        report(c, path, lb_error_text());
        st = LB_OK;
    }
    if (finding(st) || st == LB_E_NOTFOUND) {
        report(c, path, lb_error_text());
        st = LB_OK;
    }
    shard_free(&s);
    return st;
}

lb_status lb_cache_verify(const char *path, void (*problem)(void *ctx, const char *file, const char *text), void *ctx, int64_t *problems) {
    struct checker c = {problem, ctx, 0};
    char **paths = NULL;
    int64_t count = 0;
    lb_cache *whole = NULL;
    lb_status st = cache_files(&paths, &count, path);
    for (int64_t i = 0; i < count && st == LB_OK; i++) st = check_file(&c, paths[i]);
    if (st == LB_OK && c.problems == 0) { /* what only shows between shards, and keys that are there twice */
        st = lb_cache_open(&whole, path);
        if (st == LB_OK) st = lb_cache_load_keys(whole);
        if (finding(st)) {
            report(&c, path, lb_error_text());
            st = LB_OK;
        }
        lb_cache_close(whole);
    }
    lb_names_free(paths, count);
    if (st == LB_OK) lb_error_clear();
    *problems = c.problems;
    return st;
}

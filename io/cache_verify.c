/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying: the bytes of the file against its first 512; then, for files that others made too, structure, tables, every block, and NaN in rows that say ok. */
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

/* *broken: the bytes changed since they were written. Such a file is not given to HDF5, which may crash on it. */
static lb_status check_bytes(struct checker *c, const char *path, bool *broken) {
    cache_seal seal;
    lb_status st = cache_check_seal(path, &seal);
    *broken = seal == CACHE_SEAL_BROKEN;
    if (st == LB_OK && seal == CACHE_SEAL_NONE) report(c, path, "has no checksum of the whole file (made by another program?)");
    if (st == LB_OK && *broken) report(c, path, CACHE_DAMAGED);
    return st;
}

/* First NaN or infinity of an ok item in a block, as one problem per tap. */
static bool bad_number(const shard *s, const shard_tap *t, int64_t block, const char *bytes, int64_t *item) {
    int64_t rows = shard_block_rows(t, block), size = (int64_t)lb_dtype_size(t->tap.dtype), at = 0;
    if (t->tap.dtype == LB_I8) return false;
    for (int64_t r = 0; r < rows; r++) {
        int64_t position = block * t->block + r;
        if (t->offsets)
            while (at + 1 < s->n && t->offsets[at + 1] <= position) at++;
        else
            at = position;
        for (int64_t k = 0; k < t->data->row && !s->status[at]; k++) {
            float x;
            lb_convert(&x, LB_F32, bytes + (r * t->data->row + k) * size, t->tap.dtype, 1);
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
    char *bytes = lb_alloc((size_t)(t->block * t->data->row), lb_dtype_size(t->tap.dtype));
    if (!bytes) return LB_E_NOMEM;
    for (int64_t b = 0; b < t->blocks && st == LB_OK; b++) {
        int64_t item;
        st = shard_read_block(s, t, b, bytes);
        if (finding(st)) {
            report(c, s->path, lb_error_text());
            st = LB_OK;
        } else if (st == LB_OK && !told && bad_number(s, t, b, bytes, &item)) {
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
    shard s = {0};
    bool broken = false;
    lb_status st = check_bytes(c, path, &broken);
    if (st != LB_OK || broken) return st;
    st = shard_open(&s, path);
    for (int i = 0; i < s.ntaps && st == LB_OK; i++) st = check_tap(c, &s, &s.taps[i]);
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

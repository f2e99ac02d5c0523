/* SPDX-License-Identifier: Apache-2.0 */
/* One finished feature file: opened by its index, tables read when needed, features chunk by chunk, each checked. Files of other programs
 * (cache_foreign.c) go through HDF5. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

static lb_status bad(const shard *s, const char *what, const char *why) { return lb_fail(LB_E_FORMAT, "%s: " CACHE_DAMAGED " (%s%s)", s->path, what, why); }

/* A table as a new array with a zero behind it. */
static lb_status load_table(const shard *s, const cache_table *t, const char *what, void *out) {
    lb_status st = LB_OK;
    char *bytes = lb_alloc((size_t)t->bytes + 1, 1);
    if (!bytes) return LB_E_NOMEM;
    bytes[t->bytes] = '\0';
    for (int64_t at = 0, i = 0; at < t->bytes && st == LB_OK; at += CACHE_PIECE, i++) {
        int64_t n = t->bytes - at < CACHE_PIECE ? t->bytes - at : CACHE_PIECE;
        st = cache_pread(s->fd, s->path, bytes + at, n, t->address + at);
        if (st == LB_OK && lb_hash64(bytes + at, (size_t)n, 0) != t->sums[i]) st = bad(s, what, ": checksum differs");
    }
    if (st != LB_OK) lb_free(bytes);
    else *(void **)out = bytes;
    return st;
}

/* ---- opening ---- */

static bool inside(const shard *s, int64_t at, int64_t bytes) { return at >= CACHE_DATA && bytes >= 0 && at <= s->seal.index && bytes <= s->seal.index - at; }

static bool sane_table(const shard *s, const cache_table *t, int64_t bytes) { return (t->bytes == 0 || inside(s, t->address, t->bytes)) && (bytes < 0 || t->bytes == bytes); }

/* Sizes whose products fit, chunks that are there and as large as they say. */
static bool sane_tap(shard *s, shard_tap *t, const cache_index_tap *x) {
    int64_t bytes = (int64_t)lb_dtype_size(x->dtype);
    lb_tap_spec spec = {.name = x->name, .rank = x->rank, .ragged = x->ragged, .dtype = x->dtype};
    memcpy(spec.shape, x->shape, sizeof spec.shape);
    for (int d = x->ragged ? 1 : 0; d < x->rank; d++)
        if (!lb_mul_i64(&bytes, bytes, x->shape[d]) || bytes > (int64_t)1 << 40) return false;
    if (x->rank < (x->ragged ? 1 : 0) || x->rank + (x->ragged ? 0 : 1) > LB_MAX_RANK || x->positions > ((int64_t)1 << 60) / (bytes ? bytes : 1)) return false;
    if (!x->ragged && x->positions != s->n) return false;
    cache_grid_make(&t->grid, &spec, x->positions);
    if (x->nchunks != t->grid.blocks * t->grid.slabs) return false;
    for (int64_t i = 0; i < x->nchunks; i++) {
        int64_t at = (int64_t)x->chunks[3 * i], size = (int64_t)x->chunks[3 * i + 1];
        if (!inside(s, at, size) || (!x->deflate && size != t->grid.chunk_bytes)) return false;
    }
    return sane_table(s, &x->offsets, x->ragged ? (s->n + 1) * 8 : 0) && sane_table(s, &x->scale, x->dtype == LB_I8 ? s->n * 4 : 0);
}

static lb_status open_tap(shard *s, int i) {
    const cache_index_tap *x = &s->index.taps[i];
    shard_tap *t = &s->taps[i];
    if (!sane_tap(s, t, x)) return bad(s, "its index: tap ", x->name);
    t->index = x;
    t->tap = (lb_cache_tap){.rank = x->rank, .ragged = x->ragged, .dtype = x->dtype, .classes = x->classes};
    memcpy(t->tap.name, x->name, sizeof t->tap.name);
    memcpy(t->tap.shape, x->shape, sizeof t->tap.shape);
    t->deflate = x->deflate;
    t->positions = x->positions;
    return (t->checked = lb_calloc((size_t)t->grid.blocks, 1)) ? LB_OK : LB_E_NOMEM;
}

static lb_status read_index(shard *s) {
    char *blob = lb_alloc((size_t)s->seal.index_size, 1);
    if (!blob) return LB_E_NOMEM;
    lb_status st = cache_pread(s->fd, s->path, blob, s->seal.index_size, s->seal.index);
    if (st == LB_OK && cache_hash(blob, (size_t)s->seal.index_size, 0) != s->seal.index_sum) st = bad(s, "its index", ": checksum differs");
    if (st != LB_OK) {
        lb_free(blob);
        return st;
    }
    return cache_index_read(&s->index, blob, (size_t)s->seal.index_size, s->path);
}

static lb_status open_own(shard *s) {
    lb_status st = LB_OK;
    LB_TRY(read_index(s));
    const cache_index *x = &s->index;
    s->n = x->n;
    s->print = x->print;
    memcpy(s->keys_sha256, x->keys_sha256, sizeof s->keys_sha256);
    if (!sane_table(s, &x->status, s->n) || !sane_table(s, &x->failed, -1) || !sane_table(s, &x->keys, x->key_size ? s->n * x->key_size : -1)) {
        st = bad(s, "its index", ": tables");
        goto done;
    }
    LB_TRY(load_table(s, &x->status, "status", &s->status));
    if (!(s->taps = lb_calloc((size_t)x->ntaps, sizeof *s->taps))) return LB_E_NOMEM;
    s->ntaps = x->ntaps;
    for (int i = 0; i < s->ntaps; i++) LB_TRY(open_tap(s, i));
done:
    return st;
}

static lb_status open_fd(shard *s) {
    if (lb_is_folder(s->path)) return lb_fail(LB_E_FORMAT, "%s: a folder, want a feature file", s->path);
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    return s->fd >= 0 ? LB_OK : lb_fail(errno == ENOENT || errno == ENOTDIR ? LB_E_NOTFOUND : LB_E_IO, "%s: %s", s->path, strerror(errno));
}

lb_status shard_open(shard *s, const char *path) {
    lb_status st = LB_OK;
    bool ours = false;
    s->fd = -1;
    if (!(s->path = lb_strdup(path))) return LB_E_NOMEM;
    LB_TRY(open_fd(s));
    LB_TRY(cache_seal_read(&s->seal, &ours, s->fd, path));
    if (ours) return open_own(s);
    close(s->fd);
    s->fd = -1;
    s->foreign = true;
    st = shard_foreign_open(s);
done:
    return st;
}

lb_status shard_reopen(shard *s) {
    cache_seal seal;
    bool ours;
    if (s->fd >= 0 || s->file) return LB_OK;
    if (s->foreign) return shard_foreign_reopen(s);
    lb_status st = open_fd(s);
    if (st == LB_OK) st = cache_seal_read(&seal, &ours, s->fd, s->path);
    if (st == LB_OK && (!ours || memcmp(&seal, &s->seal, sizeof seal) != 0)) st = lb_fail(LB_E_FORMAT, "%s: changed while it was in use", s->path);
    if (st != LB_OK) shard_rest(s);
    return st;
}

void shard_rest(shard *s) {
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    if (s->foreign) shard_foreign_rest(s);
}

void shard_free(shard *s) {
    if (!s->path) return;
    shard_rest(s);
    for (int i = 0; s->taps && i < s->ntaps; i++) {
        lb_free(s->taps[i].scale);
        lb_free(s->taps[i].offsets);
        lb_free(s->taps[i].checked);
        lb_free(s->taps[i].asked);
    }
    lb_free(s->taps);
    if (s->key_bytes) lb_free(s->keys);
    else lb_names_free(s->keys, s->n);
    lb_names_free(s->messages, s->messages ? s->n : 0);
    lb_free(s->key_bytes);
    lb_free(s->status);
    lb_free(s->path);
    cache_index_free(&s->index);
    *s = (shard){.fd = -1};
}

/* ---- tables ---- */

/* Texts one behind the other, each with its NUL. NULL behind the last. */
static const char *next_text(const char *at, const char *end) {
    const char *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
    return nul ? nul + 1 : NULL;
}

lb_status shard_load_keys(shard *s) {
    if (s->keys || s->foreign) return LB_OK;
    const cache_index *x = &s->index;
    char *bytes = NULL;
    lb_status st = load_table(s, &x->keys, "keys", &bytes);
    char **keys = st == LB_OK ? lb_alloc((size_t)s->n, sizeof *keys) : NULL;
    if (st == LB_OK && !keys) st = LB_E_NOMEM;
    const char *at = bytes;
    for (int64_t i = 0; i < s->n && st == LB_OK; i++) {
        const char *next = x->key_size ? at + x->key_size : next_text(at, bytes + x->keys.bytes);
        if (!next || next[-1]) st = bad(s, "keys", "");
        keys[i] = (char *)(uintptr_t)at;
        at = next;
    }
    if (st != LB_OK) {
        lb_free(bytes);
        lb_free(keys);
        return st;
    }
    s->key_bytes = bytes;
    s->keys = keys;
    return LB_OK;
}

lb_status shard_load_messages(shard *s) {
    if (s->messages || s->foreign) return LB_OK;
    char *bytes = NULL, **messages = lb_calloc((size_t)s->n, sizeof *messages);
    lb_status st = messages ? load_table(s, &s->index.failed, "messages", &bytes) : LB_E_NOMEM;
    const char *at = bytes;
    for (int64_t i = 0; i < s->n && st == LB_OK; i++) {
        if (!s->status[i]) continue;
        const char *next = next_text(at, bytes + s->index.failed.bytes);
        if (!next) st = bad(s, "messages", "");
        else if (!(messages[i] = lb_strdup(at))) st = LB_E_NOMEM;
        at = next;
    }
    lb_free(bytes);
    if (st == LB_OK) s->messages = messages;
    else lb_names_free(messages, messages ? s->n : 0);
    return st;
}

static lb_status check_offsets(const shard *s, const shard_tap *t, const int64_t *offsets) {
    bool good = offsets[0] == 0 && offsets[s->n] == t->positions;
    for (int64_t i = 0; i < s->n && good; i++) good = offsets[i + 1] >= offsets[i];
    return good ? LB_OK : bad(s, "offsets of ", t->tap.name);
}

lb_status shard_load_tap(shard *s, shard_tap *t) {
    if (s->foreign) return LB_OK;
    lb_status st = LB_OK;
    int64_t *offsets = NULL;
    if (t->tap.ragged && !t->offsets) {
        LB_TRY(load_table(s, &t->index->offsets, "offsets", &offsets));
        LB_TRY(check_offsets(s, t, offsets));
        t->offsets = offsets;
        offsets = NULL;
    }
    if (t->tap.dtype == LB_I8 && !t->scale) LB_TRY(load_table(s, &t->index->scale, "scale", &t->scale));
done:
    lb_free(offsets);
    return st;
}

/* ---- features ---- */

int64_t shard_block_rows(const shard_tap *t, int64_t block) {
    int64_t left = t->positions - block * t->grid.rows;
    return left < t->grid.rows ? left : t->grid.rows;
}

static lb_status damaged(const shard *s, const shard_tap *t, int64_t block) {
    int64_t first = block * t->grid.rows;
    return lb_fail(LB_E_FORMAT, "%s: dataset '/features/%s' is damaged in rows %lld to %lld (checksum differs)", s->path, t->tap.name, (long long)first,
                   (long long)(first + shard_block_rows(t, block) - 1));
}

/* Stored bytes of a chunk. */
static lb_status read_chunk(const shard *s, const shard_tap *t, int64_t block, int64_t chunk, bool check, void *out) {
    const uint64_t *c = &t->index->chunks[3 * chunk];
    lb_status st = cache_pread(s->fd, s->path, out, (int64_t)c[1], (int64_t)c[0]);
    if (st == LB_OK && check && lb_hash64(out, c[1], 0) != c[2]) st = damaged(s, t, block);
    return st;
}

/* One slab, whole, into plain[chunk_bytes]. */
static lb_status read_slab(const shard *s, const shard_tap *t, int64_t block, int64_t chunk, bool check, char *plain) {
    if (!t->deflate) return read_chunk(s, t, block, chunk, check, plain);
    int64_t size = (int64_t)t->index->chunks[3 * chunk + 1];
    char *stored = lb_alloc((size_t)size, 1);
    if (!stored) return LB_E_NOMEM;
    lb_status st = read_chunk(s, t, block, chunk, check, stored);
    if (st == LB_OK && cache_inflate(plain, t->grid.chunk_bytes, stored, size, (int)lb_dtype_size(t->tap.dtype)) != LB_OK) st = damaged(s, t, block);
    lb_free(stored);
    return st;
}

static lb_status read_own_block(const shard *s, const shard_tap *t, int64_t block, bool check, char *bytes) {
    const cache_grid *g = &t->grid;
    int64_t size = shard_block_rows(t, block) * g->row_bytes;
    if (g->slabs == 1 && size == g->chunk_bytes) return read_slab(s, t, block, block, check, bytes);
    char *plain = lb_alloc((size_t)g->chunk_bytes, 1);
    lb_status st = plain ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; i < g->slabs && st == LB_OK; i++) {
        int64_t offset = 0, n = size;
        st = read_slab(s, t, block, block * g->slabs + i, check, plain);
        if (g->slabs > 1) cache_grid_slab(g, i, &offset, &n);
        if (st == LB_OK) memcpy(bytes + offset, plain, (size_t)n);
    }
    lb_free(plain);
    return st;
}

lb_status shard_read_block(shard *s, shard_tap *t, int64_t block, bool check, void *bytes) {
    return s->foreign ? lb_h5_data_read(t->data, block * t->grid.rows, shard_block_rows(t, block), bytes) : read_own_block(s, t, block, check, bytes);
}

lb_status shard_read_rows(shard *s, shard_tap *t, int64_t first, int64_t count, void *bytes) {
    if (s->foreign) return lb_h5_data_read(t->data, first, count, bytes);
    const cache_grid *g = &t->grid;
    const uint64_t *c = &t->index->chunks[3 * (first / g->rows)];
    return cache_pread(s->fd, s->path, bytes, count * g->row_bytes, (int64_t)c[0] + first % g->rows * g->row_bytes);
}

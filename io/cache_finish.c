/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a feature file: behind the chunks come tables, index and HDF5's records; then it is synced and gets its name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"
#include "io/hdf5_graft.h"

typedef struct finish {
    cache_rows *r;
    const lb_fingerprint *print;
    const char *const *keys, *keys_sha256;
    int64_t key_size; /* 0: keys differ too much in length for texts of one size */
    cache_index index;
    int64_t index_at, index_size;
    uint64_t index_sum;
    lb_h5_graft *graft;
    lb_h5 *file;
} finish;

/* ---- tables ---- */

/* A table on its way: pieces of CACHE_PIECE bytes, each with its checksum. */
typedef struct table {
    finish *f;
    lb_buf piece;
    int64_t address, bytes;
    uint64_t *sums;
    int64_t count, room;
} table;

static lb_status flush_piece(table *t) {
    if (t->piece.size == 0) return LB_OK;
    if (t->count == t->room) {
        int64_t room = 2 * t->room + 16;
        uint64_t *sums = lb_realloc(t->sums, (size_t)room, sizeof *sums);
        if (!sums) return LB_E_NOMEM;
        t->sums = sums;
        t->room = room;
    }
    cache_rows *r = t->f->r;
    t->sums[t->count++] = lb_hash64(t->piece.data, t->piece.size, 0);
    lb_status st = cache_pwrite(r->fd, r->data_path, t->piece.data, (int64_t)t->piece.size, r->data_end);
    r->data_end += (int64_t)t->piece.size;
    t->bytes += (int64_t)t->piece.size;
    lb_buf_clear(&t->piece);
    return st;
}

static lb_status add(table *t, const void *bytes, int64_t size) {
    for (const char *at = bytes; size > 0;) {
        int64_t n = CACHE_PIECE - (int64_t)t->piece.size < size ? CACHE_PIECE - (int64_t)t->piece.size : size;
        lb_buf_add(&t->piece, at, (size_t)n);
        if (t->piece.failed) return LB_E_NOMEM;
        at += n;
        size -= n;
        if ((int64_t)t->piece.size < CACHE_PIECE) continue;
        lb_status st = flush_piece(t);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static void begin(table *t, finish *f) { *t = (table){.f = f, .address = f->r->data_end}; }

/* The sums belong to the index from here on. */
static lb_status end(table *t, lb_status st, cache_table *out) {
    if (st == LB_OK) st = flush_piece(t);
    lb_buf_free(&t->piece);
    *out = (cache_table){t->address, t->bytes, t->sums};
    return st;
}

static lb_status write_table(finish *f, const void *bytes, int64_t size, cache_table *out) {
    table t;
    begin(&t, f);
    return end(&t, add(&t, bytes, size), out);
}

/* Texts of one size where that takes no more room than HDF5's texts of any size would (16 bytes and about as many again each). */
static void choose_key_size(finish *f) {
    int64_t longest = 0, all = 0, n = f->r->n;
    for (int64_t i = 0; i < n; i++) {
        int64_t size = (int64_t)strlen(f->keys[i]) + 1;
        all += size;
        if (size > longest) longest = size;
    }
    f->key_size = n && longest * n <= 2 * all + 32 * n ? longest : 0;
}

static lb_status write_keys(finish *f) {
    static const char zeros[256];
    lb_status st = LB_OK;
    table t;
    begin(&t, f);
    for (int64_t i = 0; i < f->r->n && st == LB_OK; i++) {
        int64_t size = (int64_t)strlen(f->keys[i]) + 1, pad = f->key_size - size;
        st = add(&t, f->keys[i], size);
        for (; pad > 0 && st == LB_OK; pad -= (int64_t)sizeof zeros) st = add(&t, zeros, pad < (int64_t)sizeof zeros ? pad : (int64_t)sizeof zeros);
    }
    return end(&t, st, &f->index.keys);
}

static lb_status write_failed(finish *f) {
    lb_status st = LB_OK;
    table t;
    begin(&t, f);
    for (int64_t i = 0; i < f->r->n && st == LB_OK; i++)
        if (f->r->status[i]) st = add(&t, f->r->messages[i], (int64_t)strlen(f->r->messages[i]) + 1);
    return end(&t, st, &f->index.failed);
}

/* ---- index ---- */

static lb_status index_tap(finish *f, int i) {
    const cache_column *c = &f->r->columns[i];
    cache_index_tap *t = &f->index.taps[i];
    snprintf(t->name, sizeof t->name, "%s", c->spec->name);
    t->dtype = c->spec->dtype;
    t->ragged = c->spec->ragged;
    t->deflate = c->spec->deflate;
    t->rank = c->spec->rank;
    memcpy(t->shape, c->spec->shape, sizeof t->shape);
    t->classes = c->spec->classes;
    t->positions = c->grid.shape[0];
    t->nchunks = c->nchunks;
    uint64_t *chunks = lb_alloc((size_t)c->nchunks, 3 * sizeof *chunks);
    if (!chunks) return LB_E_NOMEM;
    for (int64_t k = 0; k < c->nchunks; k++) {
        chunks[3 * k] = (uint64_t)c->address[k];
        chunks[3 * k + 1] = (uint64_t)c->size[k];
        chunks[3 * k + 2] = c->sum[k];
    }
    t->chunks = chunks;
    lb_status st = c->offsets ? write_table(f, c->offsets, (f->r->n + 1) * (int64_t)sizeof *c->offsets, &t->offsets) : LB_OK;
    if (st == LB_OK && c->scale) st = write_table(f, c->scale, f->r->n * (int64_t)sizeof *c->scale, &t->scale);
    return st;
}

static lb_status write_index(finish *f) {
    lb_status st = LB_OK;
    cache_index *x = &f->index;
    lb_buf blob = {0};
    x->n = f->r->n;
    x->data_end = f->r->data_end; /* of the chunks; tables follow */
    x->print = *f->print;
    x->ntaps = f->r->ntaps;
    memcpy(x->keys_sha256, f->keys_sha256, sizeof x->keys_sha256);
    choose_key_size(f);
    x->key_size = f->key_size;
    if (!(x->taps = lb_calloc((size_t)x->ntaps, sizeof *x->taps))) return LB_E_NOMEM;
    LB_TRY(write_keys(f));
    LB_TRY(write_table(f, f->r->status, x->n, &x->status));
    LB_TRY(write_failed(f));
    for (int i = 0; i < x->ntaps; i++) LB_TRY(index_tap(f, i));
    LB_TRY(cache_index_write(&blob, x));
    f->index_at = f->r->data_end;
    f->index_size = (int64_t)blob.size;
    f->index_sum = cache_hash(blob.data, blob.size, 0);
    LB_TRY(cache_pwrite(f->r->fd, f->r->data_path, blob.data, f->index_size, f->index_at));
    f->r->data_end += f->index_size;
done:
    lb_buf_free(&blob);
    return st;
}

/* ---- HDF5's records ---- */

static lb_status adopt_table(finish *f, const char *dataset, lb_dtype dtype, int64_t count, int64_t address) {
    return lb_h5_graft_adopt(f->graft, dataset, &(lb_h5_grafted){.dtype = dtype, .rank = 1, .shape = {count}, .address = &address});
}

static lb_status adopt_tap(finish *f, int i) {
    lb_status st = LB_OK;
    char path[160];
    const cache_column *c = &f->r->columns[i];
    const cache_index_tap *t = &f->index.taps[i];
    const char *name = c->spec->name;
    lb_tensor *sums = NULL;
    int64_t nothing = CACHE_DATA;
    lb_h5_grafted d = {.dtype = c->spec->dtype, .rank = c->grid.rank, .nchunks = c->nchunks, .address = c->nchunks ? c->address : &nothing, .size = c->size, .deflate = c->spec->deflate};
    memcpy(d.shape, c->grid.shape, (size_t)d.rank * sizeof *d.shape);
    memcpy(d.chunk, c->grid.chunk, (size_t)d.rank * sizeof *d.chunk);
    LB_TRY(lb_h5_graft_adopt(f->graft, cache_path(path, "/features", name), &d));
    if (c->spec->classes) LB_TRY(lb_h5_set_int(f->file, path, "classes", c->spec->classes));
    if (c->offsets) LB_TRY(adopt_table(f, cache_path(path, "/offsets", name), LB_I64, f->r->n + 1, t->offsets.address));
    if (c->scale) LB_TRY(adopt_table(f, cache_path(path, "/scale", name), LB_F32, f->r->n, t->scale.address));
    LB_TRY(lb_tensor_new(&sums, LB_U64, 1, &c->nchunks));
    if (c->nchunks) memcpy(sums->data, c->sum, (size_t)c->nchunks * sizeof *c->sum);
    LB_TRY(lb_h5_write(f->file, cache_path(path, "/checksum", name), sums));
done:
    lb_tensor_free(sums);
    return st;
}

static lb_status adopt_keys(finish *f) {
    if (f->key_size == 0) return lb_h5_write_texts(f->file, "/keys", f->r->n, f->keys);
    return lb_h5_graft_adopt(f->graft, "/keys", &(lb_h5_grafted){.text = f->key_size, .rank = 1, .shape = {f->r->n}, .address = &f->index.keys.address});
}

static lb_status write_messages(finish *f) {
    static const char none[1];
    const char **texts = lb_alloc((size_t)f->r->n, sizeof *texts);
    if (!texts) return LB_E_NOMEM;
    for (int64_t i = 0; i < f->r->n; i++) texts[i] = f->r->messages[i] ? f->r->messages[i] : none;
    lb_status st = lb_h5_write_texts(f->file, "/message", f->r->n, texts);
    lb_free(texts);
    return st;
}

static lb_status write_records(finish *f) {
    lb_status st = LB_OK;
    lb_buf codes = {0};
    LB_TRY(lb_h5_graft_open(&f->graft, &f->file, f->r->path, CACHE_USERBLOCK, f->r->data_end));
    LB_TRY(adopt_keys(f));
    LB_TRY(lb_h5_set_text(f->file, "/keys", "sha256", f->index.keys_sha256));
    LB_TRY(adopt_table(f, "/status", LB_U8, f->r->n, f->index.status.address));
    cache_codes(&codes);
    LB_TRY(lb_buf_status(&codes));
    LB_TRY(lb_h5_set_text(f->file, "/status", "codes", lb_buf_str(&codes)));
    LB_TRY(write_messages(f));
    for (int i = 0; i < f->r->ntaps; i++) LB_TRY(adopt_tap(f, i));
    LB_TRY(adopt_table(f, "/index", LB_U8, f->index_size, f->index_at));
    LB_TRY(lb_h5_set_text(f->file, "/", "format", CACHE_FORMAT));
    LB_TRY(lb_h5_set_int(f->file, "/", "version", CACHE_VERSION));
    for (const cache_field *x = cache_fields; x->name; x++) LB_TRY(lb_h5_set_text(f->file, "/", x->name, (const char *)f->print + x->offset));
done:
    lb_buf_free(&codes);
    return st;
}

/* ---- the file ---- */

static lb_status seal(finish *f) {
    char block[CACHE_USERBLOCK];
    const char *head, *tail;
    size_t head_size, tail_size;
    cache_rows *r = f->r;
    lb_status st = LB_OK;
    LB_TRY(lb_h5_graft_close(f->graft, &head, &head_size, &tail, &tail_size));
    LB_TRY(cache_pwrite(r->fd, r->data_path, tail, (int64_t)tail_size, r->data_end));
    LB_TRY(cache_pwrite(r->fd, r->data_path, head, (int64_t)head_size, CACHE_USERBLOCK));
    cache_seal s = {.size = r->data_end + (int64_t)tail_size, .index = f->index_at, .index_size = f->index_size, .index_sum = f->index_sum};
    s.rest_sum = cache_hash(tail, tail_size, cache_hash(head, head_size, 0));
    cache_seal_write(block, &s);
    LB_TRY(cache_pwrite(r->fd, r->data_path, block, sizeof block, 0));
    if (fsync(r->fd) != 0) st = lb_fail(LB_E_IO, "%s: cannot sync: %s (the rows are kept; the same command finishes it)", r->data_path, strerror(errno));
done:
    return st;
}

static lb_status rename_into_place(const cache_rows *r) {
    char *folder = lb_path_folder(r->path);
    if (!folder) return LB_E_NOMEM;
    lb_status st = LB_OK;
    if (rename(r->data_path, r->path) != 0) st = lb_fail(LB_E_IO, "%s: %s", r->path, strerror(errno));
    if (st == LB_OK) st = lb_sync_folder(folder);
    lb_free(folder);
    return st;
}

lb_status cache_finish(cache_rows *r, const lb_fingerprint *print, const char *const *keys, const char keys_sha256[65]) {
    finish f = {.r = r, .print = print, .keys = keys, .keys_sha256 = keys_sha256};
    lb_status st = LB_OK;
    LB_TRY(write_index(&f));
    LB_TRY(write_records(&f));
    LB_TRY(seal(&f));
    LB_TRY(rename_into_place(r));
done:
    lb_h5_graft_free(f.graft);
    for (int i = 0; f.index.taps && i < f.index.ntaps; i++) {
        lb_free((uint64_t *)(uintptr_t)f.index.taps[i].chunks);
        lb_free((uint64_t *)(uintptr_t)f.index.taps[i].offsets.sums);
        lb_free((uint64_t *)(uintptr_t)f.index.taps[i].scale.sums);
    }
    lb_free((uint64_t *)(uintptr_t)f.index.keys.sums);
    lb_free((uint64_t *)(uintptr_t)f.index.status.sums);
    lb_free((uint64_t *)(uintptr_t)f.index.failed.sums);
    lb_free(f.index.taps);
    return st;
}

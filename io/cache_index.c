/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a feature file, so that opening and reading need no HDF5 (which finds chunks one by one, under one lock, and may crash on a
 * flipped bit): "LBKINDX2", u64 size of the JSON, JSON, zeros to a multiple of 8, then u64 arrays in the order in which the JSON counts them:
 * sums of keys, status, failed; per tap chunks [n][address, size, XXH64], sums of offsets, of scale. And the first line of the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/value.h"
#include "io/cache_private.h"

#define MAGIC "LBKINDX2"

static int64_t sums_of(const cache_table *t) { return (t->bytes + CACHE_PIECE - 1) / CACHE_PIECE; }

/* ---- writing ---- */

static lb_value *table_value(const cache_table *t) {
    lb_value *v = lb_value_map();
    lb_map_int(v, "at", t->address);
    lb_map_int(v, "bytes", t->bytes);
    return v;
}

static lb_value *tap_value(const cache_index_tap *t) {
    lb_value *v = lb_value_map(), *shape = lb_value_list();
    for (int i = 0; i < t->rank; i++) lb_list_int(shape, t->shape[i]);
    lb_map_text(v, "name", t->name);
    lb_map_text(v, "dtype", lb_dtype_name(t->dtype));
    lb_map_bool(v, "ragged", t->ragged);
    lb_map_bool(v, "deflate", t->deflate);
    lb_map_put(v, "shape", shape);
    if (t->classes) lb_map_int(v, "classes", t->classes);
    lb_map_int(v, "positions", t->positions);
    lb_map_int(v, "chunks", t->nchunks);
    lb_map_put(v, "offsets", table_value(&t->offsets));
    lb_map_put(v, "scale", table_value(&t->scale));
    return v;
}

static lb_value *index_value(const cache_index *x) {
    lb_value *v = lb_value_map(), *taps = lb_value_list();
    for (const cache_field *f = cache_fields; f->name; f++) lb_map_text(v, f->name, (const char *)&x->print + f->offset);
    lb_map_int(v, "n", x->n);
    lb_map_int(v, "data_end", x->data_end);
    lb_map_text(v, "keys_sha256", x->keys_sha256);
    lb_map_int(v, "key_size", x->key_size);
    lb_map_put(v, "keys", table_value(&x->keys));
    lb_map_put(v, "status", table_value(&x->status));
    lb_map_put(v, "failed", table_value(&x->failed));
    for (int i = 0; i < x->ntaps; i++) lb_list_put(taps, tap_value(&x->taps[i]));
    lb_map_put(v, "features", taps);
    return v;
}

static void add_words(lb_buf *out, const uint64_t *words, int64_t count) {
    if (count) lb_buf_add(out, words, (size_t)count * sizeof *words);
}

lb_status cache_index_write(lb_buf *out, const cache_index *x) {
    lb_buf json = {0};
    lb_value *v = index_value(x);
    lb_status st = lb_json_write(&json, v, 0);
    lb_value_free(v);
    if (st == LB_OK) {
        uint64_t size = json.size;
        lb_buf_add(out, MAGIC, 8);
        lb_buf_add(out, &size, sizeof size);
        lb_buf_add(out, json.data, json.size);
        lb_buf_add(out, "\0\0\0\0\0\0\0", (8 - json.size % 8) % 8);
        add_words(out, x->keys.sums, sums_of(&x->keys));
        add_words(out, x->status.sums, sums_of(&x->status));
        add_words(out, x->failed.sums, sums_of(&x->failed));
        for (int i = 0; i < x->ntaps; i++) {
            add_words(out, x->taps[i].chunks, 3 * x->taps[i].nchunks);
            add_words(out, x->taps[i].offsets.sums, sums_of(&x->taps[i].offsets));
            add_words(out, x->taps[i].scale.sums, sums_of(&x->taps[i].scale));
        }
        st = lb_buf_status(out);
    }
    lb_buf_free(&json);
    return st;
}

/* ---- reading ---- */

typedef struct words {
    const uint64_t *at;
    int64_t left;
} words;

static bool take(words *w, int64_t count, const uint64_t **out) {
    *out = w->at;
    if (count < 0 || count > w->left) return false;
    w->at += count;
    w->left -= count;
    return true;
}

static bool read_table(cache_table *t, const lb_value *v, const char *key, words *w) {
    const lb_value *m = lb_get(v, key);
    t->address = lb_get_int(m, "at", -1);
    t->bytes = lb_get_int(m, "bytes", -1);
    return m && t->address >= 0 && t->bytes >= 0 && t->bytes < INT64_MAX / 2 && take(w, sums_of(t), &t->sums);
}

static bool read_tap(cache_index_tap *t, const lb_value *v, words *w) {
    const lb_value *shape = lb_get(v, "shape");
    const char *name = lb_get_text(v, "name", "");
    if (!shape || shape->kind != LB_V_LIST || shape->count > LB_MAX_RANK || !name[0] || strlen(name) >= sizeof t->name) return false;
    if (lb_dtype_parse(&t->dtype, lb_get_text(v, "dtype", "")) != LB_OK) return false;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->ragged = lb_get_bool(v, "ragged", false);
    t->deflate = lb_get_bool(v, "deflate", false);
    t->rank = (int)shape->count;
    for (int i = 0; i < t->rank; i++)
        if ((t->shape[i] = shape->items[i]->kind == LB_V_INT ? shape->items[i]->integer : -1) < 0) return false;
    t->classes = lb_get_int(v, "classes", 0);
    t->positions = lb_get_int(v, "positions", -1);
    t->nchunks = lb_get_int(v, "chunks", -1);
    return t->classes >= 0 && t->classes < INT32_MAX && t->positions >= 0 && t->nchunks >= 0 && t->nchunks < INT64_MAX / 3 &&
           take(w, 3 * t->nchunks, &t->chunks) && read_table(&t->offsets, v, "offsets", w) && read_table(&t->scale, v, "scale", w);
}

static bool read_all(cache_index *x, const lb_value *v, words *w) {
    const lb_value *taps = lb_get(v, "features");
    for (const cache_field *f = cache_fields; f->name; f++) snprintf((char *)&x->print + f->offset, f->size, "%s", lb_get_text(v, f->name, ""));
    snprintf(x->keys_sha256, sizeof x->keys_sha256, "%s", lb_get_text(v, "keys_sha256", ""));
    x->n = lb_get_int(v, "n", -1);
    x->data_end = lb_get_int(v, "data_end", -1);
    x->key_size = lb_get_int(v, "key_size", -1);
    if (x->n < 0 || x->key_size < 0 || x->data_end < 0 || !taps || taps->kind != LB_V_LIST || taps->count < 1 || taps->count > 4096) return false;
    if (!read_table(&x->keys, v, "keys", w) || !read_table(&x->status, v, "status", w) || !read_table(&x->failed, v, "failed", w)) return false;
    if (!(x->taps = lb_calloc((size_t)taps->count, sizeof *x->taps))) return false;
    x->ntaps = (int)taps->count;
    for (int i = 0; i < x->ntaps; i++)
        if (!read_tap(&x->taps[i], taps->items[i], w)) return false;
    return w->left == 0;
}

lb_status cache_index_read(cache_index *x, const char *take_blob, size_t size, const char *path) {
    lb_status st = LB_OK;
    uint64_t json = 0;
    lb_value *v = NULL;
    *x = (cache_index){.blob = (char *)(uintptr_t)take_blob};
    if (size >= 16) memcpy(&json, take_blob + 8, sizeof json);
    uint64_t padded = (json + 7) / 8 * 8;
    bool good = size >= 16 && size % 8 == 0 && memcmp(take_blob, MAGIC, 8) == 0 && json < size && padded <= size - 16;
    if (good) {
        words w = {(const uint64_t *)(const void *)(take_blob + 16 + padded), (int64_t)((size - 16 - padded) / 8)};
        good = lb_json_parse(&v, take_blob + 16, json, path) == LB_OK && read_all(x, v, &w);
    }
    if (!good) st = lb_fail(LB_E_FORMAT, "%s: " CACHE_DAMAGED " (its index says nothing)", path);
    lb_value_free(v);
    if (st != LB_OK) cache_index_free(x);
    return st;
}

void cache_index_free(cache_index *x) {
    lb_free(x->taps);
    lb_free(x->blob);
    *x = (cache_index){0};
}

/* ---- the first line ---- */

void cache_seal_write(char block[CACHE_USERBLOCK], const cache_seal *s) {
    memset(block, 0, CACHE_USERBLOCK);
    snprintf(block, CACHE_USERBLOCK, "%s %d size %lld index %lld %lld %016llx rest %016llx\n", CACHE_FORMAT, CACHE_VERSION, (long long)s->size, (long long)s->index, (long long)s->index_size,
             (unsigned long long)s->index_sum, (unsigned long long)s->rest_sum);
}

lb_status cache_seal_read(cache_seal *s, bool *ours, int fd, const char *path) {
    char block[CACHE_USERBLOCK + 1] = {0}, again[CACHE_USERBLOCK];
    long long size, index, index_size;
    unsigned long long index_sum, rest_sum;
    int version = 0;
    int64_t bytes = lseek(fd, 0, SEEK_END), have = bytes < CACHE_USERBLOCK ? bytes : CACHE_USERBLOCK;
    *ours = false;
    lb_status st = cache_pread(fd, path, block, have, 0);
    if (st != LB_OK) return st;
    if (sscanf(block, CACHE_FORMAT " %d size %lld", &version, &size) == 2 && version == 1) return LB_OK; /* the older version: as a file of others */
    /* ours: the line, or HDF5's signature where our files have it and others do not */
    static const char signature[] = "\211HDF\r\n\032\n";
    char second[8] = {0};
    if (bytes >= CACHE_USERBLOCK + 8) st = cache_pread(fd, path, second, 8, CACHE_USERBLOCK);
    if (st != LB_OK) return st;
    bool line = strncmp(block, CACHE_FORMAT, strlen(CACHE_FORMAT)) == 0;
    if (!line && (memcmp(block, signature, 8) == 0 || memcmp(second, signature, 8) != 0)) return LB_OK;
    *ours = true;
    if (version > CACHE_VERSION) return lb_fail(LB_E_UNSUPPORTED, "%s: version %d of the format, this program knows up to %d", path, version, CACHE_VERSION);
    if (sscanf(block, CACHE_FORMAT " %d size %lld index %lld %lld %16llx rest %16llx", &version, &size, &index, &index_size, &index_sum, &rest_sum) == 6) {
        *s = (cache_seal){size, index, index_size, index_sum, rest_sum};
        cache_seal_write(again, s);
        if (memcmp(again, block, CACHE_USERBLOCK) == 0 && size == bytes && index >= CACHE_DATA && index_size >= 16 && index <= size - index_size) return LB_OK;
    }
    return lb_fail(LB_E_FORMAT, "%s: " CACHE_DAMAGED "%s", path, bytes != size && version == CACHE_VERSION ? " (it has another size)" : " (its first line)");
}

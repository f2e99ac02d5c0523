/* SPDX-License-Identifier: Apache-2.0 */
/* One file or a folder of shards, opened: rows, keys, messages, and which files are open. Values: cache_values.c. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

enum { OPEN_FILES = 64, INDEX_AT_ONCE = 200000 };
#define KEEP_BYTES ((int64_t)256 << 20)

/* ---- rows ---- */
const shard *cache_shard_of(const lb_cache *c, int64_t row, int64_t *inside) {
    if (row < 0 || row >= c->rows) return NULL;
    int64_t lo = 0, hi = c->nshards - 1;
    while (lo < hi) {
        int64_t mid = (lo + hi + 1) / 2;
        if (c->shards[mid].first <= row) lo = mid;
        else hi = mid - 1;
    }
    *inside = row - c->shards[lo].first;
    return &c->shards[lo];
}

int64_t lb_cache_rows(const lb_cache *c) { return c->rows; }

lb_status cache_wake(lb_cache *c, shard *s) {
    s->used = ++c->clock;
    if (s->fd >= 0 || s->file) return LB_OK;
    if (c->open_shards >= OPEN_FILES) {
        shard *least = NULL;
        for (int64_t i = 0; i < c->nshards; i++) {
            shard *o = &c->shards[i];
            if ((o->fd >= 0 || o->file) && !o->users && (!least || o->used < least->used)) least = o;
        }
        if (least) shard_rest(least), c->open_shards--;
    }
    lb_status st = shard_reopen(s);
    if (st == LB_OK) c->open_shards++;
    return st;
}

/* Runs a loader of one of the shard's tables, once. */
static lb_status load(const lb_cache *const_c, const shard *const_s, lb_status (*loader)(shard *)) {
    lb_cache *c = (lb_cache *)(uintptr_t)const_c; /* what is read when first needed is no change that a caller could see */
    shard *s = (shard *)(uintptr_t)const_s;
    pthread_mutex_lock(&c->lock);
    lb_status st = s->foreign || (loader == shard_load_keys ? s->keys != NULL : s->messages != NULL) ? LB_OK : cache_wake(c, s);
    if (st == LB_OK) st = loader(s);
    pthread_mutex_unlock(&c->lock);
    return st;
}

const char *lb_cache_key(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = cache_shard_of(c, row, &i);
    if (!s) return NULL;
    return load(c, s, shard_load_keys) == LB_OK ? s->keys[i] : "";
}

int lb_cache_row_status(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = cache_shard_of(c, row, &i);
    return s ? s->status[i] : -LB_E_NOTFOUND;
}

const char *lb_cache_row_message(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = cache_shard_of(c, row, &i);
    return s && s->status[i] && load(c, s, shard_load_messages) == LB_OK && s->messages[i] ? s->messages[i] : "";
}

static const char *key_of(const lb_cache *c, int64_t row) { /* of a loaded table */
    int64_t i = 0;
    const shard *s = cache_shard_of(c, row, &i);
    return s->keys[i];
}

/* Every key of every shard is loaded. Under the lock. */
static lb_status build_index(lb_cache *c) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)c->rows) slots *= 2;
    int64_t *index = lb_alloc(slots, sizeof *index);
    if (!index) return LB_E_NOMEM;
    memset(index, 0xff, slots * sizeof *index);
    c->mask = slots - 1;
    for (int64_t i = 0; i < c->nshards; i++) {
        const shard *s = &c->shards[i];
        for (int64_t k = 0; k < s->n; k++) {
            uint64_t h = lb_hash64(s->keys[k], strlen(s->keys[k]), 0);
            for (; index[h & c->mask] >= 0; h++) {
                int64_t other, row = index[h & c->mask];
                if (strcmp(key_of(c, row), s->keys[k]) != 0) continue;
                lb_free(index);
                return lb_fail(LB_E_FORMAT, "%s: key '%s' is there twice, also in %s", s->path, s->keys[k], cache_shard_of(c, row, &other)->path);
            }
            index[h & c->mask] = s->first + k;
        }
    }
    c->index = index;
    return LB_OK;
}

lb_status lb_cache_load_keys(lb_cache *c) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < c->nshards && st == LB_OK; i++) st = load(c, &c->shards[i], shard_load_keys);
    if (st == LB_OK && !c->index) {
        pthread_mutex_lock(&c->lock);
        if (!c->index) st = build_index(c);
        pthread_mutex_unlock(&c->lock);
    }
    return st;
}

int64_t lb_cache_find(const lb_cache *c, const char *key) {
    if (!c->index && lb_cache_load_keys((lb_cache *)(uintptr_t)c) != LB_OK) return -1;
    for (uint64_t h = lb_hash64(key, strlen(key), 0);; h++) {
        int64_t row = c->index[h & c->mask];
        if (row < 0 || strcmp(key_of(c, row), key) == 0) return row;
    }
}

int lb_cache_taps(const lb_cache *c) { return c->shards[0].ntaps; }

const lb_cache_tap *lb_cache_tap_at(const lb_cache *c, int i) {
    int stored = c->shards[0].ntaps;
    return i < 0 || i >= stored + c->ndense ? NULL : i < stored ? &c->shards[0].taps[i].tap : &c->dense[i - stored].tap;
}

int lb_cache_tap_find(const lb_cache *c, const char *name) {
    for (int i = 0; i < c->shards[0].ntaps; i++)
        if (strcmp(c->shards[0].taps[i].tap.name, name) == 0) return i;
    for (int i = 0; i < c->ndense; i++)
        if (strcmp(c->dense[i].tap.name, name) == 0) return c->shards[0].ntaps + i;
    return -1;
}

const lb_fingerprint *lb_cache_fingerprint(const lb_cache *c) { return &c->shards[0].print; }

/* ---- opening ---- */
static lb_status same_taps(const shard *a, const shard *b) {
    char x[96], y[96];
    if (a->ntaps != b->ntaps) return lb_fail(LB_E_MISMATCH, "%s: %d taps, but %d in %s", b->path, b->ntaps, a->ntaps, a->path);
    for (int i = 0; i < a->ntaps; i++) {
        const lb_cache_tap *s = &a->taps[i].tap, *t = &b->taps[i].tap;
        if (strcmp(s->name, t->name) != 0) return lb_fail(LB_E_MISMATCH, "%s: tap '%s', but '%s' in %s", b->path, t->name, s->name, a->path);
        if (s->dtype != t->dtype || s->ragged != t->ragged || s->rank != t->rank || s->classes != t->classes || memcmp(s->shape, t->shape, sizeof s->shape) != 0)
            return lb_fail(LB_E_MISMATCH, "%s: tap '%s' is %s %s, but %s %s in %s", b->path, t->name, lb_dtype_name(t->dtype), lb_shape_text(x, sizeof x, t->rank, t->shape),
                           lb_dtype_name(s->dtype), lb_shape_text(y, sizeof y, s->rank, s->shape), a->path);
    }
    return LB_OK;
}

static lb_status open_shards(lb_cache *c, char **paths, int64_t count) {
    if (!(c->shards = lb_calloc((size_t)count, sizeof *c->shards))) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        shard *s = &c->shards[i];
        c->nshards = i + 1;
        lb_status st = shard_open(s, paths[i]);
        if (st == LB_OK && i) st = same_taps(&c->shards[0], s);
        if (st == LB_OK && i) st = lb_fingerprint_match(&s->print, &c->shards[0].print, false, s->path);
        if (st != LB_OK) return st;
        s->first = c->rows;
        c->rows += s->n;
        shard_rest(s);
    }
    return LB_OK;
}

lb_status lb_cache_open(lb_cache **out, const char *path) {
    lb_status st = LB_OK;
    char **paths = NULL;
    int64_t count = 0;
    lb_cache *c = lb_calloc(1, sizeof *c);
    if (!c) return LB_E_NOMEM;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->budget = KEEP_BYTES;
    LB_TRY(cache_files(&paths, &count, path));
    LB_TRY(open_shards(c, paths, count));
    cache_topk_find(c);
    if (c->rows <= INDEX_AT_ONCE) LB_TRY(lb_cache_load_keys(c)); /* else when a key is first looked up */
    *out = c;
    c = NULL;
done:
    lb_names_free(paths, count);
    lb_cache_close(c);
    return st;
}

void lb_cache_close(lb_cache *c) {
    if (!c) return;
    cache_drop_blocks(c);
    for (int64_t i = 0; i < c->nshards; i++) shard_free(&c->shards[i]);
    lb_free(c->shards);
    lb_free(c->index);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    lb_free(c);
}

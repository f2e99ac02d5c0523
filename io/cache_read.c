/* SPDX-License-Identifier: Apache-2.0 */
/* Reading features by row, over one file or a folder of shards. Blocks (one chunk, about 1 MiB) are read whole once to check them and kept
 * while there is room; when a tap is larger than that, rows of checked blocks are read alone. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

enum { OPEN_FILES = 64 };
#define KEEP_BYTES ((int64_t)256 << 20)

struct block {
    int shard, tap;
    int64_t index;
    char *bytes;
    size_t size;
    struct block *newer, *older;
    struct block *next; /* in its slot */
};

enum { SLOTS = 4096 };

struct lb_cache {
    pthread_mutex_t lock;
    shard *shards;
    int64_t nshards, open_shards, rows;
    uint64_t clock;
    int64_t *index; /* rows by the hash of their key, -1 = free */
    uint64_t mask;
    struct block *slots[SLOTS], *newest, *oldest;
    int64_t kept;
};

/* ---- rows ---- */
static const shard *shard_of(const lb_cache *c, int64_t row, int64_t *inside) {
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

const char *lb_cache_key(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    return s ? s->keys[i] : NULL;
}

int lb_cache_row_status(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    return s ? s->status[i] : -LB_E_NOTFOUND;
}

const char *lb_cache_row_message(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    return s && s->messages ? s->messages[i] : "";
}

int64_t lb_cache_find(const lb_cache *c, const char *key) {
    for (uint64_t h = lb_hash64(key, strlen(key), 0);; h++) {
        int64_t row = c->index[h & c->mask];
        if (row < 0 || strcmp(lb_cache_key(c, row), key) == 0) return row;
    }
}

int lb_cache_taps(const lb_cache *c) { return c->shards[0].ntaps; }

const lb_cache_tap *lb_cache_tap_at(const lb_cache *c, int i) { return i >= 0 && i < c->shards[0].ntaps ? &c->shards[0].taps[i].tap : NULL; }

int lb_cache_tap_find(const lb_cache *c, const char *name) {
    for (int i = 0; i < c->shards[0].ntaps; i++)
        if (strcmp(c->shards[0].taps[i].tap.name, name) == 0) return i;
    return -1;
}

const lb_fingerprint *lb_cache_fingerprint(const lb_cache *c) { return &c->shards[0].print; }

/* ---- opening ---- */
static lb_status build_index(lb_cache *c) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)c->rows) slots *= 2;
    if (!(c->index = lb_alloc(slots, sizeof *c->index))) return LB_E_NOMEM;
    memset(c->index, 0xff, slots * sizeof *c->index);
    c->mask = slots - 1;
    for (int64_t i = 0; i < c->nshards; i++) {
        const shard *s = &c->shards[i];
        for (int64_t k = 0; k < s->n; k++) {
            uint64_t h = lb_hash64(s->keys[k], strlen(s->keys[k]), 0);
            for (; c->index[h & c->mask] >= 0; h++) {
                int64_t other, row = c->index[h & c->mask];
                if (strcmp(lb_cache_key(c, row), s->keys[k]) == 0)
                    return lb_fail(LB_E_FORMAT, "%s: key '%s' is there twice, also in %s", s->path, s->keys[k], shard_of(c, row, &other)->path);
            }
            c->index[h & c->mask] = s->first + k;
        }
    }
    return LB_OK;
}

static lb_status same_taps(const shard *a, const shard *b) {
    char x[96], y[96];
    if (a->ntaps != b->ntaps) return lb_fail(LB_E_MISMATCH, "%s: %d taps, but %d in %s", b->path, b->ntaps, a->ntaps, a->path);
    for (int i = 0; i < a->ntaps; i++) {
        const lb_cache_tap *s = &a->taps[i].tap, *t = &b->taps[i].tap;
        if (strcmp(s->name, t->name) != 0) return lb_fail(LB_E_MISMATCH, "%s: tap '%s', but '%s' in %s", b->path, t->name, s->name, a->path);
        if (s->dtype != t->dtype || s->ragged != t->ragged || s->rank != t->rank || memcmp(s->shape, t->shape, sizeof s->shape) != 0)
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
    LB_TRY(cache_files(&paths, &count, path));
    LB_TRY(open_shards(c, paths, count));
    LB_TRY(build_index(c));
    *out = c;
    c = NULL;
done:
    lb_names_free(paths, count);
    lb_cache_close(c);
    return st;
}

void lb_cache_close(lb_cache *c) {
    if (!c) return;
    for (struct block *b = c->newest, *next; b; b = next) {
        next = b->older;
        lb_free(b->bytes);
        lb_free(b);
    }
    for (int64_t i = 0; i < c->nshards; i++) shard_free(&c->shards[i]);
    lb_free(c->shards);
    lb_free(c->index);
    pthread_mutex_destroy(&c->lock);
    lb_free(c);
}

/* ---- blocks in memory ---- */
static struct block **slot_of(lb_cache *c, int shard_index, int tap, int64_t index) {
    int64_t key[3] = {shard_index, tap, index};
    return &c->slots[lb_hash64(key, sizeof key, 0) % SLOTS];
}

static void unlink_block(lb_cache *c, struct block *b) {
    *(b->newer ? &b->newer->older : &c->newest) = b->older;
    *(b->older ? &b->older->newer : &c->oldest) = b->newer;
}

static void push_block(lb_cache *c, struct block *b) {
    b->newer = NULL;
    b->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = b;
    c->newest = b;
}

static struct block *find_block(lb_cache *c, int shard_index, int tap, int64_t index) {
    for (struct block *b = *slot_of(c, shard_index, tap, index); b; b = b->next) {
        if (b->shard != shard_index || b->tap != tap || b->index != index) continue;
        unlink_block(c, b);
        push_block(c, b);
        return b;
    }
    return NULL;
}

static void drop_oldest(lb_cache *c) {
    struct block *b = c->oldest;
    struct block **p = slot_of(c, b->shard, b->tap, b->index);
    while (*p != b) p = &(*p)->next;
    *p = b->next;
    unlink_block(c, b);
    c->kept -= (int64_t)b->size;
    lb_free(b->bytes);
    lb_free(b);
}

static lb_status wake(lb_cache *c, shard *s) {
    s->used = ++c->clock;
    if (s->file) return LB_OK;
    if (c->open_shards >= OPEN_FILES) {
        shard *least = NULL;
        for (int64_t i = 0; i < c->nshards; i++)
            if (c->shards[i].file && (!least || c->shards[i].used < least->used)) least = &c->shards[i];
        shard_rest(least);
        c->open_shards--;
    }
    lb_status st = shard_reopen(s);
    if (st == LB_OK) c->open_shards++;
    return st;
}

static lb_status load_block(lb_cache *c, int64_t shard_index, int tap, int64_t index, struct block **out) {
    shard *s = &c->shards[shard_index];
    shard_tap *t = &s->taps[tap];
    if ((*out = find_block(c, (int)shard_index, tap, index))) return LB_OK;
    lb_status st = wake(c, s);
    if (st != LB_OK) return st;
    size_t size = (size_t)(shard_block_rows(t, index) * t->data->row) * lb_dtype_size(t->data->dtype);
    while (c->oldest && c->kept + (int64_t)size > KEEP_BYTES) drop_oldest(c);
    struct block *b = lb_calloc(1, sizeof *b);
    char *bytes = lb_alloc(size, 1);
    st = b && bytes ? shard_read_block(s, t, index, bytes) : LB_E_NOMEM;
    if (st != LB_OK) {
        lb_free(b);
        lb_free(bytes);
        return st;
    }
    *b = (struct block){.shard = (int)shard_index, .tap = tap, .index = index, .bytes = bytes, .size = size};
    struct block **p = slot_of(c, b->shard, tap, index);
    b->next = *p;
    *p = b;
    push_block(c, b);
    c->kept += (int64_t)size;
    *out = b;
    return LB_OK;
}

/* ---- values ---- */
static void to_floats(float *out, const shard_tap *t, int64_t item, const void *bytes, int64_t n) {
    lb_convert(out, LB_F32, bytes, t->tap.dtype, n);
    if (t->scale)
        for (int64_t i = 0; i < n; i++) out[i] *= t->scale[item];
}

struct wanted {
    int64_t row, at;
};

static int by_row(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* Positions first .. first+count-1 of one tap into out, as floats scaled for `item`. */
static lb_status read_span(lb_cache *c, int64_t shard_index, int tap, int64_t item, int64_t first, int64_t count, float *out) {
    shard_tap *t = &c->shards[shard_index].taps[tap];
    lb_status st = LB_OK;
    int skip = t->tap.ragged ? 1 : 0;
    int64_t row = cache_numel(t->tap.rank - skip, t->tap.shape + skip), size = (int64_t)lb_dtype_size(t->tap.dtype);
    while (count > 0 && row > 0 && st == LB_OK) {
        int64_t index = first / t->block, inside = first % t->block;
        int64_t n = t->block - inside < count ? t->block - inside : count;
        bool whole = t->positions * row * size <= KEEP_BYTES / 2 || !t->checked[index];
        struct block *b = whole ? NULL : find_block(c, (int)shard_index, tap, index);
        if (whole) st = load_block(c, shard_index, tap, index, &b);
        if (st == LB_OK && b) {
            to_floats(out, t, item, b->bytes + inside * row * size, n * row);
        } else if (st == LB_OK) {
            st = wake(c, &c->shards[shard_index]);
            char *bytes = st == LB_OK ? lb_alloc((size_t)(n * row), (size_t)size) : NULL;
            if (st == LB_OK) st = bytes ? lb_h5_data_read(t->data, first, n, bytes) : LB_E_NOMEM;
            if (st == LB_OK) to_floats(out, t, item, bytes, n * row);
            lb_free(bytes);
        }
        out += n * row;
        first += n;
        count -= n;
    }
    return st;
}

static lb_status read_row(lb_cache *c, int tap, int64_t row, float *out, int64_t width) {
    int64_t inside = 0;
    const shard *s = shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    if (s->status[inside]) {
        for (int64_t i = 0; i < width; i++) out[i] = NAN;
        return LB_OK;
    }
    return read_span(c, s - c->shards, tap, inside, inside, 1, out);
}

static lb_status check_tap(const lb_cache *c, int tap, bool ragged) {
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    if (!t) return lb_fail(LB_E_NOTFOUND, "tap %d of a cache of %d taps", tap, lb_cache_taps(c));
    if (t->ragged != ragged) return lb_fail(LB_E_ARG, "tap '%s' has %s length", t->name, t->ragged ? "a varying" : "one");
    return LB_OK;
}

lb_status lb_cache_read(lb_cache *c, int tap, int64_t count, const int64_t *rows, float *out) {
    lb_status st = check_tap(c, tap, false);
    if (st != LB_OK) return st;
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    int64_t width = cache_numel(t->rank, t->shape);
    struct wanted *order = lb_alloc((size_t)count, sizeof *order);
    if (!order) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) order[i] = (struct wanted){rows[i], i};
    qsort(order, (size_t)count, sizeof *order, by_row); /* each block is met once */
    pthread_mutex_lock(&c->lock);
    for (int64_t i = 0; i < count && st == LB_OK; i++) st = read_row(c, tap, order[i].row, out + order[i].at * width, width);
    pthread_mutex_unlock(&c->lock);
    lb_free(order);
    return st;
}

lb_status lb_cache_read_ragged(lb_cache *c, int tap, int64_t row, float **out, int64_t *length) {
    int64_t inside = 0;
    lb_status st = check_tap(c, tap, true);
    if (st != LB_OK) return st;
    const shard *s = shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    const shard_tap *t = &s->taps[tap];
    int64_t first = t->offsets[inside], n = t->offsets[inside + 1] - first;
    int64_t inner = cache_numel(t->tap.rank - 1, t->tap.shape + 1);
    float *values = lb_alloc((size_t)n, (size_t)inner * sizeof *values);
    if (!values) return LB_E_NOMEM;
    pthread_mutex_lock(&c->lock);
    st = read_span(c, s - c->shards, tap, inside, first, n, values);
    pthread_mutex_unlock(&c->lock);
    if (st != LB_OK) {
        lb_free(values);
        return st;
    }
    *out = values;
    *length = n;
    return LB_OK;
}

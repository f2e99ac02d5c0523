/* SPDX-License-Identifier: Apache-2.0 */
/* Reading features by row, over one file or a folder of shards. Blocks (a chunk, about 1 MiB) are read whole once to check them and kept while
 * there is room; when a tap is larger than that, rows of checked blocks are read alone. The lock guards the tables of what is kept and open;
 * reading, hashing and inflating go on outside it, so that several threads read at once. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "io/cache_private.h"

enum { OPEN_FILES = 64, INDEX_AT_ONCE = 200000 };
#define KEEP_BYTES ((int64_t)256 << 20)

struct block {
    int shard, tap;
    int64_t index;
    char *bytes;        /* NULL while it is being read */
    size_t size;
    int users;          /* threads that look at it; it stays while there are any */
    bool failed;        /* could not be read: gone once its users are */
    struct block *newer, *older;
    struct block *next; /* in its slot */
};

enum { SLOTS = 4096 };

struct lb_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a block was read, or a file is no longer in use */
    shard *shards;
    int64_t nshards, open_shards, rows;
    uint64_t clock;
    int64_t *index; /* rows by the hash of their key, -1 = free */
    uint64_t mask;
    struct block *slots[SLOTS], *newest, *oldest;
    int64_t kept, budget;
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

/* Opens a shard's file; at most OPEN_FILES are open beside those in use. Under the lock. */
static lb_status wake(lb_cache *c, shard *s) {
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
    lb_status st = s->foreign || (loader == shard_load_keys ? s->keys != NULL : s->messages != NULL) ? LB_OK : wake(c, s);
    if (st == LB_OK) st = loader(s);
    pthread_mutex_unlock(&c->lock);
    return st;
}

const char *lb_cache_key(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    if (!s) return NULL;
    return load(c, s, shard_load_keys) == LB_OK ? s->keys[i] : "";
}

int lb_cache_row_status(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    return s ? s->status[i] : -LB_E_NOTFOUND;
}

const char *lb_cache_row_message(const lb_cache *c, int64_t row) {
    int64_t i;
    const shard *s = shard_of(c, row, &i);
    return s && s->status[i] && load(c, s, shard_load_messages) == LB_OK && s->messages[i] ? s->messages[i] : "";
}

static const char *key_of(const lb_cache *c, int64_t row) { /* of a loaded table */
    int64_t i = 0;
    const shard *s = shard_of(c, row, &i);
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
                return lb_fail(LB_E_FORMAT, "%s: key '%s' is there twice, also in %s", s->path, s->keys[k], shard_of(c, row, &other)->path);
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

const lb_cache_tap *lb_cache_tap_at(const lb_cache *c, int i) { return i >= 0 && i < c->shards[0].ntaps ? &c->shards[0].taps[i].tap : NULL; }

int lb_cache_tap_find(const lb_cache *c, const char *name) {
    for (int i = 0; i < c->shards[0].ntaps; i++)
        if (strcmp(c->shards[0].taps[i].tap.name, name) == 0) return i;
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
    pthread_cond_init(&c->changed, NULL);
    c->budget = KEEP_BYTES;
    LB_TRY(cache_files(&paths, &count, path));
    LB_TRY(open_shards(c, paths, count));
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
    for (struct block *b = c->newest, *next; b; b = next) {
        next = b->older;
        lb_free(b->bytes);
        lb_free(b);
    }
    for (int64_t i = 0; i < c->nshards; i++) shard_free(&c->shards[i]);
    lb_free(c->shards);
    lb_free(c->index);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
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

static void drop_block(lb_cache *c, struct block *b) {
    struct block **p = slot_of(c, b->shard, b->tap, b->index);
    while (*p != b) p = &(*p)->next;
    *p = b->next;
    unlink_block(c, b);
    c->kept -= (int64_t)b->size;
    lb_free(b->bytes);
    lb_free(b);
}

static void make_room(lb_cache *c, int64_t size) {
    for (struct block *b = c->oldest, *newer; b && c->kept + size > c->budget; b = newer) {
        newer = b->newer;
        if (!b->users) drop_block(c, b);
    }
}

/* Another thread may be reading it: waits. Under the lock. */
static lb_status wait_for_block(lb_cache *c, struct block *b) {
    b->users++;
    while (!b->bytes && !b->failed) pthread_cond_wait(&c->changed, &c->lock);
    if (!b->failed) return LB_OK;
    if (--b->users == 0) drop_block(c, b);
    return LB_E_FORMAT;
}

static lb_status fill_block(lb_cache *c, struct block *b) {
    shard *s = &c->shards[b->shard];
    shard_tap *t = &s->taps[b->tap];
    s->users++;
    pthread_mutex_unlock(&c->lock);
    char *bytes = lb_alloc(b->size, 1);
    lb_status st = bytes ? shard_read_block(s, t, b->index, bytes) : LB_E_NOMEM;
    pthread_mutex_lock(&c->lock);
    s->users--;
    if (st == LB_OK) b->bytes = bytes, t->checked[b->index] = 1;
    else lb_free(bytes);
    b->failed = st != LB_OK;
    pthread_cond_broadcast(&c->changed);
    if (st != LB_OK && --b->users == 0) drop_block(c, b);
    return st;
}

/* The block, in memory, with one more user. Under the lock, which is given up while it is read. */
static lb_status get_block(lb_cache *c, int shard_index, int tap, int64_t index, struct block **out) {
    shard *s = &c->shards[shard_index];
    shard_tap *t = &s->taps[tap];
    for (;;) {
        struct block *have = find_block(c, shard_index, tap, index);
        if (!have) break;
        *out = have;
        if (wait_for_block(c, have) == LB_OK) return LB_OK; /* else this thread meets, and tells, the failure itself */
    }
    lb_status st = wake(c, s);
    struct block *b = st == LB_OK ? lb_calloc(1, sizeof *b) : NULL;
    if (!b) return st == LB_OK ? LB_E_NOMEM : st;
    *b = (struct block){.shard = shard_index, .tap = tap, .index = index, .size = (size_t)(shard_block_rows(t, index) * t->grid.row_bytes), .users = 1};
    make_room(c, (int64_t)b->size);
    struct block **p = slot_of(c, shard_index, tap, index);
    b->next = *p;
    *p = b;
    push_block(c, b);
    c->kept += (int64_t)b->size;
    *out = b;
    return fill_block(c, b);
}

/* ---- values ---- */

struct wanted {
    int64_t row, at;
};

static int by_row(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* A run of positions of one block that is on its way to the caller. */
struct span {
    int shard, tap;
    int64_t index, inside, count;
};

static const int64_t no_item = -1;

static void to_floats(float *out, const shard_tap *t, int64_t item, const void *bytes, int64_t n) {
    lb_convert(out, LB_F32, bytes, t->tap.dtype, n);
    if (t->scale && item != no_item)
        for (int64_t i = 0; i < n; i++) out[i] *= t->scale[item];
}

/* A tap beyond half the room is not kept: of blocks that are checked only the rows are read. */
static bool reads_rows(const lb_cache *c, const shard_tap *t, int64_t index) {
    return !t->deflate && t->grid.slabs == 1 && t->positions * t->grid.row_bytes > c->budget / 2 && t->checked[index];
}

static lb_status read_alone(lb_cache *c, const struct span *p, int64_t item, float *out) {
    shard *s = &c->shards[p->shard];
    shard_tap *t = &s->taps[p->tap];
    char small[4096], *bytes = small;
    size_t size = (size_t)(p->count * t->grid.row_bytes);
    lb_status st = wake(c, s);
    if (st != LB_OK) return st;
    s->users++;
    pthread_mutex_unlock(&c->lock);
    if (size > sizeof small && !(bytes = lb_alloc(size, 1))) st = LB_E_NOMEM;
    if (st == LB_OK) st = shard_read_rows(s, t, p->index * t->grid.rows + p->inside, p->count, bytes);
    if (st == LB_OK) to_floats(out, t, item, bytes, p->count * t->grid.row_bytes / (int64_t)lb_dtype_size(t->tap.dtype));
    if (bytes != small) lb_free(bytes);
    pthread_mutex_lock(&c->lock);
    s->users--;
    return st;
}

/* Positions first .. first+count-1 of one tap into out, as floats scaled for `item`. Under the lock. */
static lb_status read_span(lb_cache *c, int shard_index, int tap, int64_t item, int64_t first, int64_t count, float *out) {
    shard_tap *t = &c->shards[shard_index].taps[tap];
    int64_t row = t->grid.row_bytes, width = row / (int64_t)lb_dtype_size(t->tap.dtype);
    lb_status st = LB_OK;
    while (count > 0 && row > 0 && st == LB_OK) {
        struct span p = {shard_index, tap, first / t->grid.rows, first % t->grid.rows, count};
        struct block *b = NULL;
        if (p.count > t->grid.rows - p.inside) p.count = t->grid.rows - p.inside;
        if (reads_rows(c, t, p.index) && !find_block(c, shard_index, tap, p.index)) {
            st = read_alone(c, &p, item, out);
        } else if ((st = get_block(c, shard_index, tap, p.index, &b)) == LB_OK) {
            pthread_mutex_unlock(&c->lock);
            to_floats(out, t, item, b->bytes + p.inside * row, p.count * width);
            pthread_mutex_lock(&c->lock);
            b->users--;
        }
        out += p.count * width;
        first += p.count;
        count -= p.count;
    }
    return st;
}

static lb_status check_tap(const lb_cache *c, int tap, bool ragged) {
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    if (!t) return lb_fail(LB_E_NOTFOUND, "tap %d of a cache of %d taps", tap, lb_cache_taps(c));
    if (t->ragged != ragged) return lb_fail(LB_E_ARG, "tap '%s' has %s length", t->name, t->ragged ? "a varying" : "one");
    return LB_OK;
}

/* The shard with its tables for that tap. Under the lock. */
static lb_status ready_shard(lb_cache *c, const shard *const_s, int tap) {
    shard *s = &c->shards[const_s - c->shards];
    shard_tap *t = &s->taps[tap];
    bool there = s->foreign || ((!t->tap.ragged || t->offsets) && (t->tap.dtype != LB_I8 || t->scale));
    lb_status st = there ? LB_OK : wake(c, s);
    return st == LB_OK ? shard_load_tap(s, t) : st;
}

/* Rows in ascending order: those that follow each other in a file are read as one run. */
static lb_status read_sorted(lb_cache *c, int tap, const struct wanted *order, int64_t count, int64_t width, float *out) {
    lb_status st = LB_OK;
    for (int64_t i = 0, n; i < count && st == LB_OK; i += n) {
        int64_t inside = 0;
        const shard *s = shard_of(c, order[i].row, &inside);
        n = 1;
        if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)order[i].row, (long long)c->rows);
        float *to = out + order[i].at * width;
        if (s->status[inside]) {
            for (int64_t k = 0; k < width; k++) to[k] = NAN;
            continue;
        }
        st = ready_shard(c, s, tap);
        bool scaled = s->taps[tap].scale != NULL;
        while (!scaled && i + n < count && order[i + n].row == order[i].row + n && order[i + n].at == order[i].at + n && inside + n < s->n && !s->status[inside + n]) n++;
        if (st == LB_OK) st = read_span(c, (int)(s - c->shards), tap, scaled ? inside : no_item, inside, n, to);
    }
    return st;
}

lb_status lb_cache_read(lb_cache *c, int tap, int64_t count, const int64_t *rows, float *out) {
    lb_status st = check_tap(c, tap, false);
    if (st != LB_OK) return st;
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    struct wanted few[64], *order = count > (int64_t)LB_COUNT(few) ? lb_alloc((size_t)count, sizeof *order) : few;
    if (!order) return LB_E_NOMEM;
    bool sorted = true;
    for (int64_t i = 0; i < count; i++) {
        order[i] = (struct wanted){rows[i], i};
        sorted &= i == 0 || rows[i] >= rows[i - 1];
    }
    if (!sorted) qsort(order, (size_t)count, sizeof *order, by_row); /* each block is met once */
    pthread_mutex_lock(&c->lock);
    st = read_sorted(c, tap, order, count, cache_numel(t->rank, t->shape), out);
    pthread_mutex_unlock(&c->lock);
    if (order != few) lb_free(order);
    return st;
}

lb_status lb_cache_read_ragged(lb_cache *c, int tap, int64_t row, float **out, int64_t *length) {
    int64_t inside = 0;
    float *values = NULL;
    lb_status st = check_tap(c, tap, true);
    if (st != LB_OK) return st;
    const shard *s = shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    pthread_mutex_lock(&c->lock);
    st = ready_shard(c, s, tap);
    if (st == LB_OK) {
        const shard_tap *t = &s->taps[tap];
        int64_t first = t->offsets[inside], n = t->offsets[inside + 1] - first;
        values = lb_alloc((size_t)n, (size_t)cache_numel(t->tap.rank - 1, t->tap.shape + 1) * sizeof *values);
        st = values ? read_span(c, (int)(s - c->shards), tap, inside, first, n, values) : LB_E_NOMEM;
        *length = st == LB_OK ? n : *length;
    }
    pthread_mutex_unlock(&c->lock);
    if (st == LB_OK) *out = values;
    else lb_free(values);
    return st;
}

void lb_cache_set_memory(lb_cache *c, int64_t bytes) {
    pthread_mutex_lock(&c->lock);
    c->budget = bytes > 0 ? bytes : 0;
    make_room(c, 0);
    pthread_mutex_unlock(&c->lock);
}

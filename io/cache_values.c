/* SPDX-License-Identifier: Apache-2.0 */
/* Reading features by row. Blocks (a chunk, about 1 MiB) are read whole once to check them and kept while there is room; when a tap is larger
 * than that, rows of checked blocks are read alone. The lock guards the tables of what is kept and open; reading, hashing and inflating go on
 * outside it, so that several threads read at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "io/cache_private.h"

/* ---- blocks in memory ---- */
static struct cache_block **slot_of(lb_cache *c, int shard_index, int tap, int64_t index) {
    int64_t key[3] = {shard_index, tap, index};
    return &c->slots[lb_hash64(key, sizeof key, 0) % CACHE_SLOTS];
}

static void unlink_block(lb_cache *c, struct cache_block *b) {
    *(b->newer ? &b->newer->older : &c->newest) = b->older;
    *(b->older ? &b->older->newer : &c->oldest) = b->newer;
}

static void push_block(lb_cache *c, struct cache_block *b) {
    b->newer = NULL;
    b->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = b;
    c->newest = b;
}

static struct cache_block *find_block(lb_cache *c, int shard_index, int tap, int64_t index) {
    for (struct cache_block *b = *slot_of(c, shard_index, tap, index); b; b = b->next) {
        if (b->shard != shard_index || b->tap != tap || b->index != index) continue;
        unlink_block(c, b);
        push_block(c, b);
        return b;
    }
    return NULL;
}

static void detach(lb_cache *c, struct cache_block *b) {
    struct cache_block **p = slot_of(c, b->shard, b->tap, b->index);
    while (*p != b) p = &(*p)->next;
    *p = b->next;
    unlink_block(c, b);
    c->kept -= (int64_t)b->size;
}

static void drop_block(lb_cache *c, struct cache_block *b) {
    detach(c, b);
    lb_free(b->bytes);
    lb_free(b);
}

void cache_drop_blocks(lb_cache *c) {
    while (c->oldest) drop_block(c, c->oldest);
}

static void make_room(lb_cache *c, int64_t size) {
    for (struct cache_block *b = c->oldest, *newer; b && c->kept + size > c->budget; b = newer) {
        newer = b->newer;
        if (!b->users) drop_block(c, b);
    }
}

/* Another thread may be reading it: waits. Under the lock. */
static lb_status wait_for_block(lb_cache *c, struct cache_block *b) {
    b->users++;
    while (!b->bytes && !b->failed) pthread_cond_wait(&c->changed, &c->lock);
    if (!b->failed) return LB_OK;
    if (--b->users == 0) lb_free(b);
    return LB_E_FORMAT;
}

static lb_status fill_block(lb_cache *c, struct cache_block *b) {
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
    if (st == LB_OK) return st;
    detach(c, b); /* nobody finds it any more; the last of those who wait for it frees it */
    if (--b->users == 0) lb_free(b);
    return st;
}

/* The block, in memory, with one more user; *out NULL: another thread is reading it, and this one is not patient. Under the lock, which is
 * given up while it is read. */
static lb_status get_block(lb_cache *c, int shard_index, int tap, int64_t index, bool patient, struct cache_block **out) {
    shard *s = &c->shards[shard_index];
    shard_tap *t = &s->taps[tap];
    for (;;) {
        struct cache_block *have = find_block(c, shard_index, tap, index);
        if (!have) break;
        *out = NULL;
        if (!patient && !have->bytes && !have->failed) return LB_OK;
        *out = have;
        if (wait_for_block(c, have) == LB_OK) return LB_OK; /* else this thread meets, and tells, the failure itself */
    }
    lb_status st = cache_wake(c, s);
    struct cache_block *b = st == LB_OK ? lb_calloc(1, sizeof *b) : NULL;
    if (!b) return st == LB_OK ? LB_E_NOMEM : st;
    *b = (struct cache_block){.shard = shard_index, .tap = tap, .index = index, .size = (size_t)(shard_block_rows(t, index) * t->grid.row_bytes), .users = 1};
    make_room(c, (int64_t)b->size);
    struct cache_block **p = slot_of(c, shard_index, tap, index);
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
    bool done;
};

static int by_row(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* Where values go: floats, scaled for an item, or bytes as they are stored. */
struct sink {
    float *floats;
    char *bytes;
    float scale;
    bool hurried; /* does not wait for blocks that another thread is reading */
    bool busy;    /* met one: not all was poured */
};

static void pour(struct sink *to, const shard_tap *t, const void *bytes, int64_t size) {
    int64_t n = size / (int64_t)lb_dtype_size(t->tap.dtype);
    if (to->bytes) {
        memcpy(to->bytes, bytes, (size_t)size);
        to->bytes += size;
        return;
    }
    lb_convert(to->floats, LB_F32, bytes, t->tap.dtype, n);
    for (int64_t i = 0; to->scale != 1 && i < n; i++) to->floats[i] *= to->scale;
    to->floats += n;
}

/* A run of positions of one block. */
struct span {
    int shard, tap;
    int64_t index, inside, count;
};

/* A tap beyond half the room is not kept: of blocks that are checked only the rows are read. */
static bool reads_rows(const lb_cache *c, const shard_tap *t, int64_t index) {
    return !t->deflate && t->grid.slabs == 1 && t->positions * t->grid.row_bytes > c->budget / 2 && t->checked[index];
}

static lb_status read_alone(lb_cache *c, const struct span *p, struct sink *to) {
    shard *s = &c->shards[p->shard];
    shard_tap *t = &s->taps[p->tap];
    char small[8192], *bytes = small;
    size_t size = (size_t)(p->count * t->grid.row_bytes);
    lb_status st = cache_wake(c, s);
    if (st != LB_OK) return st;
    s->users++;
    pthread_mutex_unlock(&c->lock);
    if (size > sizeof small && !(bytes = lb_alloc(size, 1))) st = LB_E_NOMEM;
    if (st == LB_OK) st = shard_read_rows(s, t, p->index * t->grid.rows + p->inside, p->count, bytes);
    if (st == LB_OK) pour(to, t, bytes, (int64_t)size);
    if (bytes != small) lb_free(bytes);
    pthread_mutex_lock(&c->lock);
    s->users--;
    return st;
}

/* Positions first .. first+count-1 of one tap. Under the lock. */
static lb_status read_span(lb_cache *c, int shard_index, int tap, int64_t first, int64_t count, struct sink *to) {
    shard_tap *t = &c->shards[shard_index].taps[tap];
    int64_t row = t->grid.row_bytes;
    lb_status st = LB_OK;
    while (count > 0 && row > 0 && st == LB_OK) {
        struct span p = {shard_index, tap, first / t->grid.rows, first % t->grid.rows, count};
        struct cache_block *b = NULL;
        if (p.count > t->grid.rows - p.inside) p.count = t->grid.rows - p.inside;
        if (reads_rows(c, t, p.index) && !find_block(c, shard_index, tap, p.index)) {
            st = read_alone(c, &p, to);
        } else if ((st = get_block(c, shard_index, tap, p.index, !to->hurried, &b)) == LB_OK) {
            to->busy = b == NULL;
            if (to->busy) return LB_OK;
            pthread_mutex_unlock(&c->lock);
            pour(to, t, b->bytes + p.inside * row, p.count * row);
            pthread_mutex_lock(&c->lock);
            b->users--;
        }
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
    lb_status st = there ? LB_OK : cache_wake(c, s);
    return st == LB_OK ? shard_load_tap(s, t) : st;
}

/* Wanted rows, in ascending order, that lie in one block of a shard. */
struct together {
    const shard *s;
    int64_t first, index, count; /* first: of the shard; index: the block's */
};

static struct together lie_together(int tap, const struct wanted *order, int64_t count, const shard *s, int64_t inside) {
    int64_t rows = s->taps[tap].grid.rows > 0 ? s->taps[tap].grid.rows : 1;
    struct together g = {s, order[0].row - inside, inside / rows, 1};
    for (; g.count < count && !order[g.count].done; g.count++) {
        int64_t place = order[g.count].row - g.first;
        if (place >= s->n || place / rows != g.index || s->status[place]) break;
    }
    return g;
}

/* Rows at random come from memory, not from a cache: the next one is on its way while this one is converted. */
static void fetch_ahead(const char *bytes, int64_t size) {
    for (int64_t at = 0; at < size && at < 4096; at += 64) __builtin_prefetch(bytes + at);
}

/* All of them while the block is held once. *busy: another thread is reading it, and this one is not patient. Under the lock. */
static lb_status read_together(lb_cache *c, int tap, const struct together *g, struct wanted *order, int64_t width, float *out, bool hurried, bool *busy) {
    int shard_index = (int)(g->s - c->shards);
    const shard_tap *t = &g->s->taps[tap];
    struct cache_block *b = NULL;
    lb_status st = LB_OK;
    *busy = false;
    if (t->grid.row_bytes == 0) {
        for (int64_t i = 0; i < g->count; i++) order[i].done = true;
        return LB_OK;
    }
    if (reads_rows(c, t, g->index) && !find_block(c, shard_index, tap, g->index)) {
        for (int64_t i = 0, n; i < g->count && st == LB_OK; i += n) {
            int64_t inside = order[i].row - g->first;
            for (n = 1; !t->scale && i + n < g->count && order[i + n].row == order[i].row + n && order[i + n].at == order[i].at + n;) n++;
            struct sink to = {.floats = out + order[i].at * width, .scale = t->scale ? t->scale[inside] : 1};
            st = read_alone(c, &(struct span){shard_index, tap, g->index, inside % t->grid.rows, n}, &to);
            for (int64_t k = 0; k < n; k++) order[i + k].done = true;
        }
        return st;
    }
    if ((st = get_block(c, shard_index, tap, g->index, !hurried, &b)) != LB_OK) return st;
    *busy = b == NULL;
    if (*busy) return LB_OK;
    pthread_mutex_unlock(&c->lock);
    for (int64_t i = 0; i < g->count; i++) {
        int64_t inside = order[i].row - g->first;
        struct sink to = {.floats = out + order[i].at * width, .scale = t->scale ? t->scale[inside] : 1};
        if (i + 1 < g->count) fetch_ahead(b->bytes + (order[i + 1].row - g->first) % t->grid.rows * t->grid.row_bytes, t->grid.row_bytes);
        pour(&to, t, b->bytes + inside % t->grid.rows * t->grid.row_bytes, t->grid.row_bytes);
        order[i].done = true;
    }
    pthread_mutex_lock(&c->lock);
    b->users--;
    return LB_OK;
}

/* Rows in ascending order, block by block. In a hurry, blocks that other threads are reading are left for later (*left counts rows), so that
 * threads share the work. */
static lb_status read_sorted(lb_cache *c, int tap, struct wanted *order, int64_t count, int64_t width, float *out, bool hurried, int64_t *left) {
    lb_status st = LB_OK;
    *left = 0;
    for (int64_t i = 0, n; i < count && st == LB_OK; i += n) {
        int64_t inside = 0;
        bool busy = false;
        n = 1;
        if (order[i].done) continue;
        const shard *s = cache_shard_of(c, order[i].row, &inside);
        if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)order[i].row, (long long)c->rows);
        if (s->status[inside]) {
            for (int64_t k = 0; k < width; k++) out[order[i].at * width + k] = NAN;
            order[i].done = true;
            continue;
        }
        st = ready_shard(c, s, tap);
        if (st != LB_OK) return st;
        struct together g = lie_together(tap, order + i, count - i, s, inside);
        n = g.count;
        st = read_together(c, tap, &g, order + i, width, out, hurried, &busy);
        *left += busy ? n : 0;
    }
    return st;
}

lb_status lb_cache_read(lb_cache *c, int tap, int64_t count, const int64_t *rows, float *out) {
    lb_status st = check_tap(c, tap, false);
    if (st != LB_OK) return st;
    const lb_cache_tap *t = lb_cache_tap_at(c, tap);
    if (tap >= c->shards[0].ntaps) return cache_topk_read(c, &c->dense[tap - c->shards[0].ntaps], count, rows, out);
    struct wanted few[64], *order = count > (int64_t)LB_COUNT(few) ? lb_alloc((size_t)count, sizeof *order) : few;
    if (!order) return LB_E_NOMEM;
    bool sorted = true;
    for (int64_t i = 0; i < count; i++) {
        order[i] = (struct wanted){rows[i], i, false};
        sorted &= i == 0 || rows[i] >= rows[i - 1];
    }
    if (!sorted) qsort(order, (size_t)count, sizeof *order, by_row); /* each block is met once */
    pthread_mutex_lock(&c->lock);
    int64_t left = 0;
    st = read_sorted(c, tap, order, count, cache_numel(t->rank, t->shape), out, true, &left);
    if (st == LB_OK && left) st = read_sorted(c, tap, order, count, cache_numel(t->rank, t->shape), out, false, &left);
    pthread_mutex_unlock(&c->lock);
    if (order != few) lb_free(order);
    return st;
}

lb_status lb_cache_read_ragged(lb_cache *c, int tap, int64_t row, float **out, int64_t *length) {
    int64_t inside = 0;
    float *values = NULL;
    lb_status st = check_tap(c, tap, true);
    if (st != LB_OK) return st;
    const shard *s = cache_shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    pthread_mutex_lock(&c->lock);
    st = ready_shard(c, s, tap);
    if (st == LB_OK) {
        const shard_tap *t = &s->taps[tap];
        int64_t first = t->offsets[inside], n = t->offsets[inside + 1] - first;
        values = lb_alloc((size_t)n, (size_t)cache_numel(t->tap.rank - 1, t->tap.shape + 1) * sizeof *values);
        struct sink to = {.floats = values, .scale = t->scale ? t->scale[inside] : 1};
        st = values ? read_span(c, (int)(s - c->shards), tap, first, n, &to) : LB_E_NOMEM;
        *length = st == LB_OK ? n : *length;
    }
    pthread_mutex_unlock(&c->lock);
    if (st == LB_OK) *out = values;
    else lb_free(values);
    return st;
}

lb_status lb_cache_length(lb_cache *c, int tap, int64_t row, int64_t *length) {
    int64_t inside = 0;
    lb_status st = check_tap(c, tap, true);
    const shard *s = st == LB_OK ? cache_shard_of(c, row, &inside) : NULL;
    if (st == LB_OK && !s) st = lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    if (st != LB_OK) return st;
    pthread_mutex_lock(&c->lock);
    st = ready_shard(c, s, tap);
    if (st == LB_OK) *length = s->taps[tap].offsets[inside + 1] - s->taps[tap].offsets[inside];
    pthread_mutex_unlock(&c->lock);
    return st;
}

lb_status cache_stored_row(lb_cache *c, int tap, int64_t row, lb_buf *out) {
    int64_t inside = 0, count = 1;
    const shard *s = cache_shard_of(c, row, &inside);
    if (!s) return lb_fail(LB_E_NOTFOUND, "row %lld of a cache of %lld rows", (long long)row, (long long)c->rows);
    pthread_mutex_lock(&c->lock);
    lb_status st = ready_shard(c, s, tap);
    const shard_tap *t = &s->taps[tap];
    int64_t first = inside;
    if (st == LB_OK && t->tap.ragged) {
        first = t->offsets[inside];
        count = t->offsets[inside + 1] - first;
        lb_buf_add(out, &count, sizeof count);
    }
    const float one = 1;
    if (t->tap.dtype == LB_I8) lb_buf_add(out, t->scale ? &t->scale[inside] : &one, sizeof one);
    size_t at = out->size, size = (size_t)(count * t->grid.row_bytes);
    static const char zeros[4096];
    for (size_t n = 0; n < size; n += sizeof zeros) lb_buf_add(out, zeros, size - n < sizeof zeros ? size - n : sizeof zeros); /* room */
    if (st == LB_OK) st = lb_buf_status(out);
    if (st == LB_OK && size) st = read_span(c, (int)(s - c->shards), tap, first, count, &(struct sink){.bytes = out->data + at});
    pthread_mutex_unlock(&c->lock);
    return st;
}

void lb_cache_set_memory(lb_cache *c, int64_t bytes) {
    pthread_mutex_lock(&c->lock);
    c->budget = bytes > 0 ? bytes : 0;
    make_room(c, 0);
    pthread_mutex_unlock(&c->lock);
}

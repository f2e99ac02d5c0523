/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks (a chunk, about 1 MiB) in memory, the least recently used ones going first. The lock guards the tables of what is kept and open; reading,
 * hashing and inflating go on outside it, so that several threads read at once. */
#include <sys/mman.h>
#include "io/cache_private.h"

/* ---- memory: most blocks fill a frame of 1 MiB, several of which lie together, in pages as large as there are. Those given back last are used
 * first: what the processor's cache still holds. ---- */

enum { FRAME = 1 << 20, HUGE_PAGE = 2 << 20, FRAMES_AT_ONCE = 16 };

static bool in_frame(size_t size) { return size <= FRAME && size > FRAME / 2; }

static bool more_frames(lb_cache *c) {
    int64_t most = c->budget / FRAME < 2 ? 2 : c->budget / FRAME, n = most < FRAMES_AT_ONCE ? most : FRAMES_AT_ONCE;
    char **regions = lb_realloc(c->regions, (size_t)c->nregions + 1, sizeof *regions);
    if (regions) c->regions = regions;
    char **frames = lb_realloc(c->frames, (size_t)(c->all_frames + n), sizeof *frames);
    if (frames) c->frames = frames;
    char *region = regions && frames ? lb_alloc((size_t)n * FRAME + HUGE_PAGE, 1) : NULL;
    if (!region) return false;
    c->regions[c->nregions++] = region;
    region += (HUGE_PAGE - (uintptr_t)region % HUGE_PAGE) % HUGE_PAGE;
    (void)madvise(region, (size_t)n * FRAME, MADV_HUGEPAGE); /* a wish */
    for (int64_t i = 0; i < n; i++) c->frames[c->nframes++] = region + i * FRAME;
    c->all_frames += n;
    return true;
}

static char *take_memory(lb_cache *c, size_t size) {
    if (!in_frame(size)) return lb_alloc(size, 1);
    return c->nframes || more_frames(c) ? c->frames[--c->nframes] : NULL;
}

static void give_memory(lb_cache *c, char *bytes, size_t size) {
    if (bytes && in_frame(size)) c->frames[c->nframes++] = bytes;
    else lb_free(bytes);
}

/* ---- blocks ---- */

static struct cache_block **slot_of(lb_cache *c, int shard_index, int tap, int64_t index) {
    uint64_t mixed = (((uint64_t)shard_index << 8 ^ (uint64_t)tap) << 32 ^ (uint64_t)index) * 0x9e3779b97f4a7c15u;
    return &c->slots[(mixed >> 32) % CACHE_SLOTS];
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

struct cache_block *cache_block_find(lb_cache *c, int shard_index, int tap, int64_t index) {
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
    give_memory(c, b->bytes, b->size);
    lb_free(b);
}

void cache_drop_blocks(lb_cache *c) {
    while (c->oldest) drop_block(c, c->oldest);
    for (int64_t i = 0; i < c->nregions; i++) lb_free(c->regions[i]);
    lb_free(c->regions);
    lb_free(c->frames);
    c->regions = c->frames = NULL;
    c->nregions = c->nframes = c->all_frames = 0;
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
    bool check = !t->checked[b->index];
    char *bytes = take_memory(c, b->size);
    s->users++;
    pthread_mutex_unlock(&c->lock);
    lb_status st = bytes ? shard_read_block(s, t, b->index, check, bytes) : LB_E_NOMEM;
    pthread_mutex_lock(&c->lock);
    s->users--;
    if (st == LB_OK) b->bytes = bytes, t->checked[b->index] = 1;
    else give_memory(c, bytes, b->size);
    b->failed = st != LB_OK;
    pthread_cond_broadcast(&c->changed);
    if (st == LB_OK) return st;
    detach(c, b); /* nobody finds it any more; the last of those who wait for it frees it */
    if (--b->users == 0) lb_free(b);
    return st;
}

lb_status cache_block_get(lb_cache *c, int shard_index, int tap, int64_t index, bool patient, struct cache_block **out) {
    shard *s = &c->shards[shard_index];
    shard_tap *t = &s->taps[tap];
    for (;;) {
        struct cache_block *have = cache_block_find(c, shard_index, tap, index);
        if (!have) break;
        *out = NULL;
        if (!patient && !have->bytes && !have->failed) return LB_OK;
        *out = have;
        if (wait_for_block(c, have) == LB_OK) return LB_OK; /* else this thread meets, and tells, the failure itself */
    }
    lb_status st = cache_wake(c, s);
    struct cache_block *b = st == LB_OK ? lb_calloc(1, sizeof *b) : NULL;
    if (!b) return st == LB_OK ? LB_E_NOMEM : st;
    int64_t taken = t->asked ? t->asked[index].rows : 0;
    if (t->asked) t->asked[index] = (shard_asked){0};
    *b = (struct cache_block){.shard = shard_index, .tap = tap, .index = index, .size = (size_t)(shard_block_rows(t, index) * t->grid.row_bytes), .users = 1, .taken = taken};
    make_room(c, (int64_t)b->size);
    struct cache_block **p = slot_of(c, shard_index, tap, index);
    b->next = *p;
    *p = b;
    push_block(c, b);
    c->kept += (int64_t)b->size;
    *out = b;
    return fill_block(c, b);
}

void cache_block_release(lb_cache *c, struct cache_block *b, int64_t rows) {
    const shard_tap *t = &c->shards[b->shard].taps[b->tap];
    b->users--;
    b->taken += rows;
    if (b->taken < shard_block_rows(t, b->index)) return;
    b->taken = 0;
    unlink_block(c, b);
    b->older = NULL;
    b->newer = c->oldest;
    *(c->oldest ? &c->oldest->older : &c->newest) = b;
    c->oldest = b;
}

/* Of the last reads of rows alone, did so many go to this block that all blocks in such demand have room? Counts those that now come alone. */
static bool in_demand(lb_cache *c, shard_tap *t, int64_t index, int64_t reads, int64_t rows) {
    enum { TIMES = 16 }; /* reads that cost about as much as reading the block */
    if (!t->asked && !(t->asked = lb_calloc((size_t)t->grid.blocks, sizeof *t->asked))) return true;
    shard_asked *a = &t->asked[index];
    if (a->times == 0) *a = (shard_asked){.since = c->alone};
    if (a->times + reads >= TIMES) {
        if (c->alone + reads - a->since <= TIMES * (c->budget / (t->grid.rows * t->grid.row_bytes + 1))) return true;
        *a = (shard_asked){.since = c->alone};
    }
    a->times += (int32_t)reads;
    a->rows += (int32_t)rows;
    c->alone += reads;
    return false;
}

bool cache_alone(lb_cache *c, int shard_index, int tap, int64_t index, int64_t reads, int64_t rows) {
    shard_tap *t = &c->shards[shard_index].taps[tap];
    if (t->deflate || t->grid.slabs != 1 || t->positions * t->grid.row_bytes <= c->budget / 2 || !t->checked[index]) return false;
    return !in_demand(c, t, index, reads, rows);
}

void lb_cache_set_memory(lb_cache *c, int64_t bytes) {
    pthread_mutex_lock(&c->lock);
    c->budget = bytes > 0 ? bytes : 0;
    make_room(c, 0);
    pthread_mutex_unlock(&c->lock);
}

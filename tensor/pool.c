/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/pages.h"
#include "tensor/parts.h"

_Static_assert(sizeof(lb_storage) <= LBI_HEADER, "data begin behind the header");

/* ---- rings ---- */

static void unlink_block(lb_storage *s) {
    s->prev->next = s->next;
    s->next->prev = s->prev;
}

static void link_block(lb_storage *ring, lb_storage *s) {
    s->next = ring->next;
    s->prev = ring;
    s->next->prev = s;
    ring->next = s;
}

/* ---- small blocks ---- */

/* Sizes up to 512 in steps of 64; above, eight per power of two, so that at most an eighth is wasted. */
static int bin_of(size_t bytes, size_t *capacity) {
    size_t b = bytes <= 64 ? 64 : (bytes + 63) / 64 * 64;
    if (b <= 512) {
        *capacity = b;
        return (int)(b / 64) - 1;
    }
    int e = 63 - __builtin_clzll((unsigned long long)(b - 1));
    size_t base = (size_t)1 << e, step = base / 8, part = (b - base + step - 1) / step;
    *capacity = base + part * step;
    return 8 + (e - 9) * 8 + (int)part - 1;
}

static void trim_bins(lbi_pool *p, int64_t step) {
    for (int i = 0; i < LBI_BINS; i++) {
        for (lb_storage **at = &p->free[i]; *at;) {
            lb_storage *s = *at;
            if (s->step >= step) {
                at = &s->next;
                continue;
            }
            *at = s->next;
            lb_free(s);
        }
    }
}

static lb_storage *take_small(lbi_pool *p, size_t bytes) {
    size_t capacity = 0;
    int bin = bin_of(bytes, &capacity);
    lb_storage *s = p->free[bin];
    if (s) p->free[bin] = s->next;
    else if ((s = lb_alloc_aligned(LBI_HEADER + capacity))) s->bin = bin;
    return s;
}

/* ---- slabs ---- */

enum { SMALL = 128 << 10, PAGE = 4096 }; /* at most SMALL bytes: by size */
#define SLAB ((size_t)512 << 20)
#ifdef __SANITIZE_ADDRESS__ /* which sees a step beyond a block only where blocks are the system's */
enum { WHOLE = true };
#else
enum { WHOLE = false };
#endif

static lb_storage *take_slab(size_t size) { return WHOLE ? lb_alloc_aligned(size) : lb_pages_take(size); }
static void give_slab(lb_storage *s) {
    if (WHOLE) lb_free(s);
    else lb_pages_give(s, s->room);
}

/* Frees slabs of which no part is in use: those not used since `step`. */
static void trim_slabs(lbi_pool *p, int64_t step) {
    for (lb_storage *s = p->idle.next, *next; s != &p->idle; s = next) {
        next = s->next;
        if (s->before || s->after || s->step >= step) continue;
        unlink_block(s);
        p->slabs -= (int64_t)s->room;
        give_slab(s);
    }
}

/* A new slab, one free part. Memory that nobody has written to costs nothing but addresses, so a slab is much larger than what is wanted at once: parts
 * of one slab can be joined, those of several cannot. */
static lb_storage *new_slab(lbi_pool *p, size_t need) {
    size_t size = need > SLAB || WHOLE ? need : SLAB;
    lb_storage *s = take_slab(size);
    if (!s && size > need) s = take_slab(size = need);
    if (!s) return NULL;
    *s = (lb_storage){.step = p->step, .bin = LBI_OF_SLAB, .room = size};
    link_block(&p->idle, s);
    p->slabs += (int64_t)size;
    return s;
}

/* The smallest free part that fits. */
static lb_storage *best_part(const lbi_pool *p, size_t need) {
    lb_storage *best = NULL;
    for (lb_storage *s = p->idle.next; s != &p->idle; s = s->next)
        if (s->room >= need && (!best || s->room < best->room)) best = s;
    return best;
}

/* Leaves what is beyond `need` free. */
static void split(lbi_pool *p, lb_storage *s, size_t need) {
    if (s->room - need < SMALL || WHOLE) return;
    lb_storage *rest = (lb_storage *)((char *)s + need);
    *rest = (lb_storage){.step = s->step, .bin = LBI_OF_SLAB, .room = s->room - need, .before = s, .after = s->after};
    if (rest->after) rest->after->before = rest;
    s->after = rest;
    s->room = need;
    link_block(&p->idle, rest);
}

static lb_storage *take_part(lbi_pool *p, size_t bytes) {
    size_t need = (LBI_HEADER + bytes + PAGE - 1) / PAGE * PAGE;
    lb_storage *s = best_part(p, need);
    if (!s) s = new_slab(p, need);
    if (!s) return NULL;
    unlink_block(s);
    split(p, s, need);
    return s;
}

/* `s` takes its neighbour behind it. */
static void join(lb_storage *s) {
    lb_storage *gone = s->after;
    s->room += gone->room;
    s->after = gone->after;
    if (s->after) s->after->before = s;
    if (gone->step > s->step) s->step = gone->step;
}

static bool is_free(const lb_storage *s) { return s && s->refs == 0; }

static void give_part(lbi_pool *p, lb_storage *s) {
    s->refs = 0;
    if (is_free(s->after)) {
        unlink_block(s->after);
        join(s);
    }
    if (is_free(s->before)) {
        unlink_block(s->before);
        s = s->before;
        join(s);
    }
    link_block(&p->idle, s);
}

/* ---- pool ---- */

void lbi_pool_init(lbi_pool *p) {
    memset(p, 0, sizeof *p);
    p->live.next = p->live.prev = &p->live;
    p->idle.next = p->idle.prev = &p->idle;
}

/* Gives idle blocks back to the system: those not used since `step`. */
static void trim(lbi_pool *p, int64_t step) {
    trim_bins(p, step);
    trim_slabs(p, step);
}

static lb_storage *take(lbi_pool *p, size_t bytes) { return bytes > SMALL ? take_part(p, bytes) : take_small(p, bytes); }

lb_storage *lbi_pool_take(lbi_pool *p, size_t bytes) {
    if (bytes > PTRDIFF_MAX / 2) {
        lb_status st = lb_fail(LB_E_NOMEM, "out of memory: %zu bytes refused", bytes);
        (void)st;
        return NULL;
    }
    lb_storage *s = take(p, bytes);
    if (!s) {
        trim(p, INT64_MAX);
        s = take(p, bytes);
    }
    if (!s) return NULL;
    s->bytes = bytes;
    s->refs = 1;
    link_block(&p->live, s);
    p->bytes += (int64_t)bytes;
    if (p->bytes > p->peak) p->peak = p->bytes;
    return s;
}

void lbi_pool_give(lbi_pool *p, lb_storage *s) {
    unlink_block(s);
    p->bytes -= (int64_t)s->bytes;
    s->step = p->step;
    if (s->bin == LBI_OF_SLAB) {
        give_part(p, s);
        return;
    }
    s->next = p->free[s->bin];
    p->free[s->bin] = s;
}

void lbi_pool_reset(lbi_pool *p) {
    while (p->live.next != &p->live) lbi_pool_give(p, p->live.next);
    p->step++;
    trim(p, p->step - 2);
}

void lbi_pool_free(lbi_pool *p) {
    while (p->live.next != &p->live) lbi_pool_give(p, p->live.next);
    trim(p, INT64_MAX);
}

/* ---- arena ---- */

enum { CHUNK = 64 * 1024 - 64 };

struct lbi_chunk {
    lbi_chunk *next;
    size_t size;
};

static char *chunk_bytes(lbi_chunk *c) {
    return (char *)(c + 1);
}

void *lbi_arena_take(lbi_arena *a, size_t bytes) {
    bytes = (bytes + 15) / 16 * 16;
    while (!a->now || a->used + bytes > a->now->size) {
        lbi_chunk *next = a->now ? a->now->next : a->first;
        if (!next || next->size < bytes) {
            size_t size = bytes > CHUNK ? bytes : CHUNK;
            lbi_chunk *c = lb_alloc(1, sizeof *c + size);
            if (!c) return NULL;
            c->size = size;
            c->next = next;
            if (a->now) a->now->next = c;
            else a->first = c;
            next = c;
        }
        a->now = next;
        a->used = 0;
    }
    void *p = chunk_bytes(a->now) + a->used;
    a->used += bytes;
    return p;
}

void lbi_arena_reset(lbi_arena *a) {
    a->now = NULL;
    a->used = 0;
}

void lbi_arena_free(lbi_arena *a) {
    for (lbi_chunk *c = a->first, *next; c; c = next) {
        next = c->next;
        lb_free(c);
    }
    memset(a, 0, sizeof *a);
}

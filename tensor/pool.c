/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "tensor/parts.h"

/* ---- pool ---- */

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

static void unlink_block(lb_storage *s) {
    s->prev->next = s->next;
    s->next->prev = s->prev;
}

void lbi_pool_init(lbi_pool *p) {
    memset(p, 0, sizeof *p);
    p->live.next = p->live.prev = &p->live;
}

/* Gives idle blocks back to the system: those not used since `step`. */
static void trim(lbi_pool *p, int64_t step) {
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

lb_storage *lbi_pool_take(lbi_pool *p, size_t bytes) {
    size_t capacity = 0;
    if (bytes > PTRDIFF_MAX / 2) {
        lb_status st = lb_fail(LB_E_NOMEM, "out of memory: %zu bytes refused", bytes);
        (void)st;
        return NULL;
    }
    int bin = bin_of(bytes, &capacity);
    lb_storage *s = p->free[bin];
    if (s) {
        p->free[bin] = s->next;
    } else {
        s = lb_alloc_aligned(LBI_HEADER + capacity);
        if (!s) {
            trim(p, INT64_MAX);
            s = lb_alloc_aligned(LBI_HEADER + capacity);
        }
        if (!s) return NULL;
    }
    s->bytes = bytes;
    s->refs = 1;
    s->bin = bin;
    s->next = p->live.next;
    s->prev = &p->live;
    s->next->prev = s;
    p->live.next = s;
    p->bytes += (int64_t)bytes;
    if (p->bytes > p->peak) p->peak = p->bytes;
    return s;
}

void lbi_pool_give(lbi_pool *p, lb_storage *s) {
    unlink_block(s);
    p->bytes -= (int64_t)s->bytes;
    s->step = p->step;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "text/word_cache.h"
#include <stdatomic.h>
#include <string.h>

enum { SLOTS = 1 << 15, NEAR = 4 };

/* A mark of the hash stands beside the entries, close together, so that a word that is not there costs no visit to an entry. It is written after its
 * entry: who sees the mark sees the entry. 0 = none yet. */
struct lbi_word_slots {
    _Atomic(lbi_cached *) entries[SLOTS];
    _Atomic(uint16_t) marks[SLOTS];
};

static uint16_t mark_of(uint64_t hash) { return (uint16_t)(hash >> 48 | 1); }

lb_status lbi_word_cache_open(lbi_word_cache *c) {
    c->slots = lb_calloc(1, sizeof *c->slots);
    return c->slots ? LB_OK : LB_E_NOMEM;
}

void lbi_word_cache_close(lbi_word_cache *c) {
    for (size_t i = 0; c->slots && i < SLOTS; i++) lb_free(atomic_load_explicit(&c->slots->entries[i], memory_order_relaxed));
    lb_free(c->slots);
    c->slots = NULL;
}

static uint64_t load(const uint8_t *p, size_t n) {
    uint64_t x = 0;
    uint32_t first, last;
    if (n == 8) memcpy(&x, p, 8);
    else if (n >= 4) { /* the two overlap */
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        x = first | (uint64_t)last << 32;
    } else x = p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    return x;
}

/* Eight bytes at a time, each folded by a multiplication (the constants are odd fractions of the golden ratio and of pi). */
uint64_t lbi_word_hash(const uint8_t *text, size_t size) {
    uint64_t h = size * 0x9E3779B97F4A7C15u;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) h = (h ^ load(text + at, 8)) * 0x9E3779B97F4A7C15u, h ^= h >> 32;
    if (at < size) h = (h ^ load(text + at, size - at)) * 0x243F6A8885A308D3u, h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

const lbi_cached *lbi_word_cache_find(const lbi_word_cache *c, uint64_t hash, const uint8_t *text, size_t size) {
    uint16_t want = mark_of(hash);
    for (size_t i = 0; i < NEAR; i++) {
        size_t k = (hash + i) & (SLOTS - 1);
        if (atomic_load_explicit(&c->slots->marks[k], memory_order_acquire) != want) continue;
        const lbi_cached *e = atomic_load_explicit(&c->slots->entries[k], memory_order_relaxed);
        if (e->hash == hash && e->size == size && memcmp(e->text, text, size) == 0) return e;
    }
    return NULL;
}

void lbi_word_cache_put(lbi_word_cache *c, uint64_t hash, const uint8_t *text, size_t size, const lbi_part *parts, int64_t count) {
    if (size > LBI_CACHED_WORD_MAX || count > LBI_CACHED_TOKENS_MAX) return;
    for (size_t i = 0; i < NEAR; i++) {
        size_t k = (hash + i) & (SLOTS - 1);
        lbi_cached *none = NULL;
        if (atomic_load_explicit(&c->slots->entries[k], memory_order_relaxed)) continue;
        lbi_cached *e = lb_alloc(1, sizeof *e + (size_t)count * sizeof *parts);
        if (!e) {
            lb_error_clear();
            return;
        }
        *e = (lbi_cached){.hash = hash, .size = (uint8_t)size, .count = (uint8_t)count};
        memcpy(e->text, text, size);
        if (count) memcpy(e->parts, parts, (size_t)count * sizeof *parts);
        if (atomic_compare_exchange_strong_explicit(&c->slots->entries[k], &none, e, memory_order_release, memory_order_relaxed))
            atomic_store_explicit(&c->slots->marks[k], mark_of(hash), memory_order_release);
        else lb_free(e);
        return;
    }
}

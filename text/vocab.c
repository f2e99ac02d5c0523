/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab.h"
#include <string.h>
#include "text/word_cache.h"

static lb_status grow(lbi_vocab *v, int64_t capacity) {
    lbi_word *w = lb_realloc(v->words, (size_t)capacity, sizeof *w);
    if (!w) return LB_E_NOMEM;
    v->words = w;
    v->capacity = capacity;
    return LB_OK;
}

lb_status lbi_vocab_reserve(lbi_vocab *v, int64_t count, size_t bytes) {
    size_t before = v->text.size;
    if (count > LBI_ID_MAX) return lb_fail(LB_E_FORMAT, "a vocabulary of %lld tokens, at most %d expected", (long long)count, LBI_ID_MAX);
    lb_status st = v->count + count > v->capacity ? grow(v, v->count + count) : LB_OK;
    if (st != LB_OK || !lb_buf_room(&v->text, bytes + (size_t)count)) return LB_E_NOMEM;
    v->text.size = before;
    return LB_OK;
}

lb_status lbi_vocab_add(lbi_vocab *v, const char *text, size_t size, int64_t id) {
    if (id < 0 || id >= LBI_ID_MAX) return lb_fail(LB_E_FORMAT, "token '%.*s' has number %lld, expected 0 to %d", (int)(size < 80 ? size : 80), text, (long long)id, LBI_ID_MAX - 1);
    if (v->count == v->capacity && grow(v, v->capacity ? 2 * v->capacity : 1024) != LB_OK) return LB_E_NOMEM;
    v->words[v->count++] = (lbi_word){v->text.size, (uint32_t)size, (uint32_t)id};
    char *to = lb_buf_room(&v->text, size + 1);
    if (!to) return LB_E_NOMEM;
    memcpy(to, text, size);
    to[size] = 0;
    if (id >= v->top) v->top = id + 1;
    return LB_OK;
}

enum { PLACE_BITS = 24 };
static uint32_t place_in(uint32_t slot) { return slot & ((1u << PLACE_BITS) - 1); }

/* Where the text's slot is, or is to be. *tag: what stands above its place. */
static size_t slot_of(const lbi_vocab *v, const char *text, size_t size, uint32_t *tag) {
    uint64_t hash = lbi_word_hash((const uint8_t *)text, size);
    *tag = (uint32_t)(hash >> 56) << PLACE_BITS;
    for (size_t i = hash & v->mask;; i = (i + 1) & v->mask) {
        uint32_t slot = v->slots[i];
        if (slot == 0) return i;
        if ((slot ^ *tag) >> PLACE_BITS) continue;
        const lbi_word *w = &v->words[place_in(slot) - 1];
        if (w->size == size && memcmp(v->text.data + w->at, text, size) == 0) return i;
    }
}

lb_status lbi_vocab_finish(lbi_vocab *v) {
    if (v->top > 64 * v->count + 65536) return lb_fail(LB_E_FORMAT, "the vocabulary has %lld tokens, but one of number %lld", (long long)v->count, (long long)v->top - 1);
    if (v->count >= 1 << PLACE_BITS) return lb_fail(LB_E_FORMAT, "a vocabulary of %lld tokens", (long long)v->count);
    size_t slots = 16;
    uint32_t tag;
    while (slots < 2 * (size_t)v->count) slots *= 2;
    v->mask = slots - 1;
    v->slots = lb_calloc(slots, sizeof *v->slots);
    v->by_id = lb_calloc((size_t)v->top, sizeof *v->by_id);
    if (!v->slots || !v->by_id) return LB_E_NOMEM;
    for (int64_t i = 0; i < v->count; i++) {
        size_t s = slot_of(v, v->text.data + v->words[i].at, v->words[i].size, &tag);
        v->distinct += v->slots[s] == 0;
        v->slots[s] = tag | ((uint32_t)i + 1);
        v->by_id[v->words[i].id] = (uint32_t)i + 1;
    }
    return LB_OK;
}

void lbi_vocab_free(lbi_vocab *v) {
    lb_buf_free(&v->text);
    lb_free(v->words);
    lb_free(v->by_id);
    lb_free(v->slots);
    *v = (lbi_vocab){0};
}

static lb_status add_all(lbi_vocab *v, lb_json_items *z, const char *what) {
    while (lb_json_next(z)) {
        if (z->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "%s: number of token '%.*s' must be whole", what, (int)(z->key_size < 80 ? z->key_size : 80), z->key);
        lb_status st = lbi_vocab_add(v, z->key, z->key_size, z->integer);
        if (st != LB_OK) return lb_where(st, "%s", what);
    }
    return z->failed ? LB_E_NOMEM : LB_OK;
}

lb_status lbi_vocab_read_map(lbi_vocab *v, const lb_json_part *map, const char *what) {
    if (!map->text || *map->text != '{' || map->count == 0) return lb_fail(LB_E_FORMAT, "%s must be a map of tokens", what);
    lb_json_items z = lb_json_items_of(map->text, map->size);
    lb_status st = lbi_vocab_reserve(v, map->count, map->size);
    if (st == LB_OK) st = add_all(v, &z, what);
    lb_json_items_free(&z);
    if (st == LB_OK) st = lbi_vocab_finish(v);
    if (st == LB_OK && v->distinct != v->count) return lb_fail(LB_E_FORMAT, "%s has a token twice", what);
    return st;
}

int64_t lbi_vocab_find(const lbi_vocab *v, const char *text, size_t size) {
    if (!v->slots) return -1;
    uint32_t tag, place = place_in(v->slots[slot_of(v, text, size, &tag)]);
    return place ? (int64_t)v->words[place - 1].id : -1;
}

const char *lbi_vocab_text(const lbi_vocab *v, int64_t id, size_t *size) {
    if (id < 0 || id >= v->top || !v->by_id || v->by_id[id] == 0) return NULL;
    const lbi_word *w = &v->words[v->by_id[id] - 1];
    *size = w->size;
    return v->text.data + w->at;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab.h"
#include <string.h>
#include "base/hash.h"

lb_status lbi_vocab_add(lbi_vocab *v, const char *text, size_t size, int64_t id) {
    if (id < 0 || id >= LBI_ID_MAX) return lb_fail(LB_E_FORMAT, "token '%.*s' has number %lld, expected 0 to %d", (int)(size < 80 ? size : 80), text, (long long)id, LBI_ID_MAX - 1);
    if (v->count == v->capacity) {
        int64_t cap = v->capacity ? 2 * v->capacity : 1024;
        lbi_word *w = lb_realloc(v->words, (size_t)cap, sizeof *w);
        if (!w) return LB_E_NOMEM;
        v->words = w;
        v->capacity = cap;
    }
    v->words[v->count++] = (lbi_word){v->text.size, (uint32_t)size, (uint32_t)id};
    lb_buf_add(&v->text, text, size);
    lb_buf_add(&v->text, "", 1);
    if (id >= v->top) v->top = id + 1;
    return lb_buf_status(&v->text);
}

static size_t slot_of(const lbi_vocab *v, const char *text, size_t size) {
    for (size_t i = lb_hash64(text, size, 0) & v->mask;; i = (i + 1) & v->mask) {
        if (v->slots[i] == 0) return i;
        const lbi_word *w = &v->words[v->slots[i] - 1];
        if (w->size == size && memcmp(v->text.data + w->at, text, size) == 0) return i;
    }
}

lb_status lbi_vocab_finish(lbi_vocab *v) {
    if (v->top > 64 * v->count + 65536) return lb_fail(LB_E_FORMAT, "the vocabulary has %lld tokens, but one of number %lld", (long long)v->count, (long long)v->top - 1);
    size_t slots = 16;
    while (slots < 2 * (size_t)v->count) slots *= 2;
    v->mask = slots - 1;
    v->slots = lb_calloc(slots, sizeof *v->slots);
    v->by_id = lb_calloc((size_t)v->top, sizeof *v->by_id);
    if (!v->slots || !v->by_id) return LB_E_NOMEM;
    for (int64_t i = 0; i < v->count; i++) {
        size_t s = slot_of(v, v->text.data + v->words[i].at, v->words[i].size);
        v->distinct += v->slots[s] == 0;
        v->slots[s] = (uint32_t)i + 1;
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

lb_status lbi_vocab_read_map(lbi_vocab *v, const lb_value *map, const char *what) {
    if (!map || map->kind != LB_V_MAP || map->count == 0) return lb_fail(LB_E_FORMAT, "%s must be a map of tokens", what);
    for (int64_t i = 0; i < map->count; i++) {
        const lb_value *id = map->items[i];
        if (id->kind != LB_V_INT) return lb_fail(LB_E_FORMAT, "%s: number of token '%s' must be whole", what, map->keys[i]);
        lb_status st = lbi_vocab_add(v, map->keys[i], strlen(map->keys[i]), id->integer);
        if (st != LB_OK) return lb_where(st, "%s", what);
    }
    return LB_OK;
}

int64_t lbi_vocab_find(const lbi_vocab *v, const char *text, size_t size) {
    if (!v->slots) return -1;
    uint32_t place = v->slots[slot_of(v, text, size)];
    return place ? (int64_t)v->words[place - 1].id : -1;
}

const char *lbi_vocab_text(const lbi_vocab *v, int64_t id, size_t *size) {
    if (id < 0 || id >= v->top || !v->by_id || v->by_id[id] == 0) return NULL;
    const lbi_word *w = &v->words[v->by_id[id] - 1];
    *size = w->size;
    return v->text.data + w->at;
}

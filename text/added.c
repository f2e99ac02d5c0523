/* SPDX-License-Identifier: Apache-2.0 */
#include "text/added.h"
#include "text/unicode.h"

static bool stands_alone(const uint8_t *text, size_t size, size_t begin, size_t end) {
    size_t at = 0;
    if (begin > 0 && lbi_is_word(lbi_utf8_before(text, begin, &at))) return false;
    return end == size || !lbi_is_word(lbi_utf8_next(text + end, size - end, &at));
}

static size_t strip_left(const uint8_t *text, size_t begin, size_t floor) {
    for (size_t at = begin; begin > floor; begin = at)
        if (!lbi_is_space(lbi_utf8_before(text, begin, &at))) break;
    return begin < floor ? floor : begin;
}

static size_t strip_right(const uint8_t *text, size_t size, size_t end) {
    for (size_t used = 0; end < size; end += used)
        if (!lbi_is_space(lbi_utf8_next(text + end, size - end, &used))) break;
    return end;
}

bool lbi_added_next(const lbi_added_set *s, const uint8_t *text, size_t size, lbi_added_walk *w, size_t *begin, size_t *end, int64_t *id) {
    if (w->ended) return false;
    while (s->trie.count > 1 && w->at < size) {
        size_t n = 0;
        while (w->at < size && s->trie.from_root[text[w->at]] == 0) w->at++;
        if (w->at == size) break;
        int64_t which = lbi_trie_longest(&s->trie, text + w->at, size - w->at, &n);
        if (which < 0) {
            w->at++;
            continue;
        }
        const lbi_added *a = &s->list[which];
        size_t first = w->at, last = w->at + n;
        w->at = last;
        if (first < w->given) first = w->given; /* spaces that the token before took */
        if (a->single_word && !stands_alone(text, size, last - n, last)) continue;
        if (a->lstrip) first = strip_left(text, first, w->given);
        if (a->rstrip) last = strip_right(text, size, last);
        *begin = w->given;
        *end = first;
        *id = a->id;
        w->given = last;
        return true;
    }
    w->ended = true;
    *begin = w->given;
    *end = size;
    *id = -1;
    return true;
}

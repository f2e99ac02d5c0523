/* SPDX-License-Identifier: Apache-2.0 */
#include "text/pipeline.h"
#include <string.h>
#include "text/unicode.h"

enum { BYTE_SPACE = 0x120 }; /* what the byte-level alphabet has for a space */

void lbi_parts_add(lbi_parts *p, uint32_t id, size_t size) {
    if (p->count == p->capacity) {
        int64_t cap = p->capacity ? 2 * p->capacity : 64;
        lbi_part *at = lb_realloc(p->at, (size_t)cap, sizeof *at);
        if (!at) {
            p->failed = true;
            return;
        }
        p->at = at;
        p->capacity = cap;
    }
    p->at[p->count++] = (lbi_part){id, (uint32_t)size};
}

void *lbi_work_scratch(lbi_work *w, size_t size) {
    if (size <= w->scratch_size) return w->scratch;
    lb_free(w->scratch);
    w->scratch_size = size < 4096 ? 4096 : size + size / 2;
    w->scratch = lb_alloc(w->scratch_size, 1);
    if (!w->scratch) w->scratch_size = 0;
    return w->scratch;
}

static void free_work(lbi_work *w) {
    lbi_line_free(&w->line);
    lbi_line_free(&w->spare);
    lbi_line_free(&w->part);
    lb_free(w->pieces.at);
    lb_free(w->other.at);
    lb_free(w->parts.at);
    lb_free(w->scratch);
}

/* ---- what comes out ---- */

typedef struct output {
    const lbi_pipeline *p;
    const char *text; /* the original */
    lb_tokens tokens;
    int64_t capacity;
    int64_t first; /* of the tokens that are no special ones */
    bool offsets, failed;
} output;

static bool grow(output *o) {
    int64_t cap = o->capacity ? 2 * o->capacity : 64, **const all[] = {&o->tokens.ids, &o->tokens.begin, &o->tokens.end};
    for (size_t k = 0; k < (o->offsets ? LB_COUNT(all) : 1); k++) {
        int64_t *at = lb_realloc(*all[k], (size_t)cap, sizeof *at);
        if (!at) {
            o->failed = true;
            return false;
        }
        *all[k] = at;
    }
    o->capacity = cap;
    return true;
}

static void push(output *o, int64_t id, int64_t begin, int64_t end) {
    if (o->tokens.count == o->capacity && !grow(o)) return;
    int64_t i = o->tokens.count++;
    o->tokens.ids[i] = id;
    if (!o->offsets) return;
    o->tokens.begin[i] = begin;
    o->tokens.end[i] = end;
}

/* Characters at either end of a token that are spaces. */
static int64_t leading(const uint8_t *p, size_t n) {
    int64_t count = 0;
    for (size_t at = 0, used = 0; at < n; at += used, count++) {
        uint32_t c = lbi_utf8_next(p + at, n - at, &used);
        if (c != BYTE_SPACE && !lbi_is_space(c)) break;
    }
    return count;
}

static int64_t trailing(const uint8_t *p, size_t n) {
    int64_t count = 0;
    for (size_t at = 0; n > 0; n = at, count++) {
        uint32_t c = lbi_utf8_before(p, n, &at);
        if (c != BYTE_SPACE && !lbi_is_space(c)) break;
    }
    return count;
}

/* The offsets of a token without the spaces of its text. */
static void push_trimmed(output *o, int64_t id, const char *token, size_t n, int64_t begin, int64_t end) {
    const uint8_t *p = (const uint8_t *)token, *text = (const uint8_t *)o->text;
    int64_t lead = leading(p, n), trail = trailing(p, n), place = o->tokens.count - (o->p->trim.after_specials ? 0 : o->first);
    if (lead == 1 && o->p->trim.prefix_space && (place == 0 || begin == 0)) lead = 0;
    for (size_t used = 0; lead > 0 && begin < end; lead--, begin += (int64_t)used) lbi_utf8_next(text + begin, (size_t)(end - begin), &used);
    int64_t before = 0; /* characters, as many as matter */
    for (size_t at = 0, used = 0; at < (size_t)end && before < trail; at += used, before++) lbi_utf8_next(text + at, (size_t)end - at, &used);
    for (size_t at = 0; before >= trail && trail > 0 && end > begin; trail--, end = (int64_t)at) lbi_utf8_before(text, (size_t)end, &at);
    push(o, id, begin, end < begin ? begin : end);
}

static void push_token(output *o, int64_t id, const char *token, size_t size, int64_t begin, int64_t end) {
    if (o->offsets && o->p->trim.on) push_trimmed(o, id, token, size, begin, end);
    else push(o, id, begin, end);
}

/* ---- from text to pieces to tokens ---- */

static const lbi_part *tokens_of(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t size, int64_t *count) {
    bool small = size <= LBI_CACHED_WORD_MAX;
    uint64_t hash = small ? lbi_word_hash(text, size) : 0;
    const lbi_cached *known = small ? lbi_word_cache_find(&p->cache, hash, text, size) : NULL;
    if (known) {
        *count = known->count;
        return known->parts;
    }
    w->parts.count = 0;
    p->kind->word(p, w, text, size);
    *count = w->parts.count;
    if (small && !w->parts.failed) lbi_word_cache_put((lbi_word_cache *)&p->cache, hash, text, size, w->parts.at, w->parts.count);
    return w->parts.at;
}

static void encode_pieces(output *o, lbi_work *w, const lbi_line *line) {
    for (size_t i = 0; i < w->pieces.count && !o->failed; i++) {
        int64_t count = 0;
        size_t at = w->pieces.at[i].begin, last = w->pieces.at[i].end;
        const lbi_part *parts = tokens_of(o->p, w, line->at + at, last - at, &count);
        for (int64_t k = 0; k < count; k++) {
            size_t end = at + parts[k].size, size = 0;
            if (!o->offsets) {
                push(o, parts[k].id, 0, 0);
                continue;
            }
            if (end > last) end = last;
            if (k && parts[k].size == 0) {
                push(o, parts[k].id, o->tokens.begin[o->tokens.count - 1], o->tokens.end[o->tokens.count - 1]);
                continue;
            }
            lbi_span from = at < last ? line->from[at] : line->from[last - 1], to = end > at ? line->from[end - 1] : (lbi_span){0, from.begin};
            const char *token = lbi_vocab_text(&o->p->vocab, parts[k].id, &size);
            push_token(o, parts[k].id, token ? token : "", size, from.begin, to.end);
            at = end;
        }
    }
}

/* Normalised text without added tokens. */
static void encode_plain(output *o, lbi_work *w, lbi_line *line) {
    w->pieces.count = 0;
    lbi_pieces_add(&w->pieces, 0, line->size);
    lbi_split_pieces(&o->p->splits, line, &w->spare, &w->pieces, &w->other);
    if (!line->failed && !w->pieces.failed && !w->other.failed) encode_pieces(o, w, line);
    o->failed = o->failed || line->failed || w->pieces.failed || w->other.failed || w->parts.failed;
}

/* A piece of the original between added tokens. */
static void encode_part(output *o, lbi_work *w, size_t from, size_t to) {
    lbi_line_start(&w->line, o->offsets || o->p->tracked);
    lbi_line_text(&w->line, (const uint8_t *)o->text + from, to - from, from);
    lbi_normalise(&o->p->norms, &w->line, &w->spare);
    if (w->line.failed || o->p->normalized.trie.count <= 1) {
        encode_plain(o, w, &w->line);
        return;
    }
    lbi_added_walk walk = {0};
    size_t begin = 0, end = 0;
    for (int64_t id = -1; !o->failed && lbi_added_next(&o->p->normalized, w->line.at, w->line.size, &walk, &begin, &end, &id);) {
        lbi_line_start(&w->part, w->line.tracked);
        lbi_line_copy(&w->part, &w->line, begin, end);
        encode_plain(o, w, &w->part);
        if (id < 0) continue;
        lbi_span first = o->offsets ? w->line.from[end] : (lbi_span){0}, last = o->offsets ? w->line.from[walk.given - 1] : first;
        push_token(o, id, (const char *)w->line.at + end, walk.given - end, first.begin, last.end);
    }
}

static void encode_all(output *o, lbi_work *w, size_t size) {
    lbi_added_walk walk = {0};
    size_t begin = 0, end = 0;
    for (int64_t id = -1; !o->failed && lbi_added_next(&o->p->raw, (const uint8_t *)o->text, size, &walk, &begin, &end, &id);) {
        if (end > begin) encode_part(o, w, begin, end);
        if (id >= 0) push_token(o, id, o->text + end, walk.given - end, (int64_t)end, (int64_t)walk.given);
    }
}

/* Leaves at most `most` tokens behind the prefix. */
static void cut(output *o, int64_t most) {
    lb_tokens *t = &o->tokens;
    int64_t drop = t->count - o->first - most;
    if (drop <= 0) return;
    if (o->p->cut_left) {
        int64_t *const all[] = {t->ids, t->begin, t->end};
        for (size_t k = 0; k < (o->offsets ? LB_COUNT(all) : 1); k++) memmove(all[k] + o->first, all[k] + o->first + drop, (size_t)most * sizeof **all);
    }
    t->count -= drop;
}

lb_status lbi_pipeline_encode(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out) {
    const lbi_pipeline *p = t->impl;
    int64_t around = how->plain ? 0 : p->prefix_count + p->suffix_count;
    if (how->max > 0 && how->max < around) return lb_fail(LB_E_ARG, "at most %lld tokens leaves no room for %lld special ones", (long long)how->max, (long long)around);
    if (size > LBI_LINE_MAX) return lb_fail(LB_E_LIMIT, "a text of %zu bytes, at most %d are taken", size, LBI_LINE_MAX);
    output o = {.p = p, .text = text, .offsets = how->offsets};
    lbi_work w = {0};
    for (int i = 0; i < p->prefix_count && !how->plain; i++) push(&o, p->prefix[i], 0, 0);
    o.first = o.tokens.count;
    encode_all(&o, &w, size);
    if (how->max > 0) cut(&o, how->max - around);
    for (int i = 0; i < p->suffix_count && !how->plain; i++) push(&o, p->suffix[i], 0, 0);
    free_work(&w);
    if (o.tokens.count == 0 && !o.failed) grow(&o); /* no tokens, but an address */
    if (o.failed) {
        lb_tokens_free(&o.tokens);
        return lb_fail(LB_E_NOMEM, "tokens of a text of %zu bytes", size);
    }
    *out = o.tokens;
    return LB_OK;
}

/* ---- names ---- */

static const char *text_of(const lbi_pipeline *p, int64_t id, size_t *size) {
    if (id < 0 || id >= p->top) return NULL;
    if (p->added_by_id[id]) {
        *size = p->added_by_id[id]->size;
        return p->added_by_id[id]->text;
    }
    return lbi_vocab_text(&p->vocab, id, size);
}

const char *lbi_pipeline_token(const lb_tokenizer *t, int64_t id) {
    size_t size = 0;
    const char *text = text_of(t->impl, id, &size);
    return text ? text : "";
}

int64_t lbi_pipeline_find(const lb_tokenizer *t, const char *token) {
    const lbi_pipeline *p = t->impl;
    for (int64_t i = 0; i < p->added_count; i++)
        if (strcmp(p->added[i].text, token) == 0) return p->added[i].id;
    return lbi_vocab_find(&p->vocab, token, strlen(token));
}

void lbi_pipeline_close(lb_tokenizer *t) {
    lbi_pipeline *p = t->impl;
    if (!p) return;
    if (p->kind->close) p->kind->close(p);
    for (int64_t i = 0; i < p->added_count; i++) {
        lb_free(p->added[i].text);
        if (p->normal_texts) lb_free(p->normal_texts[i]);
    }
    lb_free(p->added);
    lb_free(p->added_by_id);
    lb_free(p->normal_texts);
    lbi_trie_free(&p->raw.trie);
    lbi_trie_free(&p->normalized.trie);
    lbi_norms_free(&p->norms);
    lbi_splits_free(&p->splits);
    lbi_decoders_free(p);
    lbi_vocab_free(&p->vocab);
    lbi_word_cache_close(&p->cache);
    lb_free(p);
    t->impl = NULL;
}

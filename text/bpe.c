/* SPDX-License-Identifier: Apache-2.0 */
#include "text/bpe.h"
#include <stdio.h>
#include <string.h>
#include "text/byte_alphabet.h"
#include "text/unicode.h"

enum { NONE = -1, SHORT = 48, UNIT_MAX = 4 + 64 };
static const uint32_t no_rank = UINT32_MAX;

/* (left, right) -> rank and result, by open addressing. */
typedef struct merge {
    uint32_t left, right, rank, result;
} merge;

typedef struct bpe {
    merge *merges; /* rank == no_rank: free */
    size_t mask;
    uint32_t count;
    char *prefix, *suffix;
    int64_t next; /* while it is made: behind the last merge's result */
    int64_t unk; /* NONE = there is none: unknown symbols are left out */
    bool unk_asked, fuse_unk, fallback, ignore_merges;
    int32_t byte_ids[256], last_ids[256]; /* symbols of bytes inside a word and at its end, when words are bytes and there is no prefix */
    int32_t fallback_ids[256];            /* "<0x41>" */
} bpe;

static size_t slot_of(const bpe *b, uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    for (size_t i = (h ^ h >> 32) & b->mask;; i = (i + 1) & b->mask) {
        const merge *m = &b->merges[i];
        if (m->rank == no_rank || (m->left == left && m->right == right)) return i;
    }
}

/* ---- making ---- */

static lb_status keep(char **out, const char *text) {
    if (!text || !*text) return LB_OK;
    if (strlen(text) > UNIT_MAX / 2 - 4) return lb_fail(LB_E_UNSUPPORTED, "prefix or suffix '%.40s' of words is too long", text);
    *out = lb_strdup(text);
    return *out ? LB_OK : LB_E_NOMEM;
}

/* The symbol of one unit of a word as the vocabulary spells it: prefix, letters, suffix. */
static size_t spell(const bpe *b, bool bytes, const uint8_t *unit, size_t n, bool first, bool last, char dst[UNIT_MAX]) {
    size_t size = 0;
    if (!first && b->prefix) size = strlen(strcpy(dst, b->prefix));
    if (bytes) size += (size_t)lbi_utf8_write((uint8_t *)dst + size, lbi_alphabet_of_byte(*unit));
    else memcpy(dst + size, unit, n), size += n;
    if (last && b->suffix) size += strlen(strcpy(dst + size, b->suffix));
    return size;
}

static void find_bytes(const lbi_pipeline *p, bpe *b) {
    char text[UNIT_MAX];
    for (int i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        b->byte_ids[i] = (int32_t)lbi_vocab_find(&p->vocab, text, spell(b, true, &byte, 1, true, false, text));
        b->last_ids[i] = (int32_t)lbi_vocab_find(&p->vocab, text, spell(b, true, &byte, 1, true, true, text));
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        b->fallback_ids[i] = (int32_t)lbi_vocab_find(&p->vocab, text, 6);
    }
}

lb_status lbi_bpe_begin(lbi_pipeline *p, const lbi_bpe_spec *spec, int64_t merges) {
    bpe *b = p->model = lb_calloc(1, sizeof *b);
    size_t slots = 16;
    if (!b) return LB_E_NOMEM;
    if (merges > LBI_ID_MAX) return lb_fail(LB_E_FORMAT, "%lld merges are too many", (long long)merges);
    while (slots < 2 * (size_t)merges) slots *= 2;
    b->mask = slots - 1;
    b->merges = lb_alloc(slots, sizeof *b->merges);
    if (!b->merges) return LB_E_NOMEM;
    for (size_t i = 0; i < slots; i++) b->merges[i].rank = no_rank;
    b->fuse_unk = spec->fuse_unk;
    b->fallback = spec->byte_fallback;
    b->ignore_merges = spec->ignore_merges;
    b->unk_asked = spec->unk != NULL;
    b->unk = spec->unk ? lbi_vocab_find(&p->vocab, spec->unk, strlen(spec->unk)) : NONE;
    if (b->unk_asked && b->unk < 0) return lb_fail(LB_E_FORMAT, "the unknown token '%s' is not in the vocabulary", spec->unk);
    lb_status st = keep(&b->prefix, spec->prefix);
    if (st == LB_OK) st = keep(&b->suffix, spec->suffix);
    if (st == LB_OK) find_bytes(p, b);
    return st;
}

static lb_status find(const lbi_pipeline *p, const char *text, size_t size, uint32_t *id) {
    int64_t n = lbi_vocab_find(&p->vocab, text, size);
    if (n < 0) return lb_fail(LB_E_FORMAT, "merges: token '%.*s' is not in the vocabulary", (int)(size < 80 ? size : 80), text);
    *id = (uint32_t)n;
    return LB_OK;
}

/* The token of both texts, joined. Results mostly stand in the vocabulary in the order of the merges: then guess is its number. */
static lb_status find_both(const lbi_pipeline *p, const char *a, size_t a_size, const char *b, size_t b_size, int64_t guess, uint32_t *id) {
    char near[SHORT], *both = near;
    size_t size = 0;
    const char *text = lbi_vocab_text(&p->vocab, guess, &size);
    *id = (uint32_t)guess;
    if (text && size == a_size + b_size && memcmp(text, a, a_size) == 0 && memcmp(text + a_size, b, b_size) == 0) return LB_OK;
    if (a_size + b_size > sizeof near) both = lb_alloc(a_size + b_size, 1);
    if (!both) return LB_E_NOMEM;
    memcpy(both, a, a_size);
    memcpy(both + a_size, b, b_size);
    lb_status st = find(p, both, a_size + b_size, id);
    if (both != near) lb_free(both);
    return st;
}

lb_status lbi_bpe_merge(lbi_pipeline *p, const char *a, size_t a_size, const char *b, size_t b_size) {
    bpe *z = p->model;
    merge m = {.rank = z->count};
    size_t prefix = z->prefix ? strlen(z->prefix) : 0;
    if (b_size < prefix) return lb_fail(LB_E_FORMAT, "merge %u: '%.*s' is shorter than the prefix '%s'", z->count, (int)b_size, b, z->prefix);
    lb_status st = find(p, a, a_size, &m.left);
    if (st == LB_OK) st = find(p, b, b_size, &m.right);
    if (st == LB_OK) st = find_both(p, a, a_size, b + prefix, b_size - prefix, z->next, &m.result);
    if (st != LB_OK) return st;
    z->next = (int64_t)m.result + 1;
    z->merges[slot_of(z, m.left, m.right)] = m; /* of equal pairs the last counts */
    z->count++;
    return LB_OK;
}

int64_t lbi_count_lines(const char *text, size_t size) {
    int64_t lines = size > 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    return lines;
}

lb_status lbi_bpe_merge_lines(lbi_pipeline *p, const char *text, size_t size, int64_t limit) {
    int64_t line = 0;
    for (size_t at = 0; at < size && (limit == 0 || line < limit);) {
        const char *from = text + at, *end = memchr(from, '\n', size - at);
        size_t n = end ? (size_t)(end - from) : size - at;
        at += n + 1;
        line++;
        if (n && from[n - 1] == '\r') n--;
        if (n >= 8 && memcmp(from, "#version", 8) == 0) continue;
        const char *space = memchr(from, ' ', n);
        size_t left = space ? (size_t)(space - from) : 0;
        if (!space || memchr(space + 1, ' ', n - left - 1)) return lb_fail(LB_E_FORMAT, "merges, line %lld: expected two tokens with a space between", (long long)line);
        lb_status st = lbi_bpe_merge(p, from, left, space + 1, n - left - 1);
        if (st != LB_OK) return lb_where(st, "line %lld", (long long)line);
    }
    return LB_OK;
}

/* "a b", or ["a", "b"]. */
static lb_status read_merge(lbi_pipeline *p, lb_json_items *m, int64_t i) {
    const char *space = m->kind == LB_V_TEXT ? memchr(m->text, ' ', m->size) : NULL;
    size_t left = space ? (size_t)(space - m->text) : 0;
    if (space && !memchr(space + 1, ' ', m->size - left - 1)) return lbi_bpe_merge(p, m->text, left, space + 1, m->size - left - 1);
    lb_json_items pair = lb_json_inside(m);
    const char *first = NULL;
    bool fits = m->kind == LB_V_LIST && lb_json_next(&pair) && pair.kind == LB_V_TEXT;
    if (fits) first = pair.text, left = pair.size;
    fits = fits && lb_json_next(&pair) && pair.kind == LB_V_TEXT;
    lb_status st = fits ? lbi_bpe_merge(p, first, left, pair.text, pair.size) : LB_OK;
    fits = fits && !lb_json_next(&pair);
    if (st == LB_OK && pair.failed) st = LB_E_NOMEM;
    lb_json_items_free(&pair);
    return st == LB_OK && !fits ? lb_fail(LB_E_FORMAT, "model.merges[%lld]: expected two tokens", (long long)i) : st;
}

static lb_status read_merges(lbi_pipeline *p, const lb_json_part *merges) {
    lb_json_items all = lb_json_items_of(merges->text, merges->size);
    lb_status st = LB_OK;
    for (int64_t i = 0; st == LB_OK && lb_json_next(&all); i++) st = read_merge(p, &all, i);
    if (st == LB_OK && all.failed) st = LB_E_NOMEM;
    lb_json_items_free(&all);
    return st;
}

lb_status lbi_bpe_read(lbi_pipeline *p, const lb_value *model, const lb_json_part parts[LBI_MODEL_PARTS]) {
    const lb_json_part *merges = &parts[LBI_MODEL_MERGES];
    if (lb_get_real(model, "dropout", 0) != 0) return lb_fail(LB_E_UNSUPPORTED, "model.dropout other than 0 is not handled");
    if (!merges->text || *merges->text != '[') return lb_fail(LB_E_FORMAT, "model.merges must be a list");
    lb_status st = lbi_vocab_read_map(&p->vocab, &parts[LBI_MODEL_VOCAB], "model.vocab");
    lbi_bpe_spec spec = {.unk = lb_get_text(model, "unk_token", NULL), .prefix = lb_get_text(model, "continuing_subword_prefix", NULL), .suffix = lb_get_text(model, "end_of_word_suffix", NULL),
                         .fuse_unk = lb_get_bool(model, "fuse_unk", false), .byte_fallback = lb_get_bool(model, "byte_fallback", false), .ignore_merges = lb_get_bool(model, "ignore_merges", false)};
    if (st == LB_OK) st = lbi_bpe_begin(p, &spec, merges->count);
    return st == LB_OK ? read_merges(p, merges) : st;
}

void lbi_bpe_close(lbi_pipeline *p) {
    bpe *b = p->model;
    if (!b) return;
    lb_free(b->merges);
    lb_free(b->prefix);
    lb_free(b->suffix);
    lb_free(b);
}

/* ---- words ---- */

typedef struct symbol {
    int32_t id, previous, next; /* NONE at the ends */
    uint32_t size;              /* bytes; 0 = joined into the one before */
    uint32_t rank;              /* of the pair with the next */
} symbol;

/* A pair that waits for its turn. */
typedef struct turn {
    uint32_t rank;
    int32_t at;
} turn;

/* The symbols of a word, before any is joined. */
typedef struct opening {
    symbol *at;
    int64_t count;
    int64_t unk;       /* an unknown stretch that may still grow: its id, or NONE */
    uint32_t unk_size;
} opening;

static void add(opening *o, int64_t id, uint32_t size) { o->at[o->count++] = (symbol){.id = (int32_t)id, .size = size}; }

static void end_unknown(opening *o) {
    if (o->unk != NONE) add(o, o->unk, o->unk_size);
    o->unk = NONE;
}

/* A symbol that the vocabulary does not have: its bytes, or the unknown token, or nothing. */
static void unknown(const bpe *b, opening *o, const char *text, size_t size, uint32_t bytes) {
    bool all = b->fallback;
    for (size_t i = 0; all && i < size; i++) all = b->fallback_ids[(uint8_t)text[i]] >= 0;
    if (all) { /* before an unknown stretch that waits, as in the reference */
        for (size_t i = 0; i < size; i++) add(o, b->fallback_ids[(uint8_t)text[i]], 1);
        return;
    }
    if (!b->unk_asked) return;
    if (o->unk != NONE && b->fuse_unk) {
        o->unk_size += bytes;
        return;
    }
    end_unknown(o);
    o->unk = b->unk;
    o->unk_size = bytes;
}

static void open_word(const lbi_pipeline *p, const bpe *b, opening *o, const uint8_t *text, size_t n) {
    bool bytes = p->splits.bytes;
    char spelt[UNIT_MAX];
    for (size_t at = 0, used = 1; at < n; at += used) {
        if (!bytes) lbi_utf8_next(text + at, n - at, &used);
        bool first = at == 0, last = at + used == n;
        int64_t id = NONE;
        size_t size = 0;
        if (bytes && !b->prefix) id = last ? b->last_ids[text[at]] : b->byte_ids[text[at]];
        else id = lbi_vocab_find(&p->vocab, spelt, size = spell(b, bytes, text + at, used, first, last, spelt));
        if (id >= 0) {
            end_unknown(o);
            add(o, id, (uint32_t)used);
            continue;
        }
        if (size == 0) size = spell(b, bytes, text + at, used, first, last, spelt);
        unknown(b, o, spelt, size, (uint32_t)used);
    }
    end_unknown(o);
    for (int64_t i = 0; i < o->count; i++) {
        o->at[i].previous = (int32_t)i - 1;
        o->at[i].next = i + 1 < o->count ? (int32_t)i + 1 : NONE;
    }
}

static const merge *pair(const bpe *b, const symbol *s, const symbol *all) {
    if (s->next == NONE) return NULL;
    const merge *m = &b->merges[slot_of(b, (uint32_t)s->id, (uint32_t)all[s->next].id)];
    return m->rank == no_rank ? NULL : m;
}

static void rank(const bpe *b, symbol *all, int32_t i) {
    const merge *m = i == NONE ? NULL : pair(b, &all[i], all);
    if (i != NONE) all[i].rank = m ? m->rank : no_rank;
}

/* Joins symbol i with the next. */
static void join(symbol *all, int32_t i, int32_t result) {
    symbol *s = &all[i], *next = &all[s->next];
    s->id = result;
    s->size += next->size;
    next->size = 0;
    s->next = next->next;
    if (s->next != NONE) all[s->next].previous = i;
}

/* Few symbols: look through all pairs for the lowest rank each time. */
static void merge_short(const bpe *b, symbol *all, int64_t count) {
    for (int64_t i = 0; i < count; i++) rank(b, all, (int32_t)i);
    for (;;) {
        int32_t best = NONE;
        uint32_t lowest = no_rank;
        for (int32_t i = 0; i != NONE; i = all[i].next)
            if (all[i].rank < lowest) lowest = all[i].rank, best = i;
        if (best == NONE) return;
        join(all, best, (int32_t)pair(b, &all[best], all)->result);
        rank(b, all, best);
        rank(b, all, all[best].previous);
    }
}

static bool before(turn a, turn b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

static void queue(turn *heap, int64_t *count, turn t) {
    int64_t i = (*count)++;
    for (; i > 0 && before(t, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = t;
}

static turn dequeue(turn *heap, int64_t *count) {
    turn top = heap[0], last = heap[--*count];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < *count; i = child) {
        if (child + 1 < *count && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], last)) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static void offer(const bpe *b, symbol *all, int32_t i, turn *heap, int64_t *waiting) {
    rank(b, all, i);
    if (i != NONE && all[i].rank != no_rank) queue(heap, waiting, (turn){all[i].rank, i});
}

/* Many: pairs wait in a heap; one whose symbols changed meanwhile is out of date. */
static void merge_long(const bpe *b, symbol *all, int64_t count, turn *heap) {
    int64_t waiting = 0;
    for (int64_t i = 0; i < count; i++) offer(b, all, (int32_t)i, heap, &waiting);
    while (waiting) {
        turn t = dequeue(heap, &waiting);
        if (all[t.at].size == 0 || all[t.at].rank != t.rank) continue;
        join(all, t.at, (int32_t)pair(b, &all[t.at], all)->result);
        offer(b, all, t.at, heap, &waiting);
        offer(b, all, all[t.at].previous, heap, &waiting);
    }
}

/* A word that is a token as it stands. */
static int64_t whole_word(const lbi_pipeline *p, const uint8_t *text, size_t n) {
    if (!p->splits.bytes) return lbi_vocab_find(&p->vocab, (const char *)text, n);
    uint8_t spelt[2048];
    size_t size = 0;
    if (n > sizeof spelt / 2 - 2) return NONE; /* longer than any token */
    for (size_t i = 0; i < n; i++) size += (size_t)lbi_utf8_write(spelt + size, lbi_alphabet_of_byte(text[i]));
    return lbi_vocab_find(&p->vocab, (const char *)spelt, size);
}

void lbi_bpe_word(const lbi_pipeline *p, lbi_work *w, const uint8_t *text, size_t n) {
    const bpe *b = p->model;
    int64_t id = b->ignore_merges ? whole_word(p, text, n) : NONE;
    if (id >= 0) {
        lbi_parts_add(&w->parts, (uint32_t)id, n);
        return;
    }
    /* A unit may become its bytes with prefix and suffix; each join offers two pairs anew. */
    size_t most = n + (n + 1) * ((b->prefix ? strlen(b->prefix) : 0) + (b->suffix ? 1 : 0)) + (b->suffix ? strlen(b->suffix) : 0) + 2 * (p->splits.bytes ? n : 0);
    symbol *all = lbi_work_scratch(w, most * (sizeof *all + 3 * sizeof(turn)));
    if (!all) {
        w->parts.failed = true;
        return;
    }
    opening o = {.at = all, .unk = NONE};
    open_word(p, b, &o, text, n);
    if (o.count && o.count <= SHORT) merge_short(b, all, o.count);
    else if (o.count) merge_long(b, all, o.count, (turn *)(all + most));
    for (int64_t i = 0; i < o.count; i++)
        if (all[i].size) lbi_parts_add(&w->parts, (uint32_t)all[i].id, all[i].size);
}

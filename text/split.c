/* SPDX-License-Identifier: Apache-2.0 */
#include "text/split.h"
#include <string.h>
#include "text/bert.h"
#include "text/unicode.h"

/* ---- reading ---- */

static lb_status read_behaviour(lbi_split *s, const lb_value *json, const char *fallback) {
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"};
    const char *name = lb_get_text(json, "behavior", fallback);
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strcmp(names[i], name) == 0) {
            s->behaviour = (lbi_behaviour)i;
            return LB_OK;
        }
    return lb_fail(LB_E_FORMAT, "pre_tokenizer: behavior '%s' is not known", name);
}

static lb_status read_metaspace(lbi_split *s, const lb_value *json) {
    static const char *const names[] = {"always", "first", "never"};
    const char *scheme = lb_get_text(json, "prepend_scheme", lb_get_bool(json, "add_prefix_space", true) ? "always" : "never");
    const char *mark = lb_get_text(json, "replacement", "\xe2\x96\x81");
    size_t i = 0;
    while (i < LB_COUNT(names) && strcmp(names[i], scheme) != 0) i++;
    if (i == LB_COUNT(names)) return lb_fail(LB_E_FORMAT, "pre_tokenizer Metaspace: prepend_scheme '%s' is not known", scheme);
    if (!*mark || strlen(mark) >= LBI_MARK_SIZE) return lb_fail(LB_E_FORMAT, "pre_tokenizer Metaspace: replacement must be one character");
    s->prepend = (lbi_prepend)i;
    strcpy(s->mark, mark);
    s->whole = !lb_get_bool(json, "split", true);
    return LB_OK;
}

static lb_status read_one(lbi_split *s, const lb_value *json, const char *type) {
    static const struct {
        const char *name;
        lbi_split_kind kind;
        const char *behaviour;
    } kinds[] = {{"BertPreTokenizer", LBI_SPLIT_BERT, NULL}, {"Whitespace", LBI_SPLIT_WORDS, NULL}, {"WhitespaceSplit", LBI_SPLIT_SPACES, NULL},
                 {"Punctuation", LBI_SPLIT_PUNCTUATION, "Isolated"}, {"Digits", LBI_SPLIT_DIGITS, NULL}, {"Split", LBI_SPLIT_PATTERN, "?"},
                 {"CharDelimiterSplit", LBI_SPLIT_PATTERN, NULL}, {"Metaspace", LBI_SPLIT_METASPACE, NULL}, {"ByteLevel", LBI_SPLIT_BYTES, NULL}};
    size_t i = 0;
    while (i < LB_COUNT(kinds) && strcmp(kinds[i].name, type) != 0) i++;
    if (i == LB_COUNT(kinds)) return lb_fail(LB_E_UNSUPPORTED, "pre_tokenizer %s is not handled", type);
    s->kind = kinds[i].kind;
    if (kinds[i].behaviour) {
        lb_status st = read_behaviour(s, json, kinds[i].behaviour);
        if (st != LB_OK) return st;
    }
    switch (s->kind) {
    case LBI_SPLIT_WORDS: case LBI_SPLIT_SPACES: s->behaviour = LBI_REMOVED; return LB_OK;
    case LBI_SPLIT_DIGITS: s->behaviour = lb_get_bool(json, "individual_digits", false) ? LBI_ISOLATED : LBI_CONTIGUOUS; return LB_OK;
    case LBI_SPLIT_METASPACE: return read_metaspace(s, json);
    case LBI_SPLIT_BYTES:
        s->prepend = lb_get_bool(json, "add_prefix_space", true) ? LBI_PREPEND_ALWAYS : LBI_PREPEND_NEVER;
        s->whole = !lb_get_bool(json, "use_regex", true);
        return LB_OK;
    case LBI_SPLIT_PATTERN: {
        s->invert = lb_get_bool(json, "invert", false);
        if (kinds[i].behaviour) {
            lb_status st = lbi_pattern_read(&s->pattern, lb_get(json, "pattern"));
            return st == LB_OK ? st : lb_where(st, "pre_tokenizer Split");
        }
        const char *text = lb_get_text(json, "delimiter", "");
        s->behaviour = LBI_REMOVED;
        if (!*text) return lb_fail(LB_E_FORMAT, "pre_tokenizer CharDelimiterSplit: delimiter must be a character");
        s->pattern.text = lb_strdup(text);
        s->pattern.text_size = strlen(text);
        return s->pattern.text ? LB_OK : LB_E_NOMEM;
    }
    case LBI_SPLIT_BERT: case LBI_SPLIT_PUNCTUATION: return LB_OK;
    }
    return LB_OK;
}

static lb_status read_nested(lbi_splits *out, const lb_value *json, int depth) {
    if (!json || json->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(json, "type", "?");
    if (strcmp(type, "Sequence") == 0) {
        const lb_value *list = lb_get(json, "pretokenizers");
        if (!list || list->kind != LB_V_LIST || depth > 4) return lb_fail(LB_E_FORMAT, "pre_tokenizer Sequence must hold a list of pretokenizers");
        for (int64_t i = 0; i < list->count; i++) {
            lb_status st = read_nested(out, list->items[i], depth + 1);
            if (st != LB_OK) return st;
        }
        return LB_OK;
    }
    if (out->bytes) return lb_fail(LB_E_UNSUPPORTED, "pre_tokenizer %s after ByteLevel is not handled", type);
    if (out->count == LBI_SPLITS_MAX) return lb_fail(LB_E_UNSUPPORTED, "more than %d pre_tokenizers", LBI_SPLITS_MAX);
    lbi_split *s = &out->at[out->count++];
    lb_status st = read_one(s, json, type);
    out->bytes = s->kind == LBI_SPLIT_BYTES;
    return st;
}

lb_status lbi_splits_read(lbi_splits *out, const lb_value *json) { return read_nested(out, json, 0); }

void lbi_splits_free(lbi_splits *s) {
    for (int i = 0; i < s->count; i++) lbi_pattern_free(&s->at[i].pattern);
    *s = (lbi_splits){0};
}

/* ---- splitting ---- */

void lbi_pieces_add(lbi_pieces *p, size_t begin, size_t end) {
    if (begin == end) return;
    if (p->count == p->capacity) {
        size_t cap = p->capacity ? 2 * p->capacity : 64;
        lbi_piece *at = lb_realloc(p->at, cap, sizeof *at);
        if (!at) {
            p->failed = true;
            return;
        }
        p->at = at;
        p->capacity = cap;
    }
    p->at[p->count++] = (lbi_piece){begin, end};
}

/* The next match of a step in [at, size). */
static bool next_of_class(bool (*is)(uint32_t), const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end) {
    for (size_t used = 0; at < size; at += used)
        if (is(lbi_utf8_next(text + at, size - at, &used))) {
            *begin = at;
            *end = at + used;
            return true;
        }
    return false;
}

static bool next_match(const lbi_split *s, const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end) {
    switch (s->kind) {
    case LBI_SPLIT_SPACES: return next_of_class(lbi_is_space, text, size, at, begin, end);
    case LBI_SPLIT_PUNCTUATION: return next_of_class(lbi_is_punctuation, text, size, at, begin, end);
    case LBI_SPLIT_DIGITS: return next_of_class(lbi_is_numeral, text, size, at, begin, end);
    default: return lbi_pattern_next(&s->pattern, text, size, at, begin, end);
    }
}

/* Segments come in order, matching and not; the last pieces may still grow. */
typedef struct folder {
    lbi_pieces *out;
    lbi_behaviour behaviour;
    size_t begin, end; /* a piece that is not given out yet; begin = end: none */
    bool matched;      /* the segment before was a match */
} folder;

static void give(folder *f) {
    lbi_pieces_add(f->out, f->begin, f->end);
    f->begin = f->end;
}

static void segment(folder *f, size_t begin, size_t end, bool match) {
    if (begin == end) return;
    bool grows = false;
    switch (f->behaviour) {
    case LBI_ISOLATED: break;
    case LBI_REMOVED:
        if (match) {
            give(f);
            return;
        }
        break;
    case LBI_CONTIGUOUS: grows = match == f->matched; break;
    case LBI_WITH_PREVIOUS: grows = match && !f->matched; break;
    case LBI_WITH_NEXT: grows = !match && f->matched; break;
    }
    if (!grows || f->begin == f->end) {
        give(f);
        f->begin = begin;
    }
    f->end = end;
    f->matched = match;
}

static void split_one(const lbi_split *s, const uint8_t *text, size_t begin, size_t end, lbi_pieces *out) {
    folder f = {.out = out, .behaviour = s->behaviour, .begin = begin, .end = begin};
    size_t at = begin, b = 0, e = 0;
    while (at < end && !out->failed && next_match(s, text + begin, end - begin, at - begin, &b, &e)) {
        segment(&f, at, begin + b, s->invert);
        segment(&f, begin + b, begin + e, !s->invert);
        at = begin + e;
    }
    segment(&f, at, end, s->invert);
    give(&f);
}

static void bert_words(const uint8_t *text, size_t begin, size_t end, lbi_pieces *out) {
    int64_t characters = 0;
    for (size_t at = 0, b = 0, e = 0; !out->failed && lbi_bert_word(text + begin, end - begin, &at, &b, &e, &characters);) lbi_pieces_add(out, begin + b, begin + e);
}

/* \w+|[^\w\s]+ */
static void words(const uint8_t *text, size_t begin, size_t end, lbi_pieces *out) {
    size_t from = begin;
    int last = 0; /* 0 space, 1 word, 2 other */
    for (size_t at = begin, used = 0; at < end; at += used) {
        uint32_t c = lbi_utf8_next(text + at, end - at, &used);
        int now = lbi_is_word(c) ? 1 : lbi_is_space(c) ? 0 : 2;
        if (now == last) continue;
        if (last) lbi_pieces_add(out, from, at);
        from = at;
        last = now;
    }
    if (last) lbi_pieces_add(out, from, end);
}

/* The pattern of GPT-2 takes every character. */
static void gpt2(const uint8_t *text, size_t begin, size_t end, lbi_pieces *out) {
    for (size_t at = begin, n = 0; at < end; at += n) {
        n = lbi_match_gpt2(text + at, end - at);
        lbi_pieces_add(out, at, at + n);
    }
}

/* Before each mark. */
static void metaspace(const lbi_split *s, const uint8_t *text, size_t begin, size_t end, lbi_pieces *out) {
    size_t n = strlen(s->mark), from = begin;
    while (from < end) {
        const uint8_t *mark = from + 1 < end ? memmem(text + from + 1, end - from - 1, s->mark, n) : NULL;
        size_t to = mark ? (size_t)(mark - text) : end;
        lbi_pieces_add(out, from, to);
        from = to;
    }
}

/* Writes the pieces anew into spare, with marks for spaces or a space before; *pieces are then the pieces of spare. */
static void rewrite(const lbi_split *s, const lbi_line *line, lbi_line *spare, lbi_pieces *pieces) {
    const char *mark = s->kind == LBI_SPLIT_BYTES ? " " : s->mark;
    size_t n = strlen(mark);
    lbi_line_start(spare, line->tracked);
    for (size_t i = 0; i < pieces->count; i++) {
        lbi_piece *p = &pieces->at[i];
        const uint8_t *text = line->at + p->begin;
        size_t size = p->end - p->begin, from = spare->size;
        lbi_span first = line->tracked ? line->from[p->begin] : (lbi_span){(uint32_t)p->begin, 0};
        bool has = (size >= n && memcmp(text, mark, n) == 0) || text[0] == ' ';
        if (!has && (s->prepend == LBI_PREPEND_ALWAYS || (s->prepend == LBI_PREPEND_FIRST && first.begin == 0))) lbi_line_add(spare, mark, n, first);
        for (size_t at = p->begin; at < p->end;) {
            const uint8_t *space = s->kind == LBI_SPLIT_BYTES ? NULL : memchr(line->at + at, ' ', p->end - at);
            size_t to = space ? (size_t)(space - line->at) : p->end;
            lbi_line_copy(spare, line, at, to);
            if (space) lbi_line_add(spare, mark, n, line->tracked ? line->from[to] : first);
            at = to + (space != NULL);
        }
        *p = (lbi_piece){from, spare->size};
    }
}

static void swap_lines(lbi_line *a, lbi_line *b) {
    lbi_line t = *a;
    *a = *b;
    *b = t;
}

static void step(const lbi_split *s, const lbi_line *line, const lbi_pieces *pieces, lbi_pieces *out) {
    for (size_t i = 0; i < pieces->count && !out->failed; i++) {
        size_t begin = pieces->at[i].begin, end = pieces->at[i].end;
        if (s->kind == LBI_SPLIT_BERT) bert_words(line->at, begin, end, out);
        else if (s->kind == LBI_SPLIT_WORDS) words(line->at, begin, end, out);
        else if (s->kind == LBI_SPLIT_BYTES) gpt2(line->at, begin, end, out);
        else if (s->kind == LBI_SPLIT_METASPACE) metaspace(s, line->at, begin, end, out);
        else split_one(s, line->at, begin, end, out);
    }
}

void lbi_split_pieces(const lbi_splits *s, lbi_line *line, lbi_line *spare, lbi_pieces *pieces, lbi_pieces *other) {
    for (int i = 0; i < s->count && !line->failed && !pieces->failed; i++) {
        const lbi_split *x = &s->at[i];
        if (x->kind == LBI_SPLIT_METASPACE || (x->kind == LBI_SPLIT_BYTES && x->prepend == LBI_PREPEND_ALWAYS)) {
            rewrite(x, line, spare, pieces);
            swap_lines(line, spare);
            if (line->failed) return;
        }
        if (x->whole) continue;
        other->count = 0;
        step(x, line, pieces, other);
        lbi_pieces t = *pieces;
        *pieces = *other;
        *other = t;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "text/pattern.h"
#include <string.h>
#include "text/unicode.h"

/* ---- the well-known ones ---- */

/* What the alternatives ask of a character. */
typedef enum kind { OTHER, LETTER, NUMBER, SPACE } kind;

static inline kind kind_at(const uint8_t *p, size_t n, size_t *used) {
    static const uint8_t ascii[128] = {
        [9] = SPACE, [10] = SPACE, [11] = SPACE, [12] = SPACE, [13] = SPACE, [' '] = SPACE,
        ['0'] = NUMBER, ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER, ['4'] = NUMBER, ['5'] = NUMBER, ['6'] = NUMBER, ['7'] = NUMBER, ['8'] = NUMBER, ['9'] = NUMBER,
        ['A'] = LETTER, ['B'] = LETTER, ['C'] = LETTER, ['D'] = LETTER, ['E'] = LETTER, ['F'] = LETTER, ['G'] = LETTER, ['H'] = LETTER, ['I'] = LETTER, ['J'] = LETTER,
        ['K'] = LETTER, ['L'] = LETTER, ['M'] = LETTER, ['N'] = LETTER, ['O'] = LETTER, ['P'] = LETTER, ['Q'] = LETTER, ['R'] = LETTER, ['S'] = LETTER, ['T'] = LETTER,
        ['U'] = LETTER, ['V'] = LETTER, ['W'] = LETTER, ['X'] = LETTER, ['Y'] = LETTER, ['Z'] = LETTER,
        ['a'] = LETTER, ['b'] = LETTER, ['c'] = LETTER, ['d'] = LETTER, ['e'] = LETTER, ['f'] = LETTER, ['g'] = LETTER, ['h'] = LETTER, ['i'] = LETTER, ['j'] = LETTER,
        ['k'] = LETTER, ['l'] = LETTER, ['m'] = LETTER, ['n'] = LETTER, ['o'] = LETTER, ['p'] = LETTER, ['q'] = LETTER, ['r'] = LETTER, ['s'] = LETTER, ['t'] = LETTER,
        ['u'] = LETTER, ['v'] = LETTER, ['w'] = LETTER, ['x'] = LETTER, ['y'] = LETTER, ['z'] = LETTER};
    if (p[0] < 0x80) {
        *used = 1;
        return ascii[p[0]];
    }
    uint32_t c = lbi_utf8_next(p, n, used);
    return lbi_is_letter(c) ? LETTER : lbi_is_number(c) ? NUMBER : lbi_is_space(c) ? SPACE : OTHER;
}

/* End of the run of one kind from `at` on, at most `most` characters. */
static size_t run(const uint8_t *p, size_t n, size_t at, kind k, int64_t most) {
    for (size_t used = 0; at < n && most > 0; at += used, most--)
        if (kind_at(p + at, n - at, &used) != k) break;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d behind an apostrophe, p[0] == '\''. With any_case also capitals, and the long s. */
static size_t contraction(const uint8_t *p, size_t n, bool any_case) {
    if (n < 2) return 0;
    if (any_case && n >= 3 && p[1] == 0xC5 && p[2] == 0xBF) return 3;
    uint8_t fold = any_case ? 0x20 : 0, a = p[1] | fold, b = n > 2 ? p[2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ : spaces, but the last one is left to what follows, when there are several. */
static size_t spaces(const uint8_t *p, size_t n) {
    size_t at = 0, last = 0, used = 0;
    for (; at < n && kind_at(p + at, n - at, &used) == SPACE; at += used) last = at;
    return at < n && last > 0 ? last : at;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t lbi_match_gpt2(const uint8_t *p, size_t n) {
    size_t used = 0, more = 0;
    if (p[0] == '\'' && (more = contraction(p, n, false))) return more;
    size_t at = p[0] == ' ' && n > 1;
    kind k = kind_at(p + at, n - at, &used);
    return k == SPACE ? spaces(p, n) : run(p, n, at + used, k, INT64_MAX);
}

/* 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ */
static size_t clip(const uint8_t *p, size_t n) {
    size_t used = 0, more = 0;
    if (p[0] == '\'' && (more = contraction(p, n, false))) return more;
    kind k = kind_at(p, n, &used);
    return k == SPACE ? 0 : k == NUMBER ? used : run(p, n, used, k, INT64_MAX);
}

/* The same where the marks of beginning and end, written out, stay whole: transformers 5. */
static size_t clip_marked(const uint8_t *p, size_t n) {
    static const char *const marks[] = {"<|startoftext|>", "<|endoftext|>"};
    for (size_t i = 0; i < LB_COUNT(marks); i++)
        if (n >= strlen(marks[i]) && memcmp(p, marks[i], strlen(marks[i])) == 0) return strlen(marks[i]);
    return clip(p, n);
}

/* \s*[\r\n]+ : through the last line end of a run of spaces; 0 when it has none. */
static size_t through_line_end(const uint8_t *p, size_t n) {
    size_t end = 0;
    for (size_t at = 0, used = 0; at < n && kind_at(p + at, n - at, &used) == SPACE; at += used)
        if (p[at] == '\n' || p[at] == '\r') end = at + 1;
    return end;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t modern(const uint8_t *p, size_t n, int64_t digits) {
    size_t used = 0, next = 0, more = 0;
    if (p[0] == '\'' && (more = contraction(p, n, true))) return more;
    kind k = kind_at(p, n, &used);
    if (k == LETTER) return run(p, n, used, LETTER, INT64_MAX);
    if (k == NUMBER) return run(p, n, used, NUMBER, digits - 1);
    if (used < n && p[0] != '\r' && p[0] != '\n' && kind_at(p + used, n - used, &next) == LETTER) return run(p, n, used + next, LETTER, INT64_MAX);
    if (k == OTHER || (p[0] == ' ' && n > 1 && kind_at(p + 1, n - 1, &next) == OTHER)) {
        size_t at = run(p, n, k == OTHER ? 0 : 1, OTHER, INT64_MAX);
        while (at < n && (p[at] == '\r' || p[at] == '\n')) at++;
        return at;
    }
    more = through_line_end(p, n);
    return more ? more : spaces(p, n);
}
static size_t llama3(const uint8_t *p, size_t n) { return modern(p, n, 3); }
static size_t qwen2(const uint8_t *p, size_t n) { return modern(p, n, 1); }

static const struct {
    const char *text;
    lbi_match *match;
} known[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", lbi_match_gpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", lbi_match_gpt2},
    {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", clip},
    {"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", clip_marked},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", llama3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", qwen2},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", llama3}, /* cl100k */
};

/* ---- all ---- */

static lb_status set_text(lbi_pattern *p, const char *text, size_t size) {
    if (size == 0) return lb_fail(LB_E_UNSUPPORTED, "an empty pattern is not handled");
    p->text = lb_strndup(text, size);
    p->text_size = size;
    return p->text ? LB_OK : LB_E_NOMEM;
}

lb_status lbi_pattern_read(lbi_pattern *out, const lb_value *json) {
    const lb_value *text = lb_get(json, "String"), *expression = lb_get(json, "Regex");
    *out = (lbi_pattern){0};
    if (text && text->kind == LB_V_TEXT) return set_text(out, text->text, text->text_size);
    if (!expression || expression->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "a pattern must be {\"String\": ...} or {\"Regex\": ...}");
    for (size_t i = 0; i < LB_COUNT(known); i++)
        if (strcmp(expression->text, known[i].text) == 0) {
            out->known = known[i].match;
            return LB_OK;
        }
    return lbi_regex_compile(&out->regex, expression->text, expression->text_size);
}

void lbi_pattern_free(lbi_pattern *p) {
    lb_free(p->text);
    lbi_regex_free(p->regex);
}

bool lbi_pattern_next(const lbi_pattern *p, const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end) {
    if (p->text) {
        const uint8_t *found = at < size ? memmem(text + at, size - at, p->text, p->text_size) : NULL;
        if (!found) return false;
        *begin = (size_t)(found - text);
        *end = *begin + p->text_size;
        return true;
    }
    if (p->regex) return lbi_regex_next(p->regex, text, size, at, begin, end);
    for (size_t used = 0; at < size; at += used) {
        size_t n = p->known(text + at, size - at);
        if (n) {
            *begin = at;
            *end = at + n;
            return true;
        }
        lbi_utf8_next(text + at, size - at, &used);
    }
    return false;
}

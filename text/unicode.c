/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode.h"
#include <string.h>
#include <utf8proc.h>
#include "text/unicode_tables.h"

enum { DOTTED_I = 0x130, DOT_ABOVE = 0x307, JOINER = 0x200D };

static bool within(const lbi_range *t, size_t n, uint32_t c) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c < t[mid].first) hi = mid;
        else if (c > t[mid].last) lo = mid + 1;
        else return true;
    }
    return false;
}
#define WITHIN(table, c) within(table, LB_COUNT(table), c)

bool lbi_is_space(uint32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
    return WITHIN(spaces, c);
}
bool lbi_is_word(uint32_t c) {
    if (c < 0x80) return (c | 32) - 'a' < 26 || c - '0' < 10 || c == '_';
    return WITHIN(words, c);
}
int lbi_category(uint32_t c) {
    size_t lo = 0, hi = LB_COUNT(categories);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c < categories[mid].first) hi = mid;
        else if (c > categories[mid].last) lo = mid + 1;
        else return categories[mid].number;
    }
    return (int)utf8proc_category((utf8proc_int32_t)c);
}

bool lbi_is_pattern_word(uint32_t c) { return WITHIN(pattern_words, c); }

#define SCRIPT(name_, table_) {#name_, table_, LB_COUNT(table_)},
static const struct {
    const char *name;
    const lbi_range *at;
    size_t count;
} scripts[] = {LBI_SCRIPTS(SCRIPT)};

int lbi_script_find(const char *name, size_t size) {
    for (size_t i = 0; i < LB_COUNT(scripts); i++)
        if (strlen(scripts[i].name) == size && memcmp(scripts[i].name, name, size) == 0) return (int)i;
    return -1;
}

bool lbi_is_script(uint32_t c, int script) { return within(scripts[script].at, scripts[script].count, c); }

bool lbi_is_letter(uint32_t c) {
    if (c < 0x80) return (c | 32) - 'a' < 26;
    return WITHIN(letters, c);
}
bool lbi_is_number(uint32_t c) {
    if (c < 0x80) return c - '0' < 10;
    return WITHIN(numbers, c);
}
bool lbi_is_punctuation(uint32_t c) {
    if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    return WITHIN(punctuation, c);
}
bool lbi_is_numeral(uint32_t c) { return WITHIN(numerals, c); }
bool lbi_is_control(uint32_t c) { return WITHIN(removed, c); }
bool lbi_is_blank(uint32_t c) { return WITHIN(blank, c); }
bool lbi_is_nonspacing(uint32_t c) { return c >= 0x300 && WITHIN(nonspacing, c); }
bool lbi_is_combining(uint32_t c) { return c >= 0x300 && WITHIN(combining, c); }

bool lbi_is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

int lbi_lower(uint32_t out[2], uint32_t c) {
    if (c < 0x80) {
        out[0] = c - 'A' < 26 ? c + 32 : c;
        return 1;
    }
    if (c == DOTTED_I) { /* SpecialCasing.txt: the one letter whose lower case has two characters */
        out[0] = 'i';
        out[1] = DOT_ABOVE;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    for (size_t i = 0; i < LB_COUNT(lowered); i++)
        if (c >= lowered[i].first && c <= lowered[i].last && (c - lowered[i].first) % lowered[i].step == 0) out[0] = (uint32_t)((int32_t)c + lowered[i].add);
    return 1;
}

int lbi_decompose(uint32_t out[LBI_DECOMPOSED_MAX], uint32_t c, bool compat) {
    out[0] = c;
    if (c < 0x80 || WITHIN(whole, c) || (compat && WITHIN(compat_whole, c))) return 1;
    utf8proc_int32_t parts[LBI_DECOMPOSED_MAX];
    int last = 0, how = compat ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, LBI_DECOMPOSED_MAX, (utf8proc_option_t)how, &last);
    if (n <= 0 || n > LBI_DECOMPOSED_MAX) return 1;
    for (int i = 0; i < n; i++) out[i] = (uint32_t)parts[i];
    return (int)n;
}

int lbi_combining_class(uint32_t c) {
    if (c < 0x300) return 0;
    int k = utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
    return k && WITHIN(classless, c) ? 0 : k;
}

uint32_t lbi_compose(uint32_t a, uint32_t b) {
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)a, (utf8proc_int32_t)b};
    if (b < 0x300) return 0;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 && !WITHIN(whole, (uint32_t)pair[0]) ? (uint32_t)pair[0] : 0;
}

/* ---- grapheme clusters ---- */

typedef enum part { ANY, CR, LF, CONTROL, JOINING, PREPEND, REGION, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV, HANGUL_LVT } part;

static part part_of(uint32_t c) {
    if (c == '\r') return CR;
    if (c == '\n') return LF;
    if (c >= 0x20 && c < 0x7F) return ANY;
    if (WITHIN(joining, c)) return JOINING;
    if (WITHIN(apart, c)) return CONTROL;
    if (WITHIN(leading, c)) return PREPEND;
    if (c >= 0x1F1E6 && c <= 0x1F1FF) return REGION;
    if (c >= 0xAC00 && c <= 0xD7A3) return (c - 0xAC00) % 28 ? HANGUL_LVT : HANGUL_LV;
    if ((c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C)) return HANGUL_L;
    if ((c >= 0x1160 && c <= 0x11A7) || (c >= 0xD7B0 && c <= 0xD7C6) || c == 0x16D63 || (c >= 0x16D67 && c <= 0x16D6A)) return HANGUL_V;
    if ((c >= 0x11A8 && c <= 0x11FF) || (c >= 0xD7CB && c <= 0xD7FB)) return HANGUL_T;
    return ANY;
}

/* What a rule has to remember of the cluster so far. */
typedef struct cluster {
    part last;
    uint32_t before;       /* last character */
    bool picture;          /* Extended_Pictographic Extend* seen */
    bool consonant, linked; /* InCB=Consonant [Extend Linker]* seen; with a linker */
    int regions;
} cluster;

static void take(cluster *k, uint32_t c, part now) {
    if (now != JOINING) k->picture = c >= 0xA9 && WITHIN(pictures, c);
    else if (k->before == JOINER) k->picture = false;
    if (c >= 0x900 && WITHIN(consonants, c)) {
        k->consonant = true;
        k->linked = false;
    } else if (k->consonant) {
        if (WITHIN(linkers, c)) k->linked = true;
        else if (!WITHIN(between, c)) k->consonant = k->linked = false;
    }
    k->regions = now == REGION ? k->regions + 1 : 0;
    k->last = now;
    k->before = c;
}

static bool joins(const cluster *k, uint32_t c, part now) {
    if (k->last == CR) return now == LF;
    if (k->last == LF || k->last == CONTROL || now == CONTROL || now == CR || now == LF) return false;
    if (now == JOINING || k->last == PREPEND) return true;
    switch (k->last) {
    case HANGUL_L:
        if (now == HANGUL_L || now == HANGUL_V || now == HANGUL_LV || now == HANGUL_LVT) return true;
        break;
    case HANGUL_LV: case HANGUL_V:
        if (now == HANGUL_V || now == HANGUL_T) return true;
        break;
    case HANGUL_LVT: case HANGUL_T:
        if (now == HANGUL_T) return true;
        break;
    case REGION: return now == REGION && k->regions % 2 == 1;
    default: break;
    }
    if (k->consonant && k->linked && WITHIN(consonants, c)) return true;
    return k->picture && k->before == JOINER && WITHIN(pictures, c);
}

size_t lbi_cluster(const uint8_t *p, size_t n) {
    cluster k = {0};
    size_t used = 0, at = 0;
    uint32_t c = lbi_utf8_next(p, n, &used);
    take(&k, c, part_of(c));
    for (at = used; at < n; at += used) {
        c = lbi_utf8_next(p + at, n - at, &used);
        part now = part_of(c);
        if (!joins(&k, c, now)) break;
        take(&k, c, now);
    }
    return at;
}

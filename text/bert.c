/* SPDX-License-Identifier: Apache-2.0 */
#include "text/bert.h"
#include <string.h>
#include <utf8proc.h>
#include "text/bert_tables.h"

enum { PENDING = 64, MAX_PARTS = 32, DOTTED_I = 0x130, DOT_ABOVE = 0x307 };

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

uint32_t lbi_utf8_next(const uint8_t *p, size_t n, size_t *used) {
    uint8_t a = p[0];
    *used = 1;
    if (a < 0x80) return a;
    int more = a >= 0xC2 && a <= 0xDF ? 1 : a >= 0xE0 && a <= 0xEF ? 2 : a >= 0xF0 && a <= 0xF4 ? 3 : 0;
    if (more == 0) return 0xFFFD;
    /* The second byte is narrower after four lead bytes: no overlong forms, no surrogates, nothing above U+10FFFF. */
    uint8_t lo = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80, hi = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    uint32_t c = a & (0x3Fu >> more);
    for (int i = 1; i <= more; i++, lo = 0x80, hi = 0xBF) {
        if ((size_t)i >= n || p[i] < lo || p[i] > hi) return 0xFFFD;
        c = c << 6 | (p[i] & 0x3F);
        *used = (size_t)i + 1;
    }
    return c;
}

void lbi_utf8_add(lb_buf *out, uint32_t c) {
    uint8_t b[4];
    if (c < 0x80) {
        b[0] = (uint8_t)c;
        lb_buf_add(out, b, 1);
        return;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) b[i] = (uint8_t)(0x80 | (c & 0x3F));
    b[0] = (uint8_t)((0xF00 >> n) | c);
    lb_buf_add(out, b, (size_t)n);
}

bool lbi_is_space(uint32_t c) {
    return WITHIN(spaces, c);
}

bool lbi_is_word(uint32_t c) {
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME: case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return c == 0x200C || c == 0x200D;
    }
}

static bool is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static int class_of(uint32_t c) {
    int k = utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
    return k && WITHIN(classless, c) ? 0 : k;
}

static uint32_t lower_of(uint32_t c) {
    for (size_t i = 0; i < LB_COUNT(lowered); i++)
        if (c >= lowered[i].first && c <= lowered[i].last && (c - lowered[i].first) % lowered[i].step == 0) return (uint32_t)((int32_t)c + lowered[i].add);
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Marks that wait for canonical order (Unicode 15, section 3.11, D108, D109): a run of characters of class > 0. */
typedef struct normaliser {
    lb_buf *out;
    const lbi_bert *how;
    uint32_t first[PENDING], *at; /* at = first, or memory when a run is longer */
    size_t count, capacity;
} normaliser;

/* The last steps for one character: drop marks, lower case. */
static void emit(normaliser *z, uint32_t c) {
    if (z->how->strip && WITHIN(marks, c)) return;
    if (!z->how->lower) {
        lbi_utf8_add(z->out, c);
    } else if (c == DOTTED_I) { /* SpecialCasing.txt: the one letter whose lower case has two characters */
        lbi_utf8_add(z->out, 'i');
        lbi_utf8_add(z->out, DOT_ABOVE);
    } else {
        lbi_utf8_add(z->out, lower_of(c));
    }
}

/* Gives out the run in order of classes; equal classes keep theirs. Each pass takes one class, and there are few. */
static void flush(normaliser *z) {
    for (int k = 1, next; z->count && k < 256; k = next) {
        next = 256;
        for (size_t i = 0; i < z->count; i++) {
            int c = class_of(z->at[i]);
            if (c == k) emit(z, z->at[i]);
            else if (c > k && c < next) next = c;
        }
    }
    z->count = 0;
}

static void wait(normaliser *z, uint32_t c) {
    if (z->count == z->capacity) {
        uint32_t *a = z->at == z->first ? lb_alloc(2 * z->capacity, sizeof *a) : lb_realloc(z->at, 2 * z->capacity, sizeof *a);
        if (!a) {
            z->out->failed = true;
            return;
        }
        if (z->at == z->first) memcpy(a, z->first, sizeof z->first);
        z->at = a;
        z->capacity *= 2;
    }
    z->at[z->count++] = c;
}

static void decompose(normaliser *z, uint32_t c) {
    utf8proc_int32_t parts[MAX_PARTS] = {(utf8proc_int32_t)c};
    int last = 0;
    utf8proc_ssize_t n = 1;
    if (!WITHIN(whole, c)) n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, MAX_PARTS, UTF8PROC_DECOMPOSE, &last);
    for (utf8proc_ssize_t i = 0; i < n && i < MAX_PARTS; i++) {
        uint32_t part = (uint32_t)parts[i];
        if (class_of(part)) {
            wait(z, part);
            continue;
        }
        if (z->count) flush(z);
        emit(z, part);
    }
}

static void put(normaliser *z, uint32_t c) {
    if (c < 0x80) {
        char b = (char)(z->how->lower && c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (z->count) flush(z);
        lb_buf_add(z->out, &b, 1);
    } else if (z->how->strip) {
        decompose(z, c);
    } else {
        emit(z, c);
    }
}

static void put_cleaned(normaliser *z, uint32_t c) {
    if (z->how->clean) {
        if (WITHIN(removed, c)) return;
        if (WITHIN(blank, c)) c = ' ';
    }
    bool apart = c >= 0x3400 && z->how->chinese && is_chinese(c);
    if (apart) put(z, ' ');
    put(z, c);
    if (apart) put(z, ' ');
}

/* Length of a run of printable ASCII: no step but lower case changes it. */
static size_t plain_run(const uint8_t *p, size_t n) {
    size_t i = 0;
    while (i < n && p[i] >= 0x20 && p[i] < 0x7F) i++;
    return i;
}

void lbi_bert_normalise(lb_buf *out, const uint8_t *text, size_t size, const lbi_bert *how) {
    normaliser z = {.out = out, .how = how, .capacity = PENDING};
    z.at = z.first;
    for (size_t at = 0, used; at < size && !out->failed;) {
        size_t n = plain_run(text + at, size - at);
        if (n) {
            if (z.count) flush(&z);
            size_t from = out->size;
            lb_buf_add(out, text + at, n);
            for (char *p = out->data + from; how->lower && !out->failed && p < out->data + out->size; p++) *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
            at += n;
            continue;
        }
        put_cleaned(&z, lbi_utf8_next(text + at, size - at, &used));
        at += used;
    }
    flush(&z);
    if (z.at != z.first) lb_free(z.at);
}

/* 0 letter, 1 space, 2 punctuation */
static int kind_of(uint32_t c) {
    if (c < 0x80) {
        if (c == ' ' || (c >= 9 && c <= 13)) return 1;
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126) ? 2 : 0;
    }
    return WITHIN(spaces, c) ? 1 : WITHIN(punctuation, c) ? 2 : 0;
}

bool lbi_bert_word(const uint8_t *text, size_t size, size_t *at, size_t *begin, size_t *end, int64_t *characters) {
    size_t used = 0, i = *at;
    *characters = 0;
    for (; i < size; i += used) {
        int kind = kind_of(lbi_utf8_next(text + i, size - i, &used));
        if (kind == 0) {
            if ((*characters)++ == 0) *begin = i;
            continue;
        }
        if (*characters) break;
        if (kind == 2) {
            *begin = i;
            *characters = 1;
            i += used;
            break;
        }
    }
    *at = *end = i;
    return *characters > 0;
}

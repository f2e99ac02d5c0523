/* SPDX-License-Identifier: Apache-2.0 */
#include "text/bert.h"
#include <string.h>
#include "text/unicode.h"

enum { PENDING = 64 };

/* Marks that wait for canonical order (Unicode 15, section 3.11, D108, D109): a run of characters of class > 0. */
typedef struct normaliser {
    lb_buf *out;
    const lbi_bert *how;
    uint32_t first[PENDING], *at; /* at = first, or memory when a run is longer */
    size_t count, capacity;
} normaliser;

/* The last steps for one character: drop marks, lower case. */
static void emit(normaliser *z, uint32_t c) {
    uint32_t low[2] = {c};
    if (z->how->strip && lbi_is_nonspacing(c)) return;
    int n = z->how->lower ? lbi_lower(low, c) : 1;
    for (int i = 0; i < n; i++) lbi_utf8_add(z->out, low[i]);
}

/* Gives out the run in order of classes; equal classes keep theirs. Each pass takes one class, and there are few. */
static void flush(normaliser *z) {
    for (int k = 1, next; z->count && k < 256; k = next) {
        next = 256;
        for (size_t i = 0; i < z->count; i++) {
            int c = lbi_combining_class(z->at[i]);
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
    uint32_t parts[LBI_DECOMPOSED_MAX];
    int n = lbi_decompose(parts, c, false);
    for (int i = 0; i < n; i++) {
        if (lbi_combining_class(parts[i])) {
            wait(z, parts[i]);
            continue;
        }
        if (z->count) flush(z);
        emit(z, parts[i]);
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
        if (lbi_is_control(c)) return;
        if (lbi_is_blank(c)) c = ' ';
    }
    bool apart = c >= 0x3400 && z->how->chinese && lbi_is_chinese(c);
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
static int kind_of(uint32_t c) { return lbi_is_space(c) ? 1 : lbi_is_punctuation(c) ? 2 : 0; }

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

/* SPDX-License-Identifier: Apache-2.0 */
#include "text/wire.h"
#include <string.h>

typedef struct field {
    uint64_t number;
    const uint8_t *at; /* bytes of a length-delimited field, else NULL */
    size_t size;
} field;

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *out) {
    *out = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        *out |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) return true;
    }
    return false;
}

/* The next field; false at the end and when it is malformed (*bad). */
static bool next(const uint8_t **p, const uint8_t *end, field *f, bool *bad) {
    uint64_t key = 0, x = 0;
    if (*p == end) return false;
    *bad = true;
    if (!varint(p, end, &key)) return false;
    *f = (field){.number = key >> 3};
    size_t fixed = (key & 7) == 5 ? 4 : (key & 7) == 1 ? 8 : 0;
    if ((key & 7) == 0 || (key & 7) == 2) {
        if (!varint(p, end, &x)) return false;
        if ((key & 7) == 2) {
            if (x > (uint64_t)(end - *p)) return false;
            f->at = *p;
            f->size = (size_t)x;
            *p += x;
        }
    } else if (fixed && fixed <= (size_t)(end - *p)) {
        *p += fixed;
    } else {
        return false;
    }
    *bad = false;
    return true;
}

static uint32_t unit(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/* Every unit that may be reached leads to units inside (children stand at offset ^ byte: within a block of 256), every leaf into the texts, which
 * end with a NUL. */
static bool check_charsmap(const uint8_t *p, size_t n) {
    if (n == 0) return true;
    size_t bytes = n >= 4 ? unit(p) : 0, count = bytes / 4;
    if (bytes == 0 || bytes % 4 || bytes > n - 4 || n - 4 - bytes == 0 || p[n - 1] != 0) return false;
    size_t texts = n - 4 - bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t u = unit(p + 4 + 4 * i);
        if (u >> 31) { /* a leaf */
            if ((u & 0x7FFFFFFF) >= texts) return false;
            continue;
        }
        size_t child = i ^ ((size_t)(u >> 10) << ((u & 1u << 9) >> 6));
        if (u >> 10 && (child | 0xFF) >= count) return false;
        if ((u >> 8 & 1) && (child >= count || !(unit(p + 4 + 4 * child) >> 31))) return false;
    }
    return count >= 256;
}

static bool check_normalizer(const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    field f;
    bool bad = false;
    while (next(&p, end, &f, &bad))
        if (f.number == 2 && f.at && !check_charsmap(f.at, f.size)) return false;
    return !bad;
}

lb_status lbi_wire_check_sentencepiece(const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    field f;
    bool bad = false;
    int64_t pieces = 0;
    while (next(&p, end, &f, &bad)) {
        pieces += f.number == 1 && f.at;
        if ((f.number == 3 || f.number == 5) && f.at && !check_normalizer(f.at, f.size)) return lb_fail(LB_E_FORMAT, "no SentencePiece model: its precompiled_charsmap leads out of itself");
    }
    if (bad) return lb_fail(LB_E_FORMAT, "no SentencePiece model: malformed at byte %zu", (size_t)(p - (end - n)));
    if (pieces == 0) return lb_fail(LB_E_FORMAT, "no SentencePiece model: it has no pieces");
    return LB_OK;
}

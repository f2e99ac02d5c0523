/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed JSON straight into values. What is not, or not surely, is left to jansson, which says what is wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/value_make.h"

enum { DEPTH = 200, FEW = 8 };

typedef struct reader {
    const char *at, *end;
    char *text; /* what an escaped string is gathered in */
    size_t room;
    int depth;
    bool refused; /* memory was */
} reader;

/* What memory was asked for: NULL is not the text's fault. */
static void *got(reader *r, void *p) {
    r->refused = r->refused || !p;
    return p;
}

static void skip(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static bool take(reader *r, char c) {
    skip(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

/* Bytes of the well-formed character at p, 0 = none. Unicode 15, table 3-7. */
static size_t character(const unsigned char *p, size_t n) {
    if (p[0] < 0x80) return 1;
    size_t size = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (size == 0 || size > n) return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) return 0;
    return size;
}

static int hex(const reader *r, const char *p) {
    int x = 0;
    if (r->end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9') x = x * 16 + c - '0';
        else if (low >= 'a' && low <= 'f') x = x * 16 + low - 'a' + 10;
        else return -1;
    }
    return x;
}

/* Behind \u: writes the character. @return bytes written, 0 = left to jansson */
static size_t unicode(reader *r, char *to) {
    int c = hex(r, r->at);
    if (c <= 0) return 0;
    r->at += 4;
    if (c >= 0xD800 && c < 0xDC00) {
        int low = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' ? hex(r, r->at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return 0;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        r->at += 6;
    } else if (c >= 0xDC00 && c < 0xE000) return 0;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1) {
        to[0] = (char)c;
        return 1;
    }
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)((0xF00 >> n) | c);
    return n;
}

static size_t escape(reader *r, char *to) {
    static const char from[] = "\"\\/bfnrt", made[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end) return 0;
    char c = *r->at++;
    const char *known = c ? strchr(from, c) : NULL;
    if (c == 'u') return unicode(r, to);
    if (!known) return 0;
    *to = made[known - from];
    return 1;
}

static bool make_room(reader *r, size_t n) {
    if (n <= r->room) return true;
    size_t room = r->room ? r->room : 256;
    while (room < n) room *= 2;
    char *text = got(r, lb_realloc(r->text, room, 1));
    if (!text) return false;
    r->text = text;
    r->room = room;
    return true;
}

/* The rest of a string with escapes, of which `begin` up to r->at is read. */
static bool escaped(reader *r, const char *begin, const char **text, size_t *size) {
    size_t n = (size_t)(r->at - begin);
    if (!make_room(r, n + 8)) return false;
    memcpy(r->text, begin, n);
    while (r->at < r->end && *r->at != '"') {
        if (!make_room(r, n + 8)) return false;
        size_t used = *r->at == '\\' ? 0 : character((const unsigned char *)r->at, (size_t)(r->end - r->at));
        if (used) {
            if ((unsigned char)*r->at < 0x20) return false;
            memcpy(r->text + n, r->at, used);
            r->at += used;
        } else if (*r->at++ != '\\' || !(used = escape(r, r->text + n))) return false;
        n += used;
    }
    *text = r->text;
    *size = n;
    return r->at < r->end && *r->at++ == '"';
}

/* Behind the quote. *text lives until the next string. */
static bool string(reader *r, const char **text, size_t *size) {
    const char *begin = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
        size_t used = character((const unsigned char *)r->at, (size_t)(r->end - r->at));
        if (used == 0 || (unsigned char)*r->at < 0x20) return false;
        r->at += used;
    }
    if (r->at >= r->end) return false;
    if (*r->at == '\\') return escaped(r, begin, text, size);
    *text = begin;
    *size = (size_t)(r->at++ - begin);
    return true;
}

/* ---- numbers ---- */

static bool digits(reader *r) {
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > from;
}

static lb_value *number(reader *r) {
    char text[64];
    const char *from = r->at;
    bool real = false;
    if (*r->at == '-') r->at++;
    if (r->at < r->end && *r->at == '0') r->at++;
    else if (!digits(r)) return NULL;
    if (r->at < r->end && *r->at == '.') {
        real = true;
        r->at++;
        if (!digits(r)) return NULL;
    }
    if (r->at < r->end && (*r->at | 0x20) == 'e') {
        real = true;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!digits(r)) return NULL;
    }
    size_t n = (size_t)(r->at - from);
    if (n >= sizeof text || (!real && n > 18)) return NULL;
    memcpy(text, from, n);
    text[n] = 0;
    double x = real ? strtod(text, NULL) : 0;
    lb_value *v = isfinite(x) ? got(r, lbi_value_new(real ? LB_V_REAL : LB_V_INT)) : NULL;
    if (v && real) v->real = x;
    else if (v) v->integer = strtoll(text, NULL, 10);
    return v;
}

/* ---- values ---- */

static uint64_t hash(const char *s) {
    uint64_t h = 0xCBF29CE484222325u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return h ^ h >> 32;
}

/* Are two keys of a map the same? Then, and without memory, jansson decides. */
static bool distinct(reader *r, const lb_value *v) {
    if (v->count <= FEW) {
        for (int64_t i = 1; i < v->count; i++)
            for (int64_t k = 0; k < i; k++)
                if (strcmp(v->keys[i], v->keys[k]) == 0) return false;
        return true;
    }
    size_t slots = 16;
    while (slots < 2 * (size_t)v->count) slots *= 2;
    const char **table = got(r, lb_calloc(slots, sizeof *table));
    bool fine = table != NULL;
    for (int64_t i = 0; i < v->count && fine; i++) {
        size_t at = (size_t)hash(v->keys[i]) & (slots - 1);
        for (; table[at] && fine; at = (at + 1) & (slots - 1)) fine = strcmp(table[at], v->keys[i]) != 0;
        table[at] = v->keys[i];
    }
    lb_free(table);
    return fine;
}

static lb_value *value(reader *r);

static bool member(reader *r, lb_value *v) {
    const char *text = NULL;
    size_t size = 0;
    if (v->kind == LB_V_LIST) {
        lb_value *x = value(r);
        if (x) lbi_value_append(v, NULL, 0, x);
        r->refused = r->refused || v->failed;
        return x && !v->failed;
    }
    if (!take(r, '"') || !string(r, &text, &size) || memchr(text, 0, size)) return false;
    char *key = got(r, lb_strndup(text, size));
    lb_value *x = key && take(r, ':') ? value(r) : NULL;
    if (x) lbi_value_join(v, key, 0, x);
    else lb_free(key);
    r->refused = r->refused || v->failed;
    return x && !v->failed;
}

static lb_value *members(reader *r, lb_value *v, char close) {
    bool fine = v && ++r->depth < DEPTH, more = fine && !take(r, close);
    while (more && fine) {
        fine = member(r, v);
        more = fine && take(r, ',');
        if (!more && fine) fine = take(r, close);
    }
    r->depth--;
    if (fine && (v->kind == LB_V_LIST || distinct(r, v))) return v;
    lb_value_free(v);
    return NULL;
}

static lb_value *word(reader *r, const char *text, lb_value_kind kind, bool yes) {
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return NULL;
    r->at += n;
    lb_value *v = got(r, lbi_value_new(kind));
    if (v) v->boolean = yes;
    return v;
}

static lb_value *value(reader *r) {
    const char *text = NULL;
    size_t size = 0;
    skip(r);
    if (r->at >= r->end) return NULL;
    switch (*r->at) {
    case '{': r->at++; return members(r, got(r, lb_value_map()), '}');
    case '[': r->at++; return members(r, got(r, lb_value_list()), ']');
    case '"': r->at++; return string(r, &text, &size) ? got(r, lbi_value_text(text, size)) : NULL;
    case 't': return word(r, "true", LB_V_BOOL, true);
    case 'f': return word(r, "false", LB_V_BOOL, false);
    case 'n': return word(r, "null", LB_V_NULL, false);
    default: return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? number(r) : NULL;
    }
}

lb_value *lbi_json_fast(const char *text, size_t size, bool *refused) {
    reader r = {.at = text, .end = text + size};
    lb_value *v = value(&r);
    skip(&r);
    if (v && r.at != r.end) {
        lb_value_free(v);
        v = NULL;
    }
    lb_free(r.text);
    *refused = r.refused;
    return v;
}

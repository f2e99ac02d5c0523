/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed JSON straight into values. What is not, or not surely, is left to jansson, which says what is wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "base/value_make.h"

enum { DEPTH = 200, FEW = 8, NUMBER = 64 };

typedef struct reader {
    const char *at, *end;
    char *text; /* what an escaped string is gathered in */
    size_t room;
    int depth;
    bool refused; /* memory was */
    bool checked; /* the text was passed over before; \u0000 is a character like others */
    int parts;
    lb_json_part *part;
    char path[128]; /* of the value at hand, where parts are looked for */
    size_t path_size;
} reader;

/* What memory was asked for: NULL is not the text's fault. */
static void *got(reader *r, void *p) {
    r->refused = r->refused || !p;
    return p;
}

/* Eight bytes, the first the lowest. */
static uint64_t eight(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? x : __builtin_bswap64(x);
}

static const uint64_t each = 0x0101010101010101u;

/* Which byte of memory the lowest one bit of eight() is in. */
static int first_byte(uint64_t x) { return __builtin_ctzll(x) / 8; }

/* Indented files are spaces to a third. */
static void skip(reader *r) {
    if (r->at < r->end && *r->at == '\n') r->at++;
    for (; r->end - r->at >= 8; r->at += 8) {
        uint64_t other = eight(r->at) ^ ' ' * each;
        if (!other) continue;
        r->at += first_byte(other);
        break;
    }
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static bool take(reader *r, char c) {
    skip(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

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
    if (c < 0 || (c == 0 && !r->checked)) return 0;
    r->at += 4;
    if (c >= 0xD800 && c < 0xDC00) {
        int low = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' ? hex(r, r->at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return 0;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        r->at += 6;
    } else if (c >= 0xDC00 && c < 0xE000) return 0;
    return (size_t)lbi_utf8_write((uint8_t *)to, (uint32_t)c);
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
        size_t used = *r->at == '\\' ? 0 : lbi_utf8_size((const uint8_t *)r->at, (size_t)(r->end - r->at));
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

/* Past the characters of ASCII (of text that was checked: all) that stand for themselves; eight at a time, the highest bit of a byte marking others. */
static const char *plain(const char *p, const char *end, bool checked) {
    const uint64_t high = 0x80 * each, ascii = checked ? 0 : high;
    for (; end - p >= 8; p += 8) {
        uint64_t x = eight(p), quote = x ^ '"' * each, slash = x ^ '\\' * each;
        uint64_t marks = (x & ascii) | ((((x - ' ' * each) & ~x) | ((quote - each) & ~quote) | ((slash - each) & ~slash)) & high); /* false ones stand above true ones */
        if (marks) return p + first_byte(marks);
    }
    while (p < end && (unsigned char)*p >= 0x20 && ((unsigned char)*p < 0x80 || checked) && *p != '"' && *p != '\\') p++;
    return p;
}

/* Behind the quote. *text lives until the next string. */
static bool string(reader *r, const char **text, size_t *size) {
    const char *begin = r->at;
    while ((r->at = plain(r->at, r->end, r->checked)) < r->end && *r->at != '"' && *r->at != '\\') {
        size_t used = lbi_utf8_size((const uint8_t *)r->at, (size_t)(r->end - r->at));
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

/* Passes over a number. @return its bytes, 0 = it is none, or one that is left to jansson */
static size_t number_size(reader *r, bool *real) {
    const char *from = r->at;
    *real = false;
    if (*r->at == '-') r->at++;
    if (r->at < r->end && *r->at == '0') r->at++;
    else if (!digits(r)) return 0;
    if (r->at < r->end && *r->at == '.') {
        *real = true;
        r->at++;
        if (!digits(r)) return 0;
    }
    if (r->at < r->end && (*r->at | 0x20) == 'e') {
        *real = true;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!digits(r)) return 0;
    }
    size_t n = (size_t)(r->at - from);
    return n >= NUMBER || (!*real && n > 18) ? 0 : n;
}

static bool number(reader *r, lb_value_kind *kind, int64_t *integer, double *x) {
    char text[NUMBER];
    const char *from = r->at;
    bool real = false;
    size_t n = number_size(r, &real);
    if (n == 0) return false;
    memcpy(text, from, n);
    text[n] = 0;
    *kind = real ? LB_V_REAL : LB_V_INT;
    *integer = 0;
    if (real) *x = strtod(text, NULL);
    else {
        for (size_t i = text[0] == '-'; i < n; i++) *integer = 10 * *integer + (text[i] - '0');
        if (text[0] == '-') *integer = -*integer;
        *x = (double)*integer;
    }
    return isfinite(*x);
}

static lb_value *number_value(reader *r) {
    lb_value_kind kind;
    int64_t integer;
    double real;
    lb_value *v = number(r, &kind, &integer, &real) ? got(r, lbi_value_new(kind)) : NULL;
    if (v && kind == LB_V_REAL) v->real = real;
    else if (v) v->integer = integer;
    return v;
}

/* ---- parts ---- */

static bool passes_word(reader *r, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return false;
    r->at += n;
    return true;
}

/* Passes over a value; of a list or map how many members it has. */
static bool passes(reader *r, int64_t *count) {
    const char *text = NULL;
    size_t size = 0;
    int64_t inner = 0;
    bool real = false, fine = true;
    skip(r);
    if (r->at >= r->end) return false;
    bool map = *r->at == '{';
    if (*r->at == '"') return r->at++, string(r, &text, &size);
    if (*r->at == 't') return passes_word(r, "true");
    if (*r->at == 'f') return passes_word(r, "false");
    if (*r->at == 'n') return passes_word(r, "null");
    if (!map && *r->at != '[') return number_size(r, &real) > 0;
    const char close = map ? '}' : ']';
    r->at++;
    fine = ++r->depth < DEPTH;
    *count = 0;
    for (bool more = fine && !take(r, close); more && fine; ++*count) {
        fine = (!map || (take(r, '"') && string(r, &text, &size) && take(r, ':'))) && passes(r, &inner);
        more = fine && take(r, ',');
        if (!more && fine) fine = take(r, close);
    }
    r->depth--;
    return fine;
}

static void enter(reader *r, const char *key, size_t size) {
    if (r->parts == 0) return;
    if (r->path_size + size + 1 > sizeof r->path) {
        r->path_size = sizeof r->path; /* no part's */
        return;
    }
    if (r->path_size) r->path[r->path_size++] = '.';
    memcpy(r->path + r->path_size, key, size);
    r->path_size += size;
}

/* The part that the value at hand is. */
static lb_json_part *part_here(reader *r) {
    skip(r);
    if (r->parts == 0 || r->at >= r->end || (*r->at != '{' && *r->at != '[')) return NULL;
    for (int i = 0; i < r->parts; i++)
        if (strlen(r->part[i].path) == r->path_size && memcmp(r->part[i].path, r->path, r->path_size) == 0) return &r->part[i];
    return NULL;
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
    size_t above = r->path_size;
    enter(r, text, size);
    lb_value *x = key && take(r, ':') ? value(r) : NULL;
    r->path_size = above;
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
    lb_value *v = passes_word(r, text) ? got(r, lbi_value_new(kind)) : NULL;
    if (v) v->boolean = yes;
    return v;
}

static lb_value *apart(reader *r, lb_json_part *p) {
    p->text = r->at;
    if (!passes(r, &p->count)) return NULL;
    p->size = (size_t)(r->at - p->text);
    return got(r, lbi_value_new(LB_V_NULL));
}

static lb_value *value(reader *r) {
    const char *text = NULL;
    size_t size = 0;
    lb_json_part *part = part_here(r);
    if (part) return apart(r, part);
    if (r->at >= r->end) return NULL;
    switch (*r->at) {
    case '{': r->at++; return members(r, got(r, lb_value_map()), '}');
    case '[': r->at++; return members(r, got(r, lb_value_list()), ']');
    case '"': r->at++; return string(r, &text, &size) ? got(r, lbi_value_text(text, size)) : NULL;
    case 't': return word(r, "true", LB_V_BOOL, true);
    case 'f': return word(r, "false", LB_V_BOOL, false);
    case 'n': return word(r, "null", LB_V_NULL, false);
    default: return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? number_value(r) : NULL;
    }
}

lb_value *lbi_json_fast(const char *text, size_t size, int n, lb_json_part *parts, bool *refused) {
    reader r = {.at = text, .end = text + size, .parts = n, .part = parts};
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

/* ---- members ---- */

/* A string, kept in the i-th room when it has escapes. */
static bool kept_string(lb_json_items *z, reader *r, int i, const char **text, size_t *size) {
    r->text = z->spare[i];
    r->room = z->room[i];
    bool fine = string(r, text, size);
    z->spare[i] = r->text;
    z->room[i] = r->room;
    return fine;
}

static bool item(lb_json_items *z, reader *r) {
    skip(r);
    if (r->at >= r->end) return false;
    z->kind = LB_V_NULL;
    z->integer = *r->at == 't';
    z->odd = !z->odd;
    switch (*r->at) {
    case '"': r->at++; z->kind = LB_V_TEXT; return kept_string(z, r, z->map || z->odd, &z->text, &z->size);
    case 't': z->kind = LB_V_BOOL; return passes_word(r, "true");
    case 'f': z->kind = LB_V_BOOL; return passes_word(r, "false");
    case 'n': return passes_word(r, "null");
    case '{':
    case '[':
        z->kind = *r->at == '{' ? LB_V_MAP : LB_V_LIST;
        return z->inside = true; /* passed over when nobody has looked inside */
    default: return number(r, &z->kind, &z->integer, &z->real);
    }
}

bool lb_json_next(lb_json_items *z) {
    reader r = {.at = z->at, .end = z->end, .checked = true};
    int64_t count = 0;
    bool first = !z->begun, fine = !z->failed;
    if (!fine) return false;
    if (first) {
        skip(&r);
        fine = z->begun = r.at < r.end && (*r.at == '{' || *r.at == '[');
        z->map = fine && *r.at++ == '{';
    }
    if (z->inside) fine = passes(&r, &count);
    z->inside = false;
    if (fine && take(&r, z->map ? '}' : ']')) {
        if (z->outer) z->outer->at = r.at, z->outer->inside = false;
        z->at = z->end = r.at;
        return false;
    }
    if (fine && !first) fine = take(&r, ',');
    if (fine && z->map) fine = take(&r, '"') && kept_string(z, &r, 0, &z->key, &z->key_size) && take(&r, ':');
    fine = fine && item(z, &r);
    z->at = r.at;
    z->failed = !fine;
    return fine;
}

lb_json_items lb_json_inside(lb_json_items *outer) {
    lb_json_items inner = {.at = outer->at, .end = outer->end, .outer = outer};
    return inner;
}

void lb_json_items_free(lb_json_items *z) {
    lb_free(z->spare[0]);
    lb_free(z->spare[1]);
    *z = (lb_json_items){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <libfyaml.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"
#include "base/value_make.h"

enum { MAX_DEPTH = 64 };

/* ---- plain scalars: the core schema of YAML 1.2 ---- */

static bool is_one_of(const char *word, const char *const *list) {
    for (; *list; list++)
        if (strcmp(word, *list) == 0) return true;
    return false;
}

static bool plain_int(const char *s, int64_t *out) {
    int base = strncmp(s, "0o", 2) == 0 ? 8 : strncmp(s, "0x", 2) == 0 ? 16 : 10;
    if (base == 10) {
        const char *p = s + (*s == '-' || *s == '+');
        if (!*p || p[strspn(p, "0123456789")]) return false;
        return lbi_parse_int(s, out);
    }
    int64_t x = 0;
    for (const char *p = s + 2; *p; p++) {
        int digit = isdigit((unsigned char)*p) ? *p - '0' : isxdigit((unsigned char)*p) ? (*p | 32) - 'a' + 10 : 99;
        if (digit >= base || x > (INT64_MAX - digit) / base) return false;
        x = x * base + digit;
    }
    *out = x;
    return s[2] != 0;
}

static bool plain_real(const char *s, double *out) {
    const char *p = s + (*s == '-' || *s == '+');
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL}, *const none[] = {".nan", ".NaN", ".NAN", NULL};
    if (is_one_of(p, infinite)) {
        *out = *s == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (is_one_of(s, none)) {
        *out = NAN;
        return true;
    }
    size_t whole = strspn(p, "0123456789"), part = 0;
    p += whole;
    if (*p == '.') {
        part = strspn(p + 1, "0123456789");
        p += 1 + part;
    }
    if (whole + part == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        size_t digits = strspn(p, "0123456789");
        if (digits == 0) return false;
        p += digits;
    }
    return *p == 0 && lbi_parse_real(s, out);
}

lb_value *lbi_yaml_plain(const char *text, size_t size) {
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL},
                            *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False", "FALSE", NULL};
    lb_value *v = lbi_value_text(text, size);
    if (!v || strlen(v->text) != size) return v;
    if (is_one_of(v->text, null)) v->kind = LB_V_NULL;
    else if (is_one_of(v->text, yes) || is_one_of(v->text, no)) v->kind = LB_V_BOOL;
    else if (plain_int(v->text, &v->integer)) v->kind = LB_V_INT;
    else if (plain_real(v->text, &v->real)) v->kind = LB_V_REAL;
    else return v;
    v->boolean = v->kind == LB_V_BOOL && is_one_of(v->text, yes);
    lb_free(v->text);
    v->text = NULL;
    v->text_size = 0;
    return v;
}

/* ---- reading ---- */

typedef struct reader {
    struct fy_diag *diag;
    struct fy_parser *parser;
    const char *name;
    int depth;
} reader;

static lb_status no_memory(const reader *r) {
    return lb_fail(LB_E_NOMEM, "%s: out of memory", r->name);
}

/* The parser's own words, with the first place it complained about. */
static lb_status parser_error(const reader *r) {
    void *at = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(r->diag, &at);
    if (!e || !e->msg) return lb_fail(LB_E_FORMAT, "%s: not YAML", r->name);
    return lb_fail(LB_E_FORMAT, "%s:%d:%d: %s", r->name, e->line, e->column, e->msg);
}

static lb_status wrong(const reader *r, struct fy_event *event, lb_status code, const char *what) {
    const struct fy_mark *m = fy_event_start_mark(event);
    return lb_fail(code, "%s:%d:%d: %s", r->name, m ? m->line + 1 : 0, m ? m->column + 1 : 0, what);
}

static lb_status next(const reader *r, struct fy_event **event) {
    *event = fy_parser_parse(r->parser);
    return *event ? LB_OK : parser_error(r);
}

static lb_status read_node(reader *r, lb_value **out, struct fy_event *event);

static int line_of(struct fy_event *event) {
    const struct fy_mark *m = fy_event_start_mark(event);
    return m ? m->line + 1 : 0;
}

static lb_status read_scalar(const reader *r, lb_value **out, struct fy_event *event) {
    size_t size = 0;
    const char *text = "";
    struct fy_token *token = event->scalar.value;
    if (token) text = fy_token_get_text(token, &size);
    if (!text) return no_memory(r);
    bool plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
    *out = plain ? lbi_yaml_plain(text, size) : lbi_value_text(text, size);
    return *out ? LB_OK : no_memory(r);
}

static lb_status read_key(const reader *r, char **key, struct fy_event *event) {
    size_t size = 0;
    const char *text = "";
    if (event->type != FYET_SCALAR) return wrong(r, event, LB_E_FORMAT, "a key must be a single word");
    if (event->scalar.value) text = fy_token_get_text(event->scalar.value, &size);
    if (!text) return no_memory(r);
    if (memchr(text, 0, size)) return wrong(r, event, LB_E_FORMAT, "a NUL inside a key");
    *key = lb_strndup(text, size);
    return *key ? LB_OK : no_memory(r);
}

static lb_status read_list(reader *r, lb_value *list) {
    lb_status st = LB_OK;
    struct fy_event *event = NULL;
    lb_value *item = NULL;
    for (;;) {
        LB_TRY(next(r, &event));
        if (event->type == FYET_SEQUENCE_END) break;
        LB_TRY(read_node(r, &item, event));
        fy_parser_event_free(r->parser, event);
        event = NULL;
        lb_list_put(list, item);
        item = NULL;
        if (list->failed) LB_TRY(no_memory(r));
    }
done:
    if (event) fy_parser_event_free(r->parser, event);
    return st;
}

typedef struct place {
    const char *key;
    int line;
} place;

static int by_key(const void *a, const void *b) {
    const place *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : x->line - y->line;
}

/* Sorted, since a map may have very many keys. */
static lb_status check_twice(const reader *r, const lb_value *map) {
    lb_status st = LB_OK;
    place *p = lb_alloc((size_t)map->count, sizeof *p);
    if (!p) return no_memory(r);
    for (int64_t i = 0; i < map->count; i++) p[i] = (place){map->keys[i], map->key_lines[i]};
    qsort(p, (size_t)map->count, sizeof *p, by_key);
    for (int64_t i = 1; i < map->count && st == LB_OK; i++)
        if (strcmp(p[i - 1].key, p[i].key) == 0)
            st = lb_fail(LB_E_FORMAT, "%s:%d:1: key '%s' was given on line %d already", r->name, p[i].line, p[i].key,
                         p[i - 1].line);
    lb_free(p);
    return st;
}

static lb_status read_map(reader *r, lb_value *map) {
    lb_status st = LB_OK;
    struct fy_event *event = NULL;
    lb_value *item = NULL;
    char *key = NULL;
    for (;;) {
        LB_TRY(next(r, &event));
        if (event->type == FYET_MAPPING_END) break;
        LB_TRY(read_key(r, &key, event));
        int line = line_of(event);
        fy_parser_event_free(r->parser, event);
        event = NULL;
        LB_TRY(next(r, &event));
        LB_TRY(read_node(r, &item, event));
        fy_parser_event_free(r->parser, event);
        event = NULL;
        lbi_value_append(map, key, line, item);
        item = NULL;
        lb_free(key);
        key = NULL;
        if (map->failed) LB_TRY(no_memory(r));
    }
    LB_TRY(check_twice(r, map));
done:
    if (event) fy_parser_event_free(r->parser, event);
    lb_free(key);
    return st;
}

static bool is_special(const struct fy_event *e) {
    if (e->type == FYET_SCALAR) return e->scalar.anchor || e->scalar.tag;
    if (e->type == FYET_SEQUENCE_START) return e->sequence_start.anchor || e->sequence_start.tag;
    return e->type == FYET_MAPPING_START && (e->mapping_start.anchor || e->mapping_start.tag);
}

static lb_status read_node(reader *r, lb_value **out, struct fy_event *event) {
    lb_status st = LB_OK;
    lb_value *v = NULL;
    bool map = event->type == FYET_MAPPING_START;
    if (event->type == FYET_ALIAS || is_special(event))
        return wrong(r, event, LB_E_UNSUPPORTED, "anchors, aliases and tags are not supported");
    if (event->type == FYET_SCALAR) {
        LB_TRY(read_scalar(r, &v, event));
    } else if (map || event->type == FYET_SEQUENCE_START) {
        if (r->depth == MAX_DEPTH) return wrong(r, event, LB_E_LIMIT, "nested too deep");
        v = lbi_value_new(map ? LB_V_MAP : LB_V_LIST);
        if (!v) return no_memory(r);
        r->depth++;
        st = map ? read_map(r, v) : read_list(r, v);
        r->depth--;
        if (st != LB_OK) goto done;
    } else {
        return wrong(r, event, LB_E_FORMAT, "expected a value");
    }
    v->line = line_of(event);
    *out = v;
    v = NULL;
done:
    lb_value_free(v);
    return st;
}

/* One document, or none (an empty text is null). */
static lb_status read_stream(reader *r, lb_value **out) {
    lb_status st = LB_OK;
    lb_value *v = NULL;
    struct fy_event *event = NULL;
    for (bool end = false; !end;) {
        LB_TRY(next(r, &event));
        switch (event->type) {
        case FYET_STREAM_END: end = true; break;
        case FYET_NONE:
        case FYET_STREAM_START:
        case FYET_DOCUMENT_START:
        case FYET_DOCUMENT_END: break;
        case FYET_MAPPING_START:
        case FYET_MAPPING_END:
        case FYET_SEQUENCE_START:
        case FYET_SEQUENCE_END:
        case FYET_SCALAR:
        case FYET_ALIAS:
            if (v) LB_TRY(wrong(r, event, LB_E_FORMAT, "more than one document"));
            LB_TRY(read_node(r, &v, event));
            break;
        }
        fy_parser_event_free(r->parser, event);
        event = NULL;
    }
    if (!v) v = lbi_value_new(LB_V_NULL);
    if (!v) LB_TRY(no_memory(r));
    *out = v;
    v = NULL;
done:
    if (event) fy_parser_event_free(r->parser, event);
    lb_value_free(v);
    return st;
}

static void say_nothing(struct fy_diag *diag, void *user, const char *text, size_t size) {
    (void)diag, (void)user, (void)text, (void)size;
}

/* libfyaml 0.7.12 never ends on an unknown directive with such a byte, and takes it for nothing elsewhere. */
static lb_status check_utf8(const char *text, size_t size, const char *name) {
    int line = 1;
    for (size_t at = 0, used; at < size; at += used) {
        used = lbi_utf8_size((const uint8_t *)text + at, size - at);
        if (used == 0) return lb_fail(LB_E_FORMAT, "%s:%d: byte 0x%02x is not UTF-8", name, line, (unsigned char)text[at]);
        line += text[at] == '\n';
    }
    return LB_OK;
}

lb_status lb_yaml_parse(lb_value **out, const char *text, size_t size, const char *name) {
    lb_status st = check_utf8(text, size, name);
    reader r = {.name = name};
    struct fy_diag_cfg quiet;
    if (st != LB_OK) return st;
    if (size == 0) text = "\n", size = 1;
    fy_diag_cfg_default(&quiet);
    quiet.fp = NULL;
    quiet.output_fn = say_nothing;
    r.diag = fy_diag_create(&quiet);
    if (!r.diag) return no_memory(&r);
    fy_diag_set_collect_errors(r.diag, true);
    struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_PARSE | FYPCF_JSON_NONE, .diag = r.diag};
    r.parser = fy_parser_create(&cfg);
    if (!r.parser || fy_parser_set_string(r.parser, text, size) != 0) LB_TRY(no_memory(&r));
    LB_TRY(read_stream(&r, out));
done:
    if (r.parser) fy_parser_destroy(r.parser);
    fy_diag_destroy(r.diag);
    return st;
}

lb_status lb_yaml_read(lb_value **out, const char *path) {
    lb_buf text = {0};
    lb_status st = lb_file_read(&text, path, 0);
    if (st == LB_OK) st = lb_yaml_parse(out, lb_buf_str(&text), text.size, path);
    lb_buf_free(&text);
    return st;
}

/* ---- writing ---- */

/* Bare only where no reader, of YAML 1.1 either, could take the word for something else. */
static bool may_be_bare(const char *s, size_t size) {
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
    char lower[8] = "";
    if (size == 0 || (!isalpha((unsigned char)s[0]) && s[0] != '/' && s[0] != '_') || s[size - 1] == ' ') return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)s[i]) && !(s[i] && strchr("_-./+ ", s[i]))) return false;
        if (i < sizeof lower - 1) lower[i] = (char)tolower((unsigned char)s[i]);
    }
    return size >= sizeof lower - 1 || !is_one_of(lower, words);
}

static void put_text(lb_buf *out, const char *s, size_t size) {
    if (may_be_bare(s, size)) lb_buf_add(out, s, size);
    else lbi_quote(out, s, size);
}

static bool is_row_of_numbers(const lb_value *v) {
    for (int64_t i = 0; i < v->count; i++)
        if (v->items[i]->kind != LB_V_INT && v->items[i]->kind != LB_V_REAL) return false;
    return v->kind == LB_V_LIST;
}

/* Everything that stands on one line: scalars, empty containers, rows of numbers. */
static bool put_inline(lb_buf *out, const lb_value *v) {
    switch (v->kind) {
    case LB_V_NULL: lb_buf_text(out, "null"); return true;
    case LB_V_BOOL: lb_buf_text(out, v->boolean ? "true" : "false"); return true;
    case LB_V_INT: lb_buf_format(out, "%lld", (long long)v->integer); return true;
    case LB_V_REAL: lbi_put_real(out, v->real); return true;
    case LB_V_TEXT: put_text(out, v->text, v->text_size); return true;
    case LB_V_LIST:
        if (!is_row_of_numbers(v)) return false;
        lb_buf_text(out, "[");
        for (int64_t i = 0; i < v->count; i++) {
            if (i > 0) lb_buf_text(out, ", ");
            put_inline(out, v->items[i]);
        }
        lb_buf_text(out, "]");
        return true;
    case LB_V_MAP:
        if (v->count > 0) return false;
        lb_buf_text(out, "{}");
        return true;
    }
    return false;
}

static void spaces(lb_buf *out, int n) {
    while (n-- > 0) lb_buf_add(out, " ", 1);
}

/* A block whose first line already stands at its column. */
static void put_block(lb_buf *out, const lb_value *v, int column) {
    for (int64_t i = 0; i < v->count; i++) {
        const lb_value *item = v->items[i];
        if (i > 0) spaces(out, column);
        if (v->kind == LB_V_LIST) {
            lb_buf_text(out, "- ");
        } else {
            put_text(out, v->keys[i], strlen(v->keys[i]));
            bool below = (item->kind == LB_V_MAP && item->count > 0) || (item->kind == LB_V_LIST && !is_row_of_numbers(item));
            lb_buf_text(out, below ? ":\n" : ": ");
            if (below) spaces(out, column + 2);
        }
        if (put_inline(out, item)) lb_buf_text(out, "\n");
        else put_block(out, item, column + 2);
    }
}

lb_status lb_yaml_write(lb_buf *out, const lb_value *v) {
    if (lbi_value_broken(v)) return lb_fail(LB_E_NOMEM, "out of memory while a value was built");
    if (put_inline(out, v)) lb_buf_text(out, "\n");
    else put_block(out, v, 0);
    return lb_buf_status(out);
}

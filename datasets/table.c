/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLUMNS_MAX = 4096 };

static char most_frequent(const char *text, size_t size) {
    static const char candidates[] = "\t,;|";
    int64_t count[sizeof candidates] = {0};
    bool quoted = false;
    for (size_t i = 0; i < size && (quoted || text[i] != '\n'); i++) {
        const char *c = text[i] ? strchr(candidates, text[i]) : NULL;
        if (text[i] == '"') quoted = !quoted;
        else if (c && !quoted) count[c - candidates]++;
    }
    int best = 1;
    for (int i = 0; i < (int)sizeof candidates - 1; i++)
        if (count[i] > count[best]) best = i;
    return candidates[best];
}

static bool begin_field(lbi_table *t) {
    if (t->fields == t->capacity) {
        int64_t capacity = t->capacity ? 2 * t->capacity : 32;
        size_t *starts = lb_realloc(t->starts, (size_t)capacity, sizeof *starts);
        if (!starts) return false;
        t->starts = starts;
        size_t *sizes = lb_realloc(t->sizes, (size_t)capacity, sizeof *sizes);
        if (!sizes) return false;
        t->sizes = sizes;
        t->capacity = capacity;
    }
    t->starts[t->fields] = t->row.size;
    return true;
}

static void end_field(lbi_table *t) {
    t->sizes[t->fields] = t->row.size - t->starts[t->fields];
    lb_buf_add(&t->row, "", 1);
    t->fields++;
}

/* A quoted field from behind its first quote on; false when the quote has no end. */
static bool quoted(lbi_table *t) {
    for (;;) {
        const char *from = t->text + t->at, *p = memchr(from, '"', t->size - t->at);
        if (!p) return false;
        for (const char *q = from; q < p; q++) t->next_line += *q == '\n';
        lb_buf_add(&t->row, from, (size_t)(p - from));
        t->at += (size_t)(p - from) + 1;
        if (t->at >= t->size || t->text[t->at] != '"') return true;
        lb_buf_text(&t->row, "\"");
        t->at++;
    }
}

/* Up to the delimiter or the end of the line. */
static void plain(lbi_table *t) {
    while (t->delimiter == '|' && t->at < t->size && t->text[t->at] == ' ') t->at++; /* "a| b" */
    size_t from = t->at;
    while (t->at < t->size && t->text[t->at] != t->delimiter && t->text[t->at] != '\n') t->at++;
    size_t n = t->at - from;
    if (n > 0 && t->text[t->at - 1] == '\r' && (t->at == t->size || t->text[t->at] == '\n')) n--;
    lb_buf_add(&t->row, t->text + from, n);
}

static void to_line_end(lbi_table *t, size_t from) {
    const char *p = from < t->size ? memchr(t->text + from, '\n', t->size - from) : NULL;
    t->at = p ? (size_t)(p - t->text) + 1 : t->size;
}

static lb_status read_row(lbi_table *t) {
    size_t begin = t->at;
    lb_buf_clear(&t->row);
    t->fields = 0;
    t->line = t->next_line;
    for (bool more = true; more;) {
        if (!begin_field(t)) return LB_E_NOMEM;
        if (t->fields >= COLUMNS_MAX) {
            to_line_end(t, begin);
            t->next_line = t->line + 1;
            return lb_fail(LB_E_FORMAT, "%s:%lld: more than %d columns", t->name, (long long)t->line, COLUMNS_MAX);
        }
        if (t->at < t->size && t->text[t->at] == '"') {
            t->at++;
            if (!quoted(t)) {
                to_line_end(t, begin);
                t->next_line = t->line + 1;
                return lb_fail(LB_E_FORMAT, "%s:%lld: a quote has no end", t->name, (long long)t->line);
            }
        }
        plain(t);
        end_field(t);
        more = t->at < t->size && t->text[t->at] == t->delimiter;
        t->at += more;
    }
    if (t->at < t->size) t->at++; /* the line's end */
    t->next_line++;
    return lb_buf_status(&t->row);
}

static bool is_blank(const lbi_table *t) { return t->fields == 1 && t->sizes[0] == 0; }

static lb_status read_head(lbi_table *t) {
    lb_status st = read_row(t);
    if (st != LB_OK) return st;
    if (!(t->head = lb_calloc((size_t)t->fields, sizeof *t->head))) return LB_E_NOMEM;
    t->columns = t->fields;
    for (int64_t i = 0; i < t->fields; i++) {
        const char *name = lbi_table_field(t, i);
        if (strlen(name) != t->sizes[i] || !lbi_is_utf8(name, t->sizes[i])) return lb_fail(LB_E_FORMAT, "%s:%lld: the name of column %lld is no text", t->name, (long long)t->line, (long long)i + 1);
        for (int64_t k = 0; k < i; k++)
            if (*name && strcasecmp(t->head[k], name) == 0) return lb_fail(LB_E_FORMAT, "%s:%lld: column '%s' is there twice", t->name, (long long)t->line, name);
        if (!(t->head[i] = lb_strdup(name))) return LB_E_NOMEM;
    }
    return LB_OK;
}

static lb_status begin(lbi_table *t, char delimiter, bool header) {
    if (t->size >= 3 && memcmp(t->text, "\xEF\xBB\xBF", 3) == 0) t->at = 3;
    t->delimiter = delimiter ? delimiter : most_frequent(t->text + t->at, t->size - t->at);
    t->next_line = 1;
    return header && t->at < t->size ? read_head(t) : LB_OK;
}

lb_status lbi_table_memory(lbi_table *out, const char *text, size_t size, const char *name, char delimiter, bool header) {
    *out = (lbi_table){.name = name, .text = text, .size = size};
    return begin(out, delimiter, header);
}

lb_status lbi_table_open(lbi_table *out, const char *path, char delimiter, bool header) {
    *out = (lbi_table){.name = path};
    lb_status st = lb_mmap_open(&out->map, path);
    if (st != LB_OK) return st;
    out->text = (const char *)out->map.data;
    out->size = out->map.size;
    return begin(out, delimiter, header);
}

void lbi_table_close(lbi_table *t) {
    for (int64_t i = 0; t->head && i < t->columns; i++) lb_free(t->head[i]);
    lb_free(t->head);
    lb_free(t->starts);
    lb_free(t->sizes);
    lb_buf_free(&t->row);
    lb_mmap_close(&t->map);
    *t = (lbi_table){0};
}

lb_status lbi_table_next(lbi_table *t, bool *end) {
    *end = false;
    do {
        if (t->at >= t->size) {
            *end = true;
            return LB_OK;
        }
        lb_status st = read_row(t);
        if (st != LB_OK) return st;
    } while (is_blank(t));
    if (t->columns == 0) t->columns = t->fields;
    if (t->fields != t->columns) return lb_fail(LB_E_FORMAT, "%s:%lld: has %lld fields in place of %lld", t->name, (long long)t->line, (long long)t->fields, (long long)t->columns);
    for (int64_t i = 0; i < t->fields; i++) {
        const char *field = lbi_table_field(t, i);
        if (memchr(field, 0, t->sizes[i])) return lb_fail(LB_E_FORMAT, "%s:%lld: field %lld holds a NUL", t->name, (long long)t->line, (long long)i + 1);
        if (!lbi_is_utf8(field, t->sizes[i])) return lb_fail(LB_E_FORMAT, "%s:%lld: field %lld is not UTF-8", t->name, (long long)t->line, (long long)i + 1);
    }
    return LB_OK;
}

lb_status lbi_table_each(lbi_table *t, lb_items *items, lb_status (*use)(void *ctx), void *ctx) {
    for (bool end = false;;) {
        lb_status st = lbi_table_next(t, &end);
        if (st == LB_E_FORMAT) {
            lb_items_problem(items, "%s; left out", lb_error_text());
            lb_error_clear();
            continue;
        }
        if (st != LB_OK || end) return st;
        if ((st = use(ctx)) != LB_OK) return st;
    }
}

const char *lbi_table_field(const lbi_table *t, int64_t column) { return column >= 0 && column < t->fields ? t->row.data + t->starts[column] : ""; }

int64_t lbi_table_column(const lbi_table *t, const char *name) {
    char *end = NULL;
    for (int64_t i = 0; t->head && i < t->columns; i++)
        if (strcasecmp(t->head[i], name) == 0) return i;
    int64_t n = t->head ? 0 : strtoll(name, &end, 10);
    return n > 0 && !*end ? n - 1 : -1;
}

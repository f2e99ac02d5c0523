/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/scan.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64 };

lbi_scan lbi_scan_make(const char *text, size_t size, const char *name) {
    lbi_scan s = {.begin = text, .at = text, .end = text + size, .name = name, .counted = text, .line = 1};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) s.at += 3;
    return s;
}

static bool fault(lbi_scan *s, const char *why) {
    if (!s->fault) s->fault = why;
    s->end = s->at; /* nothing more is read; s->at stays where it was */
    return false;
}

static void blanks(lbi_scan *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) s->at++;
}

char lbi_scan_peek(lbi_scan *s) {
    blanks(s);
    return s->at < s->end ? *s->at : 0;
}

bool lbi_scan_enter(lbi_scan *s, char open) {
    if (lbi_scan_peek(s) != open) return fault(s, open == '{' ? "an object is expected" : "a list is expected");
    s->at++;
    return true;
}

static bool string(lbi_scan *s, const char **from, size_t *size) {
    if (lbi_scan_peek(s) != '"') return fault(s, "a string is expected");
    const char *p = s->at + 1;
    for (;;) {
        while (p < s->end && *p != '"' && *p != '\\') p++;
        if (p >= s->end || (*p == '\\' && p + 1 >= s->end)) return fault(s, "a string has no end");
        if (*p == '"') break;
        p += 2;
    }
    if (from) *from = s->at + 1, *size = (size_t)(p - s->at - 1);
    s->at = p + 1;
    return true;
}

/* Behind a value: true at ',' or at `close`, which are consumed; *closed says which. */
static bool between(lbi_scan *s, char close, bool *closed) {
    char c = lbi_scan_peek(s);
    *closed = c == close;
    if (*closed || c == ',') {
        s->at++;
        return true;
    }
    return fault(s, c ? "',' or the closing bracket is expected" : "the file ends in the middle");
}

/* At the first element right behind the opening bracket, else behind a value. */
static bool next(lbi_scan *s, char open, char close) {
    bool closed = false;
    if (s->fault) return false;
    const char *before = s->at;
    while (before > s->begin && (before[-1] == ' ' || before[-1] == '\n' || before[-1] == '\r' || before[-1] == '\t')) before--;
    bool first = before > s->begin && before[-1] == open;
    if (first) {
        if (lbi_scan_peek(s) != close) return true;
        s->at++;
        return false;
    }
    return between(s, close, &closed) && !closed;
}

bool lbi_scan_key(lbi_scan *s, const char **key, size_t *size) {
    if (!next(s, '{', '}') || !string(s, key, size)) return false;
    if (lbi_scan_peek(s) != ':') return fault(s, "':' is expected");
    s->at++;
    return true;
}

bool lbi_scan_more(lbi_scan *s) { return next(s, '[', ']'); }

/* Objects and lists by counting brackets outside strings. */
static bool skip_nested(lbi_scan *s) {
    char open[DEPTH];
    int depth = 0;
    while (s->at < s->end) {
        char c = *s->at;
        if (c == '"') {
            if (!string(s, NULL, NULL)) return false;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == DEPTH) return fault(s, "brackets are nested too deep");
            open[depth++] = c;
        }
        if (c == '}' || c == ']') {
            if (open[depth - 1] != (c == '}' ? '{' : '[')) return fault(s, "brackets do not match");
            depth--;
        }
        s->at++;
        if (depth == 0) return true;
    }
    return fault(s, "the file ends in the middle");
}

bool lbi_scan_value(lbi_scan *s, const char **from, size_t *size) {
    char c = lbi_scan_peek(s);
    const char *begin = s->at;
    if (!c) return fault(s, "the file ends in the middle");
    bool ok = true;
    if (c == '"') ok = string(s, NULL, NULL);
    else if (c == '{' || c == '[') ok = skip_nested(s);
    else {
        while (s->at < s->end && !strchr(",]} \n\r\t:\"[{", *s->at)) s->at++;
        if (s->at == begin) ok = fault(s, "a value is expected");
    }
    if (ok && from) *from = begin, *size = (size_t)(s->at - begin);
    return ok;
}

double lbi_scan_number(lbi_scan *s) {
    char word[64];
    const char *from = NULL;
    size_t n = 0;
    char c = lbi_scan_peek(s);
    if (c != '-' && (c < '0' || c > '9')) {
        fault(s, "a number is expected");
        return 0;
    }
    if (!lbi_scan_value(s, &from, &n)) return 0;
    if (n >= sizeof word) n = sizeof word - 1;
    memcpy(word, from, n);
    word[n] = 0;
    return strtod(word, NULL);
}

char *lbi_scan_text(lbi_scan *s, lb_items *items) {
    const char *from = NULL;
    size_t n = 0;
    if (!string(s, &from, &n)) return NULL;
    if (!memchr(from, '\\', n)) {
        if (lbi_is_utf8(from, n)) return lbi_items_text(items, from, n);
        fault(s, "a string is not UTF-8");
        return NULL;
    }
    lb_buf list = {0};
    lb_value *v = NULL;
    char *text = NULL;
    lb_buf_text(&list, "[\"");
    lb_buf_add(&list, from, n);
    lb_buf_text(&list, "\"]");
    if (lb_buf_status(&list) == LB_OK && lb_json_parse(&v, list.data, list.size, s->name) == LB_OK && strlen(v->items[0]->text) == v->items[0]->text_size)
        text = lbi_items_text(items, v->items[0]->text, v->items[0]->text_size);
    else fault(s, "a string is damaged");
    lb_value_free(v);
    lb_buf_free(&list);
    return text;
}

bool lbi_scan_is(const char *key, size_t size, const char *word) { return strlen(word) == size && memcmp(key, word, size) == 0; }

int64_t lbi_scan_line(lbi_scan *s) {
    for (; s->counted < s->at; s->counted++) s->line += *s->counted == '\n';
    return s->line;
}

lb_status lbi_scan_status(lbi_scan *s) {
    if (!s->fault) return LB_OK;
    const char *line = s->at;
    while (line > s->begin && line[-1] != '\n') line--;
    return lb_fail(LB_E_FORMAT, "%s: is not JSON (%lld:%lld: %s)", s->name, (long long)lbi_scan_line(s), (long long)(s->at - line) + 1, s->fault);
}

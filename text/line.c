/* SPDX-License-Identifier: Apache-2.0 */
#include "text/line.h"
#include <string.h>
#include "text/unicode.h"

void lbi_line_free(lbi_line *l) {
    lb_free(l->at);
    lb_free(l->from);
    *l = (lbi_line){0};
}

void lbi_line_start(lbi_line *l, bool tracked) {
    l->size = 0;
    l->failed = false;
    if (tracked && !l->from && l->capacity) { /* the spans grow with the bytes: begin both anew */
        lb_free(l->at);
        l->at = NULL;
        l->capacity = 0;
    }
    l->tracked = tracked;
}

/* Room for n more bytes. */
static bool reserve(lbi_line *l, size_t n) {
    if (l->size + n <= l->capacity) return true;
    size_t cap = l->capacity ? 2 * l->capacity : 256;
    while (cap < l->size + n) cap *= 2;
    uint8_t *at = cap <= 4 * (size_t)LBI_LINE_MAX ? lb_realloc(l->at, cap, 1) : NULL;
    if (at) l->at = at;
    lbi_span *from = at && (l->tracked || l->from) ? lb_realloc(l->from, cap, sizeof *from) : NULL;
    if (from) l->from = from;
    if (!at || (l->tracked && !from)) {
        l->failed = true;
        return false;
    }
    l->capacity = cap;
    return true;
}

static void fill(lbi_line *l, size_t n, lbi_span from) {
    for (size_t i = 0; l->tracked && i < n; i++) l->from[l->size + i] = from;
    l->size += n;
}

void lbi_line_put(lbi_line *l, uint32_t c, lbi_span from) {
    if (!reserve(l, 4)) return;
    fill(l, (size_t)lbi_utf8_write(l->at + l->size, c), from);
}

void lbi_line_add(lbi_line *l, const char *text, size_t size, lbi_span from) {
    if (size == 0 || !reserve(l, size)) return;
    memcpy(l->at + l->size, text, size);
    fill(l, size, from);
}

void lbi_line_copy(lbi_line *l, const lbi_line *src, size_t begin, size_t end) {
    size_t n = end - begin;
    if (n == 0 || !reserve(l, n)) return;
    memcpy(l->at + l->size, src->at + begin, n);
    if (l->tracked) memcpy(l->from + l->size, src->from + begin, n * sizeof *src->from);
    l->size += n;
}

void lbi_line_text(lbi_line *l, const uint8_t *text, size_t size, size_t origin) {
    if (!l->tracked && lbi_utf8_valid(text, size)) {
        if (size && reserve(l, size)) {
            memcpy(l->at + l->size, text, size);
            l->size += size;
        }
        return;
    }
    for (size_t at = 0, used = 0; at < size && !l->failed; at += used) {
        uint32_t c = lbi_utf8_next(text + at, size - at, &used);
        lbi_line_put(l, c, (lbi_span){(uint32_t)(origin + at), (uint32_t)(origin + at + used)});
    }
}

void lbi_edit_skip(lbi_edit *e, int64_t n) {
    size_t used = 0;
    for (; n > 0 && e->at < e->in->size; n--, e->at += used) lbi_utf8_next(e->in->at + e->at, e->in->size - e->at, &used);
}

void lbi_edit_put(lbi_edit *e, uint32_t c, int64_t change) {
    lbi_span from = {0};
    if (e->in->tracked) {
        if (change > 0) from = e->at ? e->in->from[e->at - 1] : from;
        else if (e->at < e->in->size) from = e->in->from[e->at];
    }
    lbi_line_put(e->out, c, from);
    if (change <= 0) lbi_edit_skip(e, 1 - change);
}

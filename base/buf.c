/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Makes room for n more bytes and the NUL. */
static bool reserve(lb_buf *b, size_t n) {
    if (b->failed) return false;
    if (n >= SIZE_MAX / 4 - b->size) return !(b->failed = true);
    size_t need = b->size + n + 1;
    if (need <= b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) capacity += capacity;
    char *p = lb_realloc(b->data, capacity, 1);
    if (!p) return !(b->failed = true);
    b->data = p;
    b->capacity = capacity;
    return true;
}

void lb_buf_add(lb_buf *b, const void *bytes, size_t n) {
    if (!reserve(b, n)) return;
    if (n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = 0;
}

char *lb_buf_room(lb_buf *b, size_t n) {
    if (!reserve(b, n)) return NULL;
    char *room = b->data + b->size;
    b->size += n;
    b->data[b->size] = 0;
    return room;
}

void lb_buf_text(lb_buf *b, const char *s) {
    lb_buf_add(b, s, strlen(s));
}

void lb_buf_format(lb_buf *b, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

void lb_buf_clear(lb_buf *b) {
    b->size = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

void lb_buf_free(lb_buf *b) {
    if (!b) return;
    lb_free(b->data);
    *b = (lb_buf){0};
}

lb_status lb_buf_status(const lb_buf *b) {
    return b->failed ? lb_fail(LB_E_NOMEM, "out of memory for %zu bytes of text", b->size) : LB_OK;
}

char *lb_buf_take(lb_buf *b) {
    if (!reserve(b, 0)) {
        lb_buf_free(b);
        return NULL;
    }
    char *p = b->data;
    p[b->size] = 0;
    *b = (lb_buf){0};
    return p;
}

const char *lb_buf_str(const lb_buf *b) {
    return b->data ? b->data : "";
}

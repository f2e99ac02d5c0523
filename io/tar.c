/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tar.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, NAME = 100, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156, MAGIC_AT = 257, PREFIX_AT = 345, PREFIX = 155, EXTRA_MAX = 1 << 20 };

/* Octal digits, or base 256 when the first bit is set. -1: neither, or below 0. */
static int64_t number(const uint8_t *p, int n) {
    int64_t x = 0;
    if (p[0] & 0x80) {
        if (p[0] & 0x7F) return -1;
        for (int i = 1; i < n; i++) {
            if (x >> 54) return -1;
            x = x << 8 | p[i];
        }
        return x;
    }
    int i = 0;
    while (i < n && p[i] == ' ') i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) x = x << 3 | (p[i] - '0');
    return i == n || p[i] == 0 || p[i] == ' ' ? x : -1;
}

static bool is_header(const uint8_t *p) {
    int64_t sum = 0, bytes = 0;
    for (int i = 0; i < BLOCK; i++) {
        bool own = i >= SUM_AT && i < SUM_AT + 8;
        sum += own ? ' ' : p[i];
        bytes += own ? ' ' : (int8_t)p[i]; /* some old programs summed signed bytes */
    }
    int64_t want = number(p + SUM_AT, 8);
    return want == sum || want == bytes;
}

static bool is_zero(const uint8_t *p) {
    for (int i = 0; i < BLOCK; i++)
        if (p[i]) return false;
    return true;
}

static void ustar_name(lbi_tar *t, const uint8_t *p) {
    size_t n = strnlen((const char *)p, NAME), m = memcmp(p + MAGIC_AT, "ustar", 6) == 0 ? strnlen((const char *)p + PREFIX_AT, PREFIX) : 0;
    lb_buf_clear(&t->name);
    if (m) {
        lb_buf_add(&t->name, p + PREFIX_AT, m);
        lb_buf_text(&t->name, "/");
    }
    lb_buf_add(&t->name, p, n);
}

/* Records "LENGTH KEY=VALUE\n"; path and size count. */
static bool read_pax(lbi_tar *t, const char *p, size_t n) {
    while (n > 0) {
        size_t length = 0, k = 0;
        while (k < n && k < 9 && p[k] >= '0' && p[k] <= '9') length = length * 10 + (size_t)(p[k++] - '0');
        if (k == 0 || k >= n || p[k] != ' ' || length > n || length < k + 3 || p[length - 1] != '\n') return false;
        const char *key = p + k + 1, *value = memchr(key, '=', length - k - 2);
        if (!value) return false;
        size_t size = length - 1 - (size_t)(++value - p);
        if (value - key == 5 && memcmp(key, "path=", 5) == 0) {
            lb_buf_clear(&t->name);
            lb_buf_add(&t->name, value, size);
            t->named = true;
        }
        if (value - key == 5 && memcmp(key, "size=", 5) == 0) {
            t->long_size = 0;
            for (size_t i = 0; i < size && i < 18 && value[i] >= '0' && value[i] <= '9'; i++) t->long_size = t->long_size * 10 + (value[i] - '0');
            t->resized = true;
        }
        p += length;
        n -= length;
    }
    return true;
}

/* After damage: to the next block that is a header. */
static lb_status skip_damage(lbi_tar *t, const char *why) {
    size_t from = t->at;
    do t->at += BLOCK;
    while (t->size - t->at >= BLOCK && t->at < t->size && (is_zero(t->data + t->at) || !is_header(t->data + t->at)));
    if (t->at > t->size || t->size - t->at < BLOCK) t->at = t->size;
    t->named = t->resized = false;
    return lb_fail(LB_E_FORMAT, "byte %zu: %s; left out up to byte %zu", from, why, t->at);
}

/* A header's data; t->at moves behind it. */
static lb_status body(const uint8_t **data, size_t *size, lbi_tar *t, const uint8_t *head) {
    int64_t n = t->resized && head[TYPE_AT] != 'x' && head[TYPE_AT] != 'L' ? t->long_size : number(head + SIZE_AT, 12);
    if (n < 0) return skip_damage(t, "tar header without a size");
    size_t begin = t->at + BLOCK;
    if ((uint64_t)n > t->size - begin) {
        size_t from = t->at;
        t->at = t->size;
        return lb_fail(LB_E_FORMAT, "byte %zu: the archive is truncated in '%s': %lld bytes are missing", from, lb_buf_str(&t->name), (long long)(n - (int64_t)(t->size - begin)));
    }
    *data = t->data + begin;
    *size = (size_t)n;
    size_t padded = ((size_t)n + BLOCK - 1) / BLOCK * BLOCK;
    t->at = padded > t->size - begin ? t->size : begin + padded;
    return LB_OK;
}

static lb_status take_extra(lbi_tar *t, char type, const uint8_t *data, size_t size) {
    if (size > EXTRA_MAX) return lb_fail(LB_E_FORMAT, "byte %zu: a tar header of %zu bytes", (size_t)(data - t->data), size);
    if (type == 'L') {
        lb_buf_clear(&t->name);
        lb_buf_add(&t->name, data, strnlen((const char *)data, size));
        t->named = true;
    } else if (type == 'x' && !read_pax(t, (const char *)data, size)) return lb_fail(LB_E_FORMAT, "byte %zu: a pax header is damaged", (size_t)(data - t->data));
    return lb_buf_status(&t->name);
}

lb_status lbi_tar_next(lbi_tar_member *out, bool *end, lbi_tar *t) {
    *end = false;
    while (t->at < t->size && t->size - t->at >= BLOCK) {
        const uint8_t *head = t->data + t->at, *data = NULL;
        size_t size = 0;
        if (is_zero(head)) break;
        if (!is_header(head)) return skip_damage(t, "no tar header where one should be");
        char type = (char)head[TYPE_AT];
        if (!t->named && type != 'L' && type != 'x' && type != 'g' && type != 'K') ustar_name(t, head);
        lb_status st = body(&data, &size, t, head);
        if (st != LB_OK) return st;
        if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {
            if ((st = take_extra(t, type, data, size)) != LB_OK) return st;
            continue;
        }
        t->named = t->resized = false;
        if (type == 'S') return lb_fail(LB_E_UNSUPPORTED, "byte %zu: '%s' is a sparse file", (size_t)(data - t->data) - BLOCK, lb_buf_str(&t->name));
        if (type != '0' && type != 0 && type != '7') continue;
        const char *name = lb_buf_str(&t->name);
        if (name[0] == '.' && name[1] == '/') name += 2;
        *out = (lbi_tar_member){.name = name, .offset = (size_t)(data - t->data), .size = size};
        return lb_buf_status(&t->name);
    }
    if (t->at < t->size && t->size - t->at < BLOCK && t->at > 0) {
        size_t from = t->at;
        t->at = t->size;
        return lb_fail(LB_E_FORMAT, "byte %zu: the archive is truncated in a header", from);
    }
    *end = true;
    return LB_OK;
}

void lbi_tar_close(lbi_tar *t) {
    lb_buf_free(&t->name);
    *t = (lbi_tar){0};
}

/* ---- writing ---- */

lb_status lbi_tar_head(lb_buf *out, const char *name, size_t size) {
    uint8_t p[BLOCK] = {0};
    char number_text[16];
    unsigned sum = 0;
    if (strlen(name) > NAME || size > 077777777777) return lb_fail(LB_E_ARG, "'%.120s' of %zu bytes does not fit into a tar header", name, size);
    memcpy(p, name, strlen(name));
    memcpy(p + 100, "0000644\0000000000\0000000000", 24); /* mode, owner, group */
    snprintf(number_text, sizeof number_text, "%011zo", size);
    memcpy(p + SIZE_AT, number_text, 12);
    memcpy(p + 136, "00000000000", 12); /* time: none, so that bytes are a function of what is in it */
    memset(p + SUM_AT, ' ', 8);
    p[TYPE_AT] = '0';
    memcpy(p + MAGIC_AT, "ustar\00000", 8);
    for (int i = 0; i < BLOCK; i++) sum += p[i];
    snprintf(number_text, sizeof number_text, "%06o", sum);
    memcpy(p + SUM_AT, number_text, 7);
    lb_buf_add(out, p, sizeof p);
    return lb_buf_status(out);
}

static void zeros(lb_buf *out, size_t n) {
    static const uint8_t none[BLOCK];
    lb_buf_add(out, none, n);
}

void lbi_tar_fill(lb_buf *out, size_t size) { zeros(out, (BLOCK - size % BLOCK) % BLOCK); }

void lbi_tar_end(lb_buf *out) {
    zeros(out, BLOCK);
    zeros(out, BLOCK);
}

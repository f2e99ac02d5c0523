/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include <string.h>

uint32_t lbi_utf8_next(const uint8_t *p, size_t n, size_t *used) {
    uint8_t a = p[0];
    *used = 1;
    if (a < 0x80) return a;
    int more = a >= 0xC2 && a <= 0xDF ? 1 : a >= 0xE0 && a <= 0xEF ? 2 : a >= 0xF0 && a <= 0xF4 ? 3 : 0;
    if (more == 0) return LBI_NOT_A_CHARACTER;
    /* The second byte is narrower after four lead bytes: no overlong forms, no surrogates, nothing above U+10FFFF. */
    uint8_t lo = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80, hi = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    uint32_t c = a & (0x3Fu >> more);
    for (int i = 1; i <= more; i++, lo = 0x80, hi = 0xBF) {
        if ((size_t)i >= n || p[i] < lo || p[i] > hi) return LBI_NOT_A_CHARACTER;
        c = c << 6 | (p[i] & 0x3F);
        *used = (size_t)i + 1;
    }
    return c;
}

int lbi_utf8_write(uint8_t dst[4], uint32_t c) {
    if (c < 0x80) {
        dst[0] = (uint8_t)c;
        return 1;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) dst[i] = (uint8_t)(0x80 | (c & 0x3F));
    dst[0] = (uint8_t)((0xF00 >> n) | c);
    return n;
}

void lbi_utf8_add(lb_buf *out, uint32_t c) {
    uint8_t b[4];
    lb_buf_add(out, b, (size_t)lbi_utf8_write(b, c));
}

uint32_t lbi_utf8_before(const uint8_t *text, size_t end, size_t *begin) {
    size_t at = end - 1, used = 0;
    while (at > 0 && end - at < 4 && (text[at] & 0xC0) == 0x80) at--;
    uint32_t c = lbi_utf8_next(text + at, end - at, &used);
    if (used == end - at) {
        *begin = at;
        return c;
    }
    *begin = end - 1;
    return LBI_NOT_A_CHARACTER;
}

size_t lbi_utf8_size(const uint8_t *p, size_t n) {
    size_t used;
    bool none = lbi_utf8_next(p, n, &used) == LBI_NOT_A_CHARACTER && !(used == 3 && memcmp(p, "\xef\xbf\xbd", 3) == 0);
    return none ? 0 : used;
}

bool lbi_utf8_valid(const uint8_t *p, size_t n) {
    for (size_t at = 0, used = 0; at < n; at += used) {
        uint64_t eight;
        used = 1;
        if (at + 8 <= n) {
            memcpy(&eight, p + at, 8);
            if ((eight & 0x8080808080808080u) == 0) {
                used = 8;
                continue;
            }
        }
        if (p[at] >= 0x80 && (used = lbi_utf8_size(p + at, n - at)) == 0) return false;
    }
    return true;
}

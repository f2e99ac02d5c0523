/* SPDX-License-Identifier: Apache-2.0 */
#include "text/byte_alphabet.h"
#include "text/unicode.h"

static bool itself(uint32_t c) { return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF); }

/* The bytes without a letter of their own are 0x00..0x20, 0x7F..0xA0, 0xAD: 33 + 34 + 1. */
uint32_t lbi_alphabet_of_byte(uint8_t byte) {
    if (itself(byte)) return byte;
    return 0x100u + (byte <= 0x20 ? byte : byte <= 0xA0 ? 0x21u + byte - 0x7F : 0x43u);
}

static int byte_of(uint32_t c) {
    if (c < 0x100) return itself(c) ? (int)c : -1;
    if (c <= 0x120) return (int)(c - 0x100);
    if (c <= 0x142) return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

bool lbi_bytes_of_alphabet(lb_buf *out, const char *text, size_t size) {
    const uint8_t *p = (const uint8_t *)text;
    for (size_t at = 0, used = 0; at < size; at += used) {
        int byte = byte_of(lbi_utf8_next(p + at, size - at, &used));
        if (byte < 0) return false;
        uint8_t b = (uint8_t)byte;
        lb_buf_add(out, &b, 1);
    }
    return true;
}

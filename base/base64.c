/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

void lb_base64(lb_buf *out, const void *bytes, size_t n) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = (uint32_t)b[i] << 16 | (i + 1 < n ? (uint32_t)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0);
        char four[4] = {letters[word >> 18], letters[word >> 12 & 63], i + 1 < n ? letters[word >> 6 & 63] : '=', i + 2 < n ? letters[word & 63] : '='};
        lb_buf_add(out, four, 4);
    }
}

static int value_of(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

lb_status lb_base64_decode(lb_buf *out, const char *text, size_t n) {
    uint32_t word = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        int v = value_of(c);
        if (v < 0) {
            if (c == '=' || c == ' ' || (c >= 9 && c <= 13)) continue;
            return lb_fail(LB_E_FORMAT, "byte 0x%02x at %zu is not base64", c, i);
        }
        word = word << 6 | (uint32_t)v;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        uint8_t byte = (uint8_t)(word >> bits);
        lb_buf_add(out, &byte, 1);
    }
    return lb_buf_status(out);
}

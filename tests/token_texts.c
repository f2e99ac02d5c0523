/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/token_texts.h"
#include <string.h>
#include "base/file.h"
#include "tests/check.h"

void token_bits_read(token_bits *b, const char *path) {
    if (!CHECK_OK(lb_file_read(&b->text, path, 0))) return;
    for (char *p = b->text.data; p && b->count < (int)LB_COUNT(b->at); p = strchr(p, '\n')) {
        if (b->count) *p++ = 0;
        b->at[b->count++] = p;
    }
}

void token_bits_free(token_bits *b) { lb_buf_free(&b->text); }

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(uint64_t *x, uint64_t n) {
    uint64_t z = *x += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return ((z ^ z >> 31) >> 11) % n;
}

static void add_point(lb_buf *out, uint32_t c) {
    char b[4];
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) b[i] = (char)(0x80 | (c & 0x3F));
    b[0] = (char)(n == 1 ? c : (0xF00u >> n & 0xFF) | c);
    lb_buf_add(out, b, (size_t)n);
}

static void add_points(lb_buf *out, uint64_t *x) {
    static const uint32_t pools[][2] = {{0x20, 0x7E}, {0x20, 0x7E}, {0xA0, 0x24F}, {0x300, 0x36F}, {0x370, 0x5FF}, {0x600, 0x8FF}, {0x900, 0xDFF}, {0xE00, 0x17FF}, {0x1800, 0x1FFF},
                                        {0x2000, 0x2BFF}, {0x2C00, 0x2FFF}, {0x3000, 0x33FF}, {0x3400, 0x9FFF}, {0xA000, 0xABFF}, {0xAC00, 0xD7A3}, {0xF900, 0xFFFF}, {0x10000, 0x1FFFF},
                                        {0x1F000, 0x1FAFF}, {0xE0000, 0xE01EF}, {0x20000, 0x2FFFF}, {0, 0x1F}, {0x7F, 0x9F}, {0, 0x10FFFF}, {0x1100, 0x11FF}};
    const uint32_t *pool = pools[draw(x, LB_COUNT(pools))];
    for (uint64_t n = 1 + draw(x, 4); n > 0; n--) {
        uint32_t c = pool[0] + (uint32_t)draw(x, pool[1] - pool[0] + 1);
        add_point(out, c >= 0xD800 && c < 0xE000 ? 0x301 : c);
    }
}

static void spoil(lb_buf *out, uint64_t *x) {
    for (uint64_t n = 1 + draw(x, 3); n > 0; n--) {
        size_t at = draw(x, out->size + 1);
        char byte = (char)(128 + draw(x, 128));
        lb_buf_add(out, &byte, 1);
        memmove(out->data + at + 1, out->data + at, out->size - 1 - at);
        out->data[at] = byte;
    }
}

void token_text(lb_buf *out, const token_bits *bits, uint64_t i) {
    static const char *const separators[] = {" ", " ", " ", " ", "", "", "  ", "   ", "\n", "\n\n", " \n", "\t", "\r\n", "'", "-", ".", " - ", ", ", "    \n  "};
    uint64_t x = i * 0x9E3779B97F4A7C15u + 0x1234567u, style = draw(&x, 8);
    lb_buf_clear(out);
    for (uint64_t n = draw(&x, 10) ? 1 + draw(&x, 12) : 1 + draw(&x, 120); n > 0; n--) {
        if (style < 4 || (style == 7 && draw(&x, 2))) lb_buf_text(out, bits->at[draw(&x, (uint64_t)bits->count)]);
        else add_points(out, &x);
        if (style == 0) lb_buf_text(out, " ");
        else if (style != 4 && style != 5) lb_buf_text(out, separators[draw(&x, LB_COUNT(separators))]);
    }
    if (draw(&x, 10) == 0) spoil(out, &x);
}

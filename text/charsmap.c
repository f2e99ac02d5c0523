/* SPDX-License-Identifier: Apache-2.0 */
#include "text/charsmap.h"
#include <string.h>

static uint32_t unit(const lbi_charsmap *m, size_t i) {
    const uint8_t *p = m->units + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static size_t offset_of(uint32_t u) { return (size_t)(u >> 10) << ((u & 1u << 9) >> 6); }

lb_status lbi_charsmap_open(lbi_charsmap *out, lb_buf *take_bytes) {
    *out = (lbi_charsmap){0};
    size_t n = take_bytes->size;
    out->memory = lb_buf_take(take_bytes);
    if (!out->memory) return LB_E_NOMEM;
    out->units = (const uint8_t *)out->memory;
    size_t bytes = n >= 4 ? unit(out, 0) : 0;
    if (n < 8 || bytes == 0 || bytes % 4 || bytes > n - 4)
        return lb_fail(LB_E_FORMAT, "precompiled_charsmap of %zu bytes: its trie of %zu does not fit", n, bytes);
    out->units += 4;
    out->count = bytes / 4;
    out->texts = out->memory + 4 + bytes;
    out->size = n - 4 - bytes;
    for (int c = 0; c < 128; c++) {
        uint8_t byte = (uint8_t)c;
        size_t size = 0;
        out->plain[c] = !lbi_charsmap_find(out, &byte, 1, &size);
    }
    return LB_OK;
}

void lbi_charsmap_close(lbi_charsmap *m) {
    lb_free(m->memory);
    *m = (lbi_charsmap){0};
}

const char *lbi_charsmap_find(const lbi_charsmap *m, const uint8_t *p, size_t n, size_t *size) {
    size_t at = offset_of(unit(m, 0));
    for (size_t i = 0; i < n && p[i]; i++) {
        at ^= p[i];
        if (at >= m->count) return NULL;
        uint32_t u = unit(m, at);
        if ((u & (1u << 31 | 0xFF)) != p[i]) return NULL;
        at ^= offset_of(u);
        if (!(u >> 8 & 1)) continue;
        if (at >= m->count) return NULL;
        size_t text = unit(m, at) & 0x7FFFFFFF;
        if (text > m->size) return NULL;
        *size = strnlen(m->texts + text, m->size - text);
        return m->texts + text;
    }
    return NULL;
}

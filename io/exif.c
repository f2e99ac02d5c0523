/* SPDX-License-Identifier: Apache-2.0 */
#include "io/exif.h"
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY = 12 };

typedef struct tiff {
    const uint8_t *data;
    size_t size;
    int little;
} tiff;

static uint32_t word(const tiff *t, size_t at, int bytes) {
    uint32_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint32_t)t->data[at + (size_t)i] << (8 * (t->little ? i : bytes - 1 - i));
    return x;
}

int lbi_exif_orientation(const uint8_t *data, size_t size) {
    if (size < 8) return 0;
    tiff t = {data, size, data[0] == 'I'};
    if (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0) return 0;
    if (word(&t, 2, 2) != 42) return 0;
    size_t at = word(&t, 4, 4);
    if (at > size - 2) return 0;
    uint32_t count = word(&t, at, 2);
    at += 2;
    for (uint32_t i = 0; i < count && size - at >= ENTRY; i++, at += ENTRY) {
        if (word(&t, at, 2) != TAG_ORIENTATION) continue;
        uint32_t type = word(&t, at + 2, 2), value = 0;
        if (type == TYPE_SHORT) value = word(&t, at + 8, 2);
        if (type == TYPE_LONG) value = word(&t, at + 8, 4);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}

int lbi_xmp_orientation(const uint8_t *xml, size_t size) {
    static const char tag[] = "tiff:Orientation";
    size_t n = sizeof tag - 1;
    for (size_t at = 0; at + n + 2 < size; at++) {
        const uint8_t *p = memmem(xml + at, size - at, tag, n);
        if (!p) return 0;
        at = (size_t)(p - xml);
        p += n;
        size_t left = size - at - n;
        size_t skip = left > 1 && p[0] == '>' ? 1 : left > 2 && p[0] == '=' && p[1] == '"' ? 2 : 0;
        if (skip && p[skip] >= '1' && p[skip] <= '8') return p[skip] - '0';
    }
    return 0;
}

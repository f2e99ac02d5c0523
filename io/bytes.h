/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers and runs of bytes taken in order from memory; nothing beyond its end is touched. Private to io. */
#ifndef LB_IO_BYTES_H
#define LB_IO_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lbi_bytes {
    const uint8_t *data;
    size_t size, at;
} lbi_bytes;

/* The next n bytes, or NULL (and nothing is taken) when fewer are left. */
static inline const uint8_t *lbi_take(lbi_bytes *b, uint64_t n) {
    if (n > b->size - b->at) return NULL;
    const uint8_t *p = b->data + b->at;
    b->at += (size_t)n;
    return p;
}

/* A number of 1, 2, 4 or 8 bytes. */
static inline bool lbi_take_number(lbi_bytes *b, int size, uint64_t *out) {
    const uint8_t *p = lbi_take(b, (uint64_t)size);
    if (!p) return false;
    *out = 0;
    for (int i = 0; i < size; i++) *out |= (uint64_t)p[i] << (8 * i);
    return true;
}

#endif

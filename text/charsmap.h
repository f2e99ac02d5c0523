/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece "precompiled charsmap": a Darts double array whose leaves are places in a block of texts. Immutable. Private to text.
 * Source: SentencePiece, normalizer.cc; Darts-clone (unit layout). */
#ifndef LB_TEXT_CHARSMAP_H
#define LB_TEXT_CHARSMAP_H
#include "base/buf.h"
LB_BEGIN

typedef struct lbi_charsmap {
    char *memory;
    const uint8_t *units; /* u32, little endian */
    size_t count;
    const char *texts;    /* ended by NUL, each */
    size_t size;
    bool plain[128];      /* ASCII characters that the map leaves alone */
} lbi_charsmap;

/** takes the bytes of *take_bytes, also on failure. LB_E_FORMAT when they are no charsmap. */
LB_MUST_USE lb_status lbi_charsmap_open(lbi_charsmap *out, lb_buf *take_bytes);
void lbi_charsmap_close(lbi_charsmap *m);
/** What the shortest known beginning of p[0..n) becomes (tokenizers takes the shortest), *size its bytes; NULL when none is known. */
const char *lbi_charsmap_find(const lbi_charsmap *m, const uint8_t *p, size_t n, size_t *size);

LB_END
#endif
